/** One panel of a chart: the values of a point with its limits and alarms, a strip of bad readings, times below, alarms in words. */
import { unitWords } from '../../core/unit-words.ts';
import { momentWords, type NumberAxis, numberAxis, shortNumber, timeTicks } from './axes.ts';
import type { AlarmSpan, Bucket, Chart, LimitLine, Panel } from './chart.ts';
import { MAX_LIMITS } from './chart.ts';
import { lineAt, px, rectAt, shortened, textAt } from './svg.ts';

export const WIDTH = 960;
const LEFT = 72;
const RIGHT = 20;
const PLOT = WIDTH - LEFT - RIGHT;
const HEAD = 34;
const HEIGHT = 190;
const TIMES = 40;
const LINE = 19;
/** Alarms that are written below a panel. */
const LISTED = 4;
const GAP = 22;
/** Height of the strip of bad readings. */
const STRIP = 6;
/** A limit belongs to the picture unless it makes the values so many times flatter. */
const FLATTER = 20;
/** What is larger is no value of an instrument, and overflows when it is added up. */
const LARGEST = 1e200;
/** Least distance of two labels. */
const APART = 15;

/** @param y its upper edge @returns its height beside the drawing */
export function drawPanel(panel: Panel, chart: Chart, y: number): { readonly svg: string; readonly height: number } {
  const top = y + HEAD;
  const bottom = top + HEIGHT;
  const across = (time: number): number =>
    LEFT + ((clamp(time, chart.from, chart.to) - chart.from) / (chart.to - chart.from)) * PLOT;
  const axis = axisOf(panel);
  const up = (value: number): number =>
    axis === undefined ? bottom : bottom - ((clamp(value, axis.low, axis.high) - axis.low) / (axis.high - axis.low)) * HEIGHT;
  const place: Place = { top, bottom, across, up };
  const out = [
    heading(panel, y),
    ...alarmAreas(panel.alarms, chart, place),
    ...grid(panel, axis, chart, place),
    ...badStrip(panel.buckets, chart, place),
    ...values(panel.buckets, chart, place, axis !== undefined),
    ...limitLines(panel, axis, place),
  ];
  const words = alarmWords(panel.alarms, chart);
  for (const [i, line] of words.entries())
    out.push(textAt(LEFT, bottom + TIMES + LINE * (i + 1) - 4, line.words, { class: `small ${line.kind}` }));
  return { svg: out.join('\n'), height: HEAD + HEIGHT + TIMES + LINE * words.length + GAP };
}

interface Place {
  readonly top: number;
  readonly bottom: number;
  readonly across: (time: number) => number;
  readonly up: (value: number) => number;
}

function clamp(n: number, low: number, high: number): number {
  return Math.min(Math.max(n, low), high);
}

type Numbers = Bucket & { readonly min: number; readonly mean: number; readonly max: number };
const hasNumbers = (b: Bucket): b is Numbers => b.min !== null && b.mean !== null && b.max !== null;

/** undefined: there is nothing that could be drawn. */
function axisOf({ buckets, limits, boolean }: Panel): NumberAxis | undefined {
  const drawn = buckets.filter(hasNumbers);
  if (drawn.length === 0) return undefined;
  if (boolean) return { low: -0.1, high: 1.1, ticks: [0, 1].map((value) => ({ value, label: value === 0 ? 'false' : 'true' })) };
  let low = drawn.reduce((least, b) => Math.min(least, b.min), Number.POSITIVE_INFINITY);
  let high = drawn.reduce((most, b) => Math.max(most, b.max), Number.NEGATIVE_INFINITY);
  if (Math.max(Math.abs(low), Math.abs(high)) > LARGEST) return undefined;
  const reach = FLATTER * Math.max(high - low, Math.max(Math.abs(low), Math.abs(high)) / 20);
  const inReach = limits.map((l) => l.value).filter((value) => value >= low - reach && value <= high + reach);
  // A limit at the edge keeps room for its name.
  const margin = (Math.max(high, ...inReach) - Math.min(low, ...inReach)) * 0.09;
  low = Math.min(low, ...inReach.map((value) => value - margin));
  high = Math.max(high, ...inReach.map((value) => value + margin));
  return numberAxis(low, high);
}

function heading({ point, unit, boolean, buckets }: Panel, y: number): string {
  const words = unit === undefined ? '' : unitWords(unit);
  const name = textAt(LEFT, y + 20, shortened(`${point}${words === '' ? '' : `, ${words}`}`, 60), { class: 'point' });
  return `${name}\n${textAt(WIDTH - RIGHT, y + 20, summary(buckets, boolean), { class: 'small', anchor: 'end' })}`;
}

/** `lowest 3.1, mean 5.24, highest 9.5; 12 of 1440 readings bad` */
function summary(buckets: readonly Bucket[], boolean: boolean): string {
  const drawn = buckets.filter(hasNumbers).filter((b) => Math.max(Math.abs(b.min), Math.abs(b.max)) <= LARGEST);
  const bad = buckets.reduce((sum, b) => sum + b.bad, 0);
  const good = buckets.reduce((sum, b) => sum + b.count, 0);
  const count = `${bad} of ${good + bad} readings bad`;
  if (drawn.length === 0)
    return good > 0 ? `${count}; ${buckets.some(hasNumbers) ? 'too large to be drawn' : 'texts are not drawn'}` : count;
  const numbers = drawn.reduce((sum, b) => sum + b.count, 0);
  const mean = drawn.reduce((sum, b) => sum + b.mean * (b.count / numbers), 0);
  if (boolean) return `true in ${Math.round(clamp(mean, 0, 1) * 100)} % of the readings; ${count}`;
  const low = drawn.reduce((least, b) => Math.min(least, b.min), Number.POSITIVE_INFINITY);
  const high = drawn.reduce((most, b) => Math.max(most, b.max), Number.NEGATIVE_INFINITY);
  return `lowest ${shortNumber(low)}, mean ${shortNumber(mean)}, highest ${shortNumber(high)}; ${count}`;
}

function grid(panel: Panel, axis: NumberAxis | undefined, chart: Chart, { top, bottom, across, up }: Place): string[] {
  const out: string[] = [];
  for (const { value, label } of axis?.ticks ?? []) {
    out.push(
      lineAt(LEFT, up(value), WIDTH - RIGHT, up(value), 'grid'),
      textAt(LEFT - 8, up(value) + 4, label, { class: 'small', anchor: 'end' }),
    );
  }
  for (const { time, label, day } of timeTicks(chart.from, chart.to)) {
    const x = across(time);
    const anchor = x > WIDTH - RIGHT - 28 ? 'end' : 'middle';
    const at = anchor === 'end' ? WIDTH - RIGHT : x;
    out.push(lineAt(x, top, x, bottom + 4, 'grid'), textAt(at, bottom + 18, label, { class: 'small', anchor }));
    if (day !== undefined) out.push(textAt(at, bottom + 33, day, { class: 'small', anchor }));
  }
  out.push(lineAt(LEFT, bottom, WIDTH - RIGHT, bottom, 'axis'));
  if (axis === undefined) {
    const words = panel.buckets.some((b) => b.count > 0) ? 'no numbers that can be drawn' : 'no good readings in this time';
    out.push(textAt(LEFT + PLOT / 2, (top + bottom) / 2, words, { class: 'nothing', anchor: 'middle' }));
  }
  return out;
}

interface Spacing {
  /** Usual distance of two readings, or of two buckets, ms. */
  readonly usual: number;
  /** From here on it is a gap. */
  readonly gap: number;
}

/**
 * A point that is read more seldom than a bucket is wide has no gap between each two readings. Where each bucket has several
 * readings one that is missing is a gap; where it has one, the next may fall beside its bucket.
 */
function spacingOf(buckets: readonly Bucket[], width: number): Spacing {
  const median = (all: readonly number[]): number => all.toSorted((a, b) => a - b)[Math.floor(all.length / 2)] ?? 0;
  const usual = Math.max(width, median(buckets.slice(1).map((b, i) => b.time - (buckets[i] as Bucket).time)));
  return { usual, gap: median(buckets.map((b) => b.count + b.bad)) > 1 ? width * 1.01 : usual * 2.2 };
}

/** Neighbours make one run; where a bucket is missing the line ends. A run of one bucket is a dot. */
function values(buckets: readonly Bucket[], { width, to }: Chart, { across, up }: Place, drawable: boolean): string[] {
  if (!drawable) return [];
  const { gap } = spacingOf(buckets, width);
  const runs: Numbers[][] = [];
  let run: Numbers[] | undefined;
  for (const bucket of buckets) {
    if (!hasNumbers(bucket)) run = undefined;
    else if (run !== undefined && bucket.time - (run.at(-1) as Numbers).time < gap) run.push(bucket);
    else {
      run = [bucket];
      runs.push(run);
    }
  }
  const middle = (b: Bucket): number => across(Math.min(b.time + width / 2, to));
  const out: string[] = [];
  for (const all of runs) {
    const points = all.map((b) => ({ x: px(middle(b)), mean: px(up(b.mean)), min: px(up(b.min)), max: px(up(b.max)) }));
    const [one] = points;
    if (points.length === 1 && one !== undefined) {
      out.push(
        `<path class="range" d="M${one.x} ${one.min}V${one.max}"/>`,
        `<circle class="dot" cx="${one.x}" cy="${one.mean}" r="2.5"/>`,
      );
      continue;
    }
    const upper = points.map((p) => `${p.x} ${p.max}`).join('L');
    const lower = points
      .map((p) => `${p.x} ${p.min}`)
      .reverse()
      .join('L');
    out.push(
      `<path class="band" d="M${upper}L${lower}Z"/>`,
      `<path class="mean" d="M${points.map((p) => `${p.x} ${p.mean}`).join('L')}"/>`,
    );
  }
  return out;
}

function badStrip(buckets: readonly Bucket[], { width }: Chart, { bottom, across }: Place): string[] {
  const out: string[] = [];
  const { usual } = spacingOf(buckets, width);
  let run: { from: number; to: number; bad: number; all: boolean } | undefined;
  const end = (): void => {
    if (run === undefined) return;
    const x = across(run.from);
    const tip = `${run.bad} bad ${run.bad === 1 ? 'reading' : 'readings'}`;
    out.push(rectAt(x, bottom - STRIP, Math.max(across(run.to) - x, 1.5), STRIP, run.all ? 'bad' : 'bad some', tip));
    run = undefined;
  };
  for (const { time, bad, count } of buckets) {
    if (bad === 0) continue;
    if (run !== undefined && run.all === (count === 0) && (time - run.to < usual / 2 || across(time) - across(run.to) < 1)) {
      run.to = time + usual;
      run.bad += bad;
    } else {
      end();
      run = { from: time, to: time + usual, bad, all: count === 0 };
    }
  }
  end();
  return out;
}

/** Spans that would lie on the same pixels are one area, so there are never more than the plot is wide. */
function alarmAreas(alarms: readonly AlarmSpan[], chart: Chart, { top, bottom, across }: Place): string[] {
  const areas: { x1: number; x2: number; severity: string; tip: string; more: number }[] = [];
  for (const alarm of alarms) {
    const [x1, x2] = [across(alarm.from), Math.max(across(alarm.to ?? chart.to), across(alarm.from) + 2)];
    const last = areas.findLast((area) => area.severity === alarm.severity);
    if (last !== undefined && x1 <= last.x2 + 1) {
      last.x2 = Math.max(last.x2, x2);
      last.more++;
    } else areas.push({ x1, x2, severity: alarm.severity, tip: `${alarm.rule}, ${spanWords(alarm, chart)}`, more: 0 });
  }
  return areas.flatMap(({ x1, x2, severity, tip, more }) => [
    rectAt(x1, top, x2 - x1, bottom - top, `alarm ${severity}`, more === 0 ? tip : `${tip}, and ${more} more`),
    rectAt(x1, top - 4, x2 - x1, 4, `mark ${severity}`),
  ]);
}

function limitLines({ limits, unit }: Panel, axis: NumberAxis | undefined, { top, bottom, up }: Place): string[] {
  if (axis === undefined) return [];
  const of = (l: LimitLine): string => {
    const words = unit === undefined ? '' : unitWords(unit);
    const beyond = l.value > axis.high ? ' ↑' : l.value < axis.low ? ' ↓' : '';
    return `${shortened(l.rule, 40)}: ${l.words}${words === '' ? '' : ` ${words}`}${beyond}`;
  };
  const shown = limits.slice(0, MAX_LIMITS).sort((a, b) => b.value - a.value);
  const out: string[] = [];
  let free = top + 15;
  for (const limit of shown) {
    const y = up(limit.value);
    if (limit.value <= axis.high && limit.value >= axis.low)
      out.push(lineAt(LEFT, y, WIDTH - RIGHT, y, `limit ${limit.severity}`));
    const at = clamp(y - 5, free, bottom - 8);
    free = at + APART;
    out.push(textAt(WIDTH - RIGHT - 6, at, of(limit), { class: `label ${limit.severity}`, anchor: 'end' }));
  }
  return out;
}

function alarmWords(alarms: readonly AlarmSpan[], chart: Chart): { words: string; kind: string }[] {
  const lines: { words: string; kind: string }[] = alarms
    .slice(0, alarms.length > LISTED ? LISTED - 1 : LISTED)
    .map((a) => ({ words: `Alarm ${shortened(a.rule, 40)} (${a.severity}), ${spanWords(a, chart)}`, kind: a.severity }));
  if (alarms.length > lines.length) lines.push({ words: `and ${alarms.length - lines.length} more alarms`, kind: '' });
  return lines;
}

function spanWords({ from, to }: AlarmSpan, chart: Chart): string {
  const began = momentWords(from, chart.to);
  if (to === undefined) return `since ${began}, not over`;
  return `${began} to ${momentWords(to, chart.to)} (${lengthWords(to - from)})`;
}

/** `40s`, `36m`, `1h 24m`, `3d 4h` */
function lengthWords(ms: number): string {
  const seconds = Math.max(Math.round(ms / 1000), 1);
  if (seconds < 60) return `${seconds}s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 60) return `${minutes}m`;
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return `${hours}h${minutes % 60 === 0 ? '' : ` ${minutes % 60}m`}`;
  return `${Math.floor(hours / 24)}d${hours % 24 === 0 ? '' : ` ${hours % 24}h`}`;
}
