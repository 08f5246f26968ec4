// Signing in by link and by token, being turned away, and signing out.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { accessible, clean, open, ready, shot, start, stop, visit, world } from './lib.mjs';

before(start);
after(stop);

test('a one-time link signs in, once', async () => {
  const page = await open();
  await page.goto(world.link);
  await ready(page);
  assert.equal(new URL(page.url()).pathname, '/');
  await page.getByRole('heading', { name: 'Pipeline' }).waitFor();
  clean(page);
  const again = await open();
  const answer = await again.goto(world.link);
  assert.equal(answer.status(), 401, 'the link is used up');
});

test('who is not signed in is asked to, and comes back to where they were going', async () => {
  const page = await open();
  await page.goto('/servers?state=ready#list');
  await page.waitForURL(/\/sign-in\?back=/);
  await accessible(page, 'sign-in');
  await page.getByLabel('Access token').fill('far_wrong');
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByRole('alert').filter({ hasText: /token/i }).waitFor();
  await shot(page, 'sign-in-refused');
  await page.getByLabel('Access token').fill(world.tokens.viewer);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.waitForURL(/\/servers\?state=ready/);
  await ready(page);
  clean(page, /401/);
});

test('the way back leads nowhere else', async () => {
  const page = await open();
  for (const elsewhere of ['https://example.org/', '//example.org/', '/\\example.org', '/.//example.org/', '/servers/..//example.org/', 'javascript:alert(1)']) {
    await page.goto(`/sign-in?back=${encodeURIComponent(elsewhere)}`);
    await page.getByLabel('Access token').fill(world.tokens.viewer);
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.waitForURL((url) => url.pathname !== '/sign-in');
    assert.equal(page.url(), `${world.url}/`, elsewhere);
  }
});

test('signing out ends the session', async () => {
  const page = await open();
  await page.goto('/sign-in');
  await page.getByLabel('Access token').fill(world.tokens.viewer);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.waitForURL(`${world.url}/`);
  await ready(page);
  await page.locator('.person > summary').first().click();
  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.waitForURL(/\/sign-in/);
  await page.goto('/servers');
  await page.waitForURL(/\/sign-in\?back=/);
});

test('the policy of the pages allows nothing inline and nothing from elsewhere', async () => {
  const page = await open({ role: 'viewer' });
  const answer = await page.goto('/');
  const policy = answer.headers()['content-security-policy'];
  assert.match(policy, /default-src 'none'/);
  assert.doesNotMatch(policy, /unsafe|https?:|\*/);
  await visit(page, '/');
  clean(page);
});
