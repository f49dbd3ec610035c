/** The request of the main thread to log.db with a commit, and its result. Records travel as entries (codecs/rows), transferred. */
import type { Lane } from '../files/lane-state.ts';
import type { ClockList, ForwarderState } from '../files/layout.ts';
import type { Space } from '../files/room.ts';
import type { Chunk } from '../tail/pending.ts';

export interface CommitRequest {
  readonly id: number;
  /** Shapes, records and notices, oldest first; the buffers are transferred. */
  readonly chunks: readonly Chunk[];
  /** The last number given before the commit began: lanes up to it are settled. */
  readonly upTo: number;
  /** Those that changed. */
  readonly forwarders: readonly ForwarderState[];
  /** Every forwarder that is configured: what none of them waits for may go uncounted. */
  readonly active: readonly ForwarderState[];
  /** States of rules, by name, of counters, by `device.point`, and of forwarders; null forgets one. */
  readonly savedStates: readonly (readonly [key: string, state: unknown])[];
  readonly clock: readonly ClockList[];
  readonly newInventory: { readonly revision: number; readonly body: string } | undefined;
  readonly leaseEnd: number;
  /** UTC ms, when known: needed to drop what is older than maxAge. */
  readonly wall: number | undefined;
  /** The space of log.db with its write-ahead file. */
  readonly maxSize: number;
  /** `buffer.maxSize`, which a reload may have changed. */
  readonly total: number;
  readonly maxAge: number;
  /** For each log, the last number that lies in history.db: blocks up to it go. */
  readonly compacted: readonly (readonly [log: number, seq: number])[];
  /** What goes is overwritten, here and in the write-ahead file. */
  readonly overwrite?: boolean | undefined;
  /** The file system is to be asked for its room. */
  readonly asksSpace?: boolean | undefined;
}

export interface CommitResult {
  readonly id: number;
  readonly readings: number;
  readonly bytes: number;
  /** Records and notices that log.db holds now. */
  readonly held: number;
  /** `total` of the last request that the write-ahead file could follow. */
  readonly total: number;
  /** Bytes that this commit could have added to the files. */
  readonly needs: number;
  /** The commit blocks that wait for compaction. */
  readonly hot: {
    readonly records: number;
    readonly readings: number;
    readonly bytes: number;
    /** Boot of the oldest block, and when its last record was made, monotonic ms of that boot. */
    readonly oldest: { readonly boot: number; readonly at: number } | undefined;
  };
  /** For each forwarder, about when the oldest record was taken that it has not delivered; UTC ms. */
  readonly oldest: readonly (readonly [forwarder: string, lane: Lane, time: number])[];
  /** Alarms and events that were dropped although a forwarder had not delivered them. */
  readonly lostNotices: number;
  /** Readings of log.db that were dropped for space, and for their age, by `device.point`. */
  readonly dropped: readonly (readonly [point: string, readings: number])[];
  readonly aged: readonly (readonly [point: string, readings: number])[];
  /** Those of them that a forwarder had not delivered. */
  readonly lost: readonly (readonly [point: string, readings: number])[];
  /** The file system behind this commit; null: it could not be asked, absent: nobody did. */
  readonly space?: Space | null | undefined;
}
