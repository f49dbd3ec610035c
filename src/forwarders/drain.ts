/**
 * The drain loop of a forwarder with a cursor: four pumps (data, history, alarms, events) that run side by side while a
 * connection lasts, so that live readings do not stand behind a backlog, nor alarms behind events. A lane has at most one
 * batch under way; a target that fails ends all four, and the next connection goes on at the lowest unacknowledged number
 * of each. What a batch looks like on the wire, and where it goes, is the target's to know.
 */
import type { Duty } from '../core/duty.ts';
import { SluiceError } from '../core/errors.ts';
import type { OutBatch } from '../store/delivery/out.ts';
import type { Lane, NoticeKind } from '../store/files/lane-state.ts';
import { AlarmPump } from './alarm-pump.ts';
import type { Carried, DrainOptions, DrainTarget, PumpSide } from './drain-sides.ts';
import { EventPump } from './event-pump.ts';

/**
 * Devices that are read in one go would otherwise wait maxAge for nothing: when so much of it has passed without a new
 * reading, none is likely to come in the rest.
 */
const QUIET = 1 / 4;
/** Longest sleep of a pump: a bound, everything that matters wakes it. */
const NAP = 1000;
/** A visit waits so long for what the log has and cannot give yet, ms. */
const PATIENCE = 10_000;
/** How often a filter looks for live readings that it lets through, at most, ms. */
const LOOK = 20;

const OTHERS = ['data', 'history', 'event'] as const;

export class Drain {
  readonly #options: DrainOptions;
  readonly #target: DrainTarget;
  readonly #alarms: AlarmPump;
  #ended = false;
  #finishing = false;
  /** The first number that no longer leaves as data on this connection, once it finishes; of the current log. */
  #finishesAt: number | undefined;
  /** Pumps of a visit that still have something, apart from that of alarms. */
  #busy = 0;
  #failure: unknown;
  /** Lanes that the files could not give when they were asked last. */
  readonly #unreadable = new Set<Carried>();
  /** No alarm waits to be handed over; who waits for that. */
  #calm = false;
  #calming: (() => void)[] = [];
  /** How often what the connection begins with was sent anew. */
  #greetings = 0;
  /** So many readings more wake the data pump. */
  #enough = 1;
  readonly #sleepers: Record<Carried, (() => void) | undefined> = {
    data: undefined,
    history: undefined,
    alarm: undefined,
    event: undefined,
  };
  /** Until when each pump that sleeps does so; monotonic. */
  readonly #until = new Map<Carried, number>();
  readonly #onAppended = (readings: number): void => {
    if (readings === 0) {
      this.#calm = false;
      this.#wakeNotices();
    }
    this.#enough -= readings;
    if (this.#enough <= 0) this.#wake('data');
  };
  readonly #onCommitted = (): void => {
    this.#wake('history');
    this.#wake('data');
  };

  constructor(options: DrainOptions, target: DrainTarget) {
    this.#options = options;
    this.#target = target;
    this.#alarms = new AlarmPump(this.#side('alarm'));
  }

  /** Pumps that sleep. One that waits for the far side or for the log has no time of its own. */
  duties(forwarder: string): Duty[] {
    return [...this.#until].map(([who, due]) => ({ name: `the lane ${who} of the forwarder ${forwarder}`, due }));
  }

  /** Runs until `end` is called or a publish fails. @throws what made it fail */
  async run(): Promise<void> {
    const { log } = this.#options;
    log.on('appended', this.#onAppended);
    log.on('committed', this.#onCommitted);
    try {
      const others = this.#options.visit?.alarmsOnly === true ? [] : OTHERS;
      this.#busy = others.length;
      const events = new EventPump(this.#side('event'));
      const run = (of: (typeof OTHERS)[number]) => (of === 'event' ? events.run() : this.#pump(of));
      const first = others.length === 0 ? undefined : this.#options.visit?.first?.();
      const through = async (of: (typeof OTHERS)[number]): Promise<void> => {
        await first;
        await run(of);
        this.#busy--;
        this.#wake('alarm');
      };
      await Promise.all(
        [this.#alarms.run().finally(() => this.#calmDown()), ...others.map(through)].map((pump) => this.#guard(pump)),
      );
    } finally {
      log.off('appended', this.#onAppended);
      log.off('committed', this.#onCommitted);
      this.#calmDown();
    }
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Resolves when no alarm waits to be handed over, when the far side takes none now, or at the end. */
  async calm(): Promise<void> {
    if (!this.#calm) await new Promise<void>((resolve) => this.#calming.push(resolve));
  }

  /**
   * Sends what live readings, alarms and events there are, without waiting for full batches; `run` then resolves. Readings that come
   * later are for the next connection: buses may go on, and one answer always takes longer than the next reading.
   */
  finish(): void {
    this.#finishing = true;
    this.#finishesAt ??= this.#options.log.next;
    this.#wakeAll();
  }

  /** What the connection begins with was sent anew: what the dialect kept for it leaves now, alarms first. */
  greeted(): void {
    this.#greetings++;
    this.#alarms.greeted();
    this.#wakeNotices();
    this.#wake('history');
    this.#wake('data');
  }

  /** Nothing new is sent; `run` resolves when what is under way is answered. */
  end(): void {
    this.#ended = true;
    this.#wakeAll();
  }

  #wakeAll(): void {
    this.#wake('data');
    this.#wake('history');
    this.#wakeNotices();
  }
  #wakeNotices(): void {
    this.#wake('alarm');
    this.#wake('event');
  }

  async #guard(pump: Promise<void>): Promise<void> {
    try {
      await pump;
    } catch (thrown) {
      this.#failure ??= thrown;
      this.end();
    }
  }

  async #pump(lane: Lane): Promise<void> {
    const { outlet, visit, clock, cut } = this.#options;
    const ask = (): number => Math.min(most, this.#options.maxReadings(), cut?.readings(lane) ?? most);
    let most = Number.POSITIVE_INFINITY;
    let left = false;
    let waits: number | undefined;
    while (!this.#ended && !(this.#finishing && lane === 'history')) {
      if (this.#options.hold()) {
        visit?.unfinished();
        if (this.#finishing || visit !== undefined) return;
        await this.#sleep(lane, NAP);
        continue;
      }
      if (lane === 'data' && !(await this.#batchIsDue())) continue;
      const batch = await this.#fromLog(lane, () => outlet.next(lane, ask()));
      if (this.#ended) return;
      if (batch === undefined) {
        const later = visit !== undefined && (this.#unreadable.has(lane) || outlet.later(lane));
        waits ??= clock.monotonic();
        const spent = later && clock.monotonic() - waits >= PATIENCE;
        if (spent) visit.unfinished();
        if (this.#finishing || spent || (visit !== undefined && !later)) return;
        // A commit wakes it, and a nap ends.
        if (lane === 'data' && outlet.filters) this.#enough = this.#options.maxReadings();
        await this.#sleep(lane, NAP);
        continue;
      }
      waits = undefined;
      if (this.#isLaterThanFinish(batch)) return;
      const fits = cut?.fits(batch) ?? true;
      if (fits !== true && fits < Math.min(most, batch.readings) && batch.records > 1) {
        most = fits;
        continue;
      }
      const admitted = visit?.admit(batch) ?? true;
      if (admitted !== true) {
        // Where nothing left, the smallest batch tells what a visit needs.
        const smaller = left ? admitted : Math.max(1, admitted < most ? admitted : Math.floor(most / 2));
        // One that did not get smaller by this will not.
        if (smaller >= 1 && smaller < most && batch.records > 1) {
          most = smaller;
          continue;
        }
        if (!left) visit?.stuck(batch);
        return;
      }
      most = Number.POSITIVE_INFINITY;
      left = true;
      // The clock may have changed in the meantime: the times in it are not the right ones any more.
      if (!(await this.#turnOf(batch)) || !outlet.handOver(batch)) {
        visit?.settled(batch);
        continue;
      }
      this.#options.sent(batch);
      const greetings = this.#greetings;
      const outcome = await this.#target.batch(batch);
      visit?.settled(batch);
      if (outcome === 'keep') {
        if (visit?.over(lane) === true) {
          visit.unfinished();
          return;
        }
        if (greetings < this.#greetings) continue;
        if (lane === 'data') this.#enough = Number.POSITIVE_INFINITY;
        await this.#sleep(lane, NAP);
        continue;
      }
      if (outcome === 'accept') this.#options.delivered(batch);
      else this.#options.refused(batch, outcome.reject);
      outlet.done(batch);
    }
  }

  #isLaterThanFinish({ log, lane, first }: OutBatch): boolean {
    return lane === 'data' && log === this.#options.log.ordinal && first >= (this.#finishesAt ?? Number.POSITIVE_INFINITY);
  }

  /** Waits until the batch may leave. @returns false: nothing leaves any more, or only what is live */
  async #turnOf(batch: OutBatch): Promise<boolean> {
    const { lane } = batch;
    for (;;) {
      if (this.#ended || (this.#finishing && lane === 'history')) return false;
      const wait = this.#options.pace?.(batch) ?? 0;
      if (wait <= 0) return true;
      await this.#sleep(lane, wait);
    }
  }

  /** A lane that the files cannot give now is asked again later: the other lanes do not wait for it. */
  async #fromLog<T>(of: Carried, ask: () => Promise<T>): Promise<T | undefined> {
    try {
      const answer = await ask();
      this.#options.unread(of, undefined);
      this.#unreadable.delete(of);
      return answer;
    } catch (thrown) {
      if (!(thrown instanceof SluiceError) || thrown.code !== 'log-read') throw thrown;
      this.#options.unread(of, thrown);
      this.#unreadable.add(of);
      // Not with every reading that comes meanwhile.
      if (of === 'data') this.#enough = Number.POSITIVE_INFINITY;
      return undefined;
    }
  }

  /** Waits until live readings are enough, old enough or followed by silence; what an earlier connection left goes at once. */
  async #batchIsDue(): Promise<boolean> {
    const { outlet, maxAge, clock } = this.#options;
    const maxReadings = this.#options.maxReadings();
    if (outlet.filters) outlet.passUnwanted();
    const { readings, oldest, newest } = outlet.waiting(maxReadings);
    if (readings >= maxReadings || this.#finishing || this.#options.visit !== undefined) return true;
    if (oldest === undefined || newest === undefined) {
      if (outlet.pending('data')) return true;
      // With a filter most of what is appended may be for others.
      this.#enough = outlet.filters ? maxReadings : 1;
      await this.#sleep('data', outlet.filters ? Math.min(NAP, Math.max(maxAge * QUIET, LOOK)) : NAP);
      return false;
    }
    const wait = Math.min(oldest + maxAge, newest + maxAge * QUIET) - clock.monotonic();
    if (wait <= 0) return true;
    this.#enough = maxReadings - readings;
    await this.#sleep('data', Math.min(wait, NAP));
    return false;
  }

  #side(of: NoticeKind): PumpSide {
    const drain = this;
    return {
      ...{ options: this.#options, target: this.#target },
      get ended() {
        return drain.#ended;
      },
      get finishing() {
        return drain.#finishing;
      },
      get busy() {
        return drain.#busy;
      },
      read: (ask) => this.#fromLog(of, ask),
      sleep: (ms) => this.#sleep(of, ms),
      wake: () => this.#wake(of),
      calmDown: () => this.#calmDown(),
    };
  }

  #calmDown(): void {
    this.#calm = true;
    for (const resolve of this.#calming.splice(0)) resolve();
  }

  #sleep(who: Carried, ms: number): Promise<void> {
    if (this.#ended) return Promise.resolve();
    return new Promise((resolve) => {
      const wake = (): void => {
        cancel();
        this.#sleepers[who] = undefined;
        this.#until.delete(who);
        resolve();
      };
      const { clock } = this.#options;
      this.#until.set(who, clock.monotonic() + ms);
      const cancel = clock.after(ms, wake);
      this.#sleepers[who] = wake;
    });
  }

  #wake(who: Carried): void {
    if (who === 'alarm') this.#alarms.wake();
    this.#sleepers[who]?.();
  }
}
