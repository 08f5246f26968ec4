// Finds the page for the address, keeps the shell and the event stream while pages change. Each page is a module with
// `title` and `draw({ main, me, params, query, signal })`; the signal is aborted when the page is left.

import { me as whoAmI } from './api.js';
import { fill } from './dom.js';
import { live } from './live.js';
import { shell } from './shell.js';
import { skeleton, trouble } from './widgets.js';

const PAGES = [
  [/^\/$/, () => import('./board.js')],
  [/^\/servers$/, () => import('./servers.js')],
  [/^\/servers\/([^/]+)$/, () => import('./server.js')],
  [/^\/racks$/, () => import('./racks.js')],
  [/^\/work$/, () => import('./work.js')],
  [/^\/orders$/, () => import('./orders.js')],
  [/^\/journal$/, () => import('./journal.js')],
  [/^\/label\/([^/]+)$/, () => import('./label.js')],
  [/^\/api$/, () => import('./reference.js')],
];

const main = document.getElementById('main');
let leave = null;
let me = null;
let frame = null;

function find(path) {
  for (const [pattern, load] of PAGES) {
    const match = pattern.exec(path);
    if (match) return [load, match.slice(1).map(decodeURIComponent)];
  }
  return [() => import('./lost.js'), []];
}

async function show(focus) {
  leave?.abort();
  leave = new AbortController();
  const { signal } = leave;
  // Who only sees their own servers has no board.
  if (location.pathname === '/' && !me.permissions.includes('read-pipeline')) history.replaceState(null, '', '/servers');
  const [load, params] = find(location.pathname);
  frame.at(location.pathname);
  try {
    const page = await load();
    if (signal.aborted) return;
    document.title = `${page.title(params)} · Farrier`;
    main.className = `page page-${page.name}`;
    main.replaceChildren();
    await page.draw({ main, me, params, query: new URLSearchParams(location.search), signal, go });
  } catch (error) {
    if (error.name === 'AbortError' || signal.aborted) return;
    // The host was upgraded while this tab was open: its files have other names now.
    if (error instanceof TypeError && /import|module/i.test(error.message) && !history.state?.anew) {
      history.replaceState({ anew: true }, '');
      location.reload();
      return;
    }
    fill(main, trouble(error, () => show(true)));
  }
  if (focus && !signal.aborted) {
    scrollTo(0, 0);
    main.querySelector('h1')?.focus({ preventScroll: true });
  }
}

/** Go to a page of ours without loading everything again. */
export function go(address, { replace = false } = {}) {
  history[replace ? 'replaceState' : 'pushState'](null, '', address);
  return show(!replace);
}

document.addEventListener('click', (event) => {
  const link = event.target.closest?.('a[href]');
  if (!link || event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  if (link.target || link.hasAttribute('download') || link.origin !== location.origin || link.closest('.skip')) return;
  if (link.pathname.startsWith('/auth/') || link.pathname.startsWith('/api/') || link.pathname.startsWith('/ui/') || link.pathname === '/sign-in') return;
  if (link.hash && link.pathname === location.pathname && link.search === location.search) return;
  event.preventDefault();
  go(link.href);
});
addEventListener('popstate', () => show(false));

async function start() {
  fill(main, skeleton(8));
  // The page's module comes while the host says who we are.
  find(location.pathname)[0]().catch(() => {});
  try {
    me = await whoAmI();
  } catch (error) {
    fill(main, trouble(error, start));
    return;
  }
  frame = shell({ me, go });
  live.start();
  await show(false);
}

start();
