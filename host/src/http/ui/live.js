// One event stream for the page: transitions, progress and orders as they happen, servers that are not the reader's any more, and an
// honest word about whether it is live.
//
// The browser resumes by itself with Last-Event-ID. When it gives up, or the host says `reset`, pages are told to fetch again.

const BLINK = 1500;
const PATIENCE = 4000;
const HIDDEN = 60000;

class Live extends EventTarget {
  #source = null;
  #retry = 1000;
  #timer = null;
  #lost = null;
  #hide = null;
  #last = '';
  /** `connecting`, `live`, `reconnecting`, `stale`, `off`. */
  state = 'connecting';
  /** Since when what is on screen may be old. */
  since = null;

  start() {
    this.#open();
    addEventListener('online', () => this.#again());
    addEventListener('offline', () => this.#say('stale'));
    // A background tab gives its connection back: browsers allow six for each host.
    document.addEventListener('visibilitychange', () => {
      clearTimeout(this.#hide);
      if (document.hidden) {
        this.#hide = setTimeout(() => {
          this.#close();
          this.#found();
          this.#say('off');
        }, HIDDEN);
      } else if (this.state !== 'live') this.#again();
    });
  }

  /** Listen for `transition`, `gone`, `progress`, `order`, `reset` or `state` until `signal` is aborted. */
  on(name, run, signal) {
    this.addEventListener(name, (event) => run(event.detail), { signal });
  }

  #tell(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }

  #say(state) {
    if (state === this.state) return;
    if (state === 'live') this.since = null;
    else this.since ??= Date.now();
    this.state = state;
    this.#tell('state', state);
  }

  #again() {
    this.#retry = 1000;
    this.#open();
  }

  #close() {
    clearTimeout(this.#timer);
    this.#source?.close();
    this.#source = null;
  }

  #found() {
    clearTimeout(this.#lost);
    this.#lost = null;
  }

  #down() {
    this.#say('reconnecting');
    this.#lost = setTimeout(() => this.#say('stale'), PATIENCE);
  }

  #open() {
    this.#close();
    // A stream opened anew says itself where it was; the host answers `reset` where that is gone.
    const source = new EventSource(`/api/v1/events${this.#last ? `?after=${encodeURIComponent(this.#last)}` : ''}`);
    this.#source = source;
    source.addEventListener('open', () => {
      this.#found();
      this.#retry = 1000;
      const missed = this.state === 'stale' && this.#last === '';
      this.#say('live');
      if (missed) this.#tell('reset', null);
    });
    for (const name of ['transition', 'gone', 'progress', 'order', 'reset']) {
      source.addEventListener(name, (event) => {
        if (event.lastEventId) this.#last = event.lastEventId;
        this.#tell(name, event.data ? JSON.parse(event.data) : null);
      });
    }
    source.addEventListener('error', () => {
      // The host ends a stream now and then and it is resumed at once: that is no news.
      if (this.state === 'live') this.#lost ??= setTimeout(() => this.#down(), BLINK);
      else if (this.state === 'connecting') this.#down();
      if (source.readyState !== EventSource.CLOSED) return;
      // Refused, not cut off: the browser will not try again by itself.
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => this.#open(), this.#retry);
      this.#retry = Math.min(this.#retry * 2, 30000);
    });
  }
}

export const live = new Live();
