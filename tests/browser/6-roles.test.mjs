// Who may do less is offered less, and sees only what is theirs.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { api, clean, open, ready, start, stop, until, visit, world } from './lib.mjs';

before(start);
after(stop);

const places = (page) => page.locator('nav[aria-label=Main] a').allTextContents();
const offered = (page) => page.locator('.page-side button[data-request]').evaluateAll((all) => all.map((one) => one.dataset.request));

test('a viewer looks and touches nothing', async () => {
  const page = await open({ role: 'viewer' });
  await visit(page, '/');
  assert.deepEqual(await places(page), ['Board', 'Servers', 'Racks', 'Work', 'Journal', 'API']);
  await visit(page, `/servers/${world.foreign.name}`);
  assert.deepEqual(await offered(page), []);
  await visit(page, '/work');
  assert.equal(await page.getByRole('button', { name: /check again/ }).count(), 0);
  clean(page);
});

test('a technician has their site and may have it looked at again', async () => {
  const page = await open({ role: 'technician' });
  await visit(page, '/');
  assert.equal(await page.getByRole('region', { name: 'Dead letters' }).count(), 0, 'they are of all sites');
  await visit(page, `/servers/${world.foreign.name}`);
  assert.deepEqual(await offered(page), ['retry']);
  await visit(page, '/servers');
  const sites = new Set((await api('technician', '/servers?limit=1000')).items.map((one) => one.site));
  assert.deepEqual([...sites], [world.site]);
  const elsewhere = (await api('viewer', '/servers?limit=1000')).items.find((one) => one.site && one.site !== world.site);
  await page.goto(`/servers/${elsewhere.name}`);
  await ready(page);
  await page.getByRole('alert').waitFor();
  clean(page, /404/);
});

test('a tenant sees what is theirs, and no pipeline', async () => {
  const page = await open({ role: 'tenant' });
  await page.goto('/');
  await page.waitForURL(/\/servers$/);
  await ready(page);
  assert.deepEqual(await places(page), ['Servers', 'Racks', 'Orders', 'API']);
  const { items } = await api('tenant', '/servers?limit=1000');
  assert.ok(items.every((one) => one.tenant === 'acme' || one.reservation?.tenant === 'acme'), JSON.stringify(items.map((one) => one.tenant)));
  await visit(page, '/orders');
  assert.equal(await page.locator('.order', { hasText: 'globex' }).count(), 0);
  clean(page);
});

test('a server that leaves its tenant leaves their pages', async () => {
  const [{ name }] = (await api('tenant', '/servers?state=active')).items;
  const page = await open({ role: 'tenant' });
  const list = await open({ role: 'tenant' });
  await visit(page, `/servers/${name}`);
  await visit(list, '/servers');
  for (const one of [page, list]) await one.locator('.live[data-state=live]').waitFor();
  await api('operator', `/servers/${name}/requests`, 'release');
  await until('the question for erased drives', () => api('viewer', `/servers/${name}`), (one) => one.code === 'no-eraser');
  await page.locator('.standing', { hasText: /erased/ }).waitFor();
  await api('operator', `/servers/${name}/requests`, 'attest-erased');
  await page.getByText(`${name} is not among your servers any more`).waitFor();
  assert.equal(await page.locator('.standing').count(), 0, 'nothing of it is left');
  await list.locator('tbody tr', { hasText: name }).waitFor({ state: 'detached' });
  clean(page);
  clean(list);
});
