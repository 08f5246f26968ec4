// Racks of a site as elevations: each unit a line, each server where the inventory says it is. Servers without a unit are listed below.

import { get, part, query } from './api.js';
import { fill, h, throttle } from './dom.js';
import { count, plural } from './format.js';
import { icon } from './icons.js';
import { live } from './live.js';
import { STATES } from './words.js';
import { empty, loading, pageHead, select, serverLink, sitesOf } from './widgets.js';

export const name = 'racks';
export const title = () => 'Racks';

/** The highest unit it fills. */
const top = (server) => server.unit + server.units - 1;
const word = (server) => `${STATES[server.state]?.[0] ?? server.state}${server.problem ? ', needs a person' : ''}`;

function slot(server, units) {
  return h('li', { class: `slot tone-${STATES[server.state]?.[1] ?? 'idle'} ${server.problem ? 'is-problem' : ''}`, style: { 'grid-row': `${units - top(server) + 1} / span ${server.units}`, '--tall': server.units } }, h('a', { href: `/servers/${part(server.name)}`, title: `${server.name} · U${server.unit}${server.units > 1 ? `–U${top(server)}` : ''} · ${word(server)}${server.model ? ` · ${server.model}` : ''}` }, h('span', { class: 'unit' }, h('span', { class: 'unseen' }, 'unit '), server.unit), h('span', { class: 'slot-name' }, server.name), h('span', { class: 'unseen' }, `, ${word(server)}`), icon(server.state)));
}

function rack(one, highest) {
  const units = Math.min(one.units || 42, highest);
  const placed = one.servers.filter((server) => server.unit >= 1 && top(server) <= units).sort((a, b) => b.unit - a.unit);
  const loose = one.servers.filter((server) => !(server.unit >= 1 && top(server) <= units));
  const bad = one.servers.filter((server) => server.problem).length;
  return h(
    'section',
    { class: 'rack', 'aria-label': `Rack ${one.rack}` },
    h('div', { class: 'rack-head' }, h('h2', null, one.rack || 'No rack'), h('span', { class: 'quiet' }, plural(one.servers.length, 'server')), bad > 0 && h('a', { class: 'count-bad', href: `/servers${query({ rack: one.rack, site: one.site, problem: true })}` }, icon('failed'), count(bad), h('span', { class: 'unseen' }, ' need a person')), one.servers.length > 0 && h('a', { class: 'rack-label', href: `/label/${one.servers.map((server) => part(server.name)).join(',')}`, 'aria-label': `Print labels of rack ${one.rack}`, title: 'Print labels' }, icon('print'))),
    one.rack && units < one.units && h('p', { class: 'free' }, `U${units + 1}–U${one.units} free`), one.rack && h('div', { class: 'elevation', style: { '--units': units } }, h('ol', { class: 'slots' }, placed.map((server) => slot(server, units)))),
    loose.length > 0 && h('div', { class: 'loose' }, h('h3', { class: 'small-head' }, one.rack ? 'Unit unknown' : 'Not placed'), h('ul', null, loose.map((server) => h('li', null, icon(server.state, STATES[server.state]?.[0]), serverLink(server.name, server.id))))),
  );
}

const legend = (items) => {
  const used = new Set(items.flatMap((one) => one.servers.map((server) => server.state)));
  return h('ul', { class: 'legend small' }, Object.keys(STATES).filter((state) => used.has(state)).map((state) => h('li', { class: `tone-${STATES[state][1]}` }, h('span', null, icon(state), STATES[state][0]))));
};

export async function draw({ main, me, query: asked, signal, go }) {
  const sites = await sitesOf(me, signal);
  const site = asked.get('site') ?? sites[0] ?? '';
  const key = h('div');
  const place = h('div', { class: 'racks' });
  const told = h('p', { class: 'sub' });
  const head = pageHead('Racks', null, sites.length > 0 && select('Site', sites, site, (chosen) => go(`/racks${query({ site: chosen })}`, { replace: true })));
  head.firstChild.append(told);
  fill(main, head, key, place);
  const show = loading(place, () => get(`/racks${query({ site })}`, signal), ({ items }) => {
    const servers = items.reduce((sum, one) => sum + one.servers.length, 0);
    told.textContent = servers ? `${plural(items.filter((one) => one.rack).length, 'rack')} · ${plural(servers, 'server')}` : '';
    if (servers === 0) {
      fill(place, empty('racks', 'Nothing stands here', site ? `No server of ${site} has been seen.` : 'Racks appear once servers are found in the inventory.'));
      return;
    }
    fill(key, legend(items));
    // What is free at the top of every rack is said, not drawn; racks stay level with each other.
    const highest = Math.max(8, 2 + Math.max(...items.flatMap((one) => one.servers.map((server) => (server.unit ? top(server) : 0)))));
    const focused = place.contains(document.activeElement) ? document.activeElement.getAttribute('href') : null;
    fill(place, [...items].sort((a, b) => (a.rack ? 0 : 1) - (b.rack ? 0 : 1) || a.rack.localeCompare(b.rack, 'en', { numeric: true })).map((one) => rack(one, highest)));
    if (focused) place.querySelector(`a[href="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
  }, { bones: 10, signal });
  const refresh = throttle(show, () => 2500);
  live.on('transition', ({ server }) => (!server?.site || server.site === site) && refresh(), signal);
  live.on('gone', refresh, signal);
  live.on('reset', refresh, signal);
  await show();
}
