/** Counters that are read from registers: what they are known by, and their modulus in the unit of the value. */
import type { CounterKey, CounterRules } from './counter.ts';
import { movePoint, scaling } from './decimal.ts';
import type { DeviceMemory } from './modbus-memory.ts';
import { type ModbusPoint, pointInfo } from './modbus-point.ts';
import { type TotalReader, totalName, totalReader } from './totals.ts';

export function compileTotal(point: ModbusPoint, memory: DeviceMemory): TotalReader {
  return totalReader(counterKey(point, memory.device), memory.counters, rulesOf(point, memory));
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
