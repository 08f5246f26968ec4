// What an operator does: every action is confirmed with what exactly will happen, and a changed server is not acted on blindly.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { accessible, api, clean, open, shot, start, stop, until, visit, world } from './lib.mjs';

before(start);
after(stop);

test('a hold is previewed, given a reason, done, and ended', async () => {
  const page = await open({ role: 'operator' });
  await visit(page, `/servers/${world.ready[0]}`);
  await page.getByRole('button', { name: 'Hold', exact: true }).click();
  const dialog = page.getByRole('dialog');
  const yes = dialog.getByRole('button', { name: 'Hold', exact: true });
  assert.ok(await yes.isDisabled(), 'a reason is asked for first');
  await dialog.getByLabel('Reason').fill('waits for a new fan');
  await dialog.locator('.happens', { hasText: /nothing is started/i }).waitFor();
  await accessible(page, 'the dialog');
  await shot(page, 'server-hold');
  await yes.click();
  await page.locator('.standing', { hasText: 'waits for a new fan' }).waitFor();
  await page.locator('.standing .chip', { hasText: 'Maintenance' }).waitFor();
  await page.getByRole('button', { name: 'End the hold', exact: true }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'End the hold', exact: true }).click();
  await page.locator('.standing .chip', { hasText: 'Ready' }).waitFor();
  clean(page);
});

test('what is hard to undo asks for the server’s name', async () => {
  const page = await open({ role: 'operator' });
  await visit(page, `/servers/${world.ready[0]}`);
  await page.locator('.more > summary').click();
  await page.getByRole('button', { name: 'Retire', exact: true }).click();
  const dialog = page.getByRole('dialog');
  await dialog.locator('.happens', { hasText: /leaves the pipeline/i }).waitFor();
  const yes = dialog.getByRole('button', { name: 'Retire', exact: true });
  assert.ok(await yes.isDisabled());
  await dialog.getByLabel(/Type .* to confirm/).fill(world.ready[0].toLowerCase());
  await until('the button', () => yes.isDisabled(), (disabled) => !disabled);
  await page.keyboard.press('Escape');
  assert.equal((await api('viewer', `/servers/${world.ready[0]}`)).state, 'ready');
});

test('a server that moved while the dialog was open is not acted on blindly', async () => {
  const page = await open({ role: 'operator' });
  await visit(page, `/servers/${world.ready[0]}`);
  await page.getByRole('button', { name: 'Hold', exact: true }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('Reason').fill('inspection');
  await dialog.locator('.happens', { hasText: /nothing is started/i }).waitFor();
  await api('operator', `/servers/${world.ready[0]}/requests`, { hold: { reason: 'somebody was faster' } });
  await dialog.getByRole('button', { name: 'Hold', exact: true }).click();
  await dialog.getByRole('alert').waitFor();
  await page.keyboard.press('Escape');
  await page.locator('.standing', { hasText: 'somebody was faster' }).waitFor();
  await api('operator', `/servers/${world.ready[0]}/requests`, 'unhold');
});
