// The journal: every transition, newest first and live; and, for who may read it, the decisions that are not about one server.

import { bound, get, query } from './api.js';
import { fill, h, reconcile } from './dom.js';
import { entryMark, entryText } from './feed.js';
import { dateTime, when } from './format.js';
import { icon } from './icons.js';
import { live } from './live.js';
import { lines } from './words.js';
import { empty, loading, pageHead, serverLink, skeleton, tabs, trouble, words } from './widgets.js';

export const name = 'journal';
export const title = () => 'Journal';

const PAGE = 100;
const KEPT = 1000;

const row = (entry) => h('li', { class: 'entry' }, entryMark(entry), h('div', null, h('p', null, serverLink(entry.name, entry.server), h('span', null, entryText(entry)), h('time', { class: 'quiet', datetime: new Date(entry.at).toISOString(), title: dateTime(entry.at) }, when(entry.at))), lines(entry.note).length > 0 && h('p', { class: 'note-text' }, words(lines(entry.note).join('\n')))));

function transitions(signal) {
  let rows = [];
  let paused = false;
  const kind = h('select', { onchange: () => paint(), 'aria-label': 'Which entries' }, [['', 'All entries'], ['note', 'With a note'], ['bad', 'Warnings and worse'], ['state', 'Changes of state']].map(([value, word]) => h('option', { value }, word)));
  const words = h('input', { type: 'search', placeholder: 'Filter what is shown', 'aria-label': 'Filter what is shown', oninput: () => paint() });
  const pause = h('button', { type: 'button', 'aria-pressed': 'false', onclick: () => {
    paused = !paused;
    pause.setAttribute('aria-pressed', paused);
    fill(pause, icon(paused ? 'running' : 'maintenance'), paused ? 'Go on' : 'Pause');
    if (!paused) paint();
  } }, icon('maintenance'), 'Pause');
  const list = h('ul', { class: 'entries' });
  const none = h('div');
  const wants = (entry) => {
    const text = words.value.trim().toLowerCase();
    const fits = { '': true, note: Boolean(entry.note), bad: ['warning', 'danger'].includes(entry.note?.kind), state: entry.from !== entry.to }[kind.value];
    return fits && (!text || `${entry.name} ${entryText(entry)} ${entry.note?.text ?? ''}`.toLowerCase().includes(text));
  };
  const paint = () => {
    const shown = rows.filter(wants);
    reconcile(list, shown, (one) => one.transition, row);
    fill(none, shown.length === 0 && empty('journal', rows.length ? 'Nothing fits' : 'Nothing has happened yet', rows.length ? `None of the latest ${rows.length} entries.` : 'Each transition of each server is written here.'));
  };
  const box = h('div', null, h('div', { class: 'filters' }, h('div', { class: 'field grow' }, h('span', { class: 'input-icon' }, icon('search'), words)), h('div', { class: 'field' }, kind), pause), list, none);
  const load = async () => {
    fill(none, skeleton(8));
    try {
      const { items } = await get(`/journal${query({ last: PAGE })}`, signal);
      const seen = new Set(rows.map((one) => one.transition));
      rows = [...rows, ...items.toReversed().filter((one) => !seen.has(one.transition))];
      paint();
    } catch (error) {
      if (error.name !== 'AbortError') fill(none, trouble(error, load));
    }
  };
  let due = false;
  live.on('transition', ({ entry }) => {
    if (rows.some((one) => one.transition === entry.transition)) return;
    rows = [entry, ...rows].slice(0, KEPT);
    if (paused || due) return;
    due = true;
    setTimeout(() => {
      due = false;
      paint();
    }, 250);
  }, signal);
  live.on('gone', ({ server }) => {
    rows = rows.filter((one) => one.server !== server);
    paint();
  }, signal);
  live.on('reset', load, signal);
  load();
  return box;
}

/** The log is read from its beginning; so many pages of it at most. */
const PAGES = 10;
const LATEST = 300;

async function decided(signal) {
  let items = [];
  let after = '';
  for (let page = 0; page < PAGES; page += 1) {
    const log = await get(`/audit${query({ after, limit: 1000 })}`, signal);
    items = [...items, ...log.items].slice(-LATEST);
    if (log.items.length < 1000 || log.next === after) break;
    after = log.next;
  }
  return items.toReversed();
}

/** Decisions: sign-in, tokens, orders, refused requests. */
function decisions(signal) {
  const place = h('div');
  const list = h('ul', { class: 'entries' });
  const show = loading(place, () => decided(signal), (items) => {
    reconcile(list, items, (one) => one.cursor, decision);
    fill(place, items.length ? list : empty('journal', 'No decisions yet', 'Who signs in, makes tokens, orders, or is refused is written here.'));
  }, { signal, bones: 6 });
  show();
  return h('div', null, h('div', { class: 'filters' }, h('p', { class: 'quiet' }, `Who asked for what, and what it came to; the latest ${LATEST}.`), h('button', { type: 'button', onclick: show }, icon('retry'), 'Read again')), place);
}

function decision(item) {
  const good = item.result === 'ok';
  const more = [item.means && item.means !== 'nothing' && `by ${item.means}`, item.from && `from ${item.from}`, item.times > 1 && `${item.times} times`, item.detail].filter(Boolean).join(' · ');
  return h('li', { class: 'entry' }, h('span', { class: `note-icon tone-${good ? 'good' : 'bad'}` }, icon(good ? 'ready' : 'failed', good ? 'done' : 'refused')), h('div', null, h('p', null, h('strong', null, item.who), h('span', null, `${item.what} ${item.target ?? ''}`), !good && h('span', { class: 'mono' }, item.result), h('time', { class: 'quiet', datetime: item.at, title: dateTime(item.at) }, when(item.at))), more && h('p', { class: 'quiet' }, more)));
}

export function draw({ main, me, signal }) {
  const list = [{ id: 'servers', title: 'Servers', draw: () => transitions(signal) }];
  // Decisions and dead letters are everybody's; who is bound to a part of the fleet is refused them.
  if (me.permissions.includes('read-audit') && !bound(me)) list.push({ id: 'decisions', title: 'Decisions', draw: () => decisions(signal) });
  fill(main, pageHead('Journal', 'Newest first, as it happens'), list.length > 1 ? tabs('Journals', list, location.hash.slice(1), (id) => history.replaceState(history.state, '', `#${id}`)) : h('div', { class: 'pane' }, list[0].draw()));
}
