/** The log in the status. */
import type { SalvageStatus } from '../reports/salvage.ts';

export interface LogStatus {
  readonly id: string;
  /** Records and notices that are kept now: the depth of the log. */
  readonly records: number;
  /** Time of the oldest record that some forwarder has not delivered. */
  readonly oldestUnsent: number | null;
  /** Every file of the log together, and what `buffer.maxSize` allows. */
  readonly bytes: number;
  readonly maxBytes: number;
  /** What it may take now, since others fill the disk and `buffer.minFree` stays free; absent: all of maxBytes. */
  readonly room?: number | undefined;
  /** Readings that wait for the next commit. */
  readonly pending: number;
  readonly lastCommit: number | null;
  /** Since the start: commits, readings taken in. */
  readonly commits: number;
  readonly appended: number;
  /** Readings that `report:` of their points kept out of the log since the start. */
  readonly unreported: number;
  /** Readings that went since the start before a forwarder had them, for want of space on disk or in memory. */
  readonly dropped: number;
  /** Readings that were thinned out, dropped for space, and dropped for age since the start, delivered or not. */
  readonly thinned: number;
  readonly removed: number;
  readonly aged: number;
  /** Since the start: how often the log could not be written, and for how long altogether, milliseconds. */
  readonly writeFaults: number;
  readonly writeFaultTime: number;
  /** What of the log lies in memory, between the wire and the disk. */
  readonly memory: LogMemory;
  /** What is wrong, in words; empty when nothing is. */
  readonly faults: readonly string[];
  /** Files that were damaged or not the newest, since the start; the newest eight. */
  readonly salvage: readonly SalvageStatus[];
  /** Since the start: how often that was, records that came back, records that did not. */
  readonly salvages: number;
  readonly salvagedRecords: number;
  readonly lostRecords: number;
  /** Folders that were not used for the newest readings because another user may change what is in them, with what to do. */
  readonly refusedFolders: readonly string[];
}

/** Bytes, and how many at most. */
export interface LogMemory {
  /** Readings, alarms and events that the disk does not have yet. */
  readonly pending: { readonly bytes: number; readonly limit: number };
  /** The runtime directory, which survives a kill. */
  readonly tail: { readonly bytes: number; readonly limit: number };
  /** Newest records, for live batches; about. */
  readonly live: { readonly bytes: number; readonly limit: number };
  /** Bytes of batches that wait for their acknowledgement: at most one of `data` and one of `history` for each forwarder. */
  readonly unanswered: number;
  /** Questions to the log (backlog, charts, exports) that wait for an answer. */
  readonly questions: { readonly asked: number; readonly limit: number };
}
