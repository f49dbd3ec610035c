import * as z from 'zod';
import { duration } from '../../config/schema-parts.ts';
import type { Value } from '../../core/point.ts';
import { duration as lasting, phrase, type Sentence } from '../../core/sentence.ts';
import { resave } from '../delay.ts';
import { judgeOf, type Limits, limitFault, limitKeys, limitLines, limitWords } from '../limit.ts';
import {
  type ConditionMemory,
  isNumeric,
  isOffLost,
  type MemoryStart,
  type MemoryVerdict,
  ruleKind,
  type Verdict,
} from '../rule-kind.ts';
import { Slots } from '../slots.ts';

const DAY = 86_400_000;

interface Setting extends Limits {
  /** The limit itself counts, as standards write it: "30 °C or more". */
  readonly equal?: boolean | undefined;
  readonly for: number;
  readonly within?: number | undefined;
  readonly gap: number;
}

/**
 * The time beyond a limit, added up: many short excursions count as one long one. (A single continuous one is `above` with `onDelay`.)
 * `within`: the time of a window that slides in 120 steps, so 120 times a rule. Without it the time adds up until a
 * person acknowledges the alarm; then it begins at 0.
 *
 * A reading counts until the next one, and at most for `gap`: what nobody observed is not counted. The same holds over a restart, as soon
 * as it is known how long the gateway was off. A kill loses what was counted since the last saving
 * (delay.ts, MEMORY_RESAVE).
 */
export const beyond = ruleKind({
  key: 'beyond',
  schema: z
    .strictObject({
      ...limitKeys('the value'),
      equal: z
        .boolean()
        .optional()
        .describe('`true`: a value that is equal to the limit counts as well, for standards that say "30 °C or more".'),
      for: duration({ min: 1000, max: 365 * DAY }).describe(
        'In alarm once the value was beyond the limit for this time in all (equal is enough).',
      ),
      within: duration({ min: 1000, max: 31 * DAY })
        .optional()
        .describe('Only the time of this window counts. Without it the time adds up until a person acknowledges the alarm.'),
      gap: duration({ min: 1000, max: DAY })
        .prefault('15m')
        .describe('A reading counts until the next one, and at most for this time.'),
    })
    .refine((s) => s.within === undefined || s.within >= s.for, {
      message: 'within is shorter than for, so the alarm could never begin; make it longer',
      path: ['within'],
    }),
  doc: 'In alarm once the value was `above` or `below` a number for a time in all. Short excursions add up.',
  needs: 'number',
  limits: (setting) => limitLines(setting, setting.equal),
  check: limitFault,
  create: (setting, deadband) => ({ type: 'memory', start: (from) => new BeyondMemory(setting, deadband, from) }),
});

const PARTS = 120;
/** Times are sums of fractions: a thousandth of a millisecond is none. */
const NOTHING = 0.001;
const savedSchema = z.object({
  sum: z
    .number()
    .min(0)
    .max(10 * 365 * DAY),
  window: z.unknown().optional(),
  /** For how long the last reading still counts, and whether it is beyond the limit. */
  left: z.number().min(0).max(DAY),
  beyond: z.boolean(),
});

class BeyondMemory implements ConditionMemory {
  readonly words: Sentence;
  readonly resave: number;
  verdict: MemoryVerdict = 'unknown';
  due = Number.POSITIVE_INFINITY;
  readonly #setting: Setting;
  readonly #judge: (value: number) => Verdict;
  readonly #slots: Slots | undefined;
  /** Without a window. */
  #sum = 0;
  #beyond = false;
  /** A reading came, in this run or before. */
  #isKnown = false;
  /** Counted up to here, and the last reading counts up to there. */
  #counted: number;
  #until = Number.NEGATIVE_INFINITY;
  /** The last reading of an earlier run, beyond the limit: from the start it counts for so long, as if there were no time off, until `to`. */
  #earlier: { readonly from: number; readonly left: number; readonly to: number } | undefined;

  constructor(setting: Setting, deadband: number, from: MemoryStart) {
    const { at, saved, off } = from;
    this.#setting = setting;
    this.#judge = judgeOf(setting, deadband, setting.equal);
    this.#counted = at;
    const all = { limit: limitWords(setting, setting.equal), time: lasting(setting.for) };
    this.words =
      setting.within === undefined
        ? phrase('time-beyond', all)
        : phrase('time-beyond-within', { ...all, window: lasting(setting.within) });
    this.resave = resave(setting.within ?? setting.for);
    const known = savedSchema.safeParse(saved).data;
    if (setting.within !== undefined) {
      this.#slots = new Slots({ over: setting.within, parts: PARTS, fields: 1 });
      if (!isOffLost(from)) this.#slots.restore(known?.window, at, off);
    }
    if (known === undefined) return;
    this.#isKnown = true;
    this.#sum = known.sum;
    this.#beyond = known.beyond;
    if (off === undefined) {
      if (known.beyond && !isOffLost(from)) this.#earlier = { from: at, left: known.left, to: Number.POSITIVE_INFINITY };
      return;
    }
    this.#counted = at - off;
    this.#until = at - off + known.left;
    this.#count(Math.min(at, this.#until));
    this.#counted = at;
    this.#slots?.slide(at);
    this.#compare(at);
  }

  value(at: number, value: Value): void {
    if (!isNumeric(value)) return;
    if (this.#earlier !== undefined) this.#earlier = { ...this.#earlier, to: Math.min(this.#earlier.to, at) };
    this.#isKnown = true;
    this.#count(Math.min(at, this.#until));
    this.#counted = at;
    this.#until = at + this.#setting.gap;
    const verdict = this.#judge(Number(value));
    if (verdict !== 'between') this.#beyond = verdict === 'alarm';
    this.#slots?.slide(at);
    this.#compare(at);
  }

  bad(): void {}

  advance(at: number): void {
    this.#count(at);
    this.#slots?.slide(at);
    this.#compare(at);
  }

  acknowledged(at: number): void {
    if (this.#slots !== undefined) return;
    this.#count(Math.min(at, this.#until));
    this.#sum = 0;
    this.#earlier = undefined;
    this.#compare(at);
  }

  clockChanged(at: number, off: number | undefined): void {
    const earlier = this.#earlier;
    this.#earlier = undefined;
    this.#slots?.offKnown(off, at);
    if (off === undefined) return;
    if (earlier !== undefined) {
      const from = earlier.from - off;
      const until = from + earlier.left;
      this.#sum += this.#add(this.#slots, from, Math.min(until, earlier.to, at), at);
      if (earlier.to === Number.POSITIVE_INFINITY) [this.#counted, this.#until] = [at, until];
    }
    if (this.#isKnown) this.#compare(at);
  }

  save(at: number): unknown {
    this.#count(Math.min(at, this.#until));
    const left = Math.min(Math.max(0, this.#until - at), this.#setting.gap);
    const state = { sum: this.#sum, window: this.#slots?.save(at), left, beyond: this.#beyond };
    if (this.#earlier === undefined) return state;
    const { from, left: rest, to } = this.#earlier;
    const end = Math.min(from + rest, to, at);
    const window = this.#slots?.copy();
    window?.offKnown(0, at);
    const sum = this.#sum + this.#add(window, from, end, at);
    return { ...state, sum, window: window?.save(at), ...(to === Number.POSITIVE_INFINITY && { left: from + rest - end }) };
  }

  /** Adds the time from what is counted to `to`. */
  #count(to: number): void {
    if (to <= this.#counted) return;
    if (this.#beyond) this.#sum += this.#add(this.#slots, this.#counted, to, to);
    this.#counted = to;
  }

  /** Adds a time to a window at `now`, part by part. @returns what no window takes, ms */
  #add(slots: Slots | undefined, from: number, to: number, now: number): number {
    if (slots === undefined) return Math.max(0, to - from);
    slots.slide(from);
    for (let at = Math.max(from, slots.earliest(now)), end = at; at < to; at = end) {
      end = Math.min(slots.border(at), to);
      const data = slots.into(at, now);
      if (data !== undefined) data[0] = (data[0] as number) + end - at;
    }
    return 0;
  }

  #compare(at: number): void {
    let sum = this.#sum;
    for (const { data } of this.#slots?.parts() ?? []) sum += data[0] as number;
    const rest = this.#setting.for - sum;
    this.verdict = rest <= NOTHING ? 'alarm' : 'normal';
    const full = this.verdict === 'normal' && this.#beyond ? at + rest : Number.POSITIVE_INFINITY;
    const slides = this.#slots === undefined || sum === 0 ? Number.POSITIVE_INFINITY : this.#slots.border(at);
    const due = Math.min(full, slides);
    // Past that time nothing is known, so nothing changes before the next reading.
    this.due = due <= this.#until ? due : Number.POSITIVE_INFINITY;
  }
}
