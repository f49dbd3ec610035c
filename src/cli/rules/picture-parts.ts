/** What the picture of a play draws: spans of alarms, limits with their deadbands, runs of values, gaps. Pure. */
import type { ResolvedRule } from '../../config/kinds.ts';
import type { Severity } from '../../core/alarm.ts';
import type { Bucket } from '../chart/chart.ts';
import { limitsOf } from './limits.ts';
import type { Report } from './report.ts';

export interface Span {
  readonly rule: string;
  readonly severity: Severity;
  readonly observed: boolean;
  /** UTC ms. */
  readonly from: number;
  /** undefined: not over. */
  readonly to: number | undefined;
}

/** Every alarm of the list, oldest first. */
export function spansOf({ transitions }: Pick<Report, 'transitions'>): Span[] {
  const open = new Map<string, Span>();
  const spans: Span[] = [];
  for (const { rule, state, severity, time, observed = false } of transitions) {
    const begun = open.get(rule);
    if (state.startsWith('active')) {
      if (begun === undefined) open.set(rule, { rule, severity, observed, from: time, to: undefined });
    } else if (begun !== undefined) {
      open.delete(rule);
      spans.push({ ...begun, to: time });
    }
  }
  return [...spans, ...open.values()].sort((a, b) => a.from - b.from);
}

export interface Limited {
  readonly value: number;
  readonly words: string;
  readonly severity: Severity;
  /** Where the alarm may end; undefined: the rule has no deadband. */
  readonly back: number | undefined;
}

export function limitedOf(rule: ResolvedRule): Limited[] {
  return limitsOf(rule).map(({ value, words }) => {
    const into = words.startsWith('below') ? rule.deadband : words.startsWith('above') ? -rule.deadband : 0;
    return { value, words, severity: rule.severity, back: into === 0 ? undefined : value + into };
  });
}

export interface Bands {
  /** Neighbours with numbers. */
  readonly runs: readonly (readonly Bucket[])[];
  readonly gaps: readonly { readonly from: number; readonly to: number }[];
  readonly bad: readonly { readonly from: number; readonly to: number }[];
}

/** A gap is longer than twice the usual distance of buckets. @param width of a bucket, ms */
export function bandsOf(buckets: readonly Bucket[], width: number): Bands {
  const distances = buckets.slice(1).map((bucket, i) => bucket.time - (buckets[i] as Bucket).time);
  const usual = Math.max(width, distances.toSorted((a, b) => a - b)[Math.floor(distances.length / 2)] ?? width);
  const runs: Bucket[][] = [];
  const gaps: { from: number; to: number }[] = [];
  const bad: { from: number; to: number }[] = [];
  let run: Bucket[] | undefined;
  let before: Bucket | undefined;
  for (const bucket of buckets) {
    const apart = before === undefined ? 0 : bucket.time - before.time;
    if (apart > usual * 2.2) {
      gaps.push({ from: (before as Bucket).time + usual, to: bucket.time });
      run = undefined;
    }
    before = bucket;
    if (bucket.bad > 0) {
      const last = bad.at(-1);
      if (last !== undefined && bucket.time - last.to < usual / 2) last.to = bucket.time + usual;
      else bad.push({ from: bucket.time, to: bucket.time + usual });
    }
    if (bucket.mean === null) run = undefined;
    else if (run !== undefined) run.push(bucket);
    else {
      run = [bucket];
      runs.push(run);
    }
  }
  return { runs, gaps, bad };
}
