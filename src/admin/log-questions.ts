/**
 * What is asked of the log through the admin room, and its answers. Times are UTC milliseconds as known now, unless a name says
 * otherwise.
 */
import type { Quality } from '../core/reasons.ts';
import type { JsonValue } from './live/live-types.ts';

export interface ExportQuery {
  /** UTC milliseconds, inclusive. */
  readonly from?: number | undefined;
  readonly to?: number | undefined;
  /** `device` or `device.point`; absent: all. */
  readonly points?: readonly string[] | undefined;
  readonly format: 'csv' | 'jsonl';
  /** Milliseconds: min, mean, max and count in buckets of this width instead of readings. */
  readonly every?: number | undefined;
  /** The transitions of alarms up to `to` instead of readings. */
  readonly alarms?: boolean | undefined;
}

export interface HistoryQuery {
  readonly device: string;
  readonly point: string;
  /** UTC milliseconds; `to` is not in it. */
  readonly from: number;
  readonly to: number;
  /** At most so many; one more where the ends cut a bucket. */
  readonly buckets: number;
}
export type AlarmChangesQuery = Omit<HistoryQuery, 'buckets'>;
export interface HistoryReply {
  /** `device.point` */
  readonly point: string;
  readonly unit?: string | undefined;
  readonly from: number;
  readonly to: number;
  /** Milliseconds in each bucket, a round number; buckets begin at its multiples in UTC. null: the few readings come themselves. */
  readonly width: number | null;
  readonly buckets?: readonly HistoryBucket[] | undefined;
  readonly readings?: readonly HistoryReading[] | undefined;
}
/** Buckets without any reading are left out. Of booleans min, max and mean are of 0 and 1, of texts there are none. */
export interface HistoryBucket {
  /** When it starts. */
  readonly time: number;
  readonly min: number | null;
  readonly max: number | null;
  readonly mean: number | null;
  readonly count: number;
  readonly bad: number;
  readonly estimated?: true | undefined;
}
export interface HistoryReading {
  readonly time: number;
  readonly value: JsonValue;
  readonly quality: Quality;
  readonly reason?: string | undefined;
  readonly estimated?: true | undefined;
}

export interface RemovedQuery {
  /** Names behind this one, in the order of the alphabet; '' to begin. */
  readonly after: string;
  /** `device` or `device.point`; absent: all. */
  readonly points?: readonly string[] | undefined;
  /** Points in the answer, at most. */
  readonly limit: number;
}
export interface RemovedReply {
  /** By name; points of which nothing was taken away are left out. */
  readonly points: readonly RemovedOfPoint[];
  /** `after` of the next question; null where there is nothing more. */
  readonly next: string | null;
}
export interface RemovedOfPoint {
  /** `device.point`; `(damaged block)` for readings whose point could not be read any more. */
  readonly point: string;
  readonly thinned: RemovedReadings;
  readonly dropped: RemovedReadings;
  readonly aged: RemovedReadings;
  /** How many of all these readings a forwarder had not delivered. */
  readonly undelivered: number;
}
export interface RemovedReadings {
  readonly readings: number;
  /** UTC ms of the oldest and the newest of them; null where no time of them was known. */
  readonly from: number | null;
  readonly to: number | null;
}

export interface WaitingReply {
  /** Those that keep a place in the log. */
  readonly forwarders: readonly {
    readonly name: string;
    /** On the disk and in memory. */
    readonly readings: number;
    /** false: about; readings on the disk were counted by blocks. */
    readonly exact: boolean;
  }[];
}
