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
  /** Monotonic ms of the reading before. Where that is of an earlier run: as if the gateway had not been off. */
  readonly from: number;
  /** The reading before is of an earlier run, and nobody knows how long the gateway was off. */
  readonly isEarlier: boolean;
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
  /** The last reading is of an earlier run, and `offKnown` may say how much earlier. */
  #isEarlier = false;
  /** When its value last changed, as if the gateway had not been off; undefined: nobody knows. */
  #since: number | undefined;

  /**
   * @param rollover values that the counter has; absent: it never rolls over
   * @param maxPerSecond the fastest growth, in the unit of the point
   */
  constructor({ rollover, maxPerSecond }: GrowthSettings) {
    this.#rollover = rollover ?? Number.POSITIVE_INFINITY;
    this.#maxPerSecond = maxPerSecond;
  }

  /** @param at the start of this run, monotonic ms @param off ms between the saving and `at`; undefined: nobody knows it yet */
  restore(saved: unknown, at: number, off: number | undefined): void {
    const known = schema.safeParse(saved).data;
    if (known === undefined) return;
    const { before, still } = known;
    // A step over an unknown time is none that is too fast, until the time is known.
    this.#state = { ...plain(known), before: before && plain(before) };
    this.#at = at - known.age;
    this.#since = still === undefined ? undefined : at - still;
    this.#isEarlier = true;
    if (off !== undefined) this.offKnown(off);
  }

  /** It is known how long the gateway was off. What a reading of this run has shown meanwhile is not moved. */
  offKnown(off: number): void {
    if (!this.#isEarlier || this.#state === undefined) return;
    this.#at -= off;
    if (this.#since !== undefined) this.#state = { ...this.#state, at: this.#since - off };
    this.#isEarlier = false;
  }

  /** Nobody will ever know how long the gateway was off: a reading of an earlier run is none to count from. */
  forget(): void {
    if (this.#isEarlier) this.#state = undefined;
    this.#isEarlier = false;
  }

  /** Whether a counter can grow so much in so many ms. */
  allows(amount: number, time: number): boolean {
    return this.#maxPerSecond === undefined || amount <= (this.#maxPerSecond * time) / 1000;
  }

  /** @returns undefined: the first reading, or none of this counter (below 0, beyond the rollover, too fast) */
  take(at: number, value: Value): Grown | undefined {
    if (!isNumeric(value)) return undefined;
    const modulus =
      typeof value === 'bigint' && Number.isFinite(this.#rollover) ? BigInt(Math.ceil(this.#rollover)) : this.#rollover;
    const last = this.#state;
    const { state, verdict } = advance(last, value, at, { modulus, maxPerSecond: this.#maxPerSecond });
    if (state === undefined || verdict === 'outside') return undefined;
    // Nobody knows how long the value has been this one: at least since the reading of the earlier run that brought it.
    this.#state = this.#isEarlier && state.at === undefined ? { ...state, at: this.#since ?? at } : state;
    if (verdict === 'too-fast') return undefined;
    const [from, isEarlier] = [this.#at, this.#isEarlier];
    this.#at = at;
    this.#isEarlier = false;
    if (last === undefined) return undefined;
    return { amount: difference(last.total, state.total), from, isEarlier };
  }

  save(at: number): SavedGrowth | undefined {
    const state = this.#state;
    if (state === undefined) return undefined;
    const since = this.#isEarlier ? this.#since : state.at;
    return {
      ...{ value: written(state.value), total: written(state.total), age: Math.max(0, at - this.#at) },
      ...(since !== undefined && { still: Math.max(0, at - since) }),
      ...(state.before && { before: { value: written(state.before.value), total: written(state.before.total) } }),
    };
  }
}

/** Whole numbers of 64 bits begin again at 0, and doubles would not tell large ones apart. */
function difference(from: Amount, to: Amount): number {
  if (typeof from === 'bigint' && typeof to === 'bigint') return Number(BigInt.asUintN(64, to - from));
  return Number(to) - Number(from);
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
