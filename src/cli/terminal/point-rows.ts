/** Points under their devices: name, value, unit, the latest minutes as a sparkline, and what is to be said about it. */
import type { TailReading } from '../../admin/target.ts';
import { unitWords } from '../../core/unit-words.ts';
import { clean } from './clean.ts';
import { type Line, type Look, type Span, span } from './line.ts';
import { sparkline } from './spark.ts';
import { column, widthOf } from './text.ts';
import type { Trend } from './trend.ts';

/** What the rules of a point allow. */
export interface Limits {
  readonly min?: number | undefined;
  readonly max?: number | undefined;
}

export interface ShownPoint {
  readonly device: string;
  readonly point: string;
  readonly reading: TailReading;
  readonly trend: Trend;
  /** Digits behind the point, always the same number. */
  readonly decimals: number;
  readonly limits?: Limits | undefined;
  /** What else is to be known, where no limit stands. */
  readonly remark?: string | undefined;
  /** An alarm of the point is active. */
  readonly alarm?: 'critical' | 'warning' | 'info' | undefined;
}

const UNIT = 6;
const REMARK = 14;
const MOST_CELLS = 60;
const LEAST_CELLS = 6;

/** Columns of a table, the same for all its rows. */
export interface Grid {
  readonly device: number;
  readonly point: number;
  readonly value: number;
  readonly cells: number;
  readonly remark: number;
}

/** @param value columns that the longest value has had */
export function gridOf(points: readonly Pick<ShownPoint, 'device' | 'point'>[], value: number, width: number): Grid {
  const longest = (texts: readonly string[], most: number) =>
    Math.min(most, Math.max(4, ...texts.map((text) => widthOf(clean(text)))));
  const device = longest(
    points.map((p) => p.device),
    Math.max(4, Math.floor(width / 5)),
  );
  const point = longest(
    points.map((p) => p.point),
    Math.max(4, Math.floor(width / 4)),
  );
  const before = 1 + device + 2 + point + 1 + value + 1 + UNIT + 2;
  const free = width - before - 1;
  if (free < LEAST_CELLS) return { device, point, value, cells: 0, remark: Math.max(0, free) };
  const remark = free >= LEAST_CELLS + 2 + REMARK ? REMARK : 0;
  const cells = Math.min(MOST_CELLS, free - (remark === 0 ? 0 : remark + 2));
  return { device, point, value, cells, remark: remark === 0 ? 0 : free - cells - 2 };
}

/** @param first the row of its device that carries the name */
export function pointRow(p: ShownPoint, grid: Grid, first: boolean, now: number, look: Look): Line {
  const { reading, limits, decimals } = p;
  const mark = look.unicode ? '…' : '~';
  const isOver = (value: number) => value > (limits?.max ?? Number.POSITIVE_INFINITY) || value < (limits?.min ?? -Infinity);
  const bad = reading.quality === 'bad';
  const over = typeof reading.value === 'number' && isOver(reading.value);
  const style = bad || over || p.alarm === 'critical' ? 'strong' : p.alarm !== undefined ? 'yellow' : 'bold';
  const cells = p.trend.cells(now, grid.cells, isOver);
  const line: Span[] = [
    span(` ${column(first ? p.device : '', grid.device, { mark })}  `, 'bold'),
    span(`${column(p.point, grid.point, { mark })} `),
    span(column(valueWords(reading, decimals), grid.value, { right: true, mark }), style),
    span(` ${column(unitWords(reading.unit ?? ''), UNIT, { mark })}  `),
    ...sparkline(cells, look, { least: 4 * 10 ** -decimals, isSwitch: p.trend.isSwitch }),
  ];
  if (grid.remark === 0) return line;
  const remark = remarkOf(p, look);
  return [...line, span('  '), span(column(remark.text, grid.remark, { mark }), remark.style)];
}

/** What is wrong with the last reading; else what the point may be. */
function remarkOf({ reading, limits, decimals, remark = '' }: ShownPoint, look: Look): Span {
  if (reading.quality !== 'good') {
    const { reason = reading.quality } = reading;
    const words = reason === 'timeout' ? 'no answer' : reason.replaceAll('-', ' ');
    return span(words, reading.quality === 'bad' ? 'red' : 'yellow');
  }
  const { min, max } = limits ?? {};
  if (min === undefined && max === undefined) return span(remark, 'yellow');
  const digits = (n: number) => n.toFixed(Math.max(0, Math.min(decimals, 2)));
  if (typeof reading.value === 'number') {
    if (max !== undefined && reading.value > max) return span(`above ${digits(max)}`, 'red');
    if (min !== undefined && reading.value < min) return span(`below ${digits(min)}`, 'red');
  }
  const text =
    min === undefined
      ? `${look.unicode ? '≤' : '<='} ${digits(max ?? 0)}`
      : max === undefined
        ? `${look.unicode ? '≥' : '>='} ${digits(min)}`
        : `${digits(min)} to ${digits(max)}`;
  return span(text, 'dim');
}

/** A value as it stands in a table: with a fixed number of digits behind the point. */
export function valueWords({ value, quality }: Pick<TailReading, 'value' | 'quality'>, decimals: number): string {
  if (value === null || quality === 'bad') return '-';
  if (typeof value === 'boolean') return value ? 'on' : 'off';
  if (typeof value === 'string') return value;
  // Longer than any column: powers of ten are shorter.
  return Math.abs(value) >= 1e12 ? value.toExponential(3) : value.toFixed(decimals);
}

/** The digits behind the point that a number needs, at most those that an instrument of its size shows. */
export function decimalsOf(value: number): number {
  const size = Math.abs(value);
  const most = size < 10 ? 3 : size < 100_000 ? 2 : 1;
  // A number of 32 bits has seven digits; what stands behind them is not of the instrument.
  const near = Math.max(1e-6, size * 1e-7);
  for (let digits = 0; digits < most; digits++) if (Math.abs(value - Number(value.toFixed(digits))) < near) return digits;
  return Number.isFinite(value) ? most : 0;
}
