/**
 * How much a counter grew from reading to reading, by the rules of codecs/counter.ts: less than before is a rollover when it was above
 * nine tenths of the modulus, else a reset, after which the counter itself is what has grown. A step that `maxPerSecond` does not allow
 * counts nothing, as for counters of points. Nobody saw how the growth spread over the time between two readings, so it counts as even.
 *
 * While nobody knows how long the gateway was off, nobody knows whether the first step of a run is too fast. Invariants:
 *
 * - The first readings of such a run wait in a gap. `settle` judges each gap for itself: a glitch takes nothing from what waits beside it.
 * - A gap ends with the reading behind which all goes on the same, however long the gateway was off. That is the first one without
 *   `maxPerSecond`, and mostly the third one with it. A run that ends before leaves the gap to the next run.
 * - A gap is judged by the longest time that it can have been: the time off of all starts until the clock is known. Where that will never
 *   be known, it is the time since `earliest`.
 * - Bounds: a gap holds its MOST_HEARD newest readings. Of more than MOST_GAPS gaps, the oldest ones are judged by LONGEST_OFF.
 */
import * as z from 'zod';
import { type Advance, type Amount, advance, type CounterState } from '../codecs/counter.ts';
import type { Value } from '../core/point.ts';
import { isNumeric } from './rule-kind.ts';

/** Monotonic ms of this run, also where the times are of an earlier one. */
export interface Grown {
  /** In the unit of the point. */
  readonly amount: number;
  readonly from: number;
  readonly to: number;
  /** Nobody will ever know when it began: `from` says nothing. */
  readonly isUntimed: boolean;
}

export interface GrowthSettings {
  readonly rollover?: number | undefined;
  readonly maxPerSecond?: number | undefined;
}

/** No counter counts so far, and no sum of such numbers overflows. */
export const MOST_GROWN = 1e300;
const MOST_HEARD = 6;
const MOST_GAPS = 4;
/** Ten years, ms: no gateway is off for longer. */
const LONGEST_OFF = 10 * 366 * 86_400_000;

const amount = z.union([z.number(), z.strictObject({ int: z.string().regex(/^\d{1,20}$/) })]);
const ago = z.number().min(0);
const grown = z.number().min(0).max(MOST_GROWN);
const count = z.object({ value: amount, total: amount });
const base = z.object({
  ...{ ...count.shape, before: count.optional(), age: ago },
  /** Since the value last changed, ms. Absent: nobody knows. */
  still: ago.optional(),
  /** Nobody will ever know how long ago it was. */
  lost: z.literal(true).optional(),
});
const schema = base.extend({
  gaps: z
    .array(base.extend({ heard: z.array(z.tuple([ago, amount])).max(MOST_HEARD) }))
    .max(MOST_GAPS)
    .optional(),
  /** Gaps that are judged already. */
  allowed: z.object({ from: ago, to: ago, amount: grown }).optional(),
  /** The same, of those that nobody knows the time of. */
  untimed: grown.optional(),
});
type SavedAmount = z.output<typeof amount>;
type SavedBase = z.output<typeof base>;
export type SavedGrowth = z.output<typeof schema>;

/** A reading, and what those behind it go by. Of an earlier run: as if the gateway had not been off. */
interface Base {
  readonly state: CounterState;
  readonly at: number;
  /** When its value last changed; undefined: nobody knows. */
  readonly since: number | undefined;
  readonly isLost: boolean;
}
/** The last reading of an earlier run, and those behind it. */
interface Gap {
  readonly base: Base;
  readonly heard: { readonly at: number; readonly value: Amount }[];
}
type Span = Omit<Grown, 'isUntimed'>;

export class Growth {
  readonly #rollover: number;
  readonly #maxPerSecond: number | undefined;
  #state: CounterState | undefined;
  #at = 0;
  #isLost = false;
  /** The gap of this run, until it ends. There is no other state then. */
  #open: Gap | undefined;
  #gaps: Gap[] = [];
  #allowed: Span | undefined;
  #untimed = 0;
  /** Where the value of the state stands since an earlier run: since when, as if the gateway had not been off. */
  #stands: number | undefined;

  /**
   * @param rollover values that the counter has; absent: it never rolls over
   * @param maxPerSecond the fastest growth, in the unit of the point
   */
  constructor({ rollover, maxPerSecond }: GrowthSettings) {
    this.#rollover = rollover ?? Number.POSITIVE_INFINITY;
    this.#maxPerSecond = maxPerSecond;
  }

  /** `settle` or `forget` says how long the gateway was off. @param at the start of this run, monotonic ms */
  restore(saved: unknown, at: number): void {
    const known = schema.safeParse(saved).data;
    if (known === undefined) return;
    const { gaps = [], allowed, untimed = 0 } = known;
    this.#open = { base: readBase(known, at), heard: [] };
    this.#gaps = gaps.map((gap) => ({
      base: readBase(gap, at),
      heard: gap.heard.map(([age, value]) => ({ at: at - age, value: read(value) })),
    }));
    this.#allowed = allowed && { from: at - allowed.from, to: at - allowed.to, amount: allowed.amount };
    this.#untimed = untimed;
  }

  /**
   * The time off is known, or never will be. Without a gap this changes nothing.
   * @param off ms between the saving and the start of this run; undefined: nobody will ever know it
   * @param earliest no reading of an earlier run was before, monotonic ms; undefined: nobody knows
   * @returns what grew meanwhile as far as it is possible: nothing is an amount of 0
   */
  settle(off: number | undefined, earliest: number | undefined): Grown[] {
    const moved = (base: Base): Base => {
      if (off === undefined || base.isLost) return { ...base, since: earliest, isLost: true };
      return { ...base, at: base.at - off, since: base.since === undefined ? undefined : base.since - off };
    };
    const all = this.#gaps.map(({ base, heard }): Grown => {
      const from = moved(base);
      return { ...this.#over({ base: from, heard }), isUntimed: from.isLost };
    });
    const allowed = this.#allowed;
    if (allowed !== undefined) all.push({ ...allowed, from: allowed.from - (off ?? 0), isUntimed: off === undefined });
    if (this.#untimed > 0) all.push({ amount: this.#untimed, from: 0, to: 0, isUntimed: true });
    const [state, stands, open] = [this.#state, this.#stands, this.#open];
    if (off !== undefined && state !== undefined && stands !== undefined && state.at === stands)
      this.#state = { ...state, at: stands - off };
    this.forget();
    if (open !== undefined) {
      const { state, since, at, isLost } = moved(open.base);
      [this.#state, this.#at, this.#isLost] = [{ ...state, at: since }, at, isLost];
      for (const { at, value } of open.heard) all.push(...(this.take(at, value) ?? []));
    }
    return all;
  }

  /** Nobody will ever know how long the gateway was off: what earlier runs left is none to count from. */
  forget(): void {
    [this.#open, this.#gaps, this.#allowed, this.#untimed, this.#stands] = [undefined, [], undefined, 0, undefined];
  }

  /** Whether a counter can grow so much in so many ms. */
  allows(amount: number, time: number): boolean {
    return this.#maxPerSecond === undefined || amount <= (this.#maxPerSecond * time) / 1000;
  }

  /** @returns nothing: the first reading, none of this counter (below 0, beyond the rollover, too fast), or one that waits in a gap */
  take(at: number, value: Value): [] | [Grown] {
    if (!isNumeric(value)) return [];
    if (this.#open !== undefined) {
      this.#hear(this.#open, at, value);
      return [];
    }
    const last = this.#state;
    const { state, verdict } = this.#advance(last, at, value);
    if (state === undefined || verdict === 'outside') return [];
    // The value has been this one since the last reading at least.
    this.#state = state.at === undefined ? { ...state, at: this.#at } : state;
    if (verdict === 'too-fast') return [];
    const [from, isUntimed] = [this.#at, this.#isLost];
    [this.#at, this.#isLost] = [at, false];
    return last === undefined ? [] : [{ amount: difference(last, state), from, to: at, isUntimed }];
  }

  save(at: number): SavedGrowth | undefined {
    const state = this.#state;
    const now = state && { state, at: this.#at, since: state.at, isLost: this.#isLost };
    const base = this.#open?.base ?? now;
    if (base === undefined) return undefined;
    const gaps = this.#gaps.map(({ base, heard }) => ({
      ...writtenBase(base, at),
      heard: heard.map((one): [number, SavedAmount] => [since(one.at, at), written(one.value)]),
    }));
    const allowed = this.#allowed;
    return {
      ...writtenBase(base, at),
      ...(gaps.length > 0 && { gaps }),
      ...(allowed && { allowed: { from: since(allowed.from, at), to: since(allowed.to, at), amount: allowed.amount } }),
      ...(this.#untimed > 0 && { untimed: this.#untimed }),
    };
  }

  #hear(gap: Gap, at: number, value: Amount): void {
    const { base, heard } = gap;
    if (this.#advance(base.state, at, value).verdict === 'outside') return;
    heard.push({ at, value });
    if (heard.length > MOST_HEARD) heard.shift();
    const [shortest, longest] = [this.#play(gap), this.#play({ base: { ...base, since: undefined }, heard })];
    if (shortest.value !== longest.value || shortest.strange !== undefined || longest.strange !== undefined) return;
    this.#open = undefined;
    this.#stands = longest.at === undefined ? base.since : undefined;
    [this.#state, this.#at, this.#isLost] = [{ ...longest, at: longest.at ?? base.since ?? at }, at, false];
    this.#gaps.push(gap);
    while (this.#gaps.length > (this.#maxPerSecond === undefined ? 0 : MOST_GAPS)) this.#allow(this.#gaps.shift() as Gap);
  }

  #allow(gap: Gap): void {
    const { since } = gap.base;
    const span = this.#over({ ...gap, base: { ...gap.base, since: since === undefined ? undefined : since - LONGEST_OFF } });
    if (gap.base.isLost) this.#untimed = Math.min(MOST_GROWN, this.#untimed + span.amount);
    else this.#allowed = both(this.#allowed, span);
  }

  #over(gap: Gap): Span {
    const { base, heard } = gap;
    return { amount: difference(base.state, this.#play(gap)), from: base.at, to: heard.at(-1)?.at ?? base.at };
  }

  #play({ base, heard }: Gap): CounterState {
    let state: CounterState = { ...base.state, at: base.since };
    for (const { at, value } of heard) state = this.#advance(state, at, value).state ?? state;
    return state;
  }

  #advance(state: CounterState | undefined, at: number, value: Amount): Advance {
    const rollover = this.#rollover;
    const modulus = typeof value === 'bigint' && Number.isFinite(rollover) ? BigInt(Math.ceil(rollover)) : rollover;
    return advance(state, value, at, { modulus, maxPerSecond: this.#maxPerSecond });
  }
}

/** Two amounts as one, even over the time from the beginning of the first to the end of the last. */
export function both<One extends Span>(a: One | undefined, b: One): One {
  if (a === undefined) return b;
  const amount = Math.min(MOST_GROWN, a.amount + b.amount);
  return { ...b, from: Math.min(a.from, b.from), to: Math.max(a.to, b.to), amount };
}

function difference(from: CounterState, to: CounterState): number {
  // A damaged state may have infinite totals.
  return Math.min(MOST_GROWN, Number(to.total) - Number(from.total)) || 0;
}

function since(at: number, now: number): number {
  return Math.max(0, now - at);
}

function written(value: Amount): SavedAmount {
  return typeof value === 'bigint' ? { int: value.toString() } : value;
}

function read(value: SavedAmount): Amount {
  return typeof value === 'object' ? BigInt(value.int) : value;
}

function writtenBase({ state, at, since: changed, isLost }: Base, now: number): SavedBase {
  const { value, total, before } = state;
  return {
    ...{ value: written(value), total: written(total), age: since(at, now) },
    ...(changed !== undefined && { still: since(changed, now) }),
    ...(before && { before: { value: written(before.value), total: written(before.total) } }),
    ...(isLost && { lost: true as const }),
  };
}

function readBase({ value, total, before, age, still, lost }: SavedBase, now: number): Base {
  const plain = (one: { value: SavedAmount; total: SavedAmount }): CounterState => ({
    ...{ value: read(one.value), total: read(one.total), at: undefined },
  });
  return {
    state: { ...plain({ value, total }), before: before && plain(before) },
    ...{ at: now - age, since: still === undefined ? undefined : now - still, isLost: lost === true },
  };
}
