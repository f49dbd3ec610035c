/** The kinds with memory as their pages describe them, computed anew from all readings at each step. Slow, and without state. */
import type { Verdict } from '../../src/rules/rule-kind.ts';

/** `bad` where `v` is undefined. Times are whole ms. */
export interface Reading {
  readonly t: number;
  readonly v: number | undefined;
}
export type Said = Verdict | 'unknown';
type Setting = Record<string, number | string | undefined>;

const good = (readings: readonly Reading[]) => readings.filter((r): r is { t: number; v: number } => r.v !== undefined);

function judge(setting: Setting, deadband: number, value: number): Verdict {
  const { above = Number.POSITIVE_INFINITY, below = Number.NEGATIVE_INFINITY } = setting as { above?: number; below?: number };
  const noiseless = Number(value.toPrecision(12));
  if (noiseless > above || noiseless < below) return 'alarm';
  return noiseless <= above - deadband && noiseless >= below + deadband ? 'normal' : 'between';
}

/** The readings of the window that ends with the last one, as [part, reading]. */
function window(readings: readonly { t: number; v: number }[], over: number, parts: number) {
  const [first, last] = [readings[0] as { t: number }, readings.at(-1) as { t: number }];
  const width = Math.ceil(over / parts);
  const index = (t: number) => Math.floor((t - first.t) / width);
  const oldest = index(last.t) - Math.ceil(over / width);
  const inside = readings.map((r) => ({ ...r, part: index(r.t) })).filter(({ part }) => part > oldest);
  const reach = last.t - (first.t + width * (inside[0] as { part: number }).part);
  return { inside, whole: reach * 2 >= over, start: (part: number) => first.t + part * width };
}

const STATISTICS: Record<string, (w: ReturnType<typeof window>, setting: Setting) => number | undefined> = {
  average: ({ inside }) => inside.reduce((sum, { v }) => sum + v, 0) / inside.length,
  minimum: ({ inside }) => Math.min(...inside.map(({ v }) => v)),
  maximum: ({ inside }) => Math.max(...inside.map(({ v }) => v)),
  percentile({ inside }, { p }) {
    const kept = [...Map.groupBy(inside, ({ part }) => part).values()].map((of) => (of.at(-1) as { v: number }).v);
    kept.sort((a, b) => a - b);
    return kept.find((_, i) => (i + 1) * 100 >= (p as number) * kept.length);
  },
  rate({ inside }, { per }) {
    const points = [...Map.groupBy(inside, ({ part }) => part).values()].map((of) => ({
      n: of.length,
      t: of.reduce((sum, r) => sum + r.t, 0) / of.length,
      v: of.reduce((sum, r) => sum + r.v, 0) / of.length,
    }));
    if (points.length < 2) return undefined;
    const n = points.reduce((sum, p) => sum + p.n, 0);
    const mean = (of: (p: { t: number; v: number }) => number) => points.reduce((sum, p) => sum + p.n * of(p), 0) / n;
    const [t, v] = [mean((p) => p.t), mean((p) => p.v)];
    const spread = mean((p) => (p.t - t) ** 2);
    return spread === 0 ? undefined : (mean((p) => (p.t - t) * (p.v - v)) / spread) * (per as number);
  },
};
const PARTS: Record<string, number> = { average: 60, minimum: 60, maximum: 60, percentile: 240, rate: 60 };

/** The verdict at the last reading; undefined: it says nothing new. */
export function statistic(kind: string, setting: Setting, deadband: number, all: readonly Reading[]): Said | undefined {
  if (all.at(-1)?.v === undefined) return undefined;
  const seen = window(good(all), setting.over as number, PARTS[kind] as number);
  const value = STATISTICS[kind]?.(seen, setting);
  if (value === undefined) return 'unknown';
  const sure =
    (kind === 'maximum' && value > ((setting.above as number | undefined) ?? Number.POSITIVE_INFINITY)) ||
    (kind === 'minimum' && value < ((setting.below as number | undefined) ?? Number.NEGATIVE_INFINITY));
  return seen.whole || sure ? judge(setting, deadband, value) : 'unknown';
}

/** The growth from one reading to the next, by the facts. */
function growths(readings: readonly { t: number; v: number }[], rollover: number | undefined) {
  return readings.slice(1).map(({ t, v }, i) => {
    const { t: from, v: before } = readings[i] as { t: number; v: number };
    const rolled = rollover !== undefined && before > 0.9 * rollover;
    return { from, to: t, amount: v >= before ? v - before : rolled ? v + rollover - before : v };
  });
}
/** The part of a growth that lies from `a` on. */
function after({ from, to, amount }: { from: number; to: number; amount: number }, a: number): number {
  if (from === to) return from >= a ? amount : 0;
  return (amount * Math.max(0, to - Math.max(from, a))) / (to - from);
}

export function delta(setting: Setting, deadband: number, all: readonly Reading[]): Said | undefined {
  const readings = good(all);
  const [first, last] = [readings[0], readings.at(-1)];
  if (all.at(-1)?.v === undefined || first === undefined || last === undefined || readings.length < 2) return undefined;
  const over = setting.over as number;
  const width = Math.ceil(over / 60);
  const oldest = Math.floor((last.t - first.t) / width) - Math.ceil(over / width) + 1;
  const begin = first.t + oldest * width;
  const parts = growths(readings, setting.rollover as number | undefined);
  const sum = parts.reduce((total, growth) => total + after(growth, begin), 0);
  const reach = last.t - Math.max(begin, first.t);
  const said = judge(setting, deadband, sum);
  return reach * 2 >= over || (setting.above !== undefined && sum > (setting.above as number)) ? said : 'unknown';
}

/** @param offset UTC ms minus the time of the readings */
export function total(setting: Setting, all: readonly Reading[], now: number, offset: number): Said {
  const readings = good(all);
  if (readings.length === 0) return 'unknown';
  const HOUR = 3_600_000;
  const begin = Math.floor((now + offset) / HOUR) * HOUR - offset;
  // What grows up to the very border belongs to the period before.
  const sum = growths(readings, setting.rollover as number | undefined)
    .filter(({ to }) => to >= begin)
    .reduce((added, g) => added + (g.from === g.to && g.from < begin ? 0 : after(g, begin)), 0);
  return judge(setting, 0, sum);
}

/** The verdict at every `step` ms up to `end`, from the first reading on. */
export function beyond(setting: Setting, deadband: number, all: readonly Reading[], step: number, end: number): [number, Said][] {
  const readings = good(all);
  const within = setting.within as number | undefined;
  const width = within === undefined ? 1 : Math.ceil(within / 120);
  const first = readings[0]?.t ?? Number.POSITIVE_INFINITY;
  const out: [number, Said][] = [];
  const counted: number[] = [];
  let isBeyond = false;
  let until = Number.NEGATIVE_INFINITY;
  for (let t = first; t <= end; t += step) {
    // The step before this moment.
    if (t > first && isBeyond && t <= until) counted.push(t - step);
    for (const r of readings.filter((one) => one.t === t)) {
      const said = judge(setting, deadband, r.v);
      if (said !== 'between') isBeyond = said === 'alarm';
      until = t + (setting.gap as number);
    }
    if (t > until) continue;
    const oldest = within === undefined ? Number.NEGATIVE_INFINITY : Math.floor((t - first) / width) - Math.ceil(within / width);
    const sum = counted.filter((c) => Math.floor((c - first) / width) > oldest).length * step;
    out.push([t, sum >= (setting.for as number) ? 'alarm' : 'normal']);
  }
  return out;
}

export function stuck(setting: { for: number; within: number }, all: readonly Reading[]): Said | undefined {
  const last = all.at(-1);
  if (last?.v === undefined) return undefined;
  // The readings since the value last moved; each is compared with the first of them.
  let since = 0;
  for (let i = 0, ref: number | undefined; i < all.length; i++) {
    const v = all[i]?.v;
    if (v === undefined) continue;
    if (ref === undefined || Math.abs(ref - v) > setting.within) {
      ref = v;
      since = i;
    }
  }
  let held = 0;
  for (let i = since; i < all.length - 1; i++) if (all[i]?.v !== undefined) held += (all[i + 1]?.t ?? 0) - (all[i]?.t ?? 0);
  return held >= setting.for ? 'alarm' : 'normal';
}
