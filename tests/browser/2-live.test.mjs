// The board is live: a lease appears within a second, and the word about liveness is true.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { clean, lab, open, start, stop, visit, world } from './lib.mjs';

before(start);
after(stop);

/** When the page first shows `text` in the list of what happens, by its own clock. */
const seen = (page, text) =>
  page.evaluate(
    (text) =>
      new Promise((found) => {
        const list = document.querySelector('.feed');
        const look = () => list.textContent.includes(text) && found(Date.now());
        new MutationObserver(look).observe(list, { childList: true, subtree: true, characterData: true });
        look();
      }),
    text,
  );

test('a lease appears on the board within a second', async (t) => {
  const page = await open({ role: 'viewer' });
  await visit(page, '/');
  await page.locator('.live[data-state=live]').waitFor();
  const took = [];
  for (const spare of world.spares) {
    const shown = seen(page, spare.id);
    const begun = Date.now();
    await lab(`${spare.name}/power-on`);
    took.push((await shown) - begun);
  }
  took.sort((a, b) => a - b);
  t.diagnostic(`from the lease to the board: ${took.join(', ')} ms`);
  const median = took[Math.floor(took.length / 2)];
  assert.ok(median <= 1000, `the median of ${took} ms is over a second`);
  clean(page);
});

test('the counts of the board follow', async () => {
  const page = await open({ role: 'viewer' });
  await visit(page, '/');
  const listed = await page.evaluate(async () => (await (await fetch('/api/v1/fleet')).json()).servers);
  await page.waitForFunction((n) => document.querySelector('#total').textContent.includes(`${n} servers`), listed);
});

test('a page that lost its host says so, and catches up', async () => {
  const page = await open({ role: 'viewer' });
  await visit(page, '/');
  await page.locator('.live[data-state=live]').waitFor();
  await page.context().setOffline(true);
  await page.locator('.live[data-state=stale]').waitFor({ timeout: 15000 });
  assert.match(await page.locator('.live').textContent(), /Stale since \d\d:\d\d/);
  await page.context().setOffline(false);
  await page.locator('.live[data-state=live]').waitFor({ timeout: 15000 });
});
