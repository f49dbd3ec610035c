/** What a payload format is given, and what it is. */
import type { LogRecord } from '../core/point.ts';

/** Consecutive records of one log, one boot and one lane. */
export interface Batch {
  readonly lane: 'data' | 'history';
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

/** What travels, as it is. A text is UTF-8 on the wire. */
export type Payload = string | Uint8Array;

export interface PayloadFormat {
  /** The word under `format`. */
  readonly name: string;
  /** Pure; in the main thread and in the store's. The same batch gives the same payload, but for `sent`. Never throws. */
  encode(batch: Batch): Payload;
}
