/**
 * How much a counter grew from reading to reading, by the rules of codecs/counter.ts: less than before is a rollover when it was above
 * nine tenths of the modulus, else a reset, after which the counter itself is what has grown. A step that `maxPerSecond` does not allow
 * counts nothing, as for counters of points. Nobody saw how the growth spread over the time between two readings, so it counts as even.
 */
import * as z from 'zod';
import { type Amount, advance, type CounterState } from '../codecs/counter.ts';
import type { Value } from '../core/point.ts';
import { isNumeric } from './rule-kind.ts';

export interface Grown {
  /** In the unit of the point. */
  readonly amount: number;
  /** Monotonic ms of the reading before. */
  readonly from: number;
}

export interface GrowthSettings {
  readonly rollover?: number | undefined;
  readonly maxPerSecond?: number | undefined;
}

const amount = z.union([z.number(), z.strictObject({ int: z.string().regex(/^\d{1,20}$/) })]);
const count = z.object({ value: amount, total: amount });
const schema = z.object({
  ...{ ...count.shape, before: count.optional(), age: z.number().min(0) },
  /** Since the value last changed, ms. Absent: nobody knows. */
  still: z.number().min(0).optional(),
});
export type SavedGrowth = z.output<typeof schema>;

export class Growth {
  readonly #rollover: number;
  readonly #maxPerSecond: number | undefined;
  #state: CounterState | undefined;
  #at = 0;

  /**
   * @param rollover values that the counter has; absent: it never rolls over
   * @param maxPerSecond the fastest growth, in the unit of the point
   */
  constructor({ rollover, maxPerSecond }: GrowthSettings) {
    this.#rollover = rollover ?? Number.POSITIVE_INFINITY;
    this.#maxPerSecond = maxPerSecond;
  }

  /** @param at of the saving, monotonic ms of this run; undefined: not known, so nothing has grown before the next reading */
  restore(saved: unknown, at: number | undefined): void {
    const known = schema.safeParse(saved).data;
    if (known === undefined || at === undefined) return;
    const { before, still } = known;
    const since = still === undefined ? undefined : at - still;
    this.#state = { ...plain(known), at: since, before: before && plain(before) };
    this.#at = at - known.age;
  }

  /** @returns undefined: the first reading, or none of this counter (below 0, beyond the rollover, too fast) */
  take(at: number, value: Value): Grown | undefined {
    if (!isNumeric(value)) return undefined;
    const modulus =
      typeof value === 'bigint' && Number.isFinite(this.#rollover) ? BigInt(Math.ceil(this.#rollover)) : this.#rollover;
    const last = this.#state;
    const { state, verdict } = advance(last, value, at, { modulus, maxPerSecond: this.#maxPerSecond });
    if (state === undefined || verdict === 'outside') return undefined;
    this.#state = state;
    if (verdict === 'too-fast') return undefined;
    const from = this.#at;
    this.#at = at;
    if (last === undefined) return undefined;
    return { amount: Number(state.total) - Number(last.total), from };
  }

  save(at: number): SavedGrowth | undefined {
    const state = this.#state;
    if (state === undefined) return undefined;
    return {
      ...{ value: written(state.value), total: written(state.total), age: Math.max(0, at - this.#at) },
      ...(state.at !== undefined && { still: Math.max(0, at - state.at) }),
      ...(state.before && { before: { value: written(state.before.value), total: written(state.before.total) } }),
    };
  }
}

function written(value: Amount): z.output<typeof amount> {
  return typeof value === 'bigint' ? { int: value.toString() } : value;
}

function read(value: z.output<typeof amount>): Amount {
  return typeof value === 'object' ? BigInt(value.int) : value;
}

function plain({ value, total }: z.output<typeof count>): CounterState {
  return { value: read(value), total: read(total), at: undefined };
}
