// The whole pipeline at a glance: lanes, sites, who is needed now, dead letters, what happens.
// It is drawn from /fleet alone, whatever the number of servers; lists beside it are cut. What no event tells of (drift, dead letters) is
// asked for now and then.

import { bound, get, post, query } from './api.js';
import { add, fill, h, reconcile, throttle } from './dom.js';
import { ago, count, duration, plural, short } from './format.js';
import { feed } from './feed.js';
import { icon } from './icons.js';
import { live } from './live.js';
import { ORDERS, STAGES, STATES, WAY, WHO, sentence } from './words.js';
import { empty, loading, pageHead, panel, serverLink, toast, words } from './widgets.js';

export const name = 'board';
export const title = () => 'Board';

/** How many people's problems are listed here; the rest is a link away. */
const PROBLEMS = 8;
const LETTERS = 10;
const DRIFTS = 8;
/** Orders that wait for somebody or something. */
const PENDING = ['awaiting-approval', 'waiting'];
/** Ages go on, and letters and drift come, although no server moves. */
const AGAIN = 20000;

const part = (stage, status, value, word) => h('a', { href: `/servers${query({ stage, status })}`, class: `part tone-${{ running: 'info', waiting: 'warn', resting: 'idle', failed: 'bad' }[status]} ${value ? '' : 'none'}`, title: `${value} ${word}` }, icon(status, word), count(value));

function lane(stage) {
  const [word, does] = STAGES[stage.stage] ?? [stage.stage, ''];
  const all = stage.running + stage.waiting + stage.resting + stage.failed;
  return h(
    'li',
    { class: `lane ${stage.failed ? 'has-failed' : ''}` },
    h('div', { class: 'lane-head' }, h('h3', { title: does }, h('a', { href: `/servers${query({ stage: stage.stage })}` }, word)), stage.failed > 0 && h('a', { class: 'count-bad', href: `/servers${query({ stage: stage.stage, problem: true })}` }, icon('failed'), h('span', null, count(stage.failed), h('span', { class: 'unseen' }, ' failed')))),
    h('p', { class: 'big' }, count(all), h('span', { class: 'unseen' }, ' servers')),
    h('div', { class: 'parts' }, part(stage.stage, 'running', stage.running, 'running'), part(stage.stage, 'waiting', stage.waiting, 'waiting'), part(stage.stage, 'resting', stage.resting, 'resting')),
    h('dl', { class: 'facts' }, fact('Backlog', stage.stream ? count(stage.backlog) : '–'), fact('In flight', stage.stream ? count(stage.in_flight) : '–'), fact('Oldest', stage.oldest_seconds ? h('span', { title: duration(stage.oldest_seconds) }, short(stage.oldest_seconds)) : '–')),
  );
}
const fact = (word, value) => h('div', null, h('dt', null, word), h('dd', null, value));

function lanes(fleet) {
  const by = Object.fromEntries(fleet.stages.map((one) => [one.stage, one]));
  const zero = { running: 0, waiting: 0, resting: 0, failed: 0, backlog: 0, in_flight: 0 };
  const after = ['retire', 'retired'].map((key) => by[key]).filter((one) => one && one.running + one.waiting + one.resting + one.failed > 0);
  return [
    h('h2', { class: 'unseen' }, 'Stages'),
    h('ol', { class: 'lanes', 'aria-label': 'Stages in order' }, WAY.map((key) => lane(by[key] ?? { stage: key, ...zero }))),
    after.length > 0 && h('p', { class: 'after' }, 'Leaving: ', after.map((one) => h('a', { href: `/servers${query({ stage: one.stage })}` }, icon(one.stage === 'retire' ? 'decommissioning' : 'decommissioned'), `${count(one.running + one.waiting + one.resting + one.failed)} ${STAGES[one.stage][0].toLowerCase()}`))),
  ];
}

function states(fleet) {
  const shown = Object.keys(STATES).filter((state) => fleet.states[state] > 0);
  return [
    h('div', { class: 'strip', 'aria-hidden': 'true' }, shown.map((state) => h('span', { class: `strip-part tone-${STATES[state][1]} is-${state}`, style: { '--n': fleet.states[state] } }))),
    h('ul', { class: 'legend', 'aria-label': 'Servers by state' }, shown.map((state) => h('li', null, h('a', { href: `/servers${query({ state })}`, class: `tone-${STATES[state][1]}`, title: STATES[state][2] }, icon(state), h('span', { class: 'legend-word' }, STATES[state][0]), h('strong', null, count(fleet.states[state])))))),
  ];
}

function sites(fleet) {
  if (fleet.sites.length === 0) return empty('racks', 'No sites yet', 'Sites come from the inventory once servers are found there.');
  const row = (site) => h('tr', null, h('th', { scope: 'row' }, h('a', { href: `/racks${query({ site: site.site })}` }, site.site || 'no site')), h('td', { class: 'num' }, count(site.servers)), h('td', { class: 'num' }, count((site.states.ready ?? 0))), h('td', { class: 'num' }, count(site.states.active ?? 0)), h('td', { class: 'num' }, site.problems ? h('a', { class: 'tone-bad with-icon', href: `/servers${query({ site: site.site, problem: true })}` }, icon('failed'), count(site.problems), h('span', { class: 'unseen' }, ' problems')) : '0'));
  return h('table', { class: 'list' }, h('thead', null, h('tr', null, h('th', { scope: 'col' }, 'Site'), ['Servers', 'Ready', 'Active', 'Problems'].map((word) => h('th', { scope: 'col', class: 'num' }, word)))), h('tbody', null, fleet.sites.map(row)));
}

/** One line of the list of what a person must do. */
const problem = (server) => h('li', { class: 'need' }, icon('failed', 'needs a person'), h('div', { class: 'need-text' }, h('p', null, serverLink(server.name, server.id), h('span', { class: 'quiet' }, [server.site, server.rack && `${server.rack}${server.unit ? ` U${server.unit}` : ''}`, STAGES[server.stage]?.[0].toLowerCase()].filter(Boolean).join(' · '))), h('p', { class: 'need-why' }, words(server.reason)), h('p', { class: 'need-next' }, icon('arrow'), h('span', null, words(sentence(server.next))))), h('div', { class: 'need-side' }, h('span', { class: 'who' }, WHO[server.who] ?? server.who), h('span', { class: 'quiet' }, ago(server.since))));

function letter(one, me, again) {
  const send = async (button) => {
    button.disabled = true;
    try {
      await post(`/bus/dead/${encodeURIComponent(one.id)}/redrive`, {});
      toast(`${one.id} is back on its stream`);
      again();
    } catch (error) {
      toast(`${error.message} ${error.hint}`, 'bad');
      button.disabled = false;
    }
  };
  return h('li', null, h('div', null, h('p', { class: 'letter-why' }, one.reason), h('p', { class: 'quiet' }, h('span', { class: 'mono' }, `${one.stream} ${one.id}`), ' · ', ago(one.at))), me.permissions.includes('operate') && h('button', { type: 'button', class: 'small', onclick: (event) => send(event.currentTarget), 'aria-label': `Put ${one.id} back on its stream` }, icon('retry'), 'Redrive'));
}

const differs = (one) => h('li', null, icon('drift'), h('div', null, h('p', null, serverLink(one.server, one.server), ` ${one.field}`), h('p', { class: 'quiet' }, `here ${one.ours || 'nothing'}, NetBox ${one.theirs || 'nothing'}${one.by ? ` (by ${one.by})` : ''}`), one.hint && h('p', { class: 'quiet' }, words(sentence(one.hint)))));

export async function draw({ main, me, signal }) {
  const total = h('p', { class: 'sub', id: 'total' });
  const strip = h('div', { class: 'states' });
  const flow = h('div', { class: 'flow' });
  const needs = h('div', null);
  const needCount = h('a', { href: '/servers?problem=true', class: 'quiet-link', hidden: true });
  const places = h('div', null);
  const letters = h('div', null);
  const drift = h('div', null);
  const orders = h('p', { class: 'after' });
  const head = pageHead('Pipeline', null, orders);
  head.firstChild.append(total);
  fill(main, head, strip, flow, h('div', { class: 'columns' }, h('div', { class: 'column-wide' }, panel('Needs a person now', { side: needCount, tight: true }, needs), panel('Sites', { tight: true }, places)), h('div', { class: 'column' }, feed({ signal }), !bound(me) && panel('Dead letters', { tight: true }, letters), drift)));

  let deadShown = -1;
  const lettered = h('ul', { class: 'letters' });
  const showDead = loading(letters, () => get('/bus/dead', signal), ({ items }) => {
    if (items.length === 0) fill(letters, empty('letter', 'No dead letters', 'Everything that was put on a stream could be worked.'));
    else {
      if (lettered.parentElement !== letters) fill(letters, lettered);
      reconcile(lettered, items.slice(0, LETTERS), (one) => one.id, (one) => letter(one, me, showDead));
    }
  }, { signal });
  const showFleet = loading(flow, () => get('/fleet', signal), (fleet) => {
    total.replaceChildren();
    add(total, `${plural(fleet.servers, 'server')} · ${plural(fleet.sites.length, 'site')} · store ${fleet.store}`, fleet.observe && h('span', { class: 'chip tone-warn' }, icon('maintenance'), 'Observing only: nothing is changed'));
    fill(strip, fleet.servers > 0 && states(fleet));
    fill(flow, fleet.servers === 0 ? empty('board', 'No server has been seen yet', 'Switch one on where its controller gets a DHCP lease. It appears here within a second.') : lanes(fleet));
    fill(places, sites(fleet));
    needCount.hidden = fleet.problems === 0;
    needCount.textContent = fleet.problems > 0 ? `All ${count(fleet.problems)}` : '';
    if (!bound(me) && fleet.dead !== deadShown) {
      deadShown = fleet.dead;
      showDead();
    }
  }, { bones: 6, signal });
  const list = h('ul', { class: 'needs' });
  const showNeeds = loading(needs, () => get(`/servers${query({ problem: true, limit: PROBLEMS, sort: 'since' })}`, signal), ({ items }) => {
    if (items.length === 0) fill(needs, empty('ready', 'Nobody is needed', 'No server waits for a person.'));
    else {
      if (list.parentElement !== needs) fill(needs, list);
      reconcile(list, items, (one) => one.id, problem);
    }
  }, { signal });
  const drifted = h('ul', { class: 'letters' });
  const showDrift = async () => {
    try {
      const { items } = await get('/drift', signal);
      reconcile(drifted, items.slice(0, DRIFTS), (one) => `${one.id}/${one.field}`, differs);
      if (items.length === 0) fill(drift);
      else if (!drift.contains(drifted)) fill(drift, panel('Differs in NetBox', { tight: true }, drifted));
    } catch (error) {
      // Without NetBox there is none, and a store that does not answer says so above.
      if (error.name !== 'AbortError') fill(drift);
    }
  };
  const showOrders = async () => {
    if (!me.permissions.includes('read-orders')) return;
    try {
      const asked = await Promise.all(PENDING.map((state) => get(`/orders${query({ state, limit: 1 })}`, signal)));
      fill(orders, PENDING.map((state, i) => asked[i].total > 0 && h('a', { href: '/orders' }, icon(ORDERS[state][2]), `${plural(asked[i].total, 'order')}: ${ORDERS[state][0].toLowerCase()}`)));
    } catch (error) {
      if (error.name !== 'AbortError') fill(orders);
    }
  };
  // A busy fleet must not make every watcher ask at once: a slow answer makes the next question later.
  let pace = 500;
  const refresh = throttle(async () => {
    const began = performance.now();
    await Promise.all([showFleet(), showNeeds()]);
    pace = Math.max(500, 8 * (performance.now() - began));
  }, () => pace);
  live.on('transition', refresh, signal);
  live.on('gone', refresh, signal);
  const all = () => {
    refresh();
    if (!bound(me)) showDead();
    showDrift();
    showOrders();
  };
  live.on('order', throttle(showOrders, () => 2000), signal);
  live.on('reset', all, signal);
  const timer = setInterval(() => !document.hidden && all(), AGAIN);
  signal.addEventListener('abort', () => clearInterval(timer));
  await Promise.all([showFleet(), showNeeds(), showDrift(), showOrders()]);
}
