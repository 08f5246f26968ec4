// An address that is no page of ours.

import { fill, h } from './dom.js';
import { empty } from './widgets.js';

export const name = 'lost';
export const title = () => 'Not found';

export function draw({ main }) {
  fill(main, h('h1', { class: 'unseen', tabindex: '-1' }, 'Not found'), empty('search', 'There is no page at this address', location.pathname, h('a', { href: '/servers', class: 'button' }, 'To the servers')));
}
