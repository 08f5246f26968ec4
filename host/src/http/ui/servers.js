// The list of servers: search, filters and sort in the address, a hundred at a time, kept up to date in place.

import { get, query } from './api.js';
import { fill, h, reconcile, settle, throttle } from './dom.js';
import { ago, count } from './format.js';
import { icon } from './icons.js';
import { live } from './live.js';
import { STAGES, STATES, STATUSES } from './words.js';
import { empty, pageHead, select, serverLink, sitesOf, skeleton, stageWord, stateChip, trouble } from './widgets.js';

export const name = 'servers';
export const title = () => 'Servers';

const PAGE = 100;
const FILTERS = ['state', 'stage', 'status', 'site', 'rack', 'tenant', 'problem', 'q', 'sort'];
const COLUMNS = [
  ['name', 'Server', ''],
  ['state', 'State', ''],
  ['stage', 'Stage', 'hide-s'],
  [null, 'What is the matter', 'hide-s'],
  ['site', 'Place', 'hide-m'],
  [null, 'Model', 'hide-l'],
  [null, 'Tenant', 'hide-l'],
  ['since', 'Since', 'num'],
];

function row(server) {
  const place = [server.site, server.rack && `${server.rack}${server.unit ? ` U${server.unit}` : ''}`].filter(Boolean).join(' · ');
  return h(
    'tr',
    { class: server.problem ? 'is-problem' : '' },
    h('th', { scope: 'row' }, serverLink(server.name, server.id), h('span', { class: 'under only-m' }, place),
      h('span', { class: 'under only-s' }, `${STAGES[server.stage]?.[0].toLowerCase() ?? server.stage} ${server.status}`), server.reason && h('span', { class: 'under only-s clamp' }, server.reason)),
    h('td', null, stateChip(server.state)),
    h('td', { class: 'hide-s' }, stageWord(server.stage, server.status)),
    h('td', { class: 'hide-s' }, h('span', { class: 'clamp', title: server.reason }, server.progress || server.reason || '')),
    h('td', { class: 'hide-m place' }, place),
    h('td', { class: 'hide-l model', title: server.model }, server.model ?? ''),
    h('td', { class: 'hide-l' }, server.tenant ?? (server.reservation ? h('span', { class: 'with-icon', title: `until ${server.reservation.until}` }, icon('reserved'), server.reservation.tenant) : '')),
    h('td', { class: 'num' }, ago(server.since)),
  );
}

export async function draw({ main, me, query: asked, signal, go }) {
  const filter = Object.fromEntries(FILTERS.map((key) => [key, asked.get(key) ?? '']));
  filter.sort ||= 'name';
  let cursor = asked.get('cursor') ?? '';
  let from = Number(asked.get('from') ?? 0) || 0;
  let back = history.state?.back ?? [];
  const sites = await sitesOf(me, signal);

  const address = () => `/servers${query({ ...filter, sort: filter.sort === 'name' ? '' : filter.sort, cursor, from: from || '' })}`;
  const set = (changes) => {
    Object.assign(filter, changes);
    cursor = '';
    from = 0;
    back = [];
    history.replaceState({ back }, '', address());
    head();
    show();
  };
  const search = h('input', { type: 'search', value: filter.q, placeholder: 'Name, serial, MAC, address', 'aria-label': 'Search in the list', autocomplete: 'off', spellcheck: 'false', oninput: settle(() => set({ q: search.value.trim() }), 200) });
  const words = (table) => [['', 'Any'], ...Object.entries(table).map(([key, [word]]) => [key, word])];
  const bar = h('div', { class: 'filters' });
  const chips = h('div', { class: 'filter-chips' });
  const drawBar = () => fill(bar, h('div', { class: 'field grow' }, h('span', { class: 'input-icon' }, icon('search'), search)), select('State', words(STATES), filter.state, (state) => set({ state })), select('Stage', words(STAGES), filter.stage, (stage) => set({ stage })), select('Status', words(STATUSES), filter.status, (status) => set({ status })), sites.length > 0 && select('Site', [['', 'Any'], ...sites], filter.site, (site) => set({ site })), h('label', { class: 'check' }, h('input', { type: 'checkbox', checked: filter.problem === 'true', onchange: (event) => set({ problem: event.target.checked ? 'true' : '' }) }), 'Needs a person'));
  const drop = (key, word) => h('button', { type: 'button', class: 'chip tone-info', 'aria-label': `Remove the filter ${word}`, onclick: () => {
    set({ [key]: '' });
    drawBar();
  } }, word, icon('close'));
  const told = h('p', { class: 'sub', role: 'status' });
  const thead = h('thead');
  const head = () => {
    fill(chips, filter.rack && drop('rack', `rack ${filter.rack}`), filter.tenant && drop('tenant', `tenant ${filter.tenant}`));
    fill(thead, h('tr', null, COLUMNS.map(([key, word, cls]) => {
      if (!key) return h('th', { scope: 'col', class: cls }, word);
      const up = filter.sort === key;
      const down = filter.sort === `-${key}`;
      // Longest first is how people ask for `since`, so that is the first press.
      return h('th', { scope: 'col', class: cls, 'aria-sort': up ? 'ascending' : down ? 'descending' : null }, h('button', { type: 'button', class: 'sorter', onclick: () => set({ sort: up && key === 'since' ? '-since' : key }) }, word, (up || down) && icon(up ? 'up' : 'down')));
    })));
  };
  const tbody = h('tbody');
  const table = h('table', { class: 'list servers' }, h('caption', { class: 'unseen' }, 'Servers'), thead, tbody);
  const place = h('div', { class: 'panel', 'aria-busy': 'true' });
  const pager = h('nav', { class: 'pager', 'aria-label': 'Pages' });
  const page = pageHead('Servers');
  page.firstChild.append(told);
  drawBar();
  head();
  fill(place, skeleton(8));
  fill(main, page, bar, chips, place, pager);

  const turn = (to, start, stack) => {
    cursor = to;
    from = start;
    back = stack;
    history.pushState({ back }, '', address());
    show().then(() => scrollTo(0, 0));
  };
  let asking = null;
  async function show() {
    asking?.abort();
    const mine = new AbortController();
    asking = mine;
    const stop = AbortSignal.any([signal, mine.signal]);
    try {
      const { items, next, total } = await get(`/servers${query({ ...filter, limit: PAGE, cursor })}`, stop);
      const filtered = FILTERS.some((key) => key !== 'sort' && filter[key]);
      told.textContent = total === undefined || total === null ? '' : `${count(total)}${filtered ? ' match' : ''}`;
      if (items.length === 0) {
        fill(place, filtered ? empty('search', 'No server matches', 'Widen the search or clear the filters.', h('button', { type: 'button', onclick: () => go('/servers') }, 'Clear the filters')) : empty('servers', 'No server has been seen yet', 'One appears when its controller gets a DHCP lease.'));
      } else {
        if (table.parentElement !== place) fill(place, table);
        reconcile(tbody, items, (one) => one.id, row);
      }
      const more = from + items.length;
      fill(pager, total > items.length && [h('span', { class: 'quiet' }, `${count(from + 1)}–${count(more)} of ${count(total)}`), h('button', { type: 'button', disabled: from === 0, onclick: () => turn(back.at(-1) ?? '', back.length ? Math.max(0, from - PAGE) : 0, back.slice(0, -1)) }, icon('left'), 'Previous'), h('button', { type: 'button', disabled: !next, onclick: () => turn(next, more, [...back, cursor]) }, 'Next', icon('right'))]);
    } catch (error) {
      if (error.name !== 'AbortError') fill(place, trouble(error, show));
    } finally {
      if (asking === mine) place.removeAttribute('aria-busy');
    }
  }
  const refresh = throttle(() => show(), () => 1500);
  live.on('transition', refresh, signal);
  live.on('gone', refresh, signal);
  live.on('reset', refresh, signal);
  await show();
}
