// Labels to print: a code that opens the server's page, its name and place. One server or many, divided by commas.

import { part } from './api.js';
import { fill, h } from './dom.js';
import { plural } from './format.js';
import { icon } from './icons.js';
import { pageHead } from './widgets.js';

export const name = 'label';
export const title = ([names]) => `Labels: ${names.split(',').slice(0, 3).join(', ')}`;

export function draw({ main, params: [names] }) {
  const list = [...new Set(names.split(',').map((one) => one.trim()).filter(Boolean))];
  const label = (server) => h('li', { class: 'label' }, h('img', { src: `/api/v1/servers/${part(server)}/label.svg`, alt: `Label of ${server}`, onerror: (event) => event.target.replaceWith(h('p', { class: 'trouble-title' }, `no label for ${server}`)) }));
  fill(main, pageHead('Labels', `${plural(list.length, 'label')} · 62 × 29 mm each`, h('button', { type: 'button', class: 'primary', onclick: () => print() }, icon('print'), 'Print')), h('ul', { class: 'labels' }, list.map(label)));
}
