// Numbers and times for people. Times are UTC in data and the reader's own zone on screen.

const whole = new Intl.NumberFormat('en');
/** `10,000`. */
export const count = (value) => whole.format(value ?? 0);

/** `1 server`, `2 servers`. */
export const plural = (value, one, many = `${one}s`) => `${count(value)} ${value === 1 ? one : many}`;

/** Seconds as the two largest units that matter: `45 s`, `4 min 12 s`, `3 h 5 min`, `2 d 4 h`. */
export function duration(seconds) {
  const all = Math.max(0, seconds ?? 0);
  if (all < 1) return all === 0 ? '0 s' : `${Math.max(1, Math.round(all * 1000))} ms`;
  const s = Math.floor(all);
  const pair = (big, one, small, two) => (small > 0 ? `${big} ${one} ${small} ${two}` : `${big} ${one}`);
  if (s < 60) return `${s} s`;
  if (s < 3600) return s < 600 ? pair(Math.floor(s / 60), 'min', s % 60, 's') : `${Math.floor(s / 60)} min`;
  if (s < 86400) return pair(Math.floor(s / 3600), 'h', Math.floor((s % 3600) / 60), 'min');
  if (s < 864000) return pair(Math.floor(s / 86400), 'd', Math.floor((s % 86400) / 3600), 'h');
  return `${Math.floor(s / 86400)} d`;
}

/** One unit only, for narrow places. */
export function short(seconds) {
  const s = Math.max(0, Math.floor(seconds ?? 0));
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min`;
  if (s < 86400) return `${Math.floor(s / 3600)} h`;
  return `${Math.floor(s / 86400)} d`;
}

const clock = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit' });
const day = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short', year: 'numeric', hour: '2-digit', minute: '2-digit' });

/** A moment from RFC 3339 or milliseconds. */
export const moment = (value) => new Date(value);
/** `21:04:33`. */
export const timeOfDay = (value) => clock.format(moment(value));
/** `22 Nov 2026, 21:04`. */
export const dateTime = (value) => day.format(moment(value));
/** Seconds since then. */
export const secondsSince = (value) => (Date.now() - moment(value).getTime()) / 1000;
/** Today the time, before that the date. */
export const when = (value) => (moment(value).toDateString() === new Date().toDateString() ? timeOfDay(value) : dateTime(value));

/** `3.84 TB`: drives are sold in powers of ten. */
export function bytes(value) {
  if (value === null || value === undefined) return '–';
  const units = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'];
  let size = value;
  let unit = 0;
  while (size >= 1000 && unit < units.length - 1) {
    size /= 1000;
    unit += 1;
  }
  return `${size >= 100 || unit === 0 ? Math.round(size) : size.toFixed(size >= 10 ? 1 : 2).replace(/\.?0+$/, '')} ${units[unit]}`;
}

/** `<time>` that says how long ago, kept right by the one ticker below. */
export function ago(value) {
  if (!value) return document.createTextNode('–');
  const element = document.createElement('time');
  element.dateTime = moment(value).toISOString();
  element.title = dateTime(value);
  element.dataset.ago = '';
  element.textContent = short(secondsSince(value));
  return element;
}

setInterval(() => {
  if (document.hidden) return;
  for (const element of document.querySelectorAll('time[data-ago]')) {
    const text = short(secondsSince(element.dateTime));
    if (element.textContent !== text) element.textContent = text;
  }
}, 1000);
