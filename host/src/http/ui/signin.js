// Sign-in by token, or by the provider where there is one. Knows only /auth; the session is an HttpOnly cookie no script can read.

import { fill, h } from './dom.js';
import { icon } from './icons.js';

const form = document.getElementById('token');
const trouble = document.getElementById('trouble');
const provider = document.getElementById('provider');
const asked = new URLSearchParams(location.search);

/** Where to go afterwards: a page of ours, nothing else. A path that begins with `//` would be another host to whoever reads it without ours. */
function back() {
  const home = new URL('/', location.origin);
  const wanted = asked.get('back') ?? '/';
  try {
    const url = new URL(wanted, home);
    const ours = url.origin === home.origin && wanted.startsWith('/') && !url.pathname.startsWith('//');
    return ours && url.pathname !== '/sign-in' ? url : home;
  } catch {
    return home;
  }
}

function say(text, hint) {
  fill(trouble, text && h('div', { class: 'trouble' }, icon('failed'), h('div', null, h('p', { class: 'trouble-title' }, text), hint && h('p', { class: 'quiet' }, hint))));
}

form.addEventListener('submit', async (event) => {
  event.preventDefault();
  const secret = form.elements.token.value.trim();
  const button = form.querySelector('button');
  button.disabled = true;
  say('');
  try {
    const response = await fetch('/auth/token', { method: 'POST', headers: { 'Content-Type': 'application/json', Accept: 'application/json' }, body: JSON.stringify({ token: secret }), credentials: 'same-origin' });
    if (response.ok) {
      location.replace(back().href);
      return;
    }
    const body = await response.json().catch(() => ({}));
    if (response.status === 429) say('Too many attempts', body.hint ?? 'Wait a minute, then try again.');
    else say(body.detail ?? 'This token is not accepted', body.hint ?? 'It may be mistyped, expired or revoked. Ask an administrator for a new one.');
    form.elements.token.select();
  } catch {
    say('The host cannot be reached', 'Check the network, then try again.');
  } finally {
    button.disabled = false;
  }
});

async function start() {
  try {
    const means = await (await fetch('/auth/means', { headers: { Accept: 'application/json' } })).json();
    if (means.oidc) {
      const { pathname, search, hash } = back();
      provider.hidden = false;
      fill(provider, h('a', { class: 'button primary wide-button', href: `/auth/oidc?next=${encodeURIComponent(pathname + search + hash)}` }, icon('person'), `Continue with ${means.oidc_name || 'single sign-on'}`), h('p', { class: 'or' }, h('span', null, 'or with a token')));
      form.querySelector('button').classList.remove('primary');
    }
    if (means.token === false) form.hidden = true;
  } catch {
    // The form works without knowing about providers.
  }
  form.elements.token.focus({ preventScroll: true });
}

start();
