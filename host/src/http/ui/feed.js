// What happens, as it happens: the newest transitions first.

import { get } from './api.js';
import { h, reconcile } from './dom.js';
import { timeOfDay, when } from './format.js';
import { icon } from './icons.js';
import { live } from './live.js';
import { EVENTS, STAGES, STATES, brief } from './words.js';
import { noteIcon, panel, serverLink, words } from './widgets.js';

const KEPT = 40;

/** The mark of an entry: its note's kind, or the state it led to. */
export function entryMark(entry) {
  if (entry.note) return noteIcon(entry.note.kind);
  const [word, tone] = STATES[entry.to] ?? [entry.to, 'idle'];
  return h('span', { class: `note-icon tone-${tone}` }, icon(entry.to, word));
}

/** What an entry says in a line. */
export function entryText(entry) {
  const stage = STAGES[entry.stage]?.[0].toLowerCase() ?? entry.stage;
  const event = EVENTS[entry.event] ?? entry.event;
  return entry.from === entry.to ? `${event} · ${stage} ${entry.status}` : `${entry.from} → ${entry.to} · ${stage} ${entry.status}`;
}

const row = (entry) => h('li', { class: 'feed-row' }, entryMark(entry), h('div', null, h('p', null, serverLink(entry.name, entry.server), h('time', { class: 'quiet', datetime: new Date(entry.at).toISOString(), title: when(entry.at) }, timeOfDay(entry.at))), h('p', { class: 'quiet' }, entryText(entry)), brief(entry.note) && h('p', { class: 'feed-note' }, words(brief(entry.note)))));

/** The panel of the board. Not a live region: a busy fleet would never let a reader finish. */
export function feed({ signal }) {
  const list = h('ul', { class: 'feed', tabindex: '0', 'aria-label': 'Latest transitions' });
  const hint = h('p', { class: 'quiet padded' }, 'Transitions appear here as they happen.');
  let rows = [];
  let due = false;
  const show = () => {
    due = false;
    hint.hidden = rows.length > 0;
    reconcile(list, rows, (one) => one.transition, row);
  };
  const take = (entries) => {
    const seen = new Set(rows.map((one) => one.transition));
    rows = [...entries.filter((one) => !seen.has(one.transition)), ...rows].slice(0, KEPT);
    if (!due) {
      due = true;
      requestAnimationFrame(show);
    }
  };
  live.on('transition', ({ entry }) => take([entry]), signal);
  live.on('gone', ({ server }) => {
    rows = rows.filter((one) => one.server !== server);
    show();
  }, signal);
  get(`/journal?last=${KEPT}`, signal).then(({ items }) => {
    rows = [...rows, ...items.toReversed().filter((one) => !rows.some((other) => other.transition === one.transition))].slice(0, KEPT);
    show();
  }).catch(() => {});
  return panel('Happening', { side: h('a', { href: '/journal', class: 'quiet-link' }, 'Journal'), tight: true }, list, hint);
}
