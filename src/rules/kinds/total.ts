import * as z from 'zod';
import { type Calendar, PERIODS, type Period } from '../../core/calendar.ts';
import type { Value } from '../../core/point.ts';
import { phrase, type Sentence } from '../../core/sentence.ts';
import { type Grown, Growth, type GrowthSettings } from '../growth.ts';
import { judgeOf, limitWords } from '../limit.ts';
import { type ConditionMemory, type Measured, type MemoryStart, type MemoryVerdict, ruleKind } from '../rule-kind.ts';
import { rounded } from '../statistic.ts';
import type { WallClock } from '../wall-clock.ts';
import { MEASURED_DIGITS } from '../words.ts';
import { counterKeys } from './delta.ts';

interface Setting extends GrowthSettings {
  readonly above: number;
  readonly per: Period;
}

/**
 * How much a counter grew in this hour, day, week or month of the calendar (gateway.timezone). One sum a rule. Its invariants:
 *
 * - What a counter grew from one reading to the next counts once and whole, whatever lies between them: restarts, a clock that is not
 *   known, a kill. Only what grew before the very first reading counts nowhere.
 * - It counts as even over the time between the two, also across the border of a period and while the gateway was off.
 * - While the clock is not known no period is: the rule says nothing, and what grows waits, over restarts too. It counts as even over
 *   the time in which it waited.
 * - Where nobody will ever know the time of a growth, it counts in the period in which the gateway knows the time again. An alarm may then
 *   come too early, but none is missing, and its message says how much that is.
 * - The alarm ends when the period does, by time alone, or at the start where the gateway was off. The total of the next one begins at 0.
 *   A clock that steps into another period begins the total anew.
 */
export const total = ruleKind({
  key: 'total',
  schema: z.strictObject({
    above: z.number().min(0).describe('In alarm while the total of the period is greater than this number.'),
    per: z.enum(PERIODS).describe('The period of the calendar, in the time zone of the gateway. A week begins on Monday.'),
    ...counterKeys(),
  }),
  doc: 'In alarm while a counter grew more than `above` in this hour, day, week or month.',
  needs: 'number',
  create: (setting, deadband) => ({ type: 'memory', start: (from) => new TotalMemory(setting, deadband, from) }),
});

/** No counter counts so far, and no sum of such numbers overflows. */
const MOST = 1e300;
const amount = z.number().min(0).max(MOST);
const savedSchema = z.object({
  /** UTC ms at which the period of `total` began. */
  period: z.number().optional(),
  total: amount,
  /** The part of the total whose time nobody knows. */
  untimed: amount.optional(),
  growth: z.unknown().optional(),
  /** What waits for the clock; ms before the saving. */
  waiting: z.object({ from: z.number().min(0), to: z.number().min(0), amount }).optional(),
});

/** What grew while the clock was not known, even over the time from the first of it to the last. Monotonic ms. */
interface Waiting {
  readonly from: number;
  readonly to: number;
  readonly amount: number;
}

class TotalMemory implements ConditionMemory {
  readonly words: Sentence;
  verdict: MemoryVerdict = 'unknown';
  due = Number.POSITIVE_INFINITY;
  measured: Measured | undefined;
  readonly #setting: Setting;
  readonly #judge: (value: number) => MemoryVerdict;
  readonly #clock: WallClock;
  readonly #calendar: Calendar;
  readonly #growth: Growth;
  /** UTC ms at which the period of the total began; undefined: none yet. */
  #period: number | undefined;
  #total = 0;
  #untimed = 0;
  #waiting: Waiting | undefined;
  /** What began in an earlier run waits for the time off too: `from` is as if there were none. */
  #earlier: Waiting | undefined;
  /** A total is there: a reading came, in this run or before. */
  #isKnown = false;

  constructor(setting: Setting, deadband: number, from: MemoryStart) {
    this.#setting = setting;
    this.#judge = judgeOf({ above: setting.above }, Math.min(deadband, setting.above));
    this.#clock = from.clock;
    this.#calendar = from.clock.calendar;
    this.#growth = new Growth(setting);
    this.words = limitWords({ above: setting.above });
    this.#takeUp(from);
  }

  value(at: number, value: Value): void {
    const grown = this.#growth.take(at, value);
    this.#isKnown = true;
    if (this.#clock.wall(at) === undefined) {
      if (grown !== undefined) this.#wait(at, grown);
      return;
    }
    this.#roll(at);
    if (grown?.isEarlier) this.#addUntimed(grown.amount);
    else if (grown !== undefined) this.#add({ ...grown, to: at });
    this.#compare();
  }

  bad(): void {}

  advance(at: number): void {
    this.#roll(at);
    this.#compare();
  }

  clockChanged(at: number, off?: number): void {
    this.#roll(at, true);
    if (this.#clock.wall(at) === undefined) return;
    // The next reading may show more of it.
    if (off !== undefined) this.#growth.offKnown(off);
    if (this.#earlier !== undefined) this.#addEarlier(this.#earlier, off);
    if (this.#waiting !== undefined) this.#add(this.#waiting);
    this.#earlier = undefined;
    this.#waiting = undefined;
    if (this.#isKnown) this.#compare();
  }

  save(at: number): unknown {
    const waiting = both(this.#earlier, this.#waiting);
    return {
      ...{ period: this.#period, total: this.#total, growth: this.#growth.save(at) },
      ...(this.#untimed > 0 && { untimed: this.#untimed }),
      ...(waiting !== undefined && { waiting: { ...waiting, from: at - waiting.from, to: Math.max(0, at - waiting.to) } }),
    };
  }

  #takeUp({ at, saved, off, clock }: MemoryStart): void {
    const known = savedSchema.safeParse(saved).data;
    if (known === undefined) {
      this.#roll(at);
      return;
    }
    const { period, total, untimed = 0, growth, waiting } = known;
    [this.#period, this.#total, this.#untimed, this.#isKnown] = [period, total, Math.min(untimed, total), true];
    this.#growth.restore(growth, at, off);
    const earlier = waiting && { from: at - waiting.from, to: at - waiting.to, amount: waiting.amount };
    this.#roll(at);
    if (clock.wall(at) === undefined) this.#earlier = earlier;
    else if (earlier !== undefined) this.#addEarlier(earlier, off);
    // What this start finds is said at once: the period ended while the gateway was off, or what waited has its time.
    if (this.#period !== undefined && (this.#period !== period || earlier !== undefined)) this.due = Math.min(this.due, at + 1);
  }

  #wait(at: number, { from, amount, isEarlier }: Grown): void {
    const grown = { from, to: at, amount };
    if (isEarlier) this.#earlier = both(this.#earlier, grown);
    else if (amount > 0) this.#waiting = both(this.#waiting, grown);
  }

  /** The period that holds `at`; another one than before begins at 0. */
  #roll(at: number, stepped = false): void {
    if (at < this.due && this.due !== Number.POSITIVE_INFINITY && !stepped) return;
    const wall = this.#clock.wall(at);
    if (wall === undefined) return;
    const period = this.#calendar.start(wall, this.#setting.per);
    if (period !== this.#period) [this.#total, this.#untimed] = [0, 0];
    this.#period = period;
    this.due = this.#clock.monotonic(this.#calendar.end(wall, this.#setting.per));
  }

  /** @param off undefined: nobody will ever know how long the gateway was off */
  #addEarlier({ from, to, amount }: Waiting, off: number | undefined): void {
    if (off === undefined) this.#addUntimed(amount);
    else if (this.#growth.allows(amount, to - from + off)) this.#add({ from: from - off, to, amount });
  }

  #addUntimed(amount: number): void {
    this.#total += amount;
    this.#untimed += amount;
  }

  /** Adds the part of a growth that lies in this period. */
  #add({ from, to, amount }: Waiting): void {
    const begin = this.#clock.monotonic(this.#period as number);
    if (to < begin) return;
    // What grew up to the very border belongs to the period before, unless it grew all at once.
    this.#total += from >= begin || from >= to ? amount : amount * ((to - begin) / (to - from));
  }

  #compare(): void {
    const total = rounded(this.#total);
    const what = phrase(`total-${this.#setting.per}`);
    const part = Number(this.#untimed.toPrecision(MEASURED_DIGITS));
    this.measured = { words: part > 0 ? phrase('of-unknown-time', { what, part }) : what, value: total };
    this.verdict = this.#judge(total);
  }
}

function both(a: Waiting | undefined, b: Waiting | undefined): Waiting | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return { from: Math.min(a.from, b.from), to: Math.max(a.to, b.to), amount: a.amount + b.amount };
}
