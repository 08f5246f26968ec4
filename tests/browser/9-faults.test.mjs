// A part of a server in service breaks: the technician's list and the server's page say so in plain words, offer no check, and forget it
// when it is mended.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { accessible, api, clean, fits, lab, open, shot, start, stop, until, visit } from './lib.mjs';

before(start);
after(stop);

test('a drive that fails is work for hands until it is mended', async () => {
  const [{ name }] = (await api('technician', '/servers?state=ready')).items;
  const openFaults = async () => (await api('technician', `/faults?server=${name}`)).items.map((one) => one.code);
  await lab(`${name}/hardware`, { do: 'break', part: 'drive', number: 1 });
  await until('the fault', openFaults, (codes) => codes.includes('drive-failing'));

  const page = await open({ role: 'technician', phone: true });
  await visit(page, '/work');
  const card = page.locator('.card', { hasText: name }).filter({ hasText: /a drive failed or is predicted to/i });
  assert.match(await card.locator('.todo').textContent(), /replace the drive/i);
  assert.equal(await card.getByRole('button').count(), 0, 'no stage stands still that could be tried again');
  await fits(page, 'work');
  await accessible(page, 'a fault on a phone');
  await shot(page, 'work-fault-phone');
  await visit(page, `/servers/${name}`);
  const faults = page.getByRole('region', { name: 'Faults' });
  await faults.getByText(/a drive failed or is predicted to/i).waitFor();
  await accessible(page, 'a server with a fault');
  await shot(page, 'server-fault-phone');

  await lab(`${name}/hardware`, { do: 'mend-all' });
  await until('the end of it', openFaults, (codes) => codes.length === 0);
  await faults.waitFor({ state: 'detached', timeout: 60000 });
  await visit(page, '/work');
  assert.equal(await page.locator('.card', { hasText: name }).count(), 0, 'it is off the list');
  clean(page);
});
