// Every page at desktop and phone width, light and dark: a picture, no serious violation, nothing too wide, nothing wrong.

import { after, before, test } from 'node:test';
import { accessible, clean, fits, open, shot, start, stop, visit, world } from './lib.mjs';

before(start);
after(stop);

const PAGES = {
  board: '/',
  servers: '/servers',
  'servers-empty': '/servers?q=nothing-is-called-so',
  server: `/servers/${world.ready[1]}`,
  'server-inventory': `/servers/${world.ready[1]}#inventory`,
  'server-audit': `/servers/${world.lying.name}#audit`,
  'server-firmware': `/servers/${world.ready[1]}#firmware`,
  'server-readings': `/servers/${world.ready[1]}#readings`,
  'server-failed': `/servers/${world.foreign.name}`,
  racks: `/racks?site=${world.site}`,
  work: '/work',
  orders: '/orders',
  journal: '/journal',
  decisions: '/journal#decisions',
  label: `/label/${world.ready[0]},${world.ready[1]}`,
  api: '/api',
};

for (const phone of [false, true]) {
  for (const dark of [false, true]) {
    const kind = `${phone ? 'phone' : 'desktop'}-${dark ? 'dark' : 'light'}`;
    test(`pages, ${kind}`, async (t) => {
      const page = await open({ role: 'admin', phone, dark, still: true });
      for (const [name, path] of Object.entries(PAGES)) {
        await t.test(name, async () => {
          page.wrong.length = 0;
          await visit(page, path);
          await shot(page, `${name}-${kind}`);
          await fits(page, name);
          await accessible(page, `${name} ${kind}`);
          clean(page);
        });
      }
      await t.test('sign-in', async () => {
        const stranger = await open({ phone, dark, still: true });
        await stranger.goto('/sign-in');
        await stranger.locator('#token').waitFor();
        await shot(stranger, `sign-in-${kind}`);
        await fits(stranger, 'sign-in');
        await accessible(stranger, `sign-in ${kind}`);
        clean(stranger);
      });
    });
  }
}

test('the narrowest phone', async (t) => {
  const page = await open({ role: 'admin', phone: true });
  await page.setViewportSize({ width: 360, height: 740 });
  for (const [name, path] of Object.entries(PAGES)) {
    await t.test(name, async () => {
      await visit(page, path);
      await fits(page, name);
    });
  }
});
