/**
 * How long an alarm waits for a person, and when the gateway acts on that. Pure; a restart goes on with it, and counts the time in
 * between where the wall clock was known on both sides. What would have been done several times meanwhile is done once.
 */
import type { ResolvedEscalation } from '../../config/actions.ts';
import type { Moment } from '../../rules/rule-state.ts';
import type { SavedEscalation } from './job.ts';

/** Times that one alarm is escalated. */
const MOST_TIMES = 100;
/** How often a wait is saved while the clock is not known, ms. */
const SAVE_EVERY = 60_000;

export class Escalation {
  readonly #setting: ResolvedEscalation;
  /** Monotonic; it may lie before the start of this run. */
  #since: number;
  /** Monotonic, of the last time. */
  #last: number | undefined;
  #done = 0;
  /** Wall time of what the last run saved, while this run's clock is not known. */
  #unmapped: number | undefined;
  readonly #start: number;
  #savedAt: number;

  constructor(setting: ResolvedEscalation, start: Moment, saved?: SavedEscalation) {
    this.#setting = setting;
    this.#start = start.at;
    this.#since = start.at;
    this.#savedAt = start.at;
    if (saved === undefined) return;
    const off = saved.wallKnown && start.wallKnown ? Math.max(0, start.wall - saved.savedAt) : 0;
    if (saved.wallKnown && !start.wallKnown) this.#unmapped = saved.savedAt;
    this.#since -= saved.waited + off;
    this.#done = saved.done;
    if (saved.last !== undefined && saved.done > 0) this.#last = this.#since + saved.last;
  }

  /** Monotonic time from which on it waits; it may lie before the start of this run. */
  get since(): number {
    return this.#since;
  }

  /** Monotonic time at which it acts next; Infinity: never again. */
  get due(): number {
    const { after, repeat } = this.#setting;
    if (this.#done === 0) return this.#since + after;
    if (repeat === undefined || this.#done >= MOST_TIMES) return Number.POSITIVE_INFINITY;
    return (this.#last ?? this.#since + after) + repeat;
  }

  /** Monotonic time at which it must be saved again, so that a restart without a clock loses no more. */
  get saveDue(): number {
    return this.due === Number.POSITIVE_INFINITY ? Number.POSITIVE_INFINITY : this.#savedAt + SAVE_EVERY;
  }

  /** @returns whether it acts now; what was missed is one time */
  take(now: number): boolean {
    if (this.due > now) return false;
    this.#done++;
    this.#last = now;
    return true;
  }

  /** The wall clock has become known: the time that the gateway was off can be counted now. */
  clockKnown({ at, wall }: Moment): void {
    if (this.#unmapped === undefined) return;
    const off = Math.max(0, wall - (at - this.#start) - this.#unmapped);
    this.#unmapped = undefined;
    this.#since -= off;
    if (this.#last !== undefined) this.#last -= off;
  }

  save({ at, wall, wallKnown }: Moment): SavedEscalation {
    this.#savedAt = at;
    // While only the last run's clock is known, the wait stays tied to it.
    const fromBefore = this.#unmapped !== undefined && !wallKnown;
    return {
      waited: Math.max(0, at - this.#since),
      savedAt: fromBefore ? (this.#unmapped as number) + (at - this.#start) : wall,
      wallKnown: fromBefore || wallKnown,
      done: this.#done,
      ...(this.#last !== undefined && { last: Math.max(0, this.#last - this.#since) }),
    };
  }
}
