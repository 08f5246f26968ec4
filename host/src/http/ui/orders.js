// Orders: place one with a live word on what matches, follow it, cancel it, approve it.

import { get, intent, part, post } from './api.js';
import { fill, h, reconcile, settle, throttle } from './dom.js';
import { ago, count, dateTime, plural } from './format.js';
import { icon } from './icons.js';
import { live } from './live.js';
import { ORDERS, sentence } from './words.js';
import { chip, dialog, empty, input, loading, pageHead, serverLink, sitesOf, toast, trouble } from './widgets.js';

export const name = 'orders';
export const title = () => 'Orders';

const OPEN = ['awaiting-approval', 'waiting', 'reserved', 'delivering'];

/** What was asked for, in a line. */
const wanted = (order) => [order.model, order.cpu, order.cores && `≥ ${order.cores} cores`, order.memory_gib && `≥ ${order.memory_gib} GiB`, order.drives && `≥ ${order.drives} drives`, order.drive_gib && `of ≥ ${order.drive_gib} GiB`, order.site && `at ${order.site}`].filter(Boolean).join(', ') || 'any server';

async function decide(order, verb, word, done) {
  const key = intent();
  const wrong = h('div');
  const yes = h('button', { type: 'submit', class: verb === 'cancel' ? 'primary danger' : 'primary' }, word);
  const says = verb === 'cancel' ? `The order ends. ${order.servers.length ? `${plural(order.servers.length, 'server')} reserved for it become free; what was delivered stays with the tenant.` : 'Nothing was reserved for it.'}` : `Servers that match are reserved for ${order.tenant} and delivered.`;
  const form = h('form', { class: 'form', onsubmit: async (event) => {
    event.preventDefault();
    yes.disabled = true;
    try {
      await post(`/orders/${part(order.id)}/${verb}`, {}, { key });
      box.close();
      toast(`${order.id}: ${word.toLowerCase()} accepted`);
      done();
    } catch (error) {
      fill(wrong, trouble(error));
      yes.disabled = false;
    }
  } }, h('p', null, `${plural(order.count, 'server')} for ${order.tenant}: ${wanted(order)}.`), h('h3', { class: 'small-head' }, 'What will happen'), h('div', { class: 'happens' }, h('p', null, says)), wrong, h('div', { class: 'dialog-foot' }, h('button', { type: 'button', onclick: () => box.close() }, 'Back'), yes));
  const box = dialog(`${word}: ${order.id}`, form);
}

function row(order, me, done) {
  const [word, tone, shape] = ORDERS[order.state] ?? [order.state, 'idle', 'note'];
  const delivered = order.servers.filter((one) => one.delivered).length;
  return h(
    'li',
    { class: `order ${OPEN.includes(order.state) ? '' : 'closed'}` },
    h('div', { class: 'order-main' }, h('p', { class: 'order-head' }, h('strong', { class: 'mono' }, order.id), chip(shape, word, tone), h('span', null, `${plural(order.count, 'server')} for `, h('strong', null, order.tenant))), h('p', null, sentence(wanted(order))), order.note && h('p', { class: 'quiet' }, order.note), order.reason && h('p', { class: 'need-why' }, sentence(order.reason)), order.servers.length > 0 && h('ul', { class: 'order-servers' }, order.servers.map((one) => h('li', null, icon(one.delivered ? 'ready' : 'reserved', one.delivered ? 'delivered' : 'reserved'), serverLink(one.name, one.id))))),
    h('dl', { class: 'order-facts' }, fact('Got', `${count(delivered)} of ${count(order.count)}`), fact('Placed', [ago(order.created), ` by ${order.by}`]), order.until && order.state === 'reserved' && fact('Reserved until', dateTime(order.until)), order.approved_by && fact('Approved by', order.approved_by)),
    h('div', { class: 'actions' }, order.state === 'awaiting-approval' && me.permissions.includes('approve') && h('button', { type: 'button', class: 'primary', onclick: () => decide(order, 'approve', 'Approve', done) }, icon('check'), 'Approve'), OPEN.includes(order.state) && me.permissions.includes('order') && h('button', { type: 'button', onclick: () => decide(order, 'cancel', 'Cancel order', done) }, icon('close'), 'Cancel')),
  );
}
const fact = (word, value) => h('div', null, h('dt', null, word), h('dd', null, value));

/** The body of an order from the form; empty fields are not sent. */
function body(form) {
  const order = {};
  for (const field of form.elements) {
    if (!field.name) continue;
    if (field.type === 'checkbox') order[field.name] = field.checked;
    else if (field.value.trim() !== '') order[field.name] = field.type === 'number' ? Number(field.value) : field.value.trim();
  }
  return order;
}

async function place(me, done, signal) {
  const key = intent();
  const says = h('div', { class: 'happens', role: 'status' }, h('p', { class: 'quiet' }, 'Fill in the tenant to see what matches.'));
  const wrong = h('div');
  const yes = h('button', { type: 'submit', class: 'primary' }, 'Place the order');
  const number = (label, field, attributes) => input(label, { name: field, type: 'number', min: 1, inputmode: 'numeric', ...attributes });
  const form = h('form', { class: 'form', novalidate: false, onsubmit: submit }, h('div', { class: 'grid' }, me.tenant ? h('input', { type: 'hidden', name: 'tenant', value: me.tenant }) : input('Tenant', { name: 'tenant', required: true, autocomplete: 'off' }), number('How many', 'count', { value: 1, max: 1000, required: true }), input('Site', { name: 'site', autocomplete: 'off', list: 'order-sites', placeholder: 'any' }), input('Model contains', { name: 'model', autocomplete: 'off', placeholder: 'any' }), input('Processor contains', { name: 'cpu', autocomplete: 'off', placeholder: 'any' }), number('Cores, at least', 'cores'), number('Memory GiB, at least', 'memory_gib'), number('Drives, at least', 'drives'), number('Each drive GiB, at least', 'drive_gib')), input('Note', { name: 'note', maxlength: 500, autocomplete: 'off' }), h('label', { class: 'check' }, h('input', { type: 'checkbox', name: 'partial' }), 'Deliver in parts as servers become ready'), h('label', { class: 'check' }, h('input', { type: 'checkbox', name: 'accept' }), 'Take servers although policy left things undone on them'), h('datalist', { id: 'order-sites' }), h('h3', { class: 'small-head' }, 'What matches now'), says, wrong, h('div', { class: 'dialog-foot' }, h('button', { type: 'button', onclick: () => box.close() }, 'Cancel'), yes));
  const box = dialog('Place an order', form);
  sitesOf(me, signal).then((sites) => fill(form.querySelector('datalist'), sites.map((site) => h('option', { value: site }))));
  let asked = 0;
  const preview = async () => {
    if (!form.checkValidity()) return;
    const mine = ++asked;
    try {
      const told = await post('/orders/preview', body(form));
      if (mine !== asked) return;
      fill(says, h('p', { class: 'match' }, h('strong', null, count(told.matching)), ` ready ${told.matching === 1 ? 'server matches' : 'servers match'}`, told.waiting_before > 0 && `, ${plural(told.waiting_before, 'order waits', 'orders wait')} before this one`), told.say && h('p', null, sentence(told.say)), told.approval_needed && h('p', { class: 'warning with-icon' }, icon('person'), 'Someone else must approve it.'));
      fill(wrong);
    } catch (error) {
      if (mine === asked) fill(says, trouble(error));
    }
  };
  form.addEventListener('input', settle(preview, 250));
  async function submit(event) {
    event.preventDefault();
    yes.disabled = true;
    try {
      const order = await post('/orders', body(form), { key });
      box.close();
      toast(`${order.id} is placed`);
      done();
    } catch (error) {
      fill(wrong, trouble(error));
      yes.disabled = false;
    }
  }
  preview();
}

export async function draw({ main, me, signal, query }) {
  const place_ = h('div');
  const told = h('p', { class: 'sub' });
  const may = me.permissions.includes('order');
  const button = () => h('button', { type: 'button', class: 'primary', onclick: () => place(me, show, signal) }, icon('plus'), 'Place an order');
  const head = pageHead('Orders', null, may && button());
  head.firstChild.append(told);
  const open = h('ul', { class: 'orders' });
  const none = h('p', { class: 'quiet padded' }, 'No order is open.');
  const closed = h('ul', { class: 'orders' });
  const past = h('details', { class: 'past' }, h('summary', null, 'Closed orders'), closed);
  fill(main, head, place_);
  const show = loading(place_, () => get('/orders?limit=1000', signal), ({ items }) => {
    const going = items.filter((one) => OPEN.includes(one.state));
    const over = items.filter((one) => !OPEN.includes(one.state)).toReversed();
    told.textContent = items.length ? `${count(going.length)} open, oldest first · ${count(over.length)} closed` : '';
    if (items.length === 0) {
      fill(place_, empty('orders', 'No orders', 'An order is matched against ready servers, reserved, and delivered; what cannot be met waits its turn.', may && button()));
      return;
    }
    reconcile(open, going, (one) => one.id, (one) => row(one, me, show));
    reconcile(closed, over, (one) => one.id, (one) => row(one, me, show));
    if (going.length === 0) past.open = true;
    if (!place_.contains(closed)) fill(place_, h('div', { class: 'panel' }, none, open), past);
    none.hidden = going.length > 0;
    past.hidden = over.length === 0;
  }, { signal });
  const refresh = throttle(show, () => 700);
  live.on('order', refresh, signal);
  live.on('reset', refresh, signal);
  await show();
  if (query.has('new') && may) place(me, show, signal);
}
