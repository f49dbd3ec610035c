import * as z from 'zod';
import { decimalSum } from '../../codecs/decimal.ts';
import { POINT, POINT_WORDS } from '../../config/sections.ts';
import type { Value } from '../../core/point.ts';
import { phrase, type Sentence } from '../../core/sentence.ts';
import type { ConditionMemory, MemoryVerdict } from '../rule-kind.ts';
import { isNumeric, ruleKind } from '../rule-kind.ts';
import { amount } from '../words.ts';

/** In alarm: |value - other| > by (or > percent of |other|). Back: at most that minus the deadband. Exact for two int64 points. */
export const deviation = ruleKind({
  key: 'deviation',
  schema: z
    .strictObject({
      from: z.string().regex(POINT, POINT_WORDS).describe('The other point, as device.point.'),
      by: z.number().min(0).optional().describe('The largest normal difference, in the unit of the points.'),
      percent: z.number().min(0).optional().describe('The largest normal difference, in percent of the other point.'),
    })
    .refine(({ by, percent }) => (by === undefined) !== (percent === undefined), {
      message: 'write the largest normal difference once: {from: device.point, by: 2} or {from: device.point, percent: 10}',
    }),
  doc: 'In alarm while the value differs from that of another point by more than `by`, or by more than `percent` of it.',
  needs: 'number',
  inputs: ({ from }) => [{ point: from, at: ['from'], needs: 'number' }],
  check({ by }, deadband) {
    if (by === undefined || deadband <= by) return undefined;
    return `with a deadband of ${deadband} no difference would end the alarm; write at most ${by}`;
  },
  create: (setting, deadband) => ({ type: 'memory', keeps: false, start: () => new Deviation(setting, deadband) }),
});

class Deviation implements ConditionMemory {
  readonly due = Number.POSITIVE_INFINITY;
  readonly #from: string;
  readonly #by: number | undefined;
  readonly #percent: number;
  readonly #deadband: number;
  #value: Value | undefined;
  #other: Value | undefined;
  #unit: string | undefined;

  constructor(
    { from, by, percent = 0 }: { from: string; by?: number | undefined; percent?: number | undefined },
    deadband: number,
  ) {
    this.#from = from;
    this.#by = by;
    this.#percent = percent;
    this.#deadband = deadband;
  }

  know(input: number, unit: string | undefined): void {
    if (input === 1) this.#unit = unit;
  }
  value(_at: number, value: Value, input: number): void {
    if (input === 0) this.#value = value;
    else this.#other = value;
  }
  bad(_at: number, input: number): void {
    if (input === 0) this.#value = undefined;
    else this.#other = undefined;
  }
  advance(): void {}
  save(): undefined {}

  get verdict(): MemoryVerdict {
    const [value, other] = [this.#value, this.#other];
    if (value === undefined || other === undefined || !isNumeric(value) || !isNumeric(other)) return 'unknown';
    const allowed = this.#by ?? (Math.abs(Number(other)) * this.#percent) / 100;
    const difference = distance(value, other);
    if (difference > allowed) return 'alarm';
    return difference <= Math.max(0, decimalSum(allowed, -this.#deadband)) ? 'normal' : 'between';
  }

  get words(): Sentence {
    const apart = { limit: this.#by ?? `${this.#percent} %`, point: this.#from };
    if (this.#other === undefined) return phrase('apart', apart);
    return phrase('apart-from', { ...apart, value: amount({ value: this.#other, unit: this.#unit }) });
  }
}

/** A whole number beyond 2^53 only when both are int64: then it is exact. */
function distance(a: number | bigint, b: number | bigint): number | bigint {
  if (typeof a === 'bigint' && typeof b === 'bigint') return a < b ? b - a : a - b;
  if (typeof a === 'number' && typeof b === 'number') return Math.abs(decimalSum(a, -b));
  const [whole, other] = typeof a === 'bigint' ? [a, Number(b)] : [b as bigint, Number(a)];
  const cut = Math.trunc(other);
  return Math.abs(Number(whole - BigInt(cut)) - (other - cut));
}
