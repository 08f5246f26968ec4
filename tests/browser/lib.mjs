// What the tests share: a browser, people with roles, a watcher for what must never happen on a page, screenshots, axe.

import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

/** What tests/e2e/tests/browser.rs started: addresses, tokens, servers by what is the matter with them. */
export const world = JSON.parse(readFileSync(process.env.FARRIER_WORLD, 'utf8'));

const require = createRequire(join(world.modules, 'from-here.js'));
const { chromium } = require('playwright-core');
const { AxeBuilder } = require('@axe-core/playwright');

export const DESKTOP = { width: 1280, height: 800 };
export const PHONE = { width: 390, height: 844 };

const FLAGS = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'];
let browser = null;

/** Start the browser of this file; ends with `stop`. */
export async function start() {
  browser = await chromium.launch({ executablePath: world.browser, args: FLAGS });
}

export async function stop() {
  await browser?.close();
}

/** Signed in once for all files: sign-in is limited to some attempts a minute. */
async function session(role) {
  const file = join(world.folder, `session-${role}.json`);
  if (!existsSync(file)) {
    const context = await browser.newContext({ baseURL: world.url });
    const answer = await context.request.post('/auth/token', { data: { token: world.tokens[role] } });
    assert.ok(answer.ok(), `${role} signs in: ${answer.status()} ${await answer.text()}`);
    await context.storageState({ path: file });
    await context.close();
  }
  return file;
}

/**
 * A page for someone: `{ role, phone, dark }`; without a role nobody is signed in. Whatever it prints as an error, throws, or asks of
 * another origin is kept in `page.wrong`.
 */
export async function open({ role, phone = false, dark = false, still = false } = {}) {
  const context = await browser.newContext({
    baseURL: world.url,
    viewport: phone ? PHONE : DESKTOP,
    hasTouch: phone,
    colorScheme: dark ? 'dark' : 'light',
    reducedMotion: still ? 'reduce' : 'no-preference',
    storageState: role ? await session(role) : undefined,
  });
  const page = await context.newPage();
  page.wrong = [];
  page.on('console', (line) => ['error', 'warning'].includes(line.type()) && page.wrong.push(`console: ${line.text()} ${line.location().url}`));
  page.on('pageerror', (error) => page.wrong.push(`thrown: ${error}`));
  page.on('request', (request) => {
    const url = new URL(request.url());
    if (['http:', 'https:', 'ws:', 'wss:'].includes(url.protocol) && url.origin !== world.url) page.wrong.push(`left the origin: ${url}`);
  });
  return page;
}

/** Go there and wait until nothing is loading. */
export async function visit(page, path) {
  await page.goto(path);
  await ready(page);
}

export async function ready(page) {
  await page.waitForFunction(() => document.querySelector('#main h1') && !document.querySelector('.skeleton, [aria-busy=true]'));
}

/** Nothing went wrong on the page so far, but for what `but` matches. */
export function clean(page, but) {
  const wrong = page.wrong.filter((line) => !but?.test(line));
  assert.deepEqual(wrong, [], 'the page is quiet and asks nobody else');
}

/** No serious violation of WCAG 2.2 A and AA, nor of axe's own good practice. */
export async function accessible(page, what) {
  const { violations } = await new AxeBuilder({ page }).analyze();
  const bad = violations.filter((one) => ['serious', 'critical'].includes(one.impact));
  assert.deepEqual(bad.map((one) => `${one.id}: ${one.nodes.map((node) => `${node.target} ${node.failureSummary}`).join(' | ')}`), [], what);
}

/** Nothing sticks out to the side. */
export async function fits(page, what) {
  const over = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  assert.ok(over <= 0, `${what} is ${over} px too wide`);
}

/** A screenshot, into target/screenshots. */
export async function shot(page, name, { whole = false } = {}) {
  mkdirSync(world.screenshots, { recursive: true });
  await page.screenshot({ path: join(world.screenshots, `${name}.png`), fullPage: whole, animations: 'disabled' });
}

/** Ask the lab for something. */
export async function lab(path, body) {
  const answer = await fetch(`${world.lab}/lab/servers/${path}`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body ?? {}) });
  assert.ok(answer.ok, `${path}: ${answer.status} ${await answer.text()}`);
}

/** Ask the host as somebody, over its API. */
export async function api(role, path, body) {
  const headers = { authorization: `Bearer ${world.tokens[role]}`, 'content-type': 'application/json' };
  const answer = await fetch(`${world.url}/api/v1${path}`, body === undefined ? { headers } : { method: 'POST', headers, body: JSON.stringify(body) });
  assert.ok(answer.ok, `${path}: ${answer.status} ${await answer.clone().text()}`);
  return answer.status === 204 ? null : answer.json();
}

/** Ask until `good` likes the answer. */
export async function until(what, ask, good, patience = 60000) {
  const end = Date.now() + patience;
  let last;
  while (Date.now() < end) {
    last = await ask();
    if (good(last)) return last;
    await new Promise((go) => setTimeout(go, 100));
  }
  throw new Error(`${what} did not come in ${patience} ms; last: ${JSON.stringify(last)}`);
}
