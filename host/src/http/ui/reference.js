// The API's own description, browsable: operations by tag, what they take and answer. Drawn from /api/v1/openapi.json.

import { get } from './api.js';
import { fill, h } from './dom.js';
import { plural } from './format.js';
import { icon } from './icons.js';
import { loading, pageHead, words as prose } from './widgets.js';

export const name = 'reference';
export const title = () => 'API';

const METHODS = ['get', 'post', 'put', 'patch', 'delete'];

function resolve(doc, any) {
  let schema = any;
  for (let i = 0; schema?.$ref && i < 8; i += 1) schema = schema.$ref.slice(2).split('/').reduce((at, key) => at?.[key.replaceAll('~1', '/').replaceAll('~0', '~')], doc);
  return schema ?? {};
}

/** A type in a word: `string`, `array of Server`, `"a" | "b"`. */
function typeWord(doc, schema) {
  if (!schema || schema === true) return 'any';
  if (schema.$ref) return schema.$ref.split('/').at(-1);
  if (schema.enum) return schema.enum.map((one) => JSON.stringify(one)).join(' | ');
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  const many = schema.oneOf ?? schema.anyOf ?? schema.allOf;
  if (many) return [...new Set(many.map((one) => typeWord(doc, one)))].join(schema.allOf ? ' & ' : ' | ');
  const type = Array.isArray(schema.type) ? schema.type.join(' | ') : schema.type;
  if (schema.type === 'array' || (Array.isArray(schema.type) && schema.type.includes('array'))) return `array of ${typeWord(doc, schema.items)}`;
  if (schema.type === 'object' && schema.additionalProperties && schema.additionalProperties !== true) return `map of ${typeWord(doc, schema.additionalProperties)}`;
  return type ?? 'any';
}

/** The fields of a schema, three levels deep. */
function shape(doc, any, depth = 0) {
  const schema = resolve(doc, any);
  const inner = schema.allOf ? Object.assign({}, ...schema.allOf.map((one) => resolve(doc, one).properties)) : schema.properties;
  if (schema.items && !inner) return shape(doc, schema.items, depth);
  if (!inner || depth > 2) return null;
  return h('ul', { class: 'shape' }, Object.entries(inner).map(([key, one]) => {
    const deep = resolve(doc, one);
    const nested = deep.properties || deep.items ? shape(doc, one, depth + 1) : null;
    return h('li', null, h('code', null, key), h('span', { class: 'quiet' }, typeWord(doc, one), schema.required?.includes(key) ? '' : ', optional'), (one.description ?? deep.description) && h('span', { class: 'shape-text' }, one.description ?? deep.description), nested);
  }));
}

const content = (doc, body) => Object.entries(body?.content ?? {}).map(([kind, one]) => h('div', null, h('p', { class: 'quiet' }, kind, one.schema && ` · ${typeWord(doc, one.schema)}`), one.schema && shape(doc, one.schema)));

function operation(doc, path, method, what) {
  const parameters = (what.parameters ?? []).map((one) => resolve(doc, one));
  const body = what.requestBody && resolve(doc, what.requestBody);
  const curl = `curl ${method === 'get' ? '' : `-X ${method.toUpperCase()} `}-H "Authorization: Bearer $FARRIER_TOKEN"${body ? " -H 'Content-Type: application/json' -d @body.json" : ''} '${location.origin}${path}'`;
  const copy = h('button', { type: 'button', class: 'small', onclick: async () => {
    try {
      await navigator.clipboard.writeText(curl);
      copy.textContent = 'Copied';
    } catch {
      copy.textContent = 'Select it by hand';
    }
  } }, 'Copy');
  return h(
    'details',
    { class: 'operation' },
    h('summary', null, h('span', { class: `method is-${method}` }, method.toUpperCase()), h('code', null, path), h('span', { class: 'quiet' }, what.summary ?? '')),
    h(
      'div',
      { class: 'operation-body' },
      what.description && what.description !== what.summary && h('p', null, prose(what.description)),
      what['x-permission'] && h('p', null, 'Needs ', h('code', null, what['x-permission'])),
      parameters.length > 0 && h('div', { class: 'table-box' }, h('table', { class: 'list' }, h('caption', { class: 'unseen' }, 'Parameters'), h('thead', null, h('tr', null, ['Parameter', 'In', 'Type', 'Means'].map((word) => h('th', { scope: 'col' }, word)))), h('tbody', null, parameters.map((one) => h('tr', null, h('th', { scope: 'row' }, h('code', null, one.name), one.required && h('span', { class: 'quiet' }, ' required')), h('td', null, one.in), h('td', null, typeWord(doc, one.schema)), h('td', null, one.description ?? '')))))),
      body && [h('h3', { class: 'small-head' }, 'Body'), content(doc, body)],
      h('h3', { class: 'small-head' }, 'Answers'),
      h('ul', { class: 'answers' }, Object.entries(what.responses ?? {}).map(([status, one]) => {
        const answer = resolve(doc, one);
        return h('li', null, h('code', null, status), h('span', null, answer.description ?? ''), status < '300' && content(doc, answer));
      })),
      h('div', { class: 'curl' }, h('code', { tabindex: '0' }, curl), copy),
    ),
  );
}

export async function draw({ main, signal }) {
  const place = h('div');
  const words = h('input', { type: 'search', placeholder: 'Filter operations', 'aria-label': 'Filter operations' });
  fill(main, pageHead('API', null, h('a', { class: 'button', href: '/api/v1/openapi.json', download: 'farrier-openapi.json' }, icon('down'), 'OpenAPI 3.1')), h('div', { class: 'filters' }, h('div', { class: 'field grow' }, h('span', { class: 'input-icon' }, icon('search'), words))), place);
  await loading(place, () => get('/openapi.json', signal), (doc) => {
    const groups = new Map();
    for (const [path, methods] of Object.entries(doc.paths ?? {})) {
      for (const method of METHODS) {
        if (!methods[method]) continue;
        const tag = methods[method].tags?.[0] ?? path.split('/').find((one) => one && !['api', 'v1'].includes(one)) ?? 'other';
        const what = { ...methods[method], parameters: [...(methods.parameters ?? []), ...(methods[method].parameters ?? [])] };
        if (!groups.has(tag)) groups.set(tag, []);
        groups.get(tag).push([path, method, what]);
      }
    }
    // The PoC's paths are for programs that know them.
    const sorted = [...groups].sort(([a], [b]) => (a === 'poc') - (b === 'poc') || a.localeCompare(b));
    const base = (doc.servers?.[0]?.url ?? '').replace(/\/$/, '');
    const drawAll = () => {
      const text = words.value.trim().toLowerCase();
      const sections = sorted.map(([tag, list]) => [tag, list.filter(([path, method, what]) => `${method} ${path} ${what.summary ?? ''}`.toLowerCase().includes(text))]).filter(([, list]) => list.length > 0);
      fill(place, h('p', { class: 'intro' }, prose(doc.info?.description)), sections.map(([tag, list]) => h('section', { class: 'panel', 'aria-label': tag }, h('div', { class: 'panel-head' }, h('h2', null, tag), h('span', { class: 'quiet' }, plural(list.length, 'operation'))), h('div', { class: 'panel-body tight' }, list.map(([path, method, what]) => operation(doc, base + path, method, what))))));
    };
    words.oninput = drawAll;
    drawAll();
  }, { bones: 8, signal })();
}
