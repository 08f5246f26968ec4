// One server: where it stands, what blocks it, who must act, what happens next; what its hardware has wrong; its timeline; what was
// found; what can be done.

import { get, part } from './api.js';
import { actions } from './actions.js';
import { fill, h, throttle } from './dom.js';
import { evidenceTabs, steps } from './evidence.js';
import { ago, dateTime } from './format.js';
import { icon } from './icons.js';
import { live } from './live.js';
import { timeline } from './timeline.js';
import { SEVERITIES, WHO, sentence } from './words.js';
import { chip, empty, pageHead, panel, skeleton, stageWord, stateChip, trouble, words } from './widgets.js';

export const name = 'server';
export const title = ([server]) => server;

/** Faults come and go without a transition that would tell. */
const AGAIN = 30000;

/** What is wrong with hardware in service: what stands in the way of a stage is said above it. */
function faults(list) {
  const row = (one) => {
    const [word, tone] = SEVERITIES[one.severity] ?? [one.severity, 'warn'];
    return h('li', null, h('div', null, h('p', null, chip('warning', word, tone), ' ', words(sentence(one.text))), one.hint && h('p', { class: 'need-next' }, icon('arrow'), h('span', null, words(sentence(one.hint)))), h('p', { class: 'quiet' }, `${WHO[one.blame] ?? one.blame} · for `, ago(one.since), one.ticket && [' · ', one.url ? h('a', { href: one.url, rel: 'noreferrer' }, one.ticket) : one.ticket])));
  };
  return panel('Faults', { tight: true }, h('ul', { class: 'letters' }, list.map(row)));
}

const fact = (word, value, cls) => value && h('div', null, h('dt', null, word), h('dd', { class: cls }, value));

function standing(server, progress, todo) {
  // What a running stage does stands in the progress line.
  const calm = server.status === 'running' || (!server.reason && server.who === 'nobody');
  return h(
    'section',
    { class: `standing ${server.problem ? 'is-problem' : ''}`, 'aria-label': 'Where it stands' },
    h('div', { class: 'standing-row' }, stateChip(server.state), stageWord(server.stage, server.status), h('span', { class: 'quiet' }, 'since ', ago(server.since)), server.attempt > 1 && h('span', { class: 'quiet' }, `attempt ${server.attempt}`), Object.entries(server.marks ?? {}).map(([mark, line]) => chip('warning', mark, 'warn', line)), server.reservation && chip('reserved', `reserved for ${server.reservation.tenant} (${server.reservation.order}) until ${dateTime(server.reservation.until)}`, 'info')),
    h('dl', { class: 'why' }, !calm && fact(server.problem ? 'Blocked by' : 'Now', words(server.reason || '–')), !calm && fact('Who acts', WHO[server.who] ?? server.who), fact('Next', words(sentence(server.next))), server.approvals?.length > 0 && fact('Approved', server.approvals.join('; '))),
    todo?.length > 0 && h('div', { class: 'callout tone-bad' }, h('h2', { class: 'with-icon' }, icon('cable'), 'What to do'), steps(todo)),
    progress,
  );
}

const facts = (server) => h('dl', { class: 'facts-wide' }, fact('Place', [server.site, server.rack, server.unit && `U${server.unit}`].filter(Boolean).join(' · ')), fact('Tenant', server.tenant), fact('Model', [server.vendor, server.model].filter(Boolean).join(' ')), fact('Serial', server.serial, 'mono'), fact('Controller', server.controller), fact('Driver', server.driver), fact('BMC address', server.ip, 'mono'), fact('BMC MAC', server.bmc_mac, 'mono'), server.hardware && fact('Hardware', `${server.hardware.sockets} × ${server.hardware.cpu_model}, ${server.hardware.cores} cores, ${server.hardware.memory_gib} GiB, ${server.hardware.drives} × ${server.hardware.drive_gib} GiB`));

/** It went to another site or tenant while the page was open: nothing of it stays on screen. */
function away(main, name) {
  document.querySelector('dialog[open]')?.close();
  fill(main, h('h1', { class: 'unseen', tabindex: '-1' }, name), empty('search', `${name} is not among your servers any more`, 'It went to another site or tenant, or back to the operators.', h('a', { href: '/servers', class: 'button' }, 'To the servers')));
}

export async function draw({ main, me, params: [asked], query, signal: page }) {
  const left = new AbortController();
  const signal = AbortSignal.any([page, left.signal]);
  const path = `/servers/${part(asked)}`;
  fill(main, h('h1', { class: 'unseen', tabindex: '-1' }, asked), skeleton(8));
  const read = () => Promise.all([get(path, signal), get(`${path}/timeline`, signal), get(`${path}/evidence`, signal)]);
  let got;
  try {
    got = await read();
  } catch (error) {
    if (error.name !== 'AbortError') fill(main, h('h1', { tabindex: '-1' }, asked), trouble(error, () => draw({ main, me, params: [asked], query, signal: page })));
    return;
  }
  let [server] = got;
  const head = h('div');
  const where = h('div');
  const progress = h('div', { class: 'progress', role: 'status' });
  const line = h('div');
  const about = h('div');
  const tabbed = h('div');
  const wrong = h('div');
  fill(main, head, where, wrong, panel('Timeline', { tight: true }, line), tabbed, panel('About', {}, about));

  const say = (text) => {
    const running = server.status === 'running';
    fill(progress, running && [h('span', { class: 'pulse', 'aria-hidden': 'true' }), h('span', null, text || `${sentence(server.stage)} is running`)]);
  };
  const showFaults = async () => {
    try {
      const { items } = await get(`/faults?server=${part(server.id)}`, signal);
      const lasting = items.filter((one) => !one.stage);
      fill(wrong, lasting.length > 0 && faults(lasting));
    } catch (error) {
      // What was there stays: that nobody answers does not mend it.
      if (error.name !== 'AbortError') console.warn('faults not refreshed:', error.message);
    }
  };
  let tab = location.hash.slice(1);
  let printed = '';
  const gone = () => {
    left.abort();
    away(main, server.name);
  };
  const refresh = throttle(async () => {
    try {
      paint(await read());
      await showFaults();
    } catch (error) {
      if (error.status === 404) gone();
      else if (error.name !== 'AbortError') console.warn('not refreshed:', error.message);
    }
  }, () => 700);
  const paint = ([fresh, times, evidence]) => {
    server = fresh;
    document.title = `${server.name} · Farrier`;
    const had = head.contains(document.activeElement) && document.activeElement.dataset.request;
    const h1 = document.activeElement?.tagName === 'H1';
    fill(head, pageHead(server.name, null, actions(server, me, refresh), h('a', { class: 'button', href: `/label/${part(server.name)}` }, icon('label'), 'Label')));
    if (had) head.querySelector(`[data-request="${had}"]`)?.focus();
    if (h1) head.querySelector('h1').focus({ preventScroll: true });
    say(server.progress);
    const cabling = evidence.cabling?.data;
    const todo = server.problem && server.stage === 'validate' && cabling?.agrees === false ? cabling.steps : [];
    fill(where, standing(server, progress, todo));
    timeline(line, times.items, server);
    fill(about, facts(server));
    // What was found changes seldom; a tab someone reads is not redrawn under them.
    const print = JSON.stringify([evidence, times.items.length, todo.length]);
    if (print !== printed && !(printed && tabbed.contains(document.activeElement) && document.activeElement.tagName === 'INPUT')) {
      printed = print;
      fill(tabbed, evidenceTabs(evidence, times.items, tab, (id) => {
        tab = id;
        history.replaceState(history.state, '', `#${id}`);
      }, todo.length > 0));
    }
  };
  paint(got);
  const mine = (id) => id === server.id || id === server.name;
  live.on('transition', ({ entry }) => mine(entry.server) && refresh(), signal);
  live.on('progress', (told) => mine(told.server) && say(told.line), signal);
  live.on('gone', (told) => mine(told.server) && gone(), signal);
  live.on('reset', refresh, signal);
  const timer = setInterval(() => !document.hidden && showFaults(), AGAIN);
  signal.addEventListener('abort', () => clearInterval(timer));
  await showFaults();
}
