// The vocabulary of the product: states, stages, requests, verdicts. Each has an icon and a word; colour only repeats them.

/** The nine names people see: word, tone, what it means. */
export const STATES = {
  offline: ['Offline', 'idle', 'known, not yet seen by its pipeline'],
  discovered: ['Discovered', 'info', 'found and identified; nothing has been changed on it'],
  provisioning: ['Provisioning', 'info', 'being validated, updated, hardened'],
  ready: ['Ready', 'good', 'waits for a tenant'],
  active: ['Active', 'good', 'with its tenant; nothing disturbs it'],
  maintenance: ['Maintenance', 'warn', 'held by an operator'],
  failed: ['Failed', 'bad', 'a person must look'],
  decommissioning: ['Decommissioning', 'plum', 'being taken back'],
  decommissioned: ['Decommissioned', 'idle', 'gone'],
};

/** How the stage's work stands. */
export const STATUSES = {
  running: ['Running', 'info'],
  waiting: ['Waiting', 'warn'],
  resting: ['Resting', 'idle'],
  failed: ['Failed', 'bad'],
};

/** Stages in order: word, and what the stage does. */
export const STAGES = {
  discover: ['Discover', 'finds it in the inventory, confirms driver, serial and model'],
  validate: ['Validate', 'boots it once; checks hardware, NICs and cables'],
  update: ['Update', 'plans firmware against the catalogue'],
  harden: ['Harden', 'brings the controller to the baseline and audits it'],
  monitor: ['Monitor', 'takes the first readings'],
  assign: ['Assign', 'rests until a tenant is named'],
  service: ['Service', 'with its tenant'],
  retire: ['Retire', 'takes it out of its tools, has it erased where policy says so, and waits until someone attests that'],
  retired: ['Retired', 'final'],
};

/** The way a server goes, for the timeline and the lanes. */
export const WAY = ['discover', 'validate', 'update', 'harden', 'monitor', 'assign', 'service'];

/** Requests: what the button says, the permission it needs, its icon, whether it is hard to undo. */
export const REQUESTS = {
  retry: { say: 'Try again', needs: 'revalidate', icon: 'retry' },
  assign: { say: 'Assign to a tenant', needs: 'operate', icon: 'active' },
  reserve: { say: 'Reserve', needs: 'operate', icon: 'waiting' },
  unreserve: { say: 'Free the reservation', needs: 'operate', icon: 'close' },
  approve: { say: 'Approve an action', needs: 'approve', icon: 'ready' },
  hold: { say: 'Hold', needs: 'operate', icon: 'maintenance' },
  unhold: { say: 'End the hold', needs: 'operate', icon: 'running' },
  reset: { say: 'Reset', needs: 'operate', icon: 'reset', grave: true },
  'attest-erased': { say: 'Attest erased drives', needs: 'operate', icon: 'erase', grave: true },
  release: { say: 'Release from tenant', needs: 'operate', icon: 'decommissioning', grave: true },
  retire: { say: 'Retire', needs: 'operate', icon: 'decommissioned', grave: true },
};

/** Journal notes: icon and tone. */
export const NOTES = { info: ['note', 'idle'], success: ['ready', 'good'], warning: ['warning', 'warn'], danger: ['failed', 'bad'] };

/** Orders: word, tone, icon. */
export const ORDERS = {
  'awaiting-approval': ['Needs approval', 'warn', 'person'],
  waiting: ['Waiting for servers', 'info', 'waiting'],
  reserved: ['Reserved', 'info', 'reserved'],
  delivering: ['Delivering', 'info', 'running'],
  delivered: ['Delivered', 'good', 'ready'],
  cancelled: ['Cancelled', 'idle', 'decommissioned'],
  expired: ['Expired', 'idle', 'offline'],
};

/** Events of the journal in plain words. */
export const EVENTS = {
  'lease-seen': 'lease seen',
  done: 'stage done',
  checkpoint: 'work under way',
  wait: 'waits',
  rest: 'rests',
  failed: 'failed',
  'timer-fired': 'timer',
  'report-received': 'report received',
  'report-refused': 'report refused',
  'worker-lost': 'worker lost',
  'attest-erased': 'drives attested erased',
};

/** Verdicts on cables and controls: word, tone, icon. */
export const VERDICTS = {
  ok: ['As planned', 'good', 'ready'],
  'wrong-port': ['Wrong port', 'bad', 'failed'],
  'wrong-switch': ['Wrong switch', 'bad', 'failed'],
  'nothing-heard': ['Nothing heard', 'bad', 'silent'],
  'not-expected': ['Not planned', 'warn', 'warning'],
  compliant: ['Compliant', 'good', 'ready'],
  'non-compliant': ['Not compliant', 'bad', 'failed'],
  'not-applicable': ['Not applicable', 'idle', 'decommissioned'],
};

/** How bad a fault of hardware in service is: word, tone. */
export const SEVERITIES = { critical: ['Critical', 'bad'], warning: ['Warning', 'warn'] };

/** Who must act, in words. */
export const WHO = { nobody: 'Nobody: it goes on by itself', hardware: 'Technician (hardware)', cabling: 'Technician (cabling)', inventory: 'Inventory keeper', operator: 'Operator', network: 'Network team', controller: 'Controller', plugin: 'Plugin author', host: 'This host' };

/** What a note says beside what its entry already shows: lines, without the change of state. */
export const lines = (note) => (note?.text ?? '').split('\n').filter((line) => line && !/^Lifecycle state changed:/.test(line)).map((line) => line.replace(/^ERROR: /, ''));

/** A note in one line, the one of `stage` where there is one, without that name; empty where it says nothing more. */
export const brief = (note, stage) => (lines(note).find((line) => stage && line.startsWith(`${stage}: `)) ?? lines(note)[0] ?? '').replace(/^(discover|validate|update|harden|monitor|assign|retire): /, '');

/** A sentence begins with a capital, but not where it begins with a name such as `ens1f0` or a code. */
export const sentence = (text) => (/^[a-z]+(?=[\s,.;:!?’']|$)/.test(text ?? '') ? text[0].toUpperCase() + text.slice(1) : (text ?? ''));
