/**
 * Counters that start again at 0: their cumulative value. Pure: the state comes in and goes out.
 *
 * - new >= old counts new - old. new < old is a rollover when old is above 90 % of the modulus, and counts new + modulus - old;
 *   otherwise a reset, which counts what has come since: new.
 * - The first reading begins the cumulative value at the counter's own, so both are equal until the first rollover or reset.
 * - Some instruments say 0 while they start. A counter that fell, stood still, and is then back where it was, or at most a
 *   tenth above, was not reset: it counts from where it was. The cumulative value never goes back.
 * - With `maxPerSecond` a step that is larger than the time since the last step allows is not counted. When SURE readings in a
 *   row agree with each other the counter was exchanged: it goes on from there, and the step still counts nothing.
 * - What is outside of 0 to modulus is no reading of this counter.
 */
import { decimalSum } from './decimal.ts';

/** Whole numbers of 64 bits are bigints, all others doubles on a decimal grid; one counter has one of the two. */
export type Amount = number | bigint;

export interface CounterRules {
  /** In the unit of the value, as the two below. */
  readonly modulus: Amount;
  readonly maxPerSecond?: number | undefined;
}

export interface CounterState {
  /** The last reading that counted. */
  readonly value: Amount;
  /** The cumulative value. */
  readonly total: Amount;
  /** Monotonic ms at which the value last changed; undefined: in another run, nobody knows how long ago. */
  readonly at: number | undefined;
  /** The count before a reset, as long as the counter stands still since. */
  readonly before?: Pick<CounterState, 'value' | 'total' | 'at'> | undefined;
  /** Readings in a row that were too fast and agree with each other. */
  readonly strange?: { readonly value: Amount; readonly at: number; readonly seen: number } | undefined;
}

/** Which counter: its names, and what is read, as text: another text is another counter. */
export interface CounterKey {
  readonly device: string;
  readonly point: string;
  /** The point that has the cumulative value. */
  readonly total: string;
  readonly fingerprint: string;
}

/** State of counters while the gateway runs; src/pipeline/counters.ts keeps it over restarts. */
export interface CounterMemory {
  get(key: CounterKey): CounterState | undefined;
  set(key: CounterKey, state: CounterState, turned: boolean): void;
}

/** For as long as the process lives. */
export class CounterStates implements CounterMemory {
  readonly #states = new Map<string, { readonly fingerprint: string; readonly state: CounterState }>();

  get({ device, point, fingerprint }: CounterKey): CounterState | undefined {
    const known = this.#states.get(`${device}.${point}`);
    return known?.fingerprint === fingerprint ? known.state : undefined;
  }
  set({ device, point, fingerprint }: CounterKey, state: CounterState): void {
    this.#states.set(`${device}.${point}`, { fingerprint, state });
  }
}

export interface Advance {
  readonly state: CounterState | undefined;
  readonly verdict: 'counted' | 'outside' | 'too-fast';
  /** The distance between value and cumulative value is another: more than a reading has to be remembered. */
  readonly turned: boolean;
}

/** A fall from above this share of the modulus is a rollover. */
const ROLLOVER = 0.9;
/** A counter that is back was further on by at most this part of itself. */
const BACK = 0.1;
/** The number of agreeing readings that are believed against `maxPerSecond`. */
const SURE = 3;

/** @param at monotonic ms */
export function advance(state: CounterState | undefined, value: Amount, at: number, rules: CounterRules): Advance {
  const { modulus } = rules;
  if (value < 0 || value > modulus) return { state, verdict: 'outside', turned: false };
  if (state === undefined) return { state: { value, total: value, at }, verdict: 'counted', turned: true };
  const { before } = state;
  if (before !== undefined && isBack(before, value) && isPossible(before, value, at, rules)) {
    const total = largest(state.total, sum(before.total, difference(value, before.value)));
    return { state: { value, total, at }, verdict: 'counted', turned: true };
  }
  const fell = value < state.value;
  const isRollover = fell && Number(state.value) > ROLLOVER * Number(modulus);
  const counted = !fell ? difference(value, state.value) : isRollover ? sum(value, difference(modulus, state.value)) : value;
  if (!allows(rules, counted, state.at, at)) return strange(state, value, at, rules);
  return {
    state: {
      ...{ value, total: sum(state.total, counted), at: value === state.value ? state.at : at },
      before: value === state.value ? before : fell && !isRollover ? bare(state) : undefined,
    },
    verdict: 'counted',
    turned: fell,
  };
}

function isBack(before: Pick<CounterState, 'value'>, value: Amount): boolean {
  return value >= before.value && Number(difference(value, before.value)) <= BACK * Number(before.value);
}

function bare({ value, total, at }: CounterState): CounterState {
  return { value, total, at };
}

function isPossible(from: Pick<CounterState, 'value' | 'at'>, value: Amount, at: number, rules: CounterRules): boolean {
  return allows(rules, difference(value, from.value), from.at, at);
}

function allows({ maxPerSecond }: CounterRules, counted: Amount, since: number | undefined, at: number): boolean {
  if (maxPerSecond === undefined || since === undefined) return true;
  return Number(counted) <= (maxPerSecond * (at - since)) / 1000;
}

/** Too fast: not counted. Unless it stays: then the counter is another one, and its cumulative value goes on from here. */
function strange(state: CounterState, value: Amount, at: number, rules: CounterRules): Advance {
  const last = state.strange;
  const agrees = last !== undefined && value >= last.value && isPossible(last, value, at, rules);
  const seen = agrees ? last.seen + 1 : 1;
  if (seen >= SURE) return { state: { value, total: state.total, at }, verdict: 'counted', turned: true };
  const since = agrees && value === last.value ? last.at : at;
  return { state: { ...state, before: undefined, strange: { value, at: since, seen } }, verdict: 'too-fast', turned: false };
}

function largest(a: Amount, b: Amount): Amount {
  return a > b ? a : b;
}

/** A 64-bit integer keeps 64 bits: a cumulative value that outgrows them begins again as well. */
function sum(a: Amount, b: Amount): Amount {
  return typeof a === 'bigint' && typeof b === 'bigint' ? BigInt.asUintN(64, a + b) : decimalSum(Number(a), Number(b));
}

function difference(a: Amount, b: Amount): Amount {
  return typeof a === 'bigint' && typeof b === 'bigint' ? a - b : decimalSum(Number(a), -Number(b));
}
