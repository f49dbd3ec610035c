/** What the main thread and the store's threads say to each other. Records travel as entries (codecs/rows), transferred. */
import type { Shape } from '../core/point.ts';
import type { NoticeMessage } from '../core/ports.ts';
import type { Lane } from './lanes.ts';
import type { ClockSegment, ForwarderState } from './layout.ts';
import type { Chunk } from './pending.ts';

export interface OpenRequest {
  readonly file: string;
  /** Memory-backed folder with the tail of an earlier run; undefined when there is none. */
  readonly runtimeDir: string | undefined;
  readonly maxSize: number;
  readonly maxAge: number;
  /** How many sequence numbers to reserve ahead. */
  readonly lease: number;
}

export interface Opened {
  /** Every log that still holds something, oldest first; the last one is written to. */
  readonly logs: readonly { readonly ordinal: number; readonly name: string; readonly last: number }[];
  readonly boot: number;
  /** First number of this boot. */
  readonly next: number;
  readonly leaseEnd: number;
  readonly shapes: readonly (readonly [id: number, shape: Shape])[];
  readonly forwarders: readonly ForwarderState[];
  readonly alarms: readonly (readonly [rule: string, state: unknown])[];
  /** The newest transition of each rule that the log still holds: retained topics are rebuilt from them. */
  readonly lastAlarms: readonly NoticeMessage[];
  readonly inventory: { readonly revision: number; readonly body: string } | undefined;
  readonly recovered: { readonly records: number; readonly notices: number };
  /** Path that a damaged file was moved to. */
  readonly quarantined: string | undefined;
  readonly bytes: number;
}

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
  /** null forgets the rule. */
  readonly alarms: readonly (readonly [rule: string, state: unknown])[];
  readonly clock: readonly ClockSegment[];
  readonly newInventory: { readonly revision: number; readonly body: string } | undefined;
  readonly leaseEnd: number;
  /** UTC ms, when known: needed to drop what is older than maxAge. */
  readonly wall: number | undefined;
  /** What log.db may take with its write-ahead file. */
  readonly maxSize: number;
  readonly maxAge: number;
  /** For each log, the last number that lies in history.db: blocks up to it go. */
  readonly compacted: readonly (readonly [log: number, seq: number])[];
}

export interface CommitResult {
  readonly id: number;
  readonly readings: number;
  readonly bytes: number;
  /** Records and notices that log.db holds now. */
  readonly held: number;
  /** What waits in commit blocks for compaction. */
  readonly hot: { readonly records: number; readonly readings: number; readonly bytes: number };
  /** For each forwarder, about when the oldest record was taken that it has not delivered; UTC ms. */
  readonly oldest: readonly (readonly [forwarder: string, lane: Lane, time: number])[];
  /** Alarms and events that were dropped although a forwarder had not delivered them. */
  readonly lostNotices: number;
  /** Readings that were dropped although a forwarder had not delivered them, by `device.point`. */
  readonly lost: readonly (readonly [point: string, readings: number])[];
  /** Records that went because of their age or for room, delivered everywhere. */
  readonly expired: number;
}

export interface ReadRequest {
  readonly id: number;
  readonly log: number;
  readonly from: number;
  readonly to: number;
  readonly maxReadings: number;
  readonly format: string;
  readonly gateway: string;
  readonly logName: string;
  /** UTC ms. */
  readonly sent: number;
}

export interface ReadResult {
  readonly id: number;
  /** undefined: the log holds nothing in from..to. */
  readonly batch:
    | {
        readonly boot: string;
        readonly first: number;
        readonly last: number;
        readonly records: number;
        readonly readings: number;
        readonly payload: string;
      }
    | undefined;
}

/** Records first..last of a log (its ordinal) that cannot be read any more. */
export interface DamagedBlock {
  readonly log: number;
  readonly first: number;
  readonly last: number;
  readonly readings: number;
}

export interface NoticesRequest {
  readonly id: number;
  readonly log: number;
  readonly after: number;
  readonly to: number;
  readonly limit: number;
}
export interface NoticesResult {
  readonly id: number;
  readonly notices: readonly {
    readonly seq: number;
    readonly kind: 'alarm' | 'event';
    readonly key: string;
    readonly json: string;
  }[];
}

/** First line of an export as CSV. */
export const CSV_HEADER = 'log,seq,boot,device,point,time,value,unit,quality,reason\n';

export interface ExportRequest {
  readonly id: number;
  /** Key of the last block that was exported; 0 to begin. */
  readonly after: number;
  /** UTC ms, inclusive. */
  readonly from: number;
  readonly to: number;
  /** `device` or `device.point`; absent: all. */
  readonly points?: readonly string[] | undefined;
  readonly format: 'csv' | 'jsonl';
}
export interface ExportResult {
  readonly id: number;
  /** Key to go on from; undefined at the end. */
  readonly next: number | undefined;
  readonly text: string;
  readonly records: number;
}

/** Asks the keeper to make at most one unit, and to keep history.db within its budget. */
export interface TidyRequest {
  readonly id: number;
  readonly boot: number;
  /** Monotonic ms. */
  readonly at: number;
  /** A unit is made however little there is. */
  readonly force: boolean;
  /** What history.db may take, bytes. */
  readonly budget: number;
  /** UTC ms, when known. */
  readonly wall: number | undefined;
  readonly maxAge: number;
  /** Every forwarder that is configured. */
  readonly active: readonly ForwarderState[];
}
export interface TidyResult {
  readonly id: number;
  /** For each log, the last number that lies in history.db. */
  readonly compacted: readonly (readonly [log: number, seq: number])[];
  /** A unit was made; ask again at once. */
  readonly more: boolean;
  readonly bytes: number;
  /** Records that history.db holds now. */
  readonly held: number;
  /** Readings that were taken away for room or age, by `device.point`. */
  readonly thinned: readonly (readonly [point: string, readings: number])[];
  readonly dropped: readonly (readonly [point: string, readings: number])[];
  readonly aged: readonly (readonly [point: string, readings: number])[];
  /** Those of them that a forwarder had not delivered. */
  readonly lost: readonly (readonly [point: string, readings: number])[];
  /** For each forwarder, when the oldest record was taken that lies in history.db and waits for it; UTC ms. */
  readonly oldest: readonly (readonly [forwarder: string, lane: Lane, time: number])[];
}

export interface Failure {
  readonly id: number;
  readonly error: string;
  readonly code: string | undefined;
  /** What a commit that failed should have kept, handed back. */
  readonly chunks?: readonly Chunk[];
}

export interface WriterData {
  readonly request: OpenRequest;
  /** Not 0: the thread is to end without committing anything more. */
  readonly leaving: Int32Array;
}
export type WriterMessage =
  | { readonly kind: 'commit'; readonly request: CommitRequest }
  | { readonly kind: 'close'; readonly next: number }
  | { readonly kind: 'leave' };
export type WriterReply =
  | { readonly kind: 'opened'; readonly opened: Opened }
  | { readonly kind: 'committed'; readonly result: CommitResult }
  | { readonly kind: 'failed'; readonly failure: Failure }
  | { readonly kind: 'closed' };
export type KeeperMessage =
  | { readonly kind: 'leave' }
  | { readonly kind: 'tidy'; readonly request: TidyRequest }
  | { readonly kind: 'read'; readonly request: ReadRequest }
  | { readonly kind: 'notices'; readonly request: NoticesRequest }
  | { readonly kind: 'export'; readonly request: ExportRequest };
export type KeeperReply =
  | { readonly kind: 'tidy'; readonly result: TidyResult }
  | { readonly kind: 'read'; readonly result: ReadResult }
  | { readonly kind: 'notices'; readonly result: NoticesResult }
  | { readonly kind: 'export'; readonly result: ExportResult }
  | { readonly kind: 'damaged'; readonly blocks: readonly DamagedBlock[] }
  | { readonly kind: 'failed'; readonly failure: Failure };
