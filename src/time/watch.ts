/**
 * UTC as this run knows it: monotonic time + offset. Two things are kept apart: what the offset is, and whether it is
 * known to be right (contract, rule 8).
 *
 * - Known is: the system clock once a time service says that it is synchronised; a GPS with a fix; what an earlier start
 *   within the same boot of the machine knew; and, only where no time service runs and no GPS is named, any system clock
 *   later than the software.
 * - A better source takes over from a worse one, never the other way round. What is known stays known when its source
 *   falls silent: the monotonic clock goes on.
 * - No source is believed with a time before the software was made, or more than 19 years after.
 * - A GPS is not believed with a time before the last one that was known, nor while a synchronised time service says another.
 * - A clock that steps again and again is not known until it has been quiet for a while.
 */
import type { Clock } from '../core/clock.ts';
import { BELIEVED_UNTIL, BUILT } from '../core/version.ts';
import { GpsClock, type OtherSource } from './gps.ts';
import { type ClockProbes, type TimeService, timeService } from './services.ts';

const LOOK_EVERY = 5000;
/** Time between two questions to the time service, until it is synchronised; while the clock is known without it. */
const ASK_EVERY = 10_000;
const ASK_SELDOM = 60_000;
/** A difference of the two clocks that is a step and not the time between two calls. */
const STEP = 500;
/** The number of steps within a time that make a quarrel; it ends after the same time without a step. */
const QUARREL = { steps: 5, within: 600_000 };

/** Better ones are higher. */
const RANK = { none: 0, earlier: 1, system: 2, gps: 3, service: 4 } as const;
type Rank = (typeof RANK)[keyof typeof RANK];

export interface ClockChange {
  readonly offset: number;
  readonly known: boolean;
  /** New minus old time, ms. */
  readonly step: number;
  readonly wasKnown: boolean;
  readonly source: string;
}

export interface ClockStatus {
  readonly known: boolean;
  /** Where the time comes from, or why there is none, in words. */
  readonly source: string;
  /** The system clock minus the time of the gateway, ms. */
  readonly systemOffset: number;
  /** Monotonic ms: since when it is known, or not. */
  readonly since: number;
  /** Changes of the time since the start. */
  readonly steps: number;
}

export class ClockWatch {
  readonly #clock: Clock;
  readonly #probes: ClockProbes;
  readonly #onChange: (change: ClockChange) => void;
  readonly #onFault: (fault: string) => void;
  #faulty = false;
  /** The device that is named as the clock. */
  readonly #gpsName: () => string | undefined;
  readonly #gps = new GpsClock({ from: BUILT, to: BELIEVED_UNTIL });
  #cancel: (() => void) | undefined;
  #service: TimeService = { name: undefined, synchronised: false, why: 'it was not asked yet' };
  #asked = Number.NEGATIVE_INFINITY;
  #asking: Promise<void> | undefined;
  #rank: Rank = RANK.none;
  #source = '';
  #since: number;
  #changes = 0;
  /** Monotonic times of the newest steps of the source in use; at most QUARREL.steps. */
  #stepped: number[] = [];
  /** Its offset at the last look. */
  #seen = 0;
  offset: number;
  known = false;

  constructor(options: {
    clock: Clock;
    probes: ClockProbes;
    onChange: (change: ClockChange) => void;
    gps?: () => string | undefined;
    /** The GPS gives a time that cannot be, in words; once until it is believed. */
    onFault?: (fault: string) => void;
  }) {
    this.#clock = options.clock;
    this.#probes = options.probes;
    this.#onChange = options.onChange;
    this.#onFault = options.onFault ?? (() => {});
    this.#gpsName = options.gps ?? (() => undefined);
    this.offset = this.#systemOffset();
    this.#since = options.clock.monotonic();
  }

  /** Asks for the first time. Resolves within some seconds, whatever hangs; it reports nothing. */
  async begin(): Promise<void> {
    await this.#ask();
    this.#judge(false);
  }
  start(): void {
    this.#cancel = this.#clock.after(LOOK_EVERY, () => {
      this.look();
      this.start();
    });
  }
  stop(): void {
    this.#cancel?.();
  }

  /** Looks at everything that answers at once; the time service is asked on the way. */
  look(): void {
    this.#judge(true);
    if (this.#service.synchronised || this.#clock.monotonic() - this.#asked < (this.known ? ASK_SELDOM : ASK_EVERY)) return;
    void this.#ask().then(() => this.#judge(true));
  }

  /** Takes the time that an earlier start within this boot of the machine knew. Call it before `start`; it reports nothing. */
  inherit(offset: number): void {
    this.trust(offset + this.#clock.monotonic());
    if (this.known) return;
    this.offset = offset;
    this.#become(true, RANK.earlier, 'an earlier start since the board was switched on');
  }

  /** The last time that an earlier start knew, UTC ms; one that cannot be is ignored. */
  trust(utc: number): void {
    if (isPlausible(utc)) this.#gps.trusted = Math.max(utc, this.#gps.trusted ?? utc);
  }

  /** A sentence with a fix. @param utc ms; @param at monotonic ms at which it had arrived */
  gps(device: string, utc: number, at: number): void {
    if (device !== this.#gpsName()) return;
    this.#gps.take(utc, at, this.#serviceTime());
    const { fault } = this.#gps;
    if (fault !== undefined && !this.#faulty) this.#onFault(`GPS ${device}: ${fault}`);
    // The fault ends when the receiver is believed again: one that says now this, now that has one fault.
    this.#faulty = fault !== undefined || (this.#faulty && this.#gps.offset(at) === undefined);
    this.#judge(true);
  }

  status(): ClockStatus {
    return {
      known: this.known,
      source: this.known ? this.#source : this.#reason(),
      systemOffset: this.#systemOffset() - this.offset,
      since: this.#since,
      steps: this.#changes,
    };
  }

  #ask(): Promise<void> {
    this.#asked = this.#clock.monotonic();
    this.#asking ??= timeService(this.#probes)
      .then((service) => {
        this.#service = service;
      })
      .finally(() => {
        this.#asking = undefined;
      });
    return this.#asking;
  }

  #systemOffset(): number {
    return Math.round(this.#clock.wall() - this.#clock.monotonic());
  }

  /** The system clock while a time service vouches for it. */
  #serviceTime(): OtherSource | undefined {
    const { name, synchronised } = this.#service;
    return synchronised && isPlausible(this.#clock.wall()) ? { name: name ?? '', offset: this.#systemOffset() } : undefined;
  }

  /** The best source of now. */
  #candidate(): { rank: Rank; source: string; offset: number } | undefined {
    const system = this.#systemOffset();
    const plausible = isPlausible(this.#clock.wall());
    const { name } = this.#service;
    const service = this.#serviceTime();
    if (service !== undefined) return { rank: RANK.service, source: service.name, offset: service.offset };
    const gps = this.#gpsName();
    const fix = gps === undefined ? undefined : this.#gps.offset(this.#clock.monotonic());
    if (fix !== undefined) return { rank: RANK.gps, source: `GPS ${gps}`, offset: fix };
    if (plausible && name === undefined && gps === undefined)
      return { rank: RANK.system, source: 'system clock (no time service runs)', offset: system };
    return undefined;
  }

  #judge(report: boolean): void {
    const best = this.#candidate();
    if (best === undefined || best.rank < this.#rank) {
      if (this.#rank === RANK.none) this.#estimate(report);
      return;
    }
    const moves = Math.abs(best.offset - this.offset) >= STEP;
    const stepped = this.#rank === best.rank && Math.abs(best.offset - this.#seen) >= STEP;
    this.#seen = best.offset;
    if (this.#quarrels(stepped)) {
      if (this.known) this.#change({ ...best, offset: this.offset }, false, report);
      return;
    }
    if (moves || !this.known) this.#change(best, true, report);
    else if (best.rank > this.#rank) this.#become(true, best.rank, best.source);
  }

  /** Not known yet: the board's own idea serves alarms and values. */
  #estimate(report: boolean): void {
    const offset = this.#systemOffset();
    if (Math.abs(offset - this.offset) >= STEP) this.#change({ rank: RANK.none, source: '', offset }, false, report);
  }

  /** @param stepped the source in use stepped just now */
  #quarrels(stepped: boolean): boolean {
    const now = this.#clock.monotonic();
    if (stepped) this.#stepped.push(now);
    if (this.#stepped.length > QUARREL.steps) this.#stepped.shift();
    const [first, last] = [this.#stepped[0], this.#stepped.at(-1)];
    if (this.#stepped.length < QUARREL.steps || first === undefined || last === undefined) return false;
    return last - first < QUARREL.within && now - last < QUARREL.within;
  }

  #change({ rank, source, offset }: { rank: Rank; source: string; offset: number }, known: boolean, report: boolean): void {
    const wasKnown = this.known;
    const step = offset - this.offset;
    this.offset = offset;
    this.#become(known, rank, source);
    this.#changes++;
    if (report) this.#onChange({ offset, known, step, wasKnown, source: known ? source : this.#reason() });
  }

  #become(known: boolean, rank: Rank, source: string): void {
    if (known !== this.known) this.#since = this.#clock.monotonic();
    this.known = known;
    this.#rank = rank;
    this.#source = source;
  }

  /** Why it is not known. */
  #reason(): string {
    if (this.#rank > RANK.none) return `${this.#source} changes again and again; look for two programs that set it`;
    const { name, why, synchronised } = this.#service;
    const wall = this.#clock.wall();
    const shows = `it shows ${new Date(wall).toISOString().slice(0, 10)}, which cannot be`;
    const parts = [
      ...(name === undefined ? [] : [`${name}: ${synchronised ? shows : (why ?? 'not synchronised')}`]),
      ...(this.#gpsName() === undefined ? [] : [`GPS ${this.#gpsName()}: ${this.#gps.fault ?? 'no fix yet'}`]),
    ];
    if (parts.length > 0) return parts.join('; ');
    return `system clock, ${wall > BELIEVED_UNTIL ? 'later than 19 years after' : 'earlier than'} this software, so it is not used`;
  }
}

/** @param utc ms */
function isPlausible(utc: number): boolean {
  return utc > BUILT && utc <= BELIEVED_UNTIL;
}
