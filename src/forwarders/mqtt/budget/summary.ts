/** What `…/summary` carries: numbers of each point in steps of one width, coarse enough for the room that there is. Pure. */

/** Readings of one point in one step. */
export interface SummaryCell {
  /** Readings with a number, at least 1. */
  readonly count: number;
  readonly min: number;
  readonly mean: number;
  readonly max: number;
}

/** One point: a cell for each hour from the beginning on; undefined where it has no number. */
export interface SummaryPoint {
  readonly name: string;
  readonly hours: readonly (SummaryCell | undefined)[];
}

export const HOUR = 3_600_000;
/** Widths of a step, hours, finest first. */
const WIDTHS = [1, 2, 3, 6, 12, 24, 48, 168, 744];
/** Hours that one summary covers at most: 31 days. */
export const MOST_HOURS = 744;
/** Digits of a mean: more than an instrument has. */
const DIGITS = 6;

export interface SummaryOf {
  readonly gateway: string;
  /** UTC ms, whole hours; `to` is not in it. */
  readonly from: number;
  readonly to: number;
  readonly estimated: boolean;
  readonly points: readonly SummaryPoint[];
}

/**
 * The finest summary of at most so many bytes, as JSON.
 * @returns undefined: not even one step for the whole time fits, or no point has a number
 */
export function summaryWithin(of: SummaryOf, bytes: number): string | undefined {
  const hours = hoursOf(of);
  let last = 0;
  for (const width of WIDTHS) {
    // A step that is wider than the whole is the whole.
    const step = Math.min(width, hours);
    if (step === last) break;
    last = step;
    const text = summaryText(of, step, hours);
    if (text === undefined) return undefined;
    if (Buffer.byteLength(text) <= bytes) return text;
  }
  return undefined;
}

/** As `summaryWithin`, in a single step. */
export function oneStepWithin(of: SummaryOf, bytes: number): string | undefined {
  const hours = hoursOf(of);
  const text = summaryText(of, hours, hours);
  return text !== undefined && Buffer.byteLength(text) <= bytes ? text : undefined;
}

function hoursOf({ from, to }: SummaryOf): number {
  return Math.min(MOST_HOURS, Math.ceil((to - from) / HOUR));
}

function summaryText({ gateway, from, to, estimated, points }: SummaryOf, step: number, hours: number): string | undefined {
  const rows = points.flatMap(({ name, hours: cells }) => {
    const steps: (readonly number[] | null)[] = [];
    for (let at = 0; at < hours; at += step) steps.push(row(cells.slice(at, at + step)));
    return steps.every((one) => one === null) ? [] : [[name, steps] as const];
  });
  if (rows.length === 0) return undefined;
  return JSON.stringify({
    ...{ v: 1, gateway, from, to, step: step * HOUR },
    ...(estimated && { clock: 'estimated' }),
    points: Object.fromEntries(rows),
  });
}

/** `[count, min, mean, max]` */
function row(cells: readonly (SummaryCell | undefined)[]): readonly number[] | null {
  let count = 0;
  let [min, max] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  let mean = 0;
  for (const cell of cells) {
    if (cell === undefined) continue;
    count += cell.count;
    min = Math.min(min, cell.min);
    max = Math.max(max, cell.max);
    mean += (cell.mean - mean) * (cell.count / count);
  }
  if (count === 0) return null;
  const rounded = Number(mean.toPrecision(DIGITS));
  return [count, min, Math.min(Math.max(rounded, min), max), max];
}
