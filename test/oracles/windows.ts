/** What windows of time are of a row of records, written from docs/reference/delivery.md: slow, and with all records at hand. */
import type { LogRecord, Value } from '../../src/core/point.ts';
import { ABSENT, reasonName } from '../../src/core/reasons.ts';

export interface Kept extends LogRecord {
  /** What makes a segment. */
  readonly segment: string;
  /** UTC milliseconds. */
  readonly time: number;
}
export interface WindowOf {
  readonly seq: number;
  readonly device: string;
  readonly time: number;
  readonly values: Readonly<Record<string, unknown>>;
  readonly bad?: Readonly<Record<string, string>>;
  readonly uncertain?: Readonly<Record<string, string>>;
}

export type Way = 'mean' | 'min' | 'max' | 'last';

const value = (reason: number) => reason === 0 || reason >= 128;

function made(readings: readonly [Value, number][], way: Way): [Value, number] | undefined {
  const there = readings.filter(([, reason]) => reason !== ABSENT);
  if (there.length === 0) return undefined;
  if (way === 'last') return there.at(-1);
  const good = there.filter(([, reason]) => value(reason));
  const bad = there.filter(([, reason]) => !value(reason));
  if (good.length === 0) return bad.at(-1);
  const reason = bad.length > 0 ? 131 : (good.findLast(([, why]) => why !== 0)?.[1] ?? 0);
  const numbers = good.map(([v]) => v) as number[];
  const sorted = numbers.toSorted((a, b) => (a < b ? -1 : a > b ? 1 : 0));
  if (way === 'min' || way === 'max') return [sorted.at(way === 'min' ? 0 : -1) as Value, reason];
  if (typeof numbers[0] === 'bigint') {
    const exact = (numbers as unknown as bigint[]).reduce((a, b) => a + b);
    const n = BigInt(numbers.length);
    const twice = 2n * exact + (exact < 0n ? -n : n);
    return [twice / (2n * n), reason];
  }
  return [numbers.reduce((a, b) => a + b) / numbers.length, reason];
}

/** @param wants whether a point leaves @param last points of which the last reading stands */
export function windowsOf(
  records: readonly Kept[],
  every: number,
  as: Way,
  last: readonly string[],
  wants: (name: string) => boolean,
): WindowOf[] {
  const groups = new Map<string, Kept[]>();
  for (const record of records) {
    const key = `${record.segment} ${JSON.stringify(record.sample.shape)} ${Math.floor(record.time / every)}`;
    groups.set(key, [...(groups.get(key) ?? []), record]);
  }
  const windows: WindowOf[] = [];
  for (const group of groups.values()) {
    const newest = group.at(-1) as Kept;
    const { device, points } = newest.sample.shape;
    const [values, bad, uncertain]: [Record<string, unknown>, Record<string, string>, Record<string, string>] = [{}, {}, {}];
    points.forEach(({ name, storage }, i) => {
      if (!wants(`${device}.${name}`)) return;
      const way = storage === 'string' || storage === 'boolean' || last.includes(`${device}.${name}`) ? 'last' : as;
      const readings = group.map(({ sample }): [Value, number] => [sample.values[i] as Value, sample.reasons?.[i] ?? 0]);
      const [result, reason] = made(readings, way) ?? [];
      if (reason === undefined || result === undefined) return;
      if (value(reason)) values[name] = typeof result === 'bigint' ? `${result}` : result;
      else bad[name] = reasonName(reason);
      if (value(reason) && reason !== 0) uncertain[name] = reasonName(reason);
    });
    if (Object.keys({ ...values, ...bad }).length === 0) continue;
    windows.push({
      ...{ seq: newest.seq, device, time: (Math.floor(newest.time / every) + 1) * every, values },
      ...(Object.keys(bad).length === 0 ? {} : { bad }),
      ...(Object.keys(uncertain).length === 0 ? {} : { uncertain }),
    });
  }
  return windows.sort((a, b) => a.seq - b.seq);
}

/** The same windows, with each number that is that of `came` but for the noise of adding up written as it is there. */
export function asCame(expected: readonly WindowOf[], came: readonly WindowOf[]): WindowOf[] {
  const near = (a: unknown, b: unknown) =>
    typeof a === 'number' && typeof b === 'number' && Math.abs(a - b) <= 1e-10 * Math.abs(b) ? a : b;
  return expected.map((w, i) => ({
    ...w,
    values: Object.fromEntries(Object.entries(w.values).map(([name, v]) => [name, near(came[i]?.values[name], v)])),
  }));
}
