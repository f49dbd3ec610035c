/** What a chart shows. Times are UTC milliseconds. */
import type { Severity } from '../../core/alarm.ts';

export interface Bucket {
  readonly time: number;
  /** null where no reading has a number. */
  readonly min: number | null;
  readonly mean: number | null;
  readonly max: number | null;
  readonly count: number;
  readonly bad: number;
}

export interface LimitLine {
  readonly rule: string;
  readonly severity: Severity;
  readonly value: number;
  /** `above 8` */
  readonly words: string;
}

export interface AlarmSpan {
  readonly rule: string;
  readonly severity: Severity;
  /** undefined: before the records of the log. */
  readonly from: number;
  /** undefined: not over. */
  readonly to: number | undefined;
}

export interface Panel {
  /** `device.point` */
  readonly point: string;
  /** A UCUM code. */
  readonly unit: string | undefined;
  /** true and false, drawn as 1 and 0. */
  readonly boolean: boolean;
  /** Ascending; where there were no readings there is none. */
  readonly buckets: readonly Bucket[];
  readonly limits: readonly LimitLine[];
  readonly alarms: readonly AlarmSpan[];
}

export interface Chart {
  readonly title: string;
  readonly from: number;
  readonly to: number;
  /** Width of a bucket, ms. */
  readonly width: number;
  /** The time of a reading was estimated. */
  readonly estimated: boolean;
  readonly panels: readonly Panel[];
}

/** Panels of a chart, buckets of a point (a day by the minute), limits in a panel. Together they bound the size of a chart. */
export const MAX_PANELS = 12;
export const MAX_BUCKETS = 1500;
export const MAX_LIMITS = 8;
