/**
 * What the last run left of a rule's times. While the wall clock of this run is not known, nobody knows how long the gateway was off:
 * times stay tied to the clock of the last run, and are moved once it is known.
 */
import { type Delay, delayDue } from './delay.ts';
import type { Moment, RuleState } from './rule-state.ts';

export class PastRun {
  /** Monotonic time at which this run began. */
  readonly start: number;
  /** The time that the gateway was off; undefined while nobody knows it. */
  readonly off: number | undefined;
  /** The same for what a condition remembers: an alarm or a delay of a run without a clock does not cut that off from the runs before. */
  readonly memoryOff: number | undefined;
  /** Wall time of the last save, while this run's clock is not known. */
  #unmapped: number | undefined;
  #memoryUnmapped: number | undefined;
  /** The delay that the last run left. */
  #delay: Delay | undefined;
  /** That delay ran out before this run began. */
  #ranOut = false;

  constructor(saved: RuleState | undefined, start: Moment) {
    this.start = start.at;
    this.off = saved?.wallKnown === true && start.wallKnown ? Math.max(0, start.wall - saved.savedAt) : undefined;
    if (saved?.wallKnown === true && !start.wallKnown) this.#unmapped = saved.savedAt;
    const remembered = saved?.wallKnown === true ? saved.savedAt : saved?.memoryAt;
    if (remembered !== undefined && start.wallKnown) this.memoryOff = Math.max(0, start.wall - remembered);
    if (!start.wallKnown) this.#memoryUnmapped = remembered;
  }

  /** @param delay as it goes on */
  restored(delay: Delay | undefined): void {
    this.#delay = delay;
    this.#ranOut = (delay?.due ?? Number.POSITIVE_INFINITY) <= this.start;
  }

  /** The delay ran out while the gateway was off. */
  ranOut(delay: Delay | undefined): boolean {
    return this.#ranOut && delay !== undefined && delay === this.#delay;
  }

  /** When the delay is to be looked at. */
  due(delay: Delay | undefined): number {
    return delayDue(delay, this.start);
  }

  /** The clock is known: moves the delay of the last run. @returns the time that the gateway was off, where only now it is known */
  counted(moment: Moment, delay: Delay | undefined): number | undefined {
    const off = this.#since(this.#unmapped, moment);
    this.#unmapped = undefined;
    if (off === undefined) return undefined;
    if (delay !== undefined && delay === this.#delay) {
      delay.since -= off;
      this.#ranOut = delay.due - off <= this.start;
      delay.due = Math.max(delay.due - off, moment.at);
    }
    return off;
  }

  /** The clock is known. @returns `memoryOff`, where only now it is known */
  memoryCounted(moment: Moment): number | undefined {
    const off = this.#since(this.#memoryUnmapped, moment);
    this.#memoryUnmapped = undefined;
    return off;
  }

  /** @param saved wall time */
  #since(saved: number | undefined, moment: Moment): number | undefined {
    return saved === undefined ? undefined : Math.max(0, moment.wall - (moment.at - this.start) - saved);
  }

  /**
   * The clock of a state that is saved now. While only times of the last run are kept, they stay tied to its clock, and this run's time
   * is added on both sides.
   * @param since the monotonic time since when the alarm stands; undefined: it does not
   * @param ownEnd a person set, in this run, when the alarm comes back
   */
  clock(
    moment: Moment,
    delay: Delay | undefined,
    since: number | undefined,
    ownEnd: boolean,
  ): Pick<RuleState, 'savedAt' | 'wallKnown' | 'memoryAt'> {
    const fromBefore =
      this.#unmapped !== undefined &&
      !moment.wallKnown &&
      !ownEnd &&
      (delay === undefined || delay === this.#delay) &&
      (since === undefined || since <= this.start);
    const ran = moment.at - this.start;
    const wallKnown = fromBefore || moment.wallKnown;
    return {
      ...{ savedAt: fromBefore ? (this.#unmapped as number) + ran : moment.wall, wallKnown },
      ...(!wallKnown && this.#memoryUnmapped !== undefined && { memoryAt: this.#memoryUnmapped + ran }),
    };
  }
}
