// A technician at the rack: two swapped cables are read in words on a phone, moved, checked again, and the server goes on to ready.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { accessible, api, clean, fits, lab, open, shot, start, stop, until, visit, world } from './lib.mjs';

before(start);
after(stop);

const { name, nics } = world.swapped;

test('the server’s page shows the difference and the steps', async () => {
  const page = await open({ role: 'viewer' });
  await visit(page, `/servers/${name}#cabling`);
  const steps = await page.locator('.standing .todo li').allTextContents();
  assert.match(steps.join(' '), /swap the two cables/i);
  const verdicts = await page.locator('[role=tabpanel]:not([hidden]) tbody tr').filter({ hasText: /wrong (switch|port)/i }).count();
  assert.equal(verdicts, 2, 'both ports are named');
  await page.locator('.tabbed').scrollIntoViewIfNeeded();
  await page.evaluate(() => document.querySelector('.tabbed').scrollIntoView({ block: 'end' }));
  await shot(page, 'server-cabling');
  clean(page);
});

test('the cables are moved, checked from the phone, and the server goes on', async () => {
  const page = await open({ role: 'technician', phone: true });
  await visit(page, '/work');
  const card = page.locator('.card', { hasText: name });
  assert.match(await card.locator('.todo').textContent(), /swap the two cables/i);
  await fits(page, 'work');
  await accessible(page, 'work on a phone');
  await card.evaluate((one) => one.scrollIntoView({ block: 'center' }));
  await shot(page, 'work-cabling-phone');

  const button = card.getByRole('button', { name: /check again/ });
  const box = await button.boundingBox();
  assert.ok(box.height >= 44, `a thumb needs 44 px, the button has ${box.height}`);
  for (const nic of nics) await lab(`${name}/cable`, { nic });
  await button.click();
  await card.getByRole('status').filter({ hasText: /look/i }).waitFor();
  await shot(page, 'work-checking-phone');
  await card.getByRole('status').filter({ hasText: /^Right\. It goes on to update/ }).waitFor({ timeout: 90000 });
  await card.evaluate((one) => one.scrollIntoView({ block: 'center' }));
  await shot(page, 'work-passed-phone');
  clean(page);
  await until(`${name} ready`, () => api('viewer', `/servers/${name}`), (server) => server.state === 'ready');
  await visit(page, `/servers/${name}`);
  await page.locator('.standing .chip', { hasText: 'Ready' }).waitFor();
  await visit(page, '/work');
  assert.equal(await page.locator('.card', { hasText: name }).count(), 0, 'it is off the list');
});

test('a check that fails says so on the card', async () => {
  const page = await open({ role: 'technician', phone: true });
  await visit(page, '/work');
  const card = page.locator('.card', { hasText: world.foreign.name });
  await card.getByRole('button', { name: /check again/ }).click();
  await card.getByRole('status').filter({ hasText: /^Still not right: .*serial/i }).waitFor({ timeout: 60000 });
  await card.getByRole('button', { name: /check again/ }).waitFor();
});
