/** The request of the main thread to history.db, once an hour or when space is short, and its result. */
import type { Retention } from '../../core/privacy.ts';
import type { Lane } from '../files/lane-state.ts';
import type { ForwarderState } from '../files/layout.ts';

/** Asks the keeper to make at most one hour, and to keep history.db within its budget. */
export interface TidyRequest {
  readonly id: number;
  readonly boot: number;
  /** Monotonic ms. */
  readonly at: number;
  /** An hour is made however little there is. */
  readonly force: boolean;
  /** The space of history.db, bytes; less when log.db, which grows meanwhile, leaves less of `limit`. */
  readonly budget: number;
  /** The space of all files together, and the bytes that the next commit may add. */
  readonly limit: number;
  readonly needs: number;
  /** UTC ms, when known. */
  readonly wall: number | undefined;
  readonly maxAge: number;
  /** Readings that are kept for less, and are overwritten when they go. Absent: there are none. */
  readonly retention?: Retention | undefined;
  /** Every forwarder that is configured. */
  readonly active: readonly ForwarderState[];
  /** Logs with a lower ordinal stay as they are: records of them are still to come back. */
  readonly from?: number;
}

export interface TidyResult {
  readonly id: number;
  /** For each log, the last number that lies in history.db. */
  readonly compacted: readonly (readonly [log: number, seq: number])[];
  /** An hour was made; ask again at once. */
  readonly more: boolean;
  readonly bytes: number;
  /** Records that history.db holds now. */
  readonly held: number;
  /** Readings that were taken away for space or age, by `device.point`. */
  readonly thinned: readonly (readonly [point: string, readings: number])[];
  readonly dropped: readonly (readonly [point: string, readings: number])[];
  readonly aged: readonly (readonly [point: string, readings: number])[];
  /** Those of them that a forwarder had not delivered. */
  readonly lost: readonly (readonly [point: string, readings: number])[];
  /** For each forwarder, when the oldest record was taken that lies in history.db and waits for it; UTC ms. */
  readonly oldest: readonly (readonly [forwarder: string, lane: Lane, time: number])[];
}
