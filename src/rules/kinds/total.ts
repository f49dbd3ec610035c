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
 * While the clock is not known no period is: the rule says nothing, and what grows meanwhile counts once the clock is known. A clock
 * that steps into another period begins the total anew.
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
});

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
  /** What grew while the clock was not known; `from` the first of it, `to` the last. */
  #waiting: { from: number; to: number; amount: number } | undefined;

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
      this.#growth.restore(known.growth, off === undefined ? undefined : at - off);
    }
    this.#roll(at);
  }

  value(at: number, value: Value): void {
    const grown = this.#growth.take(at, value);
    if (this.#clock.wall(at) === undefined) {
      if (grown !== undefined && grown.amount > 0) this.#wait(at, grown);
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

  clockChanged(at: number): void {
    this.#roll(at, true);
    const waiting = this.#waiting;
    if (waiting !== undefined && this.#period !== undefined) {
      this.#total += this.#share(waiting.from, waiting.to, waiting.amount);
      this.#waiting = undefined;
      this.#compare();
    }
  }

  save(at: number): unknown {
    return { period: this.#period, total: this.#total, growth: this.#growth.save(at) };
  }

  #wait(at: number, { from, amount }: Grown): void {
    const waiting = this.#waiting ?? { from, to: at, amount: 0 };
    this.#waiting = { from: waiting.from, to: at, amount: waiting.amount + amount };
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
