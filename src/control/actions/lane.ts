/**
 * A queue of actions of one kind. Invariants:
 * - at most `atOnce` run, at most one for a key, and at most `most` wait; of more, the newest of the least severe is left out, or with
 *   `oldestGoes` the oldest of them;
 * - one with a time (`due`) that has not begun by then fails;
 * - of those that wait the most severe begins first, and those of one key begin in the order in which they came;
 * - with `aside`, places count for each severity: those that run take none from a more severe one;
 * - with `newest`, a job whose key comes again before it began is given up: the newest word about a point is the one that counts. A
 *   newer job that is refused takes nobody's place: it fails at once;
 * - what fails is tried again after 1 s, doubled each time up to 30 s, `retries` times; a wait that was asked for (a point may be
 *   written once in a second) costs no try, 20 times at most.
 */
import type { Severity } from '../../core/alarm.ts';
import { SEVERITIES } from '../../core/alarm.ts';
import type { Clock } from '../../core/clock.ts';
import { SluiceError, toError } from '../../core/errors.ts';

const RETRY_FIRST = 1000;
const RETRY_LONGEST = 30_000;
const MOST_WAITS = 20;

export interface Task<J> {
  readonly job: J;
  readonly key: string;
  readonly severity: Severity;
  readonly retries: number;
  /** Monotonic ms. */
  readonly due?: number | undefined;
}

export interface LaneOptions<J> {
  readonly clock: Clock;
  readonly most: number;
  readonly atOnce: number;
  /** One that runs may last long, and takes no place from what is more severe. At most `atOnce` for each severity run. */
  readonly aside?: boolean;
  readonly newest?: boolean;
  /** News count for more than what has waited long. */
  readonly oldestGoes?: boolean;
  /** Why a job fails whose time has passed. @param last what it failed of before */
  readonly late?: (job: J, last: Error | undefined) => Error;
  /** With `newest`: why a job may not be done now. */
  readonly refusal?: (job: J) => Error | undefined;
  /** Rejects where it failed. */
  readonly perform: (job: J) => Promise<void>;
  readonly settled: (job: J, outcome: Outcome) => void;
  /** It failed and is tried again; only the first time. */
  readonly failing?: (job: J, error: Error) => void;
}
export type Outcome =
  | { readonly result: 'done' }
  | { readonly result: 'failed'; readonly error: Error }
  | { readonly result: 'superseded' }
  /** Too many wait. */
  | { readonly result: 'dropped' };

interface Entry<J> extends Task<J> {
  tries: number;
  waits: number;
  /** It runs. */
  begun: boolean;
  /** Nobody wants it any more. It runs, and is not tried again. */
  unwanted: boolean;
  /** Monotonic ms before which it is not tried again. */
  again: number;
  /** The outcome of the last try. */
  last: Error | undefined;
}

export class Lane<J> {
  readonly #o: LaneOptions<J>;
  /** In the order in which they came, those that run included. */
  #entries: Entry<J>[] = [];
  #running = 0;
  #cancel: (() => void) | undefined;
  #stopped = false;

  constructor(options: LaneOptions<J>) {
    this.#o = options;
  }

  get waiting(): number {
    return this.#entries.length - this.#running;
  }
  get running(): number {
    return this.#running;
  }

  add(task: Task<J>): void {
    if (this.#stopped) return;
    if (this.#o.newest === true && this.#entries.some(({ key }) => key === task.key)) {
      const error = this.#o.refusal?.(task.job);
      if (error !== undefined) {
        this.#o.settled(task.job, { result: 'failed', error });
        return;
      }
      this.#supersede(task.key);
    }
    const fits = this.waiting < this.#o.most || this.#dropLeast(task);
    if (!fits) {
      this.#o.settled(task.job, { result: 'dropped' });
      return;
    }
    this.#entries.push({ ...task, tries: 0, waits: 0, begun: false, unwanted: false, again: 0, last: undefined });
    this.#next();
  }

  /** Nobody wants these any more. Those that wait are forgotten; one that runs is not tried again. */
  drop(jobs: ReadonlySet<J>): void {
    for (const entry of this.#entries) if (jobs.has(entry.job)) entry.unwanted = true;
    this.#entries = this.#entries.filter(({ begun, unwanted }) => begun || !unwanted);
    this.#next();
  }

  /** They are wanted after all. @returns those that still run, and are tried again where they fail */
  want(jobs: ReadonlySet<J>): J[] {
    const here = this.#entries.filter(({ job }) => jobs.has(job));
    for (const entry of here) entry.unwanted = false;
    return here.map(({ job }) => job);
  }

  /** Those that wait are forgotten here; what runs ends by itself. */
  stop(): void {
    this.#stopped = true;
    this.#cancel?.();
    this.#entries = this.#entries.filter(({ begun }) => begun);
  }

  #supersede(key: string): void {
    const gone = this.#entries.filter((entry) => entry.key === key && !entry.begun);
    if (gone.length === 0) return;
    this.#entries = this.#entries.filter((entry) => !gone.includes(entry));
    for (const { job } of gone) this.#o.settled(job, { result: 'superseded' });
  }

  /** @returns false: none of those that wait is less severe */
  #dropLeast(task: Task<J>): boolean {
    let least: Entry<J> | undefined;
    const oldest = this.#o.oldestGoes === true;
    for (const entry of this.#entries) {
      if (entry.begun) continue;
      if (least === undefined || rank(entry) < rank(least) || (!oldest && rank(entry) === rank(least))) least = entry;
    }
    if (least === undefined || rank(least) > rank(task) || (!oldest && rank(least) === rank(task))) return false;
    const { job } = least;
    this.#entries = this.#entries.filter((entry) => entry !== least);
    this.#o.settled(job, { result: 'dropped' });
    // What came in its stead may have taken the place.
    return this.waiting < this.#o.most || this.#dropLeast(task);
  }

  #next(): void {
    this.#expire();
    while (!this.#stopped && (this.#running < this.#o.atOnce || this.#o.aside === true)) {
      const entry = this.#pick();
      if (entry === undefined) break;
      void this.#run(entry);
    }
    this.#wait();
  }

  #expire(): void {
    const { clock, late } = this.#o;
    if (late === undefined || this.#stopped) return;
    const now = clock.monotonic();
    const over = this.#entries.filter(({ begun, due }) => !begun && due !== undefined && due <= now);
    if (over.length === 0) return;
    this.#entries = this.#entries.filter((entry) => !over.includes(entry));
    for (const { job, last } of over) this.#o.settled(job, { result: 'failed', error: late(job, last) });
  }

  /** The most severe of those that are due, have a place, and whose key is free. */
  #pick(): Entry<J> | undefined {
    const now = this.#o.clock.monotonic();
    const taken = new Set<string>();
    let best: Entry<J> | undefined;
    for (const entry of this.#entries) {
      const free = !taken.has(entry.key);
      taken.add(entry.key);
      if (!free || entry.begun || entry.again > now || !this.#hasPlace(entry)) continue;
      if (best === undefined || rank(entry) > rank(best)) best = entry;
    }
    return best;
  }

  #hasPlace(entry: Entry<J>): boolean {
    const { atOnce, aside } = this.#o;
    if (aside !== true || this.#running < atOnce) return this.#running < atOnce;
    return this.#entries.filter((one) => one.begun && rank(one) >= rank(entry)).length < atOnce;
  }

  async #run(entry: Entry<J>): Promise<void> {
    entry.begun = true;
    this.#running++;
    let outcome: Outcome = { result: 'done' };
    try {
      await this.#o.perform(entry.job);
    } catch (thrown) {
      outcome = { result: 'failed', error: toError(thrown) };
    }
    this.#running--;
    entry.begun = false;
    if (outcome.result === 'failed' && !this.#stopped) {
      if (entry.unwanted || this.#hasNewer(entry)) outcome = { result: 'superseded' };
      else if (this.#again(entry, outcome.error)) {
        this.#next();
        return;
      }
    }
    this.#entries = this.#entries.filter((one) => one !== entry);
    this.#o.settled(entry.job, outcome);
    this.#next();
  }

  /** A newer word has come while it ran, and it may be done. */
  #hasNewer({ key, job }: Entry<J>): boolean {
    const { newest, refusal } = this.#o;
    return newest === true && this.#entries.some((one) => one.job !== job && one.key === key && refusal?.(one.job) === undefined);
  }

  /** @returns whether it is tried again */
  #again(entry: Entry<J>, error: Error): boolean {
    const { clock, failing } = this.#o;
    entry.last = error;
    const asked = error instanceof SluiceError ? error.data.again : undefined;
    if (typeof asked === 'number' && Number.isFinite(asked) && entry.waits < MOST_WAITS) {
      entry.waits++;
      entry.again = clock.monotonic() + Math.min(Math.max(asked, 10), RETRY_LONGEST);
      return true;
    }
    const final = error instanceof SluiceError && error.retry === 'never';
    if (final || entry.tries >= entry.retries) return false;
    if (entry.tries === 0) failing?.(entry.job, error);
    entry.again = clock.monotonic() + Math.min(RETRY_FIRST * 2 ** entry.tries, RETRY_LONGEST);
    entry.tries++;
    return true;
  }

  #wait(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    const now = this.#o.clock.monotonic();
    let due = Number.POSITIVE_INFINITY;
    for (const entry of this.#entries) {
      if (entry.begun) continue;
      if (entry.again > now) due = Math.min(due, entry.again);
      if (entry.due !== undefined) due = Math.min(due, Math.max(entry.due, now));
    }
    if (due === Number.POSITIVE_INFINITY || this.#stopped) return;
    this.#cancel = this.#o.clock.after(Math.max(0, due - now), () => this.#next());
  }
}

const rank = ({ severity }: { readonly severity: Severity }): number => SEVERITIES.indexOf(severity);
