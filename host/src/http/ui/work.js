// The technician's page: what to do at my site, in plain words, with a thumb. "I have done this" asks the host to look again and
// stays with the answer; a fault of hardware in service has no such button and leaves the list by itself.

import { get, intent, part, post, query } from './api.js';
import { fill, h, reconcile, throttle } from './dom.js';
import { steps } from './evidence.js';
import { ago, plural } from './format.js';
import { icon } from './icons.js';
import { live } from './live.js';
import { SEVERITIES, STAGES, brief, sentence } from './words.js';
import { chip, empty, loading, pageHead, select, serverLink, sitesOf } from './widgets.js';

export const name = 'work';
export const title = () => 'Work';

const KINDS = { cabling: ['cable', 'Cabling'], part: ['part', 'Part'], identity: ['identity', 'Identity'], access: ['access', 'Access'], other: ['work', 'Other'] };

/** Faults come and go without a transition that would tell. */
const AGAIN = 30000;

/** The server where its stage can be tried again; a fault of hardware in service is one of several. */
const key = (item) => (item.check ? item.id : `${item.id}/${item.code}`);
const isRack = (item) => item.id.startsWith('rack/');

/** What the check of one server says, from what is told of it live. */
class Check {
  constructor(item, redraw) {
    this.item = item;
    this.redraw = redraw;
    this.state = 'idle';
    this.text = '';
  }

  set(state, text) {
    this.state = state;
    this.text = text;
    this.redraw();
  }

  async begin() {
    this.set('busy', 'Asking the host to look again…');
    try {
      await post(`/servers/${part(this.item.server)}/requests`, 'retry', { key: intent() });
      if (this.state === 'busy') this.set('busy', 'Looking again. This can take some minutes; you may leave this page.');
    } catch (error) {
      this.set('failed', `${sentence(error.message)}. ${sentence(error.hint)}`.trim());
    }
  }

  /** A transition of this server while it is checked. */
  saw(entry, server) {
    if (this.state !== 'busy') return;
    // What failed before is told once in the journal; the server always says it.
    if (entry.status === 'failed') this.set('again', `Still not right: ${brief(entry.note) || server?.reason || 'see the steps'}`);
    else if (entry.event === 'done') this.set('passed', `Right. It goes on to ${STAGES[entry.stage]?.[0].toLowerCase() ?? entry.stage}.`);
    else if (entry.note?.kind === 'warning' || entry.note?.kind === 'danger') this.set('again', brief(entry.note));
  }
}

const LOOK = { busy: ['provisioning', 'info'], passed: ['ready', 'good'], again: ['failed', 'bad'], failed: ['failed', 'bad'] };

function card(item, check, may) {
  const [shape, word] = KINDS[item.kind] ?? KINDS.other;
  const place = [item.rack && `Rack ${item.rack}`, item.unit && `unit ${item.unit}`].filter(Boolean).join(', ') || 'place unknown';
  const [look, tone] = LOOK[check.state] ?? [];
  const [how, loud] = SEVERITIES[item.severity] ?? [];
  return h(
    'li',
    { class: `card ${check.state}` },
    h('div', { class: 'card-head' }, h('span', { class: 'card-kind' }, icon(shape), word), h('span', { class: 'quiet' }, how && chip('warning', how, loud), ' for ', ago(item.since))),
    h('h2', null, isRack(item) ? h('a', { href: `/racks${query({ site: item.site })}`, class: 'name' }, sentence(item.server)) : serverLink(item.server, item.server)),
    h('p', { class: 'card-place' }, place, item.site && h('span', { class: 'quiet' }, item.site), item.serial && h('span', { class: 'quiet mono' }, `S/N ${item.serial}`)),
    !(item.steps?.length && item.headline.startsWith(item.steps[0])) && h('p', { class: 'card-what' }, sentence(item.headline)),
    item.steps?.length > 0 && steps(item.steps),
    item.tenant && h('p', { class: 'with-icon tone-warn' }, icon('person'), h('span', null, `In service with ${item.tenant}: ask them before you switch it off or unplug anything.`)),
    !item.check && h('p', { class: 'quiet' }, 'Nothing to press: it leaves this list by itself, some minutes after the hardware is well.'),
    h('div', { class: 'card-state', role: 'status' }, look && h('p', { class: `with-icon tone-${tone}` }, check.state === 'busy' ? h('span', { class: 'pulse', 'aria-hidden': 'true' }) : icon(look), h('span', null, check.text))),
    h('div', { class: 'card-foot' }, may && item.check && check.state !== 'passed' && h('button', { type: 'button', class: 'primary big-button', disabled: check.state === 'busy', onclick: () => check.begin() }, icon('retry'), check.state === 'busy' ? 'Checking…' : 'I have done this: check again'), !isRack(item) && h('a', { class: 'button big-button', href: `/label/${part(item.server)}` }, icon('label'), 'Label')),
  );
}

export async function draw({ main, me, query: asked, signal, go }) {
  const site = asked.get('site') ?? '';
  const sites = await sitesOf(me, signal);
  const told = h('p', { class: 'sub', role: 'status' });
  const head = pageHead('Work', null, sites.length > 1 && select('Site', [['', 'All sites'], ...sites], site, (chosen) => go(`/work${query({ site: chosen })}`, { replace: true })));
  head.firstChild.append(told);
  const place = h('div');
  const list = h('ul', { class: 'cards' });
  fill(main, head, place);
  const may = me.permissions.includes('revalidate');
  const checks = new Map();
  let items = [];
  const paint = () => {
    // A card under check stays until its answer has been read, whether or not the host still lists it.
    const listed = new Set(items.map(key));
    const kept = [...checks.values()].filter((check) => check.state !== 'idle' && !listed.has(key(check.item))).map((check) => check.item);
    const all = [...kept, ...items];
    told.textContent = items.length ? plural(items.length, 'thing to do', 'things to do') : '';
    if (all.length === 0) {
      fill(place, empty('ready', 'Nothing to do here', site ? `Nothing of ${site} waits for hands.` : 'Nothing waits for hands.'));
      return;
    }
    if (list.parentElement !== place) fill(place, list);
    const shown = all.map((item) => {
      if (!checks.has(key(item))) checks.set(key(item), new Check(item, paint));
      const check = checks.get(key(item));
      check.item = item;
      return { item, state: check.state, text: check.text };
    });
    reconcile(list, shown, (one) => key(one.item), ({ item }) => card(item, checks.get(key(item)), may));
  };
  const show = loading(place, () => get(`/work${query({ site })}`, signal), (answer) => {
    items = answer.items;
    for (const item of items) {
      const check = checks.get(key(item));
      if (check?.state === 'passed') check.state = 'idle';
    }
    paint();
  }, { bones: 6, signal });
  const refresh = throttle(show, () => 800);
  live.on('transition', ({ entry, server }) => {
    checks.get(entry.server)?.saw(entry, server);
    refresh();
  }, signal);
  live.on('progress', ({ server, line }) => {
    const check = checks.get(server);
    if (line && check?.state === 'busy') check.set('busy', sentence(line));
  }, signal);
  live.on('gone', ({ server }) => {
    checks.delete(server);
    refresh();
  }, signal);
  live.on('reset', refresh, signal);
  const timer = setInterval(() => !document.hidden && refresh(), AGAIN);
  signal.addEventListener('abort', () => clearInterval(timer));
  await show();
}
