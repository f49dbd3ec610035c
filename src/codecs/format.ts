/** What a payload format is given, and what it is. */
import type { LogRecord } from '../core/point.ts';

/** Consecutive records of one log, one boot and one lane. */
export interface Batch {
  readonly gateway: string;
  readonly log: string;
  readonly boot: string;
  readonly inventory: number;
  /** Milliseconds UTC. */
  readonly sent: number;
  /** UTC milliseconds = monotonic `at` + offset. */
  readonly offset: number;
  /** The time was not confirmed by a clock that is known to be right. */
  readonly estimated: boolean;
  /** At least one, ascending. */
  readonly records: readonly LogRecord[];
}

export interface PayloadFormat {
  readonly name: string;
  encode(batch: Batch): string;
}
