/** The cumulative value that stands beside the reading of a counter in the same record, whatever the counter was read from. */
import { hasValue, type PointInfo, type PointType, type Report, type Shape, storageOf, type Value } from '../core/point.ts';
import { GOOD, reasonCode } from '../core/reasons.ts';
import { type Amount, advance, type CounterKey, type CounterMemory, type CounterRules, type CounterState } from './counter.ts';

const INVALID = reasonCode('invalid');
const OUT_OF_RANGE = reasonCode('out-of-range');
const TOO_FAST = reasonCode('too-fast');

/** `counter:` of a point. */
export interface CounterSettings {
  /** Raw: the number after which it is 0 again. */
  readonly modulus: number | string;
  /** In the unit of the point. */
  readonly maxPerSecond?: number | undefined;
  /** Name of the cumulative point; without it the name of the counter and `-total`. */
  readonly total?: string | undefined;
}

/** A point of a shape: how the gateway sees it, and what its configuration says beside. */
export interface ShapePoint {
  readonly info: PointInfo;
  readonly counter?: CounterSettings | undefined;
  readonly report?: Report | undefined;
}

/** The name of the cumulative point beside a counter. */
export function totalName(name: string, counter: CounterSettings): string {
  return counter.total ?? `${name}-total`;
}

/** The cumulative value may outgrow the type of its counter; 64-bit integers stay exact. */
export function totalType({ storage }: Pick<PointInfo, 'storage'>): PointType {
  return storage === 'integer64' ? 'uint64' : 'float64';
}

/** The shape of these points; behind them the cumulative values of the counters among them, kept with them. */
export function shapeWithTotals(device: string, points: readonly ShapePoint[]): Shape {
  const totals = points.flatMap(({ info, counter, report }, index) =>
    counter === undefined ? [] : [{ info, counter, report: report === undefined ? undefined : index }],
  );
  const infos = totals.map(({ info, counter }): PointInfo => {
    const type = totalType(info);
    return { name: totalName(info.name, counter), type, storage: storageOf(type, false), unit: info.unit, writable: false };
  });
  const shape = { device, points: [...points.map(({ info }) => info), ...infos] };
  if (points.every(({ report }) => report === undefined)) return shape;
  return { ...shape, report: [...points.map(({ report }) => report), ...totals.map(({ report }) => report)] };
}

/** @returns reason of the reading itself, which may be worse for it, and the cumulative value with its reason */
export type TotalReader = (
  value: Value,
  reason: number,
  at: number,
) => { readonly reason: number; readonly total: Value; readonly totalReason: number };

/** @param rules as they are now; called for good readings */
export function totalReader(key: CounterKey, memory: CounterMemory, rules: () => CounterRules): TotalReader {
  return (value, reason, at) => {
    const state = memory.get(key);
    // A bad reading has no value, and an uncertain one must not be counted.
    if (reason !== GOOD) return beside(reason, state);
    const next = advance(state, value as Amount, at, rules());
    if (next.state !== undefined && next.state !== state) memory.set(key, next.state, next.turned);
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

/** Values and reasons of a record: what stands at `index` counts, `slot` gets its cumulative value. */
export interface Total {
  readonly index: number;
  readonly slot: number;
  readonly read: TotalReader;
}

/** Fills in the cumulative values. @param reasons of all values; null: all are good. @returns the same, or a new one */
export function fillTotals(totals: readonly Total[], values: Value[], reasons: Uint8Array | null, at: number): Uint8Array | null {
  let all = reasons;
  for (const { index, slot, read } of totals) {
    const { reason, total, totalReason } = read(values[index] as Value, all?.[index] ?? GOOD, at);
    values[slot] = total;
    if (reason === GOOD) continue;
    all ??= new Uint8Array(values.length);
    all[index] = reason;
    all[slot] = totalReason;
  }
  return all;
}
