/**
 * The open answer of `/api/v1/live`. It is asked for again after a loss, from the last event on, first at once and then after
 * growing waits. A page that nobody sees lets go of it, and takes it up again when it is seen.
 */
import type { LiveBeat, LiveInventory, LiveReadings, LiveState } from '../../live/live-types.ts';
import { type CallError, refusal } from './calls.ts';
import { EventParser, type ServerEvent } from './event-parser.ts';
import { EMPTY, type Model, withBeat, withInventory, withReadings, withState } from './model.ts';

/** Milliseconds. */
const FIRST_WAIT = 1000;
const LONGEST_WAIT = 15_000;
/** Without any event for so long the connection counts as lost. */
const SILENCE = 15_000;
/** A page in the background keeps its connection for so long. */
const HIDDEN = 60_000;
const CHECK_EVERY = 1000;
/** Later than it first was by so much: more is sent than the link carries. */
const LATE = 4000;
const SLOWEST = 32_000;
/** The clocks of two machines go apart by less than this share: what grows no faster is no slow link. */
const DRIFT = 1 / 2000;
/** After so long without a late event more rounds are asked for again. Each try that fails doubles it. */
const CALM = 10 * 60_000;
const LONGEST_CALM = 2 * 3_600_000;

export class Live {
  #model: Model = EMPTY;
  readonly #changed: (model: Model) => void;
  readonly #refused: (error: CallError) => void;
  #after: string | undefined;
  #gone: AbortController | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #check: ReturnType<typeof setInterval> | undefined;
  #wait = FIRST_WAIT;
  #every = EMPTY.every;
  #hiddenAt = 0;
  /** The least difference between two clocks that nobody sets: what an event takes on an empty link is in it. */
  #best = Number.POSITIVE_INFINITY;
  /** By the clock of this device that nobody sets: the last beat, and the last change of the pace. */
  #beatAt = 0;
  #pacedAt = 0;
  #calm = CALM;
  /** The pace was made quicker last. */
  #tries = false;

  /** @param refused the gateway wants a log-in (401, 403) */
  constructor(changed: (model: Model) => void, refused: (error: CallError) => void) {
    this.#changed = changed;
    this.#refused = refused;
  }

  start(): void {
    document.addEventListener('visibilitychange', this.#seen);
    this.#check = setInterval(() => this.#look(), CHECK_EVERY);
    this.#open();
  }

  stop(): void {
    document.removeEventListener('visibilitychange', this.#seen);
    clearInterval(this.#check);
    clearTimeout(this.#timer);
    this.#gone?.abort();
    this.#gone = undefined;
  }

  readonly #seen = (): void => {
    this.#hiddenAt = document.hidden ? Date.now() : 0;
    if (!document.hidden && this.#gone === undefined) this.#again(0);
  };

  #look(): void {
    if (this.#gone === undefined) return;
    if (this.#hiddenAt > 0 && Date.now() - this.#hiddenAt > HIDDEN) {
      this.#close();
      // The gateway may start anew meanwhile, and its clock with it.
      this.#best = Number.POSITIVE_INFINITY;
      this.#set({ ...this.#model, link: 'lost' });
    } else if (this.#model.link === 'live' && this.#silent() > Math.max(SILENCE, 3 * this.#every)) {
      this.#lost('lost');
    }
  }

  /** Milliseconds since the last beat. One clock may be set back, the other one stops while the device sleeps. */
  #silent(): number {
    return Math.max(Date.now() - this.#model.heard, performance.now() - this.#beatAt);
  }

  #open(): void {
    const gone = new AbortController();
    this.#gone = gone;
    this.#read(gone.signal).then(
      () => this.#ended(gone, 'lost'),
      (thrown: unknown) => {
        const { status, code } = thrown as CallError;
        if (this.#gone === gone && (status === 401 || status === 403)) this.#refused(thrown as CallError);
        // A gateway that starts says 503, too.
        this.#ended(gone, code === 'busy' ? 'busy' : 'lost');
      },
    );
  }

  async #read(signal: AbortSignal): Promise<void> {
    const after = this.#after === undefined ? '' : `&after=${encodeURIComponent(this.#after)}`;
    const answer = await fetch(`/api/v1/live?every=${this.#every}${after}`, {
      ...{ credentials: 'same-origin', cache: 'no-store', signal, headers: { Accept: 'text/event-stream' } },
    });
    if (!answer.ok || answer.body === null) throw refusal(answer.status, await answer.text());
    const reader = answer.body.getReader();
    const decoder = new TextDecoder();
    const parser = new EventParser();
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      const events = parser.push(decoder.decode(value, { stream: true }));
      if (signal.aborted) return;
      let model = this.#model;
      for (const event of events) model = this.#taken(model, event);
      if (events.length > 0) this.#set(model);
    }
  }

  #taken(model: Model, { event, data, id }: ServerEvent): Model {
    this.#after = id ?? this.#after;
    switch (event) {
      case 'inventory':
        return withInventory(model, JSON.parse(data) as LiveInventory);
      case 'readings':
        return withReadings(model, JSON.parse(data) as LiveReadings);
      case 'state':
        return withState(model, JSON.parse(data) as Partial<LiveState>);
      case 'beat': {
        const beat = JSON.parse(data) as LiveBeat;
        this.#wait = FIRST_WAIT;
        this.#pace(performance.now(), beat.up);
        return withBeat(model, beat, Date.now());
      }
      default:
        return model;
    }
  }

  /** Asks for fewer rounds where events come later and later, and for more when they have come in time for long. */
  #pace(now: number, up: number): void {
    this.#best = Math.min(this.#best + DRIFT * (now - this.#beatAt), now - up);
    this.#beatAt = now;
    const isLate = now - up - this.#best >= LATE;
    const isCalm = now - this.#pacedAt >= this.#calm;
    if (isLate && this.#every < SLOWEST) {
      if (this.#tries) this.#calm = Math.min(this.#calm * 2, LONGEST_CALM);
      this.#tries = false;
      this.#turn(now, this.#every * 2);
    } else if (isCalm && !isLate && this.#every > EMPTY.every) {
      this.#tries = true;
      this.#turn(now, this.#every / 2);
    }
  }

  #turn(now: number, every: number): void {
    this.#every = every;
    this.#pacedAt = now;
    this.#best = Number.POSITIVE_INFINITY;
    this.#close();
    this.#again(0);
  }

  #ended(gone: AbortController, link: 'lost' | 'busy'): void {
    if (this.#gone === gone) this.#lost(link);
  }

  #lost(link: 'lost' | 'busy'): void {
    this.#close();
    this.#every = EMPTY.every;
    this.#best = Number.POSITIVE_INFINITY;
    this.#set({ ...this.#model, link });
    this.#again(this.#wait);
    this.#wait = Math.min(this.#wait * 2, LONGEST_WAIT);
  }

  #close(): void {
    const gone = this.#gone;
    this.#gone = undefined;
    gone?.abort();
  }

  #again(wait: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      if (this.#gone === undefined) this.#open();
    }, wait);
  }

  #set(model: Model): void {
    this.#model = model;
    this.#changed(model);
  }
}
