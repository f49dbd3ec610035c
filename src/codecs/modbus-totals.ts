/** The cumulative value that stands beside the reading of a counter in the same record. */
import type { Value } from '../core/point.ts';
import { hasValue } from '../core/point.ts';
import { GOOD, reasonCode } from '../core/reasons.ts';
import { type Amount, advance, type CounterKey, type CounterRules, type CounterState } from './counter.ts';
import { movePoint, scaling } from './decimal.ts';
import type { DeviceMemory } from './modbus-memory.ts';
import type { ModbusPoint } from './modbus-point.ts';
import { pointInfo, totalName } from './modbus-point.ts';

const INVALID = reasonCode('invalid');
const OUT_OF_RANGE = reasonCode('out-of-range');
const TOO_FAST = reasonCode('too-fast');

/** @returns reason of the reading itself, which may be worse for it, and the cumulative value with its reason */
export type TotalReader = (
  value: Value,
  reason: number,
  at: number,
) => { readonly reason: number; readonly total: Value; readonly totalReason: number };

export function compileTotal(point: ModbusPoint, memory: DeviceMemory): TotalReader {
  const key = counterKey(point, memory.device);
  const rules = rulesOf(point, memory);
  return (value, reason, at) => {
    const state = memory.counters.get(key);
    // What is bad says nothing, and what is uncertain must not be counted.
    if (reason !== GOOD) return beside(reason, state);
    const next = advance(state, value as Amount, at, rules());
    if (next.state !== undefined && next.state !== state) memory.counters.set(key, next.state, next.turned);
    if (next.verdict === 'counted') return beside(GOOD, next.state);
    return beside(next.verdict === 'too-fast' ? TOO_FAST : OUT_OF_RANGE, state);
  };
}

/** A cumulative value is as good as the reading beside it; nothing was counted yet: it has none. */
function beside(reason: number, state: CounterState | undefined): ReturnType<TotalReader> {
  if (!hasValue(reason)) return { reason, total: 0, totalReason: reason };
  if (state === undefined) return { reason, total: 0, totalReason: INVALID };
  return { reason, total: state.total, totalReason: reason };
}

export function counterKey(point: ModbusPoint, device: string): CounterKey {
  const { name, table, address, type, order, bits, scale, scaleFactor } = point;
  const total = point.counter === undefined ? name : totalName(name, point.counter);
  const what = [table, address, type, order ?? null, bits ?? null, scale ?? 1, scaleFactor ?? null];
  return { device, point: name, total, fingerprint: JSON.stringify(what) };
}

/** As they are now: with a scale factor the modulus moves with it. Called for good readings, so the factor is known. */
function rulesOf(point: ModbusPoint, memory: DeviceMemory): () => CounterRules {
  const { scale = 1, scaleFactor, counter } = point;
  const { modulus = 0, maxPerSecond } = counter ?? {};
  if (pointInfo(point).storage === 'integer64') {
    const rules = { modulus: BigInt(modulus), maxPerSecond };
    return () => rules;
  }
  const scaled = (by: number) => ({ modulus: scaling(by, 0, Number(modulus)).apply(Number(modulus)), maxPerSecond });
  if (scaleFactor === undefined) {
    const rules = scaled(scale);
    return () => rules;
  }
  return () => scaled(movePoint(scale, memory.factor(scaleFactor) ?? 0));
}
