import * as z from 'zod';
import { type Calendar, PERIODS, type Period } from '../../core/calendar.ts';
import type { Value } from '../../core/point.ts';
import { phrase, type Sentence } from '../../core/sentence.ts';
import { type Grown, Growth, type GrowthSettings } from '../growth.ts';
import { judgeOf, limitWords } from '../limit.ts';
import { type ConditionMemory, type Measured, type MemoryStart, type MemoryVerdict, ruleKind } from '../rule-kind.ts';
import { rounded } from '../statistic.ts';
import type { WallClock } from '../wall-clock.ts';
import { counterKeys } from './delta.ts';

interface Setting extends GrowthSettings {
  readonly above: number;
  readonly per: Period;
}

/**
 * How much a counter grew in this hour, day, week or month of the calendar (gateway.timezone). One sum a rule. The alarm ends when the
 * period does, by time alone: the total of the next one begins at 0. Growth between two readings counts as even over the
 * time between them, also across the border of a period and while the gateway was off.
 *
 * While the clock is not known no period is: the rule says nothing, and what grows meanwhile counts once the clock is known. That also
 * holds for what grew while the gateway was off, where only now it is known how long. A clock that steps into another period begins the
 * total anew.
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

const savedSchema = z.object({
  /** UTC ms at which the period of `total` began. */
  period: z.number().optional(),
  total: z.number().min(0),
  growth: z.unknown().optional(),
  /** What waits for the clock; ms before the saving. */
  waiting: z.object({ from: z.number().min(0), to: z.number().min(0), amount: z.number().min(0) }).optional(),
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
  #waiting: Waiting | undefined;
  /** It began in an earlier run, which is longer ago than `from` says: by the time that the gateway was off. */
  #earlier: Waiting | undefined;
  /** So does what the next reading shows. */
  #crosses = false;

  constructor(setting: Setting, deadband: number, { at, saved, off, clock }: MemoryStart) {
    this.#setting = setting;
    this.#judge = judgeOf({ above: setting.above }, Math.min(deadband, setting.above));
    this.#clock = clock;
    this.#calendar = clock.calendar;
    this.#growth = new Growth(setting);
    this.words = limitWords({ above: setting.above });
    const known = savedSchema.safeParse(saved).data;
    if (known !== undefined) {
      this.#period = known.period;
      this.#total = known.total;
      this.#takeUp(known, at, off);
    }
    this.#roll(at);
  }

  value(at: number, value: Value): void {
    const grown = this.#growth.take(at, value);
    if (this.#clock.wall(at) === undefined) {
      if (grown !== undefined) this.#wait(at, grown);
      return;
    }
    this.#roll(at);
    if (grown !== undefined) this.#total += this.#share(grown.from, at, grown.amount);
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
    // Where nobody knows how long ago it was, nobody knows its period.
    const earlier = off === undefined ? undefined : this.#earlier;
    this.#earlier = undefined;
    // The next reading may show more of it.
    if (this.#crosses && off !== undefined) this.#growth.shift(off);
    else if (this.#crosses) this.#growth.forget();
    this.#crosses = false;
    if (earlier !== undefined) this.#total += this.#share(earlier.from - (off ?? 0), earlier.to, earlier.amount);
    const waiting = this.#waiting;
    this.#waiting = undefined;
    if (waiting !== undefined) this.#total += this.#share(waiting.from, waiting.to, waiting.amount);
    if (earlier !== undefined || waiting !== undefined) this.#compare();
  }

  save(at: number): unknown {
    const waiting = both(this.#earlier, this.#waiting);
    return {
      ...{ period: this.#period, total: this.#total, growth: this.#growth.save(at) },
      ...(waiting !== undefined && {
        waiting: { from: Math.max(0, at - waiting.from), to: Math.max(0, at - waiting.to), amount: waiting.amount },
      }),
    };
  }

  /** @param off undefined: `clockChanged` may bring it, where the clock is not known yet */
  #takeUp({ growth, waiting }: z.output<typeof savedSchema>, at: number, off: number | undefined): void {
    if (off !== undefined || this.#clock.wall(at) !== undefined) {
      this.#growth.restore(growth, off === undefined ? undefined : at - off);
      if (waiting === undefined || off === undefined) return;
      this.#roll(at);
      this.#total += this.#share(at - off - waiting.from, at - waiting.to, waiting.amount);
      return;
    }
    this.#crosses = this.#growth.restore(growth, at, true);
    if (waiting !== undefined) this.#earlier = { from: at - waiting.from, to: at - waiting.to, amount: waiting.amount };
  }

  #wait(at: number, { from, amount }: Grown): void {
    const grown = { from, to: at, amount };
    if (this.#crosses) this.#earlier = both(this.#earlier, grown);
    else if (amount > 0) this.#waiting = both(this.#waiting, grown);
    this.#crosses = false;
  }

  /** The period that holds `at`; another one than before begins at 0. */
  #roll(at: number, stepped = false): void {
    if (at < this.due && this.due !== Number.POSITIVE_INFINITY && !stepped) return;
    const wall = this.#clock.wall(at);
    if (wall === undefined) return;
    const period = this.#calendar.start(wall, this.#setting.per);
    if (period !== this.#period) this.#total = 0;
    this.#period = period;
    this.due = this.#clock.monotonic(this.#calendar.end(wall, this.#setting.per));
  }

  /** The part of a growth that lies in this period. */
  #share(from: number, to: number, amount: number): number {
    const begin = this.#clock.monotonic(this.#period as number);
    if (from >= begin || to === from) return to < begin ? 0 : amount;
    return to <= begin ? 0 : (amount * (to - begin)) / (to - from);
  }

  #compare(): void {
    const total = rounded(this.#total);
    this.measured = { words: phrase(`total-${this.#setting.per}`), value: total };
    this.verdict = this.#judge(total);
  }
}

function both(a: Waiting | undefined, b: Waiting | undefined): Waiting | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return { from: Math.min(a.from, b.from), to: Math.max(a.to, b.to), amount: a.amount + b.amount };
}
