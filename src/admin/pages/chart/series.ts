/** What a chart draws, out of an answer of `/api/v1/history`. Pure. */
import type { JsonValue } from '../../live/live-types.ts';

export interface History {
  readonly point: string;
  readonly unit?: string | undefined;
  readonly from: number;
  readonly to: number;
  readonly width: number | null;
  readonly buckets?: readonly Bucket[] | undefined;
  readonly readings?: readonly HistoryReading[] | undefined;
}
interface Bucket {
  readonly time: number;
  readonly min: number | null;
  readonly max: number | null;
  readonly mean: number | null;
  readonly count: number;
  readonly bad: number;
}
interface HistoryReading {
  readonly time: number;
  readonly value: JsonValue;
  readonly reason?: string | undefined;
}

/** One line of the table beside the chart. A reading is a row with one value. */
export interface ChartRow {
  readonly time: number;
  readonly min: JsonValue;
  readonly mean: JsonValue;
  readonly max: JsonValue;
  readonly count: number;
  readonly bad: number;
  readonly reason?: string | undefined;
}

export interface Series {
  /** Seconds, ascending; null in the others: the line is broken there. */
  readonly x: number[];
  readonly low: (number | null)[];
  readonly mean: (number | null)[];
  readonly high: (number | null)[];
  /** Stretches without a good reading, seconds. */
  readonly gaps: readonly (readonly [from: number, to: number])[];
  readonly rows: readonly ChartRow[];
  readonly lowest: number | undefined;
  readonly highest: number | undefined;
  readonly average: number | undefined;
  /** Rows are readings, not buckets. */
  readonly single: boolean;
}

/** Readings that are so many times further apart than usual have a gap between them. */
const GAP = 2.6;

export function seriesOf(history: History): Series {
  const rows = rowsOf(history);
  const step = Math.max(history.width ?? 0, median(rows.slice(1).map((row, i) => row.time - (rows[i] as ChartRow).time)));
  const half = (history.width ?? 0) / 2;
  const x: number[] = [];
  const low: (number | null)[] = [];
  const mean: (number | null)[] = [];
  const high: (number | null)[] = [];
  const gaps: [number, number][] = [];
  const push = (at: number, row: ChartRow | undefined): void => {
    x.push(at / 1000);
    low.push(numberOf(row?.min));
    mean.push(numberOf(row?.mean));
    high.push(numberOf(row?.max));
  };
  /** The end of what was drawn last. */
  let end = history.from;
  for (const row of rows) {
    const at = row.time + half;
    if (numberOf(row.mean) === null) {
      push(at, undefined);
      continue;
    }
    if (at - end > GAP * step && step > 0) {
      gaps.push([end / 1000, (at - half) / 1000]);
      if (x.length > 0) push((end + at) / 2, undefined);
    }
    push(at, row);
    end = at + half;
  }
  if (step > 0 && history.to - end > GAP * step && end > history.from) gaps.push([end / 1000, history.to / 1000]);
  inOrder(x, low, mean, high);
  return { x, low, mean, high, gaps, rows, ...summary(rows), single: history.width === null };
}

function rowsOf({ buckets, readings }: History): ChartRow[] {
  if (buckets !== undefined) return [...buckets];
  return (readings ?? []).map(({ time, value, reason }) => ({
    ...{ time, min: value, mean: value, max: value, count: 1, bad: value === null ? 1 : 0, reason },
  }));
}

function numberOf(value: JsonValue | undefined): number | null {
  if (typeof value === 'number') return value;
  if (typeof value === 'boolean') return Number(value);
  // 64-bit integers come as texts; a line needs no more than a double.
  if (typeof value === 'string' && /^-?\d{1,20}$/.test(value)) return Number(value);
  return null;
}

function summary(rows: readonly ChartRow[]): Pick<Series, 'lowest' | 'highest' | 'average'> {
  let lowest: number | undefined;
  let highest: number | undefined;
  // Step by step: a sum of large numbers would leave the range of a double.
  let average = 0;
  let count = 0;
  for (const row of rows) {
    const [min, mean, max] = [numberOf(row.min), numberOf(row.mean), numberOf(row.max)];
    if (min === null || mean === null || max === null) continue;
    lowest = Math.min(lowest ?? min, min);
    highest = Math.max(highest ?? max, max);
    const good = row.count - row.bad;
    count += good;
    if (count > 0) average += (mean - average) * (good / count);
  }
  return { lowest, highest, average: count === 0 ? undefined : average };
}

function median(numbers: number[]): number {
  return numbers.sort((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? 0;
}

/** A break between two rows can fall behind a bad row there: the axis has to ascend. */
function inOrder(x: number[], ...others: (number | null)[][]): void {
  const order = x.map((_, i) => i).sort((a, b) => (x[a] as number) - (x[b] as number));
  for (const list of [x, ...others]) {
    const copy = [...list];
    order.forEach((from, to) => {
      list[to] = copy[from] as number;
    });
  }
}
