/** A recording that rules are played with: a file, or a stretch of the log. */
import type { PointInfo, Value } from '../../core/point.ts';

/** One reading. A bad one has no value. */
export interface Recorded {
  readonly device: string;
  readonly point: string;
  readonly value: Value | undefined;
  /** GOOD, or a code of REASONS. */
  readonly reason: number;
}

/** What was reported at one time. */
export interface RecordedSample {
  /** UTC milliseconds. */
  readonly time: number;
  /** The line of the file where it stands, from 1. */
  readonly line: number;
  /** The start of the gateway that took the readings; undefined where the recording does not say. */
  readonly boot: string | undefined;
  /** The gateway did not know the time when it took the readings. */
  readonly estimated: boolean;
  /** It follows from others: its time may be before theirs. */
  readonly computed?: true | undefined;
  readonly readings: readonly Recorded[];
}

/** The points that somebody looks at, by `device.point`. */
export type Wanted = ReadonlyMap<string, WantedPoint>;

export interface WantedPoint extends PointInfo {
  readonly device: string;
  /** False: neither the configuration nor a profile says how values are held, so the text decides. */
  readonly typed: boolean;
}

/** Longest line of a recording, bytes; also of a row with line breaks in quotes. */
export const LONGEST_LINE = 1024 ** 2;
/** Most columns of a table. */
export const MOST_COLUMNS = 1000;

export type Recording = AsyncIterable<RecordedSample>;
