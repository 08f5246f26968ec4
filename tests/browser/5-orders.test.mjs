// An order is placed with a preview of what matches, reserved, approved where policy asks, and delivered.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { accessible, api, clean, open, shot, start, stop, until, visit, world } from './lib.mjs';

before(start);
after(stop);

async function place(page, fields) {
  await page.getByRole('button', { name: 'Place an order' }).first().click();
  const dialog = page.getByRole('dialog');
  for (const [label, value] of Object.entries(fields)) await dialog.getByLabel(label, { exact: true }).fill(String(value));
  await dialog.locator('.match').waitFor();
  return dialog;
}

test('an order is placed, reserved and delivered', async () => {
  const page = await open({ role: 'operator' });
  await visit(page, '/orders');
  const dialog = await place(page, { Tenant: 'acme', 'How many': 1, Site: world.order_site });
  assert.match(await dialog.locator('.match').textContent(), /\d+ ready servers? match/);
  await accessible(page, 'the order’s dialog');
  await shot(page, 'order-dialog');
  await dialog.getByRole('button', { name: 'Place the order' }).click();
  await dialog.waitFor({ state: 'detached' });
  await page.locator('.order', { hasText: 'acme' }).locator('.chip', { hasText: 'Delivered' }).waitFor({ state: 'attached', timeout: 30000 });
  const { items } = await api('operator', '/orders');
  const order = items.find((one) => one.tenant === 'acme');
  assert.equal(order.state, 'delivered');
  const server = await until('active', () => api('viewer', `/servers/${order.servers[0].name}`), (one) => one.state === 'active');
  assert.equal(server.tenant, 'acme');
  const { items: told } = await api('viewer', `/servers/${server.name}/timeline`);
  const events = told.map((one) => one.event);
  assert.ok(events.indexOf('reserve') >= 0 && events.indexOf('reserve') < events.indexOf('assign'), `it was reserved first: ${events}`);
  clean(page);
});

test('an order over the policy’s limit waits for somebody else’s approval', async () => {
  const board = await open({ role: 'operator' });
  await visit(board, '/');
  const asks = board.getByRole('link', { name: '1 order: needs approval' });
  assert.equal(await asks.count(), 0);
  const page = await open({ role: 'operator' });
  await visit(page, '/orders');
  const dialog = await place(page, { Tenant: 'globex', 'How many': 2, Site: world.order_site });
  await dialog.locator('.happens', { hasText: /approve/i }).waitFor();
  await dialog.getByRole('button', { name: 'Place the order' }).click();
  await dialog.waitFor({ state: 'detached' });
  const mine = page.locator('.order', { hasText: 'globex' });
  await mine.locator('.chip', { hasText: 'Needs approval' }).waitFor();
  assert.equal(await mine.getByRole('button', { name: 'Approve' }).count(), 0, 'an operator does not approve');
  await asks.waitFor({ timeout: 10000 });
  await shot(page, 'orders-approval');

  const boss = await open({ role: 'admin' });
  await visit(boss, '/orders');
  await boss.locator('.order', { hasText: 'globex' }).getByRole('button', { name: 'Approve' }).click();
  await boss.getByRole('dialog').getByRole('button', { name: 'Approve' }).click();
  await boss.locator('.order', { hasText: 'globex' }).locator('.chip', { hasText: 'Delivered' }).waitFor({ state: 'attached', timeout: 30000 });
  await mine.locator('.chip', { hasText: 'Delivered' }).waitFor({ state: 'attached', timeout: 10000 });
  await asks.waitFor({ state: 'detached', timeout: 10000 });
  clean(board);
  clean(page);
  clean(boss);
});

test('an order that cannot be met waits, and is cancelled', async () => {
  const page = await open({ role: 'operator' });
  await visit(page, '/orders');
  const dialog = await place(page, { Tenant: 'initech', 'How many': 1, 'Memory GiB, at least': 900000 });
  assert.match(await dialog.locator('.match').textContent(), /^0 /);
  await dialog.getByRole('button', { name: 'Place the order' }).click();
  await dialog.waitFor({ state: 'detached' });
  const order = page.locator('.order', { hasText: 'initech' });
  await order.locator('.chip', { hasText: 'Waiting' }).waitFor();
  await order.getByRole('button', { name: 'Cancel' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Cancel order' }).click();
  await order.locator('.chip', { hasText: 'Cancelled' }).waitFor({ state: 'attached' });
  clean(page);
});
