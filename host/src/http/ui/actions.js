// What can be asked for a server: buttons for what it accepts now and the signed-in person may ask, each confirmed in a dialog that
// shows the host's own word of what exactly will happen.

import { intent, part, post } from './api.js';
import { fill, h, settle } from './dom.js';
import { icon } from './icons.js';
import { REQUESTS, sentence } from './words.js';
import { dialog, input, select, toast, trouble } from './widgets.js';

const text = (form, name) => form.elements[name]?.value.trim() ?? '';

/** Fields of a request and the request they make; a request without an entry has no fields. */
const FORMS = {
  hold: { fields: () => [input('Reason', { name: 'reason', required: true, maxlength: 500, autocomplete: 'off' }, 'Everyone who looks at this server reads it.')], make: (form) => ({ hold: { reason: text(form, 'reason') } }) },
  assign: {
    fields: (server) => [input('Tenant', { name: 'tenant', required: true, autocomplete: 'off', value: server.reservation?.tenant ?? '' }), Object.keys(server.marks ?? {}).length > 0 && h('label', { class: 'check' }, h('input', { type: 'checkbox', name: 'accept' }), `Deliver it although it is ${Object.keys(server.marks).join(', ')}`)],
    make: (form) => ({ assign: { tenant: text(form, 'tenant'), accept: form.elements.accept?.checked ?? false } }),
  },
  approve: {
    fields: () => [select('Allow', [['power', 'Power: on, off, restart'], ['boot', 'Boot: one-time override'], ['reset', 'Reset of the controller'], ['firmware', 'Firmware'], ['harden', 'Hardening'], ['configure', 'Other configuration']], 'power', null, { name: 'action' }), input('Reason', { name: 'reason', required: true, maxlength: 500, autocomplete: 'off' }), select('For', [['3600000', '1 hour'], ['14400000', '4 hours'], ['43200000', '12 hours'], ['86400000', '1 day']], '3600000', null, { name: 'time' })],
    make: (form) => ({ approve: { action: text(form, 'action'), reason: text(form, 'reason'), expires: Math.ceil((Date.now() + Number(text(form, 'time'))) / 60000) * 60000 } }),
  },
  reserve: {
    fields: () => [input('Order', { name: 'order', required: true, autocomplete: 'off' }), input('Tenant', { name: 'tenant', required: true, autocomplete: 'off' }), select('For', [['86400000', '1 day'], ['604800000', '7 days']], '86400000', null, { name: 'time' })],
    make: (form) => ({ reserve: { order: text(form, 'order'), tenant: text(form, 'tenant'), until: Math.ceil((Date.now() + Number(text(form, 'time'))) / 60000) * 60000, accept: false } }),
  },
  unreserve: { fields: () => [], make: (_, server) => ({ unreserve: { order: server.reservation?.order ?? '' } }) },
};

/** The buttons: the first ones beside each other, grave ones in a menu. */
export function actions(server, me, done) {
  const offered = (server.requests ?? []).filter((name) => REQUESTS[name] && me.permissions.includes(REQUESTS[name].needs));
  const button = (name, extra = '') => h('button', { type: 'button', class: extra, 'data-request': name, onclick: () => ask(server, name, done) }, icon(REQUESTS[name].icon), REQUESTS[name].say);
  const near = offered.filter((name) => !REQUESTS[name].grave);
  const grave = offered.filter((name) => REQUESTS[name].grave);
  return [near.map((name, i) => button(name, i === 0 ? 'primary' : '')), grave.length > 0 && h('details', { class: 'person more' }, h('summary', { class: 'button' }, icon('more'), 'More'), h('div', { class: 'menu' }, grave.map((name) => button(name, 'menu-item'))))];
}

/** Confirm `name` for `server` in a dialog; `done(fresh)` when it was done. */
export function ask(server, name, done) {
  const what = REQUESTS[name];
  const fields = FORMS[name]?.fields(server) ?? [];
  const key = intent();
  const happens = h('div', { class: 'happens', role: 'status' });
  const wrong = h('div');
  const typed = what.grave && input(`Type ${server.name} to confirm`, { name: 'typed', required: true, autocomplete: 'off', spellcheck: 'false', autocapitalize: 'none' });
  const yes = h('button', { type: 'submit', class: what.grave ? 'primary danger' : 'primary', disabled: true }, `${what.say}`);
  const form = h('form', { class: 'form', onsubmit: submit }, fields, h('h3', { class: 'small-head' }, 'What will happen'), happens, typed, wrong, h('div', { class: 'dialog-foot' }, h('button', { type: 'button', onclick: () => box.close() }, 'Cancel'), yes));
  const box = dialog(`${what.say}: ${server.name}`, form);
  const request = () => FORMS[name]?.make(form, server) ?? name;
  let version = server.version;
  let allowed = false;
  const ready = () => (yes.disabled = !allowed || (typed && text(form, 'typed').toLowerCase() !== server.name.toLowerCase()));
  let asked = 0;
  const preview = async () => {
    const mine = ++asked;
    allowed = false;
    const missing = [...form.elements].find((one) => one.required && one.name !== 'typed' && !one.value.trim());
    if (missing) {
      fill(happens, h('p', { class: 'quiet' }, `Fill in “${form.querySelector(`label[for="${missing.id}"]`)?.textContent ?? missing.name}” to see.`));
      ready();
      return;
    }
    try {
      const told = await post(`/servers/${part(server.name)}/preview`, request());
      if (mine !== asked) return;
      allowed = !told.refused;
      fill(happens, told.refused ? h('div', { class: 'callout tone-bad' }, h('p', null, icon('failed'), sentence(told.refused.detail)), told.refused.hint && h('p', { class: 'quiet' }, sentence(told.refused.hint))) : h('p', null, sentence(told.text)), (told.warnings ?? []).map((one) => h('p', { class: 'warning with-icon' }, icon('warning'), sentence(one))));
    } catch (error) {
      if (mine === asked) fill(happens, trouble(error, preview));
    }
    ready();
  };
  form.addEventListener('input', settle((event) => {
    if (event?.target?.name === 'typed') ready();
    else preview();
  }, 200));
  async function submit(event) {
    event.preventDefault();
    yes.disabled = true;
    yes.setAttribute('aria-busy', 'true');
    fill(wrong);
    try {
      const fresh = await post(`/servers/${part(server.name)}/requests`, request(), { key, version });
      box.close();
      toast(`${server.name}: ${what.say.toLowerCase()} accepted`);
      done?.(fresh);
    } catch (error) {
      fill(wrong, trouble(error));
      if (error.status === 412) {
        // It moved while the dialog was open: show what would happen now, and let the person decide again.
        version = null;
        await preview();
      } else ready();
    } finally {
      yes.removeAttribute('aria-busy');
    }
  }
  fill(happens, h('p', { class: 'quiet' }, 'Asking the host…'));
  preview();
}
