/** Small pictures that fit into a line: the course of a value, and the parts of a whole. Pure. */
import { type Line, type Look, type Span, type Style, span } from './line.ts';

/** A piece of the time that a sparkline shows. */
export interface Cell {
  /** undefined: there is no reading. */
  readonly value?: number | undefined;
  /** The device gave no good answer. */
  readonly bad?: boolean | undefined;
  /** Outside of what the rules allow. */
  readonly over?: boolean | undefined;
}

const LEVELS = { unicode: '▁▂▃▄▅▆▇█', ascii: '_.:-=+*#' } as const;

export interface Scale {
  /** The smallest difference that is drawn over the whole height, so that noise of the last digit stays small. */
  readonly least?: number;
  /** The value is on or off: its levels are always the same. */
  readonly isSwitch?: boolean;
}

/** One character a cell, low to high. */
export function sparkline(cells: readonly Cell[], look: Look, { least = 0, isSwitch = false }: Scale = {}): Line {
  const levels = [...(look.unicode ? LEVELS.unicode : LEVELS.ascii)];
  const numbers = cells.flatMap(({ value }) => (value !== undefined && Number.isFinite(value) ? [value] : []));
  let low = numbers.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY);
  let high = numbers.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  if (isSwitch) {
    low = 0;
    high = 1;
  }
  // Halves, because the difference of two large numbers may be none.
  const margin = isSwitch ? 0 : least / 2 - (high / 2 - low / 2);
  if (margin > 0) {
    // The middle lies in the middle of a level: a value at rest does not hop between two.
    low -= margin * (7 / 8);
    high += margin * (9 / 8);
  }
  const spans: Span[] = [];
  let text = '';
  let style: Style | undefined;
  for (const { value, bad = false, over = false } of cells) {
    const known = value !== undefined && Number.isFinite(value);
    const part = known && high > low ? (value / 2 - low / 2) / (high / 2 - low / 2) : 0;
    const level = levels[Math.min(levels.length - 1, Math.max(0, Math.round(part * (levels.length - 1))))] ?? ' ';
    const sign = known ? level : bad ? (look.unicode ? '×' : 'x') : ' ';
    const colour = known ? (over ? 'red' : 'cyan') : bad ? 'red' : undefined;
    if (colour !== style && text !== '') {
      spans.push(span(text, style));
      text = '';
    }
    style = colour;
    text += sign;
  }
  return text === '' ? spans : [...spans, span(text, style)];
}

export interface Part {
  readonly amount: number;
  readonly style: Style;
  /** Without colours the sign tells the parts apart. */
  readonly sign: string;
}

/** Parts of a whole over `width` columns. A part that is not 0 has a column at least, as long as there is room. */
export function bar(parts: readonly Part[], width: number, look: Look): Line {
  const columns = Math.max(0, Math.floor(width));
  const amounts = parts.map(({ amount }) => (Number.isFinite(amount) && amount > 0 ? amount : 0));
  const most = Math.max(...amounts, 0);
  if (most === 0) return [span((look.unicode ? '·' : '.').repeat(columns), 'dim')];
  const shares = amounts.map((amount) => amount / most);
  const whole = shares.reduce((a, b) => a + b, 0);
  const cells = shares.map((share) => (share === 0 ? 0 : Math.max(1, Math.floor((share / whole) * columns))));
  // What rounding left over, or took too much, is the largest part's.
  const largest = shares.indexOf(1);
  const rest = columns - cells.reduce((a, b) => a + b, 0);
  cells[largest] = Math.max(0, (cells[largest] ?? 0) + rest);
  let left = columns;
  return parts.flatMap(({ style, sign }, i) => {
    const wide = Math.min(left, cells[i] ?? 0);
    left -= wide;
    return wide === 0 ? [] : [span((look.colours && look.unicode ? '█' : sign).repeat(wide), style)];
  });
}
