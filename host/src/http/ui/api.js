// Speaks to the host: JSON, problems as errors, the session's CSRF token, idempotency keys. Knows no page.

/** What the host refused, or what kept us from asking. */
export class Problem extends Error {
  constructor(status, body) {
    super(body.detail || body.title || 'the host did not say what is wrong');
    this.status = status;
    this.code = body.code ?? '';
    this.title = body.title ?? '';
    this.hint = body.hint ?? '';
    this.errors = body.errors ?? [];
  }
}

/** An id for one intended change: repeated sending of the same form does it once. */
export function intent() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}

let csrf = '';
/** Who is signed in; the first thing every page asks. */
export async function me() {
  const answer = await call('GET', '/me');
  csrf = answer.csrf ?? '';
  return answer;
}

/** Do they see a part of the fleet only? */
export const bound = (me) => Boolean(me.sites || me.tenant);

/** To sign-in, and back here afterwards. Never resolves, so that nothing else is drawn meanwhile. */
function signIn() {
  const back = location.pathname + location.search + location.hash;
  location.replace(`/sign-in?back=${encodeURIComponent(back)}`);
  return new Promise(() => {});
}

async function problem(response) {
  const body = await response.json().catch(() => ({}));
  const fallback = { title: `status ${response.status}`, detail: body.error?.message ?? `the host answered ${response.status} ${response.statusText}`.trim() };
  return new Problem(response.status, typeof body.status === 'number' || body.detail ? body : fallback);
}

async function send(method, path, { body, headers = {}, signal } = {}) {
  const init = { method, signal, headers: { Accept: 'application/json', ...headers }, credentials: 'same-origin', cache: 'no-cache' };
  if (body !== undefined) {
    init.body = JSON.stringify(body);
    init.headers['Content-Type'] = 'application/json';
  }
  if (method !== 'GET' && csrf) init.headers['X-Farrier-Csrf'] = csrf;
  try {
    return await fetch(path.startsWith('/auth/') ? path : `/api/v1${path}`, init);
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    throw new Problem(0, { title: 'no connection', detail: 'the host cannot be reached', code: 'no-connection', hint: 'Check the network, then try again. What you entered is still here.' });
  }
}

/** Ask; the answer's JSON, or null for an empty one. Throws `Problem`. */
export async function call(method, path, options) {
  const response = await send(method, path, options);
  if (response.status === 401 && !path.startsWith('/auth/')) return signIn();
  if (!response.ok) throw await problem(response);
  return response.status === 204 || response.headers.get('content-length') === '0' ? null : response.json();
}

export const get = (path, signal) => call('GET', path, { signal });

/** Ask for a change. `key` comes from `intent`, `version` makes the host refuse when the thing has changed meanwhile. */
export function post(path, body, { key, version, signal } = {}) {
  const headers = {};
  if (key) headers['Idempotency-Key'] = key;
  if (version !== undefined && version !== null) headers['If-Match'] = `"${version}"`;
  return call('POST', path, { body: body ?? {}, headers, signal });
}

/** A query string of what is set: `{ q: 'a', site: '' }` is `?q=a`. */
export function query(values) {
  const set = new URLSearchParams();
  for (const [name, value] of Object.entries(values)) if (value !== undefined && value !== null && value !== '' && value !== false) set.set(name, value);
  const text = set.toString();
  return text ? `?${text}` : '';
}

/** A name as a part of a path. */
export const part = encodeURIComponent;
