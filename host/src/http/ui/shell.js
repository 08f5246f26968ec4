// What stands around every page: navigation, search, the word about liveness, theme, who is signed in, keys.

import { call } from './api.js';
import { fill, h } from './dom.js';
import { timeOfDay } from './format.js';
import { icon } from './icons.js';
import { live } from './live.js';
import { dialog, toast } from './widgets.js';

/** Address, word, icon, key after `g`, permissions of which one is enough. */
const PLACES = [
  ['/', 'Board', 'board', 'b', ['read-pipeline']],
  ['/servers', 'Servers', 'servers', 's', ['read-servers']],
  ['/racks', 'Racks', 'racks', 'r', ['read-servers']],
  ['/work', 'Work', 'work', 'w', ['revalidate', 'read-pipeline']],
  ['/orders', 'Orders', 'orders', 'o', ['order', 'approve']],
  ['/journal', 'Journal', 'journal', 'j', ['read-pipeline']],
  ['/api', 'API', 'api', 'a', ['signed-in']],
];

const THEMES = { system: ['screen', 'Theme: as the system'], light: ['sun', 'Theme: light'], dark: ['moon', 'Theme: dark'] };

function liveWord() {
  const text = h('span', { class: 'live-text' });
  const box = h('div', { class: 'live', role: 'status' });
  let told = '';
  const show = () => {
    const { state } = live;
    // A word only when it changes: a live region that repeats itself is noise.
    if (state === told) return;
    told = state;
    const [shape, word] = {
      live: ['live', 'Live'],
      connecting: ['reset', 'Connecting…'],
      reconnecting: ['reset', 'Reconnecting…'],
      stale: ['stale', `Stale since ${timeOfDay(live.since ?? Date.now())}`],
      off: ['stale', 'Paused'],
    }[state];
    box.dataset.state = state;
    text.textContent = word;
    fill(box, icon(shape), text);
  };
  live.on('state', show);
  show();
  return box;
}

function themeButton() {
  const button = h('button', { type: 'button', class: 'bare theme' });
  const draw = () => {
    const [shape, word] = THEMES[farrierTheme.current()];
    fill(button, icon(shape));
    button.setAttribute('aria-label', word);
    button.title = word;
  };
  button.addEventListener('click', () => {
    const order = ['system', 'light', 'dark'];
    farrierTheme.set(order[(order.indexOf(farrierTheme.current()) + 1) % 3]);
    draw();
  });
  draw();
  return button;
}

function person(me) {
  const roles = me.roles.join(', ') || 'no role';
  const out = async () => {
    try {
      await call('POST', '/auth/sign-out', { body: {} });
      location.assign('/sign-in');
    } catch (error) {
      toast(error.message, 'bad');
    }
  };
  const scope = me.tenant ? `tenant ${me.tenant}` : me.sites?.length ? `sites ${me.sites.join(', ')}` : 'all sites';
  return h(
    'details',
    { class: 'person' },
    h('summary', { 'aria-label': `Signed in as ${me.name}` }, icon('person'), h('span', { class: 'person-name' }, me.name)),
    h('div', { class: 'menu' }, h('p', { class: 'menu-name' }, me.name), h('p', { class: 'quiet' }, `${roles} · ${scope}`), h('p', { class: 'quiet' }, `by ${me.means}`), h('button', { type: 'button', onclick: out }, icon('out'), 'Sign out')),
  );
}

function help(places) {
  const row = (keys, text) => h('div', { class: 'key-row' }, h('dt', null, keys.map((key) => h('kbd', null, key))), h('dd', null, text));
  dialog(
    'Keyboard',
    h('dl', { class: 'keys' }, row(['/'], 'Search for a server'), row(['?'], 'This help'), places.map(([, word, , key]) => row(['g', key], `Go to ${word}`)), row(['Esc'], 'Close a dialog, leave the search'), row(['←', '→'], 'Between tabs and stages')),
  );
}

/** Build the bar; returns what the router tells: `at(path)`. */
export function shell({ me, go }) {
  const places = PLACES.filter(([, , , , needs]) => needs.some((one) => me.permissions.includes(one)) || needs[0] === 'signed-in');
  const links = places.map(([href, word, shape]) => h('a', { href }, icon(shape), h('span', null, word)));
  const nav = h('nav', { 'aria-label': 'Main', class: 'nav', id: 'nav' }, links);
  const search = h('input', { type: 'search', name: 'q', placeholder: 'Find a server', 'aria-label': 'Find a server by name, serial, MAC or address', autocomplete: 'off', spellcheck: 'false', 'aria-keyshortcuts': '/' });
  const form = h('form', { class: 'find', role: 'search', onsubmit: (event) => {
    event.preventDefault();
    go(`/servers?q=${encodeURIComponent(search.value.trim())}`);
  } }, icon('search'), search, h('kbd', { 'aria-hidden': 'true' }, '/'));
  const menu = h('button', { type: 'button', class: 'bare menu-button', 'aria-label': 'Menu', 'aria-expanded': 'false', 'aria-controls': 'nav', onclick: () => open(menu.getAttribute('aria-expanded') !== 'true') }, icon('menu'));
  const bar = document.getElementById('bar');
  const open = (on) => {
    menu.setAttribute('aria-expanded', on);
    bar.classList.toggle('open', on);
  };
  fill(bar, h('a', { href: places[0][0], class: 'brand', 'aria-label': 'Farrier, first page' }, h('img', { src: new URL('./icon.svg', import.meta.url).href, alt: '', width: 22, height: 22 }), h('span', null, 'Farrier')), nav, form, liveWord(), themeButton(), h('button', { type: 'button', class: 'bare help', 'aria-label': 'Keyboard help', title: 'Keyboard (?)', onclick: () => help(places) }, icon('help')), person(me), menu);
  keys(places, search, go);
  return {
    at(path) {
      open(false);
      bar.querySelector('details[open]')?.removeAttribute('open');
      places.forEach(([href], i) => {
        const here = href === '/' ? path === '/' : path === href || path.startsWith(`${href}/`);
        if (here) links[i].setAttribute('aria-current', 'page');
        else links[i].removeAttribute('aria-current');
      });
      search.value = path === '/servers' ? (new URLSearchParams(location.search).get('q') ?? '') : '';
    },
  };
}

function keys(places, search, go) {
  let after = false;
  document.addEventListener('keydown', (event) => {
    const typing = event.target.closest?.('input, textarea, select, [contenteditable]');
    if (event.key === 'Escape') {
      if (event.target === search) search.blur();
      document.querySelector('details.person[open]')?.removeAttribute('open');
    }
    if (typing || event.ctrlKey || event.metaKey || event.altKey || document.querySelector('dialog[open]')) return;
    if (after) {
      after = false;
      const place = places.find(([, , , key]) => key === event.key);
      if (place) {
        event.preventDefault();
        go(place[0]);
      }
    } else if (event.key === 'g') {
      after = true;
      setTimeout(() => (after = false), 1500);
    } else if (event.key === '/') {
      event.preventDefault();
      search.focus();
      search.select();
    } else if (event.key === '?') help(places);
  });
  document.addEventListener('click', (event) => {
    const menu = document.querySelector('details.person[open]');
    if (menu && !menu.contains(event.target)) menu.removeAttribute('open');
  });
}
