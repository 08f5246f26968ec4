// Small parts that every page is made of: chips, panels, skeletons, empty and error states, links, toasts.

import { Problem, get } from './api.js';
import { fill, h, unique } from './dom.js';
import { icon } from './icons.js';
import { NOTES, STAGES, STATES, STATUSES, sentence } from './words.js';

/** Icon and word in a tone. */
export const chip = (shape, text, tone = 'idle', title) => h('span', { class: `chip tone-${tone}`, title }, icon(shape), h('span', null, text));

/** The lifecycle state people see. */
export function stateChip(state) {
  const [word, tone, means] = STATES[state] ?? [state, 'idle', ''];
  return chip(state, word, tone, means);
}

/** Stage and status: `Validate · running`. */
export function stageWord(stage, status) {
  const [word] = STAGES[stage] ?? [stage];
  const [, tone] = STATUSES[status] ?? ['', 'idle'];
  return h('span', { class: `stage-word tone-${tone}` }, icon(status), h('span', null, word), h('span', { class: 'quiet' }, status));
}

/** A journal note's icon with its kind as a word for readers. */
export function noteIcon(kind) {
  const [shape, tone] = NOTES[kind] ?? NOTES.info;
  return h('span', { class: `note-icon tone-${tone}` }, icon(shape, kind));
}

/** Text in which `backticks` mark what is typed. */
export const words = (text) => String(text ?? '').split('`').map((piece, i) => (i % 2 ? h('code', null, piece) : piece));

/** A link to a server's page. */
export const serverLink = (name, id, extra) => h('a', { href: `/servers/${encodeURIComponent(name || id)}`, class: extra ?? 'name' }, name || id);

/** A section with a heading; `side` stands right of it. */
export function panel(title, { side, level = 2, tight, cls = '' } = {}, ...children) {
  const id = unique('panel');
  return h(
    'section',
    { class: `panel ${cls}`, 'aria-labelledby': id },
    h('div', { class: 'panel-head' }, h(`h${level}`, { id }, title), side),
    h('div', { class: tight ? 'panel-body tight' : 'panel-body' }, children),
  );
}

/** The head of a page: its one h1 and what stands right of it. */
export const pageHead = (title, sub, ...side) => h('div', { class: 'page-head' }, h('div', { class: 'titles' }, h('h1', { tabindex: '-1' }, title), sub && h('p', { class: 'sub' }, sub)), h('div', { class: 'page-side' }, side));

/** Grey bars where something will be. */
export const skeleton = (lines = 4) => h('div', { class: 'skeleton', role: 'status' }, h('span', { class: 'unseen' }, 'Loading…'), Array.from({ length: lines }, (_, i) => h('div', { class: 'bone', style: { '--w': `${[92, 74, 84, 61][i % 4]}%` } })));

/** Nothing here, and why that is so or what to do. */
export const empty = (shape, title, text, ...actions) => h('div', { class: 'empty' }, icon(shape), h('p', { class: 'empty-title' }, title), text && h('p', { class: 'quiet' }, text), actions.length > 0 && h('div', { class: 'actions' }, actions));

/** What went wrong, what may help, and a way to try again. */
export function trouble(error, again) {
  const known = error instanceof Problem;
  if (!known) console.error(error);
  return h(
    'div',
    { class: 'trouble', role: 'alert' },
    icon('failed'),
    h('div', null, h('p', { class: 'trouble-title' }, known ? sentence(error.message) : 'This page has a fault of its own'), h('p', { class: 'quiet' }, known ? words(sentence(error.hint)) : String(error.message ?? error)), error.errors?.length > 0 && h('ul', null, error.errors.map((one) => h('li', null, `${one.field}: ${one.problem}`)))),
    again && h('button', { type: 'button', onclick: again }, icon('retry'), 'Try again'),
  );
}

/** Say something once, at the bottom and to screen readers. */
export function toast(text, tone = 'good') {
  const box = document.getElementById('toasts');
  const one = h('div', { class: `toast tone-${tone}` }, icon(tone === 'bad' ? 'failed' : 'check'), h('span', null, text), h('button', { type: 'button', class: 'bare', 'aria-label': 'Dismiss', onclick: () => one.remove() }, icon('close')));
  box.append(one);
  setTimeout(() => one.remove(), tone === 'bad' ? 12000 : 6000);
}

/** Show `read()` in `place`: bones first, then what `draw` makes of it, or the trouble with a way to repeat. Errors on refresh do not wipe what is there. */
export function loading(place, read, draw, { bones = 4, signal } = {}) {
  let drawn = false;
  const run = async () => {
    if (!drawn) fill(place, skeleton(bones));
    place.setAttribute('aria-busy', 'true');
    try {
      const data = await read();
      if (signal?.aborted) return;
      draw(data);
      drawn = true;
    } catch (error) {
      if (error.name === 'AbortError' || signal?.aborted) return;
      if (!drawn || !(error instanceof Problem && error.status === 0)) {
        drawn = false;
        fill(place, trouble(error, run));
      }
    } finally {
      place.removeAttribute('aria-busy');
    }
  };
  return run;
}

/** The sites to choose from: their own, or those of the whole fleet where they may see it. */
export async function sitesOf(me, signal) {
  if (me.sites?.length) return me.sites;
  if (!me.permissions.includes('read-pipeline')) return [];
  return get('/fleet', signal).then((fleet) => fleet.sites.map((one) => one.site).filter(Boolean), () => []);
}

/** A `<select>` with a label; `options` are values or `[value, word]`. */
export function select(label, options, value, onchange, attributes = {}) {
  const id = unique('select');
  const box = h('select', { id, onchange: (event) => onchange?.(event.target.value), ...attributes }, options.map((one) => {
    const [key, word] = Array.isArray(one) ? one : [one, one];
    return h('option', { value: key, selected: key === value }, word);
  }));
  return h('div', { class: 'field' }, h('label', { for: id }, label), box);
}

/** An input with a label and a hint. */
export function input(label, attributes, hint) {
  const id = unique('input');
  return h('div', { class: 'field' }, h('label', { for: id }, label), h('input', { id, 'aria-describedby': hint ? `${id}-hint` : null, ...attributes }), hint && h('p', { class: 'hint', id: `${id}-hint` }, hint));
}

/** A modal dialog that gives the focus back where it came from, and removes itself. */
export function dialog(title, ...children) {
  const id = unique('dialog');
  const back = document.activeElement;
  const box = h('dialog', { 'aria-labelledby': id, class: 'dialog' }, h('div', { class: 'dialog-head' }, h('h2', { id }, title), h('button', { type: 'button', class: 'bare', 'aria-label': 'Close', onclick: () => box.close() }, icon('close'))), children);
  box.addEventListener('close', () => {
    box.remove();
    if (back?.isConnected) back.focus({ preventScroll: true });
  });
  box.addEventListener('click', (event) => {
    if (event.target === box) box.close();
  });
  document.body.append(box);
  box.showModal();
  return box;
}

/** Tabs with arrow keys; `tabs` are `{ id, title, badge, draw }`, drawn when first shown. */
export function tabs(label, list, chosen, onchange) {
  const stem = unique('tab');
  const drawn = new Set();
  const panes = list.map((tab) => h('div', { role: 'tabpanel', id: `${stem}-${tab.id}`, 'aria-labelledby': `${stem}-t-${tab.id}`, tabindex: '0', hidden: true, class: 'pane' }));
  const buttons = list.map((tab, i) => h('button', { type: 'button', role: 'tab', id: `${stem}-t-${tab.id}`, 'aria-controls': `${stem}-${tab.id}`, onclick: () => show(i, true) }, tab.title, tab.badge));
  const show = (index, told) => {
    list.forEach((tab, i) => {
      const on = i === index;
      buttons[i].setAttribute('aria-selected', on);
      buttons[i].tabIndex = on ? 0 : -1;
      panes[i].hidden = !on;
      if (on && !drawn.has(i)) {
        drawn.add(i);
        fill(panes[i], tab.draw(panes[i]));
      }
    });
    if (told) onchange?.(list[index].id);
  };
  const bar = h('div', { role: 'tablist', 'aria-label': label, class: 'tabs', onkeydown: (event) => {
    const at = buttons.indexOf(document.activeElement);
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: list.length - 1 }[event.key];
    if (to === undefined || at < 0) return;
    event.preventDefault();
    const index = (to + list.length) % list.length;
    show(index, true);
    buttons[index].focus();
  } }, buttons);
  show(Math.max(0, list.findIndex((tab) => tab.id === chosen)), false);
  return h('div', { class: 'tabbed' }, bar, panes);
}
