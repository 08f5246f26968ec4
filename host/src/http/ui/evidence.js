// What the stages found on a server, each kind a tab: inventory, cabling, audit, firmware, readings, and its journal.

import { entryMark } from './feed.js';
import { h } from './dom.js';
import { bytes, count, dateTime, plural } from './format.js';
import { icon } from './icons.js';
import { EVENTS, VERDICTS, lines, sentence } from './words.js';
import { chip, empty, tabs, words } from './widgets.js';

const head = (...words) => h('thead', null, h('tr', null, words.map((word) => h('th', { scope: 'col', class: /^(Cores|Threads|Size|Watts|Value|Wear left|Speed)$/.test(word) ? 'num' : null }, word))));
const table = (caption, words, rows) => h('div', { class: 'table-box', tabindex: '0', role: 'region', 'aria-label': caption }, h('h3', null, caption), h('table', { class: 'list' }, head(...words), h('tbody', null, rows)));
const cell = (value, cls) => h('td', { class: cls }, value ?? '–');
const row = (...cells) => h('tr', null, cells);
const from = (kind) => h('p', { class: 'quiet from' }, `Found by ${kind.stage}, ${dateTime(kind.at)}`);
const verdict = (key) => {
  const [word, tone, shape] = VERDICTS[key] ?? [key, 'idle', 'note'];
  return chip(shape, word, tone);
};
const health = (value) => (value ? chip(/^ok$/i.test(value) ? 'ready' : 'warning', value, /^ok$/i.test(value) ? 'good' : 'bad') : '–');
const value = (any) => (any === null || any === undefined ? '–' : typeof any === 'boolean' ? (any ? 'on' : 'off') : Array.isArray(any) ? any.join(', ') : String(any));

function inventory(kind) {
  const data = kind.data;
  return [
    from(kind),
    h('p', { class: 'spaced' }, 'Health ', health(data.health), data.bios_version && h('span', { class: 'quiet' }, `BIOS ${data.bios_version}`)),
    data.processors?.length > 0 && table('Processors', ['Socket', 'Model', 'Cores', 'Threads'], data.processors.map((one) => row(cell(one.socket), cell(one.model), cell(one.cores, 'num'), cell(one.threads, 'num')))),
    data.memory?.length > 0 && table('Memory', ['Slot', 'Size', 'Speed', 'Part number', 'Serial'], data.memory.map((one) => row(cell(one.slot), cell(`${count(one.mebibytes / 1024)} GiB`, 'num'), cell(one.speed && `${one.speed} MT/s`, 'num'), cell(one.part_number, 'mono'), cell(one.serial, 'mono')))),
    data.drives?.length > 0 && table('Drives', ['Slot', 'Model', 'Size', 'Kind', 'Wear left', 'Serial', 'Health'], data.drives.map((one) => row(cell(one.slot), cell(one.model), cell(bytes(one.bytes), 'num'), cell([one.protocol, one.solid_state === false ? 'disk' : one.solid_state ? 'SSD' : null].filter(Boolean).join(' ')), cell(one.endurance_left === null || one.endurance_left === undefined ? null : `${one.endurance_left} %`, 'num'), cell(one.serial, 'mono'), cell(health(one.health))))),
    data.nics?.length > 0 && table('Network ports', ['Name', 'MAC', 'Speed', 'Link'], data.nics.map((one) => row(cell(one.name), cell(one.mac, 'mono'), cell(one.speed && `${one.speed / 1000} Gb/s`, 'num'), cell(one.link_up === null || one.link_up === undefined ? '–' : one.link_up ? chip('ready', 'up', 'good') : chip('silent', 'down', 'idle'))))),
    data.power_supplies?.length > 0 && table('Power supplies', ['Slot', 'Model', 'Serial', 'Watts', 'Health'], data.power_supplies.map((one) => row(cell(one.slot), cell(one.model), cell(one.serial, 'mono'), cell(one.watts, 'num'), cell(health(one.health))))),
    data.firmware?.length > 0 && table('Firmware', ['Component', 'Version'], data.firmware.map((one) => row(cell(one.name ?? one.id), cell(one.version, 'mono')))),
  ];
}

/** Steps a technician does, numbered. */
export const steps = (list) => h('ol', { class: 'todo' }, list.map((step) => h('li', null, h('span', null, words(sentence(step))))));

/** On a phone the verdict and the words stand under the port. */
const cableRow = (one, port) => row(cell([h('strong', null, one.nic), h('span', { class: 'under mono' }, one.mac), h('span', { class: 'only-s' }, verdict(one.verdict)), h('span', { class: 'only-s' }, one.say)]), cell(port(one.expected), 'mono hide-s'), cell(port(one.found), one.verdict === 'ok' ? 'mono hide-s' : 'mono differs hide-s'), cell(verdict(one.verdict), 'hide-s'), cell(one.say, 'hide-s'));

function cabling(kind, told) {
  const { data } = kind;
  // A switch tells a port's name and often a description; the first is the name.
  const port = (end) => (end ? `${end.device} ${end.port ?? end.ports?.[0] ?? ''}` : 'nothing');
  return [
    from(kind),
    data.agrees ? h('p', null, chip('ready', 'Every cable is where it should be', 'good')) : !told && data.steps?.length > 0 && h('div', { class: 'callout tone-bad' }, h('h3', { class: 'with-icon' }, icon('cable'), 'What to do'), steps(data.steps)),
    h('div', { class: 'table-box', tabindex: '0', role: 'region', 'aria-label': 'Cables' }, h('h3', null, 'Cables'), h('table', { class: 'list' }, h('thead', null, h('tr', null, ['Port', 'Should end at', 'Ends at', 'Verdict', 'In words'].map((word, i) => h('th', { scope: 'col', class: i > 0 ? 'hide-s' : null }, word)))), h('tbody', null, (data.ports ?? []).map((one) => cableRow(one, port))))),
  ];
}

function audit(kind) {
  const order = { 'non-compliant': 0, compliant: 1, 'not-applicable': 2 };
  const list = [...(kind.data.findings ?? [])].sort((a, b) => (order[a.verdict] ?? 9) - (order[b.verdict] ?? 9));
  return [from(kind), h('p', { class: 'quiet' }, `Applied by ${kind.data.by === 'ansible' ? 'the playbook' : 'the driver'}; each control was read back from the controller.`), table('Controls', ['Control', 'Verdict', 'Is', 'Should be', 'Detail'], list.map((one) => row(cell(one.control, 'mono'), cell(verdict(one.verdict)), cell(value(one.observed)), cell(value(one.desired)), cell(one.detail ?? ''))))];
}

/** What the firmware was compared with, in a sentence; records of an earlier version do not say. */
function compared({ source, catalogue, baseline, components }) {
  if (source === undefined) return 'It was compared.';
  if (source === 'catalogue') return `It was compared with ${plural(catalogue, 'image')} of the catalogue.`;
  return `\`${source}\` compared ${plural(components, 'component')} with its baseline \`${baseline}\`.`;
}

function nothing(data) {
  if (data.agrees === false) return empty('warning', 'Not at the baseline', [words(compared(data)), ' It says that the server differs, and not where.']);
  return empty('ready', 'Nothing to update', [words(compared(data)), data.source === 'catalogue' ? ' None is newer.' : ' Nothing differs.']);
}

const firmware = (kind) => [from(kind), kind.data.steps?.length > 0 ? [h('p', { class: 'quiet' }, words(compared(kind.data))), table('Plan', ['Component', 'Is', 'Should be', 'Disturbs', 'Reset'], kind.data.steps.map((one) => row(cell(one.component), cell(one.current, 'mono'), cell(one.target, 'mono'), cell(one.disruptive ? chip('warning', 'yes', 'warn') : 'no'), cell(one.reset))))] : nothing(kind.data)];

function readings(kind) {
  const bad = (status) => status && !/^(ok|enabled)$/i.test(status);
  return [
    from(kind),
    table('Sensors', ['Sensor', 'Kind', 'Value', 'Status'], (kind.data.sensors ?? []).map((one) => row(cell(one.name), cell(one.kind), cell(`${value(one.value)} ${one.unit ?? ''}`, 'num'), cell(one.status ? chip(bad(one.status) ? 'warning' : 'ready', one.status, bad(one.status) ? 'bad' : 'good') : '–')))),
    kind.data.events?.length > 0 && table('Event log', ['When', 'Severity', 'Message'], kind.data.events.map((one) => row(cell(one.at ?? one.created ? dateTime(one.at ?? one.created) : '–'), cell(one.severity), cell(one.message ?? one.text)))),
  ];
}

const identity = (kind) => [from(kind), table('Identity', ['What', 'In the inventory', 'On the controller', ''], ['serial', 'model'].filter((key) => kind.data[key]).map((key) => row(cell(sentence(key)), cell(kind.data[key].expected, 'mono'), cell(kind.data[key].found, 'mono'), cell(kind.data[key].expected === kind.data[key].found ? chip('ready', 'agrees', 'good') : chip('failed', 'differs', 'bad')))))];

const journal = (items) => (items.length === 0 ? empty('journal', 'Nothing yet', 'Each transition is written here.') : h('ol', { class: 'steps-list' }, items.toReversed().map((item) => h('li', null, entryMark(item), h('div', null, h('p', null, h('span', { class: 'event' }, sentence(EVENTS[item.event] ?? item.event)), h('span', { class: 'quiet' }, `${item.from} → ${item.to}, ${item.stage} ${item.status}`), h('time', { class: 'quiet', datetime: item.at }, dateTime(item.at))), lines(item.note).length > 0 && h('p', { class: 'note-text' }, words(lines(item.note).join('\n'))))))));

const badge = (number, word, cls = '') => number > 0 && h('span', { class: `badge ${cls}` }, count(number), h('span', { class: 'unseen' }, ` ${word}`));

const KINDS = [
  ['cabling', 'Cabling', cabling, (data) => badge((data.ports ?? []).filter((one) => one.verdict !== 'ok').length, 'wrong')],
  ['audit', 'Audit', audit, (data) => badge((data.findings ?? []).filter((one) => one.verdict === 'non-compliant').length, 'not compliant')],
  ['inventory', 'Inventory', inventory, () => null],
  ['firmware', 'Firmware', firmware, (data) => badge(data.steps?.length ?? 0, 'planned', 'calm')],
  ['readings', 'Readings', readings, () => null],
  ['identity', 'Identity', identity, (data) => badge(['serial', 'model'].filter((key) => data[key] && data[key].expected !== data[key].found).length, 'differ')],
];
const WHENCE = { cabling: 'validate', audit: 'harden', inventory: 'discover', firmware: 'update', readings: 'monitor' };

/** All tabs; a kind that is not there yet says which stage brings it. `told`: the steps stand on the page already. */
export function evidenceTabs(evidence, items, chosen, onchange, told) {
  const list = KINDS.filter(([kind]) => kind !== 'identity' || evidence[kind]).map(([kind, word, draw, mark]) => ({ id: kind, title: word, badge: evidence[kind] && mark(evidence[kind].data), draw: () => (evidence[kind] ? draw(evidence[kind], told) : empty('offline', `No ${word.toLowerCase()} yet`, `The stage ${WHENCE[kind]} brings it.`)) }));
  list.push({ id: 'journal', title: 'Journal', draw: () => journal(items) });
  const first = list.find((tab) => tab.badge)?.id ?? list.find((tab) => evidence[tab.id])?.id ?? 'journal';
  return tabs('What was found', list, list.some((tab) => tab.id === chosen) ? chosen : first, onchange);
}
