import * as z from 'zod';
import { decimalSum } from '../../codecs/decimal.ts';
import { duration } from '../../config/schema-parts.ts';
import type { Value } from '../../core/point.ts';
import { duration as lasting, phrase, type Sentence } from '../../core/sentence.ts';
import { type ConditionMemory, isNumeric, type MemoryStart, type MemoryVerdict, ruleKind } from '../rule-kind.ts';
import { restoreValue, savedValue, saveValue } from '../rule-state.ts';

const DAY = 86_400_000;
const time = () => duration({ min: 1000, max: 365 * DAY });

interface Setting {
  readonly for: number;
  readonly within: number;
}

/**
 * The value does not change, or only within `within` of the value at which it last moved: a failed sensor often repeats its last value.
 * It takes a reading to begin and to end the alarm: a device that says nothing is not stuck (`stale` reports it). Time from
 * a bad reading to the next good one is not counted, nor is the time that the gateway was off. One value a rule.
 */
export const stuck = ruleKind({
  key: 'stuck',
  schema: z.union(
    [
      time().transform((length): Setting => ({ for: length, within: 0 })),
      z.strictObject({
        for: time().describe('How long the value must stay the same.'),
        within: z
          .number()
          .min(0)
          .prefault(0)
          .describe('The value counts as the same when it moved at most by this. Only for numbers.'),
      }),
    ],
    { error: 'write a duration (1h), or {for: 1h, within: 0.1}' },
  ),
  doc: 'In alarm when the value did not change for this time, though the point was read.',
  needs: 'any',
  create: (setting) => ({ type: 'memory', start: (from) => new StuckMemory(setting, from) }),
});

const savedSchema = z.object({ value: savedValue, held: z.number().min(0), paused: z.boolean().optional() });
/** A longer text is not saved: a restart begins to watch it anew. */
const LONGEST_TEXT = 500;

class StuckMemory implements ConditionMemory {
  readonly due = Number.POSITIVE_INFINITY;
  readonly words: Sentence;
  verdict: MemoryVerdict = 'unknown';
  readonly #setting: Setting;
  /** The value at which it last moved. */
  #value: Value | undefined;
  /** For how long it was seen to stay there, up to `#seen`; undefined: nothing was seen since the last reading. */
  #held = 0;
  #seen: number | undefined;

  constructor(setting: Setting, { at, saved }: MemoryStart) {
    this.#setting = setting;
    const time = lasting(setting.for);
    this.words = setting.within === 0 ? phrase('same', { time }) : phrase('same-within', { time, within: setting.within });
    const known = savedSchema.safeParse(saved).data;
    if (known === undefined) return;
    this.#value = restoreValue(known.value);
    this.#held = known.held;
    if (known.paused !== true) this.#seen = at;
  }

  value(at: number, value: Value): void {
    if (this.#value === undefined || !this.#isSame(this.#value, value)) {
      this.#value = value;
      this.#held = 0;
    } else if (this.#seen !== undefined) this.#held += at - this.#seen;
    this.#seen = at;
    this.verdict = this.#held >= this.#setting.for ? 'alarm' : 'normal';
  }

  bad(at: number): void {
    if (this.#seen !== undefined && this.#value !== undefined) this.#held += at - this.#seen;
    this.#seen = undefined;
  }

  advance(): void {}

  save(at: number): unknown {
    if (this.#value === undefined || (typeof this.#value === 'string' && this.#value.length > LONGEST_TEXT)) return undefined;
    const value = saveValue(this.#value);
    return this.#seen === undefined ? { value, held: this.#held, paused: true } : { value, held: this.#held + at - this.#seen };
  }

  #isSame(before: Value, value: Value): boolean {
    if (isNumeric(before) && isNumeric(value) && this.#setting.within > 0)
      return Math.abs(decimalSum(Number(before), -Number(value))) <= this.#setting.within;
    return before === value;
  }
}
