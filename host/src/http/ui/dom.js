// Makes and changes elements. Text is always text: nothing here parses HTML, so nothing a server or controller says can become markup.

/** An element: `h('a', { href, class: 'x', onclick: fn, style: { '--n': 3 } }, 'text', child, [more])`; null, false and undefined are left out. */
export function h(tag, attributes, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else if (name === 'style') for (const [key, one] of Object.entries(value)) element.style.setProperty(key, one);
    else if (name === 'dataset') Object.assign(element.dataset, value);
    else if (name === 'value') element.value = value;
    else element.setAttribute(name, value === true ? '' : value);
  }
  add(element, children);
  return element;
}

/** Append children, however deep in arrays. */
export function add(element, ...children) {
  for (const child of children.flat(9)) {
    if (child === null || child === undefined || child === false) continue;
    element.append(child);
  }
  return element;
}

/** Replace what is in `element`. */
export function fill(element, ...children) {
  const next = document.createDocumentFragment();
  add(next, children);
  element.replaceChildren(next);
  return element;
}

/**
 * Make `parent`'s children those of `items`, keeping the elements (and the focus) of what did not change.
 * `key` names an item, `render` makes its element.
 */
export function reconcile(parent, items, key, render) {
  const old = new Map([...parent.children].map((child) => [child.dataset.key, child]));
  let place = parent.firstElementChild;
  for (const item of items) {
    const name = String(key(item));
    const print = JSON.stringify(item);
    let element = old.get(name);
    old.delete(name);
    if (element === undefined || element.print !== print) {
      const fresh = render(item);
      fresh.dataset.key = name;
      fresh.print = print;
      if (element !== undefined) {
        const focused = element.contains(document.activeElement);
        if (place === element) place = element.nextElementSibling;
        element.remove();
        parent.insertBefore(fresh, place);
        if (focused) (fresh.querySelector('a, button') ?? fresh).focus({ preventScroll: true });
      } else parent.insertBefore(fresh, place);
      element = fresh;
    } else if (element === place) place = element.nextElementSibling;
    else parent.insertBefore(element, place);
  }
  for (const gone of old.values()) gone.remove();
}

/** Call `run` now, and then at most once in `ms()` milliseconds however often it is asked; the last asking is always served. */
export function throttle(run, ms) {
  let timer = null;
  let last = -Infinity;
  return () => {
    if (timer !== null) return;
    const wait = Math.max(0, last + ms() - performance.now());
    timer = setTimeout(() => {
      timer = null;
      last = performance.now();
      run();
    }, wait);
  };
}

/** Call `run` once it has been quiet for `ms`. */
export function settle(run, ms) {
  let timer = null;
  return (...values) => {
    clearTimeout(timer);
    timer = setTimeout(() => run(...values), ms);
  };
}

let serial = 0;
/** An id that no other element of the page has. */
export const unique = (stem) => `${stem}-${++serial}`;
