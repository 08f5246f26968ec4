// The OpenID provider of npm's `oidc-provider`, with one client and whoever signs in: their groups are in their name, as in `ana+dc-ops`.
// Arguments: folder of node_modules, port (0: any), name of the signing key, redirect URI. Prints its issuer when it serves.
import { createServer } from 'node:http';
import { createHash, generateKeyPairSync } from 'node:crypto';
import { pathToFileURL } from 'node:url';

const [modules, port, keyName, redirect] = process.argv.slice(2);
const { default: Provider } = await import(pathToFileURL(`${modules}/oidc-provider/lib/index.js`).href);

const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
const key = { ...privateKey.export({ format: 'jwk' }), kid: keyName, use: 'sig', alg: 'RS256' };

const server = createServer();
server.listen(Number(port), '127.0.0.1', () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const provider = new Provider(issuer, {
    clients: [{ client_id: 'farrier', client_secret: 'the-client-s-secret', redirect_uris: [redirect] }],
    jwks: { keys: [key] },
    cookies: { keys: [createHash('sha256').update(keyName).digest('hex')] },
    claims: { openid: ['sub'], email: ['email', 'email_verified'], groups: ['groups'] },
    scopes: ['openid', 'email', 'groups'],
    pkce: { required: () => true },
    findAccount: async (_, id) => {
      const [name, ...groups] = id.split('+');
      return {
        accountId: id,
        claims: async () => ({ sub: id, email: `${name}@example.org`, email_verified: true, groups }),
      };
    },
  });
  server.on('request', provider.callback());
  console.log(issuer);
});
