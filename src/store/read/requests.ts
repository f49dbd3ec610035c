/** The requests of charts, exports and pages to the files, and the answers. */
import type { PointType, Value } from '../../core/point.ts';
import type { Outward } from '../../core/privacy.ts';
import type { ClockSegment } from '../files/layout.ts';
import type { RemovedPoint } from '../hot/removals.ts';
import type { Bucket } from './buckets.ts';

export interface ExportRequest {
  readonly id: number;
  /** 0 to begin, then `next` of the answer before. */
  readonly after: number;
  /** UTC ms, inclusive. */
  readonly from: number;
  readonly to: number;
  /** `device` or `device.point`; absent: all. */
  readonly points?: readonly string[] | undefined;
  /** What of classified readings whoever asks may have; it has no steps. Absent: all. */
  readonly outward?: Outward | undefined;
  readonly format: 'csv' | 'jsonl';
  /** Milliseconds: min, mean, max and count of each point in buckets of this width, instead of readings. */
  readonly every?: number | undefined;
  /**
   * The transitions of alarms instead of readings, as the JSON that goes upstream, one a line, all of them up to `to`: one before
   * `from` may last into the range. They are those of all points. Nothing waits in a tail, since an alarm is committed at once.
   */
  readonly alarms?: boolean | undefined;
  /** Items that the files lack; `later`: the caller gives them when the files have no more; absent: there are none. */
  readonly tail?: Uncommitted | 'later' | undefined;
}

/** A copy of what is not committed, all of it of the newest boot of the newest log. */
export interface Uncommitted {
  /** Ordinal and name. */
  readonly log: number;
  readonly name: string;
  readonly boot: number;
  /** The mappings of that boot. */
  readonly clock: readonly ClockSegment[];
  /** The files have every number up to here. */
  readonly committed: number;
  /** Entries (codecs/rows), oldest first; each part defines every shape that it uses. */
  readonly entries: readonly Uint8Array[];
}

export interface ExportResult {
  readonly id: number;
  /** The value of `after` in the next request; undefined at the end. */
  readonly next: number | undefined;
  /** Whole lines; may be empty although there is more. */
  readonly text: string;
  /** The files have no more: the next request brings what they lack. */
  readonly wantsTail?: boolean | undefined;
  /** Names that the log never had, in the first slice only. Then there is nothing else. */
  readonly unknown?: readonly string[] | undefined;
}

export interface QueryRequest {
  readonly id: number;
  readonly device: string;
  readonly point: string;
  /** UTC ms; `to` is not in it. */
  readonly from: number;
  readonly to: number;
  readonly buckets: number;
}

export interface PointReading {
  /** UTC ms. */
  readonly time: number;
  /** null when it is bad. */
  readonly value: Value | null;
  /** A code of REASONS; 0 is good. */
  readonly reason: number;
  readonly estimated: boolean;
}

export interface QueryResult {
  readonly id: number;
  /** undefined: the log knows no such point. */
  readonly found:
    | {
        readonly unit: string | undefined;
        readonly type: PointType;
        /** Milliseconds; undefined when these are the readings themselves. */
        readonly width: number | undefined;
        readonly buckets: readonly Bucket[];
        readonly readings: readonly PointReading[];
      }
    | undefined;
}

/** Asks for the newest record in which all of some points are good, at or behind a number. */
export interface NewestRequest {
  readonly id: number;
  readonly wanted: readonly {
    readonly device: string;
    readonly points: readonly string[];
    /** Ordinal of a log, and a number of it: what is older does not count. */
    readonly log: number;
    readonly seq: number;
  }[];
}

export interface NewestResult {
  readonly id: number;
  /** As `wanted`; undefined where there is no such record. */
  readonly found: readonly (
    | {
        readonly values: readonly Value[];
        /** UTC ms. */
        readonly time: number;
        readonly estimated: boolean;
      }
    | undefined
  )[];
}

/** Asks how many readings lie in stretches of numbers. */
export interface WaitingRequest {
  readonly id: number;
  /** Ordinal of a log, and its numbers from..to. At most 64 for each log. */
  readonly spans: readonly { readonly log: number; readonly from: number; readonly to: number }[];
}

export interface WaitingResult {
  readonly id: number;
  readonly readings: number;
  /** false: about. */
  readonly exact: boolean;
}

/** Asks for what was removed since the log was made, by point. */
export interface RemovedRequest {
  readonly id: number;
  /** Names behind this one, in the order of the alphabet; '' to begin. */
  readonly after: string;
  /** `device` or `device.point`; absent: all. */
  readonly points?: readonly string[] | undefined;
  /** Points that one answer has at most. */
  readonly limit: number;
}

export interface RemovedResult {
  readonly id: number;
  readonly points: readonly (readonly [point: string, removed: RemovedPoint])[];
  /** There are others behind the last one. */
  readonly more: boolean;
}
