// Everything by keyboard alone: skip link, search, go-to keys, help, dialogs that give the focus back, tabs, sorting.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { clean, open, ready, shot, start, stop, visit, world } from './lib.mjs';

before(start);
after(stop);

const focused = (page) => page.evaluate(() => document.activeElement.textContent.trim() || document.activeElement.name || document.activeElement.tagName);

test('keys lead everywhere', async () => {
  const page = await open({ role: 'operator' });
  await visit(page, '/');
  await page.keyboard.press('Tab');
  assert.equal(await focused(page), 'Skip to the content');
  for (const [key, path] of [['s', '/servers'], ['r', '/racks'], ['w', '/work'], ['o', '/orders'], ['j', '/journal'], ['a', '/api'], ['b', '/']]) {
    await page.keyboard.press('Escape');
    await page.keyboard.press('g');
    await page.keyboard.press(key);
    await page.waitForURL((url) => url.pathname === path);
    await ready(page);
    await page.waitForFunction(() => document.activeElement.tagName === 'H1');
  }
  await page.keyboard.press('?');
  await page.getByRole('dialog', { name: 'Keyboard' }).waitFor();
  await shot(page, 'keyboard-help');
  await page.keyboard.press('Escape');
  await page.getByRole('dialog').waitFor({ state: 'detached' });
  await page.keyboard.press('/');
  await page.keyboard.type(world.lying.serial);
  await page.keyboard.press('Enter');
  await page.waitForURL(/\/servers\?q=/);
  await page.locator('tbody tr').first().waitFor();
  clean(page);
});

test('a dialog gives the focus back, tabs and stages take arrows', async () => {
  const page = await open({ role: 'operator' });
  await visit(page, `/servers/${world.ready[0]}`);
  const hold = page.getByRole('button', { name: 'Hold', exact: true });
  await hold.focus();
  await page.keyboard.press('Enter');
  await page.getByRole('dialog').waitFor();
  assert.equal(await page.evaluate(() => document.activeElement.closest('dialog') !== null), true);
  await page.keyboard.press('Escape');
  await page.getByRole('dialog').waitFor({ state: 'detached' });
  assert.equal(await page.evaluate(() => document.activeElement.dataset.request), 'hold');
  await page.getByRole('tab', { selected: true }).focus();
  const before = await focused(page);
  await page.keyboard.press('ArrowRight');
  assert.notEqual(await focused(page), before);
  assert.equal(await page.locator('[role=tab][aria-selected=true]').evaluate((tab) => tab === document.activeElement), true);
  await page.locator('.dot[aria-pressed=true]').focus();
  await page.keyboard.press('ArrowLeft');
  assert.match(await focused(page), /^Monitor/);
  clean(page);
});

test('the list keeps its filters in the address and sorts by keyboard', async () => {
  const page = await open({ role: 'viewer' });
  await visit(page, '/servers');
  await page.getByLabel('State').selectOption('failed');
  await page.waitForURL(/state=failed/);
  await page.reload();
  await ready(page);
  assert.equal(await page.getByLabel('State').inputValue(), 'failed');
  await page.getByRole('button', { name: 'Since' }).press('Enter');
  await page.waitForURL(/sort=since/);
  await page.locator('th[aria-sort]', { hasText: 'Since' }).waitFor();
  clean(page);
});

test('light and dark are chosen and kept', async () => {
  const page = await open({ role: 'viewer', dark: true });
  await visit(page, '/');
  const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const dark = await ground();
  await page.getByRole('button', { name: /^Theme/ }).click();
  assert.notEqual(await ground(), dark, 'light was chosen');
  const light = await ground();
  await page.reload();
  await ready(page);
  assert.equal(await ground(), light);
});
