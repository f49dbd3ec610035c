import * as z from 'zod';
import { duration } from '../../config/schema-parts.ts';
import type { Value } from '../../core/point.ts';
import { duration as lasting, phrase, type Sentence } from '../../core/sentence.ts';
import { resave } from '../delay.ts';
import { judgeOf, type Limits, limitFault, limitKeys, limitLines, limitWords } from '../limit.ts';
import { type ConditionMemory, isNumeric, type MemoryStart, type MemoryVerdict, ruleKind, type Verdict } from '../rule-kind.ts';
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
 * A reading counts until the next one, and at most for `gap`: what nobody observed is not counted. The same holds over a restart when the
 * clock was known before and after; else the time off counts nothing. A kill loses what was counted since the last saving
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
  readonly #start: number;
  /** Without a window. */
  #sum = 0;
  #beyond = false;
  /** Counted up to here, and the last reading counts up to there. */
  #counted: number;
  #until = Number.NEGATIVE_INFINITY;

  constructor(setting: Setting, deadband: number, { at, saved, off }: MemoryStart) {
    this.#setting = setting;
    this.#judge = judgeOf(setting, deadband, setting.equal);
    this.#start = at;
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
      this.#slots.restore(known?.window, at, off);
    }
    if (known === undefined) return;
    this.#sum = known.sum;
    this.#beyond = known.beyond;
    if (off === undefined) return;
    this.#counted = at - off;
    this.#until = at - off + known.left;
    this.#count(Math.min(at, this.#until));
    this.#counted = at;
    this.#slots?.slide(at);
    this.#compare(at);
  }

  value(at: number, value: Value): void {
    if (!isNumeric(value)) return;
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
    this.#compare(at);
  }

  clockChanged(at: number, off: number | undefined): void {
    if (off === undefined || this.#slots === undefined) return;
    this.#slots.offKnown(this.#start, off, at);
    if (this.verdict !== 'unknown') this.#compare(at);
  }

  save(at: number): unknown {
    this.#count(Math.min(at, this.#until));
    const left = Math.min(Math.max(0, this.#until - at), this.#setting.gap);
    return { sum: this.#sum, window: this.#slots?.save(at), left, beyond: this.#beyond };
  }

  /** Adds the time from what is counted to `to`, part by part. */
  #count(to: number): void {
    if (to <= this.#counted) return;
    if (!this.#beyond) this.#counted = to;
    else if (this.#slots === undefined) {
      this.#sum += to - this.#counted;
      this.#counted = to;
    } else
      while (this.#counted < to) {
        const end = Math.min(this.#slots.border(this.#counted), to);
        const data = this.#slots.part(this.#counted);
        if (data === undefined) this.#slots.add(this.#counted, [end - this.#counted]);
        else data[0] = (data[0] as number) + end - this.#counted;
        this.#counted = end;
      }
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
