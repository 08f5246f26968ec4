// How long until the board shows the pipeline: `node first-paint.mjs URL TOKEN [RUNS]`, for docs/benchmarks.md.
//
// Each run is a new browser profile: nothing is cached. It prints first contentful paint, and when the counts of all stages stand on
// the page, both from the start of the navigation, in milliseconds by the page's own clock.

import { createRequire } from 'node:module';
import { join } from 'node:path';

const [url, token, runs = '10'] = process.argv.slice(2);
const require = createRequire(join(process.env.FARRIER_NODE_MODULES ?? import.meta.dirname, 'from-here.js'));
const { chromium } = require('playwright-core');

const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking', '--disable-component-update'] });
const painted = [];
const shown = [];
for (let run = 0; run < Number(runs); run += 1) {
  const context = await browser.newContext({ baseURL: url, viewport: { width: 1280, height: 800 } });
  const signed = await context.request.post('/auth/token', { data: { token } });
  if (!signed.ok()) throw new Error(`sign-in: ${signed.status()}`);
  const page = await context.newPage();
  await page.addInitScript(() => {
    new MutationObserver((_, observer) => {
      if (!document.querySelector('.lane .big')) return;
      observer.disconnect();
      requestAnimationFrame(() => setTimeout(() => (globalThis.shownAt = performance.now())));
    }).observe(document, { childList: true, subtree: true });
  });
  await page.goto('/');
  await page.waitForFunction(() => globalThis.shownAt);
  const [paint, show] = await page.evaluate(() => [performance.getEntriesByName('first-contentful-paint')[0].startTime, globalThis.shownAt]);
  painted.push(paint);
  shown.push(show);
  await context.close();
}
await browser.close();
const middle = (all) => Math.round([...all].sort((a, b) => a - b)[Math.floor(all.length / 2)]);
const most = (all) => Math.round(Math.max(...all));
console.log(JSON.stringify({ runs: painted.length, first_paint_ms: { median: middle(painted), most: most(painted) }, pipeline_shown_ms: { median: middle(shown), most: most(shown) } }));
