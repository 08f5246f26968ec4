// A server's way as dots: one dot a stage, with its name, its duration and what it found; below, the transitions of the chosen stage.

import { entryMark } from './feed.js';
import { add, fill, h } from './dom.js';
import { dateTime, duration, secondsSince, timeOfDay } from './format.js';
import { icon } from './icons.js';
import { words } from './widgets.js';
import { EVENTS, STAGES, WAY, brief, lines, sentence } from './words.js';

/** Transitions grouped into visits of stages, oldest first: `{ stage, items, begun, ended, failed }`. */
export function visits(items) {
  const found = [];
  for (const item of items) {
    const last = found.at(-1);
    // The commit that ends a stage already carries the next one's name, and its note tells of the stage that ended.
    if (last && item.event === 'done' && last.stage !== item.stage) {
      last.items.push(item);
      last.ended = item.at;
      found.push({ stage: item.stage, items: [], begun: item.at, ended: null });
    } else if (!last || last.stage !== item.stage) {
      if (last) last.ended = item.at;
      found.push({ stage: item.stage, items: [item], begun: item.at, ended: null });
    } else last.items.push(item);
  }
  return found;
}

/** The visits of the present pass, then the stages still to come. */
function dots(all, server) {
  const start = all.findLastIndex((visit) => visit.stage === 'discover');
  const pass = all.slice(Math.max(0, start));
  const at = WAY.indexOf(server.stage);
  const coming = at < 0 ? [] : WAY.slice(at + 1).map((stage) => ({ stage, items: [], coming: true }));
  return [...pass, ...coming];
}

const evidence = (visit) => brief(visit.items.findLast((item) => brief(item.note))?.note, visit.stage);

function how(visit, now, server) {
  if (visit.coming) return ['offline', 'idle', 'to come'];
  if (!now) return ['active', 'good', 'done'];
  return { failed: ['failed', 'bad', 'failed'], running: ['provisioning', 'info', 'running'], waiting: ['waiting', 'warn', 'waiting'], resting: ['ready', 'good', 'rests'] }[server.status] ?? ['discovered', 'info', server.status];
}

function transitions(visit) {
  if (visit.coming) return h('p', { class: 'quiet padded' }, `${STAGES[visit.stage][0]} ${STAGES[visit.stage][1]}. It has not begun.`);
  if (visit.items.length === 0) return h('p', { class: 'quiet padded' }, `Begun ${dateTime(visit.begun)}; nothing has been noted yet.`);
  return h('ol', { class: 'steps-list' }, visit.items.map((item) => h('li', null, entryMark(item), h('div', null, h('p', null, h('span', { class: 'event' }, sentence(EVENTS[item.event] ?? item.event)), item.from !== item.to && h('span', { class: 'quiet' }, `${item.from} → ${item.to}`), h('time', { class: 'quiet', datetime: item.at, title: dateTime(item.at) }, timeOfDay(item.at)), item.seconds > 0 && h('span', { class: 'quiet' }, `after ${duration(item.seconds)}`)), lines(item.note).length > 0 && h('p', { class: 'note-text' }, words(lines(item.note).join('\n')))))));
}

/** Draw into `place`; the chosen dot stays chosen when drawn again, unless the server has moved on. */
export function timeline(place, items, server) {
  const all = visits(items);
  const list = dots(all, server);
  const current = list.findLastIndex((visit) => !visit.coming);
  const same = place.dataset.stage === `${server.stage}/${list.length}`;
  let chosen = same && place.dataset.chosen ? Number(place.dataset.chosen) : Math.max(0, current);
  place.dataset.stage = `${server.stage}/${list.length}`;
  const focused = place.contains(document.activeElement) && document.activeElement.classList.contains('dot');
  const detail = h('div', { class: 'visit', tabindex: '0', role: 'group', 'aria-label': 'Transitions of the stage' });
  const buttons = list.map((visit, i) => {
    const [shape, tone, word] = how(visit, i === current, server);
    const seconds = visit.coming ? null : visit.ended ? (new Date(visit.ended) - new Date(visit.begun)) / 1000 : secondsSince(visit.begun);
    const found = evidence(visit);
    return h('button', { type: 'button', class: `dot tone-${tone} ${visit.coming ? 'coming' : ''} ${i === current ? 'current' : ''}`, onclick: () => choose(i) }, h('span', { class: 'dot-mark' }, icon(shape)), h('span', { class: 'dot-name' }, STAGES[visit.stage]?.[0] ?? visit.stage), h('span', { class: 'dot-time' }, h('span', { class: 'unseen' }, `${word}, `), visit.coming ? 'to come' : duration(Math.round(seconds * 10) / 10)), found && h('span', { class: 'dot-found' }, found));
  });
  const choose = (i) => {
    chosen = i;
    place.dataset.chosen = i;
    buttons.forEach((button, at) => button.setAttribute('aria-pressed', at === i));
    fill(detail, transitions(list[i]));
  };
  const way = h('div', { class: 'way', role: 'group', 'aria-label': 'Stages', onkeydown: (event) => {
    const to = { ArrowRight: chosen + 1, ArrowLeft: chosen - 1 }[event.key];
    if (to === undefined || !buttons[to]) return;
    choose(to);
    buttons[to].focus();
  } }, buttons);
  fill(place, list.length ? [way, detail] : h('p', { class: 'quiet padded' }, 'Nothing has happened yet.'));
  if (!list.length) return;
  choose(Math.min(chosen, list.length - 1));
  if (focused) buttons[chosen].focus();
  const before = all.length - (current + 1);
  if (before > 0) add(place, h('p', { class: 'quiet padded' }, `${before} earlier ${before === 1 ? 'visit is' : 'visits are'} in the journal below.`));
}
