/** What the main thread and the store's threads say to each other. Records travel as entries (codecs/rows), transferred. */
import type { Encoded, FormatOptions } from '../../codecs/format.ts';
import type { Machine } from '../../core/clock.ts';
import type { PointType, Shape, Value } from '../../core/point.ts';
import type { NoticeMessage } from '../../core/ports.ts';
import type { Lane, NoticeKind } from '../delivery/lanes.ts';
import type { BootInfo, ClockList, ClockSegment, ForwarderState } from '../hot/layout.ts';
import type { RemovedPoint } from '../hot/removals.ts';
import type { SalvageTask } from '../hot/sources.ts';
import type { Bucket } from '../read/buckets.ts';
import type { Repair, Salvaged } from '../repair-report.ts';
import type { Chunk } from '../tail/pending.ts';

export interface OpenRequest {
  readonly file: string;
  /** Memory-backed folder with the tail of an earlier run; undefined when there is none. */
  readonly runtimeDir: string | undefined;
  readonly maxSize: number;
  readonly maxAge: number;
  /** How many sequence numbers to reserve ahead. */
  readonly lease: number;
  readonly machine?: Machine | undefined;
  /** Tries before this one, which the disk did not let through; and whether none follows. */
  readonly tries: number;
  readonly last: boolean;
}

export interface Opened {
  /** Every log that still holds something, oldest first; the last one is written to. */
  readonly logs: readonly { readonly ordinal: number; readonly name: string; readonly last: number }[];
  readonly boot: number;
  /** The newest boots, oldest first, with their clock mappings; the last one is this boot. */
  readonly boots: readonly BootInfo[];
  /** First number of this boot. */
  readonly next: number;
  readonly leaseEnd: number;
  readonly shapes: readonly (readonly [id: number, shape: Shape])[];
  readonly forwarders: readonly ForwarderState[];
  /** States of rules, by name, and of counters, by `device.point`. */
  readonly alarms: readonly (readonly [key: string, state: unknown])[];
  /** The newest transition of each rule that the log still holds: retained topics are rebuilt from them. */
  readonly lastAlarms: readonly NoticeMessage[];
  readonly inventory: { readonly revision: number; readonly body: string } | undefined;
  readonly recovered: { readonly records: number; readonly notices: number };
  /** What was found damaged or missing at the start, and what came back of it. */
  readonly repairs: readonly Repair[];
  /** What is left of a damaged log.db comes back while this run goes on; names of the logs that ended with it. */
  readonly salvage: { readonly task: SalvageTask; readonly ended: readonly string[] } | undefined;
  /** Path that log.db was moved to at this start. */
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
  readonly clock: readonly ClockList[];
  readonly newInventory: { readonly revision: number; readonly body: string } | undefined;
  readonly leaseEnd: number;
  /** UTC ms, when known: needed to drop what is older than maxAge. */
  readonly wall: number | undefined;
  /** What log.db may take with its write-ahead file. */
  readonly maxSize: number;
  /** `buffer.maxSize`, which a reload may have changed. */
  readonly total: number;
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
  /** `total` of the last request that the write-ahead file could follow. */
  readonly total: number;
  /** Bytes that this commit could have added to the files. */
  readonly needs: number;
  /** What waits in commit blocks for compaction. */
  readonly hot: {
    readonly records: number;
    readonly readings: number;
    readonly bytes: number;
    /** Of the oldest block: its boot, and when its last record was made, monotonic ms of that boot. */
    readonly oldest: { readonly boot: number; readonly at: number } | undefined;
  };
  /** For each forwarder, about when the oldest record was taken that it has not delivered; UTC ms. */
  readonly oldest: readonly (readonly [forwarder: string, lane: Lane, time: number])[];
  /** Alarms and events that were dropped although a forwarder had not delivered them. */
  readonly lostNotices: number;
  /** Readings of log.db that were dropped for room, and for their age, by `device.point`. */
  readonly dropped: readonly (readonly [point: string, readings: number])[];
  readonly aged: readonly (readonly [point: string, readings: number])[];
  /** Those of them that a forwarder had not delivered. */
  readonly lost: readonly (readonly [point: string, readings: number])[];
}

export interface ReadRequest {
  readonly id: number;
  readonly log: number;
  readonly from: number;
  readonly to: number;
  readonly maxReadings: number;
  readonly lane: Lane;
  /** A name of FORMATS. */
  readonly format: string;
  readonly formatOptions: FormatOptions;
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
        /** Bytes come transferred and are whole. */
        readonly messages: readonly Encoded[];
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
  readonly only: NoticeKind;
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

export interface ExportRequest {
  readonly id: number;
  /** 0 to begin, then `next` of the answer before. */
  readonly after: number;
  /** UTC ms, inclusive. */
  readonly from: number;
  readonly to: number;
  /** `device` or `device.point`; absent: all. */
  readonly points?: readonly string[] | undefined;
  readonly format: 'csv' | 'jsonl';
  /** Milliseconds: min, mean, max and count of each point in buckets of this width, instead of readings. */
  readonly every?: number | undefined;
  /** What the files lack; `later`: it is asked for when the files have no more; absent: there is none. */
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
  /** What `after` of the next request is to be; undefined at the end. */
  readonly next: number | undefined;
  /** Whole lines; may be empty although there is more. */
  readonly text: string;
  /** The files have no more: the next request brings what they lack. */
  readonly wantsTail?: boolean | undefined;
  /** Of the first slice: names that the log never had. Then there is nothing else. */
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

/** Asks the keeper to make at most one unit, and to keep history.db within its budget. */
export interface TidyRequest {
  readonly id: number;
  readonly boot: number;
  /** Monotonic ms. */
  readonly at: number;
  /** A unit is made however little there is. */
  readonly force: boolean;
  /** What history.db may take, bytes; less when log.db, which grows meanwhile, leaves less of `limit`. */
  readonly budget: number;
  /** What all files together may take, and what the next commit may add. */
  readonly limit: number;
  readonly needs: number;
  /** UTC ms, when known. */
  readonly wall: number | undefined;
  readonly maxAge: number;
  /** Every forwarder that is configured. */
  readonly active: readonly ForwarderState[];
  /** Logs with a lower ordinal stay as they are: records of them are still to come back. */
  readonly from?: number;
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

/** Asks for what was taken away since the log was made, by point. */
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

export interface CheckResult {
  readonly id: number;
  /** That were read. */
  readonly bytes: number;
}

/** Code of a failure after which the same may be asked again at once: the file is another one now. */
export const REPAIRED = 'SLUICE_REPAIRED';

export interface Failure {
  readonly id: number;
  readonly error: string;
  readonly code: string | undefined;
  /** What a commit that failed should have kept, handed back. */
  readonly chunks?: readonly Chunk[];
}

/** What the keeper thread begins with. */
export interface KeeperData {
  readonly file: string;
  readonly historyFile: string;
  readonly claim: SharedArrayBuffer;
}
export interface WriterData {
  /** Shared with the keeper, see claim.ts. */
  readonly claim: SharedArrayBuffer;
  readonly request: OpenRequest;
  /** Not 0: the thread is to end without committing anything more. */
  readonly leaving: Int32Array;
}
export type WriterMessage =
  | { readonly kind: 'commit'; readonly request: CommitRequest }
  /** A reader met a damaged page: is it the file? */
  | { readonly kind: 'look' }
  /** What is left of a damaged file was found: it is to come back. undefined: nothing is to. */
  | { readonly kind: 'come-back'; readonly task: SalvageTask | undefined }
  | { readonly kind: 'close'; readonly next: number }
  | { readonly kind: 'leave' };
export type WriterReply =
  | { readonly kind: 'opened'; readonly opened: Opened }
  | { readonly kind: 'committed'; readonly result: CommitResult }
  | { readonly kind: 'failed'; readonly failure: Failure }
  /** What the database file said when the write-ahead file was to be brought into it; told when it changes. */
  | { readonly kind: 'checkpoint'; readonly fault: string | undefined }
  /** The file was damaged and was made anew; before the answer of the commit that met it. */
  | { readonly kind: 'repaired'; readonly repair: Repair }
  /** So many of the rows that are to come back have. */
  | { readonly kind: 'coming-back'; readonly done: number; readonly of: number }
  /** All of them, with the logs that they are of; or none, and why. */
  | {
      readonly kind: 'came-back';
      readonly logs: Opened['logs'];
      readonly forwarders: readonly ForwarderState[];
      readonly fault: string | undefined;
    }
  | { readonly kind: 'closed' };
export interface SalvagerData {
  readonly file: string;
  readonly task: SalvageTask;
  /** Not 0: the thread is to end. */
  readonly leaving: Int32Array;
}
export type SalvagerReply =
  /** Pages. */
  | { readonly kind: 'progress'; readonly done: number; readonly of: number }
  | { readonly kind: 'found'; readonly salvaged: Salvaged }
  | { readonly kind: 'failed'; readonly error: string; readonly code: string | undefined };
export type KeeperMessage =
  | { readonly kind: 'leave' }
  | { readonly kind: 'tidy'; readonly request: TidyRequest }
  | { readonly kind: 'check'; readonly request: { readonly id: number } }
  | { readonly kind: 'removed'; readonly request: RemovedRequest }
  | { readonly kind: 'read'; readonly request: ReadRequest }
  | { readonly kind: 'notices'; readonly request: NoticesRequest }
  | { readonly kind: 'query'; readonly request: QueryRequest }
  | { readonly kind: 'newest'; readonly request: NewestRequest }
  | { readonly kind: 'export'; readonly request: ExportRequest };
export type KeeperReply =
  | { readonly kind: 'tidy'; readonly result: TidyResult }
  | { readonly kind: 'check'; readonly result: CheckResult }
  | { readonly kind: 'removed'; readonly result: RemovedResult }
  | { readonly kind: 'read'; readonly result: ReadResult }
  | { readonly kind: 'notices'; readonly result: NoticesResult }
  | { readonly kind: 'query'; readonly result: QueryResult }
  | { readonly kind: 'newest'; readonly result: NewestResult }
  | { readonly kind: 'export'; readonly result: ExportResult }
  | { readonly kind: 'damaged'; readonly blocks: readonly DamagedBlock[] }
  /** history.db was damaged and was made anew. */
  | { readonly kind: 'repaired'; readonly repair: Repair }
  | { readonly kind: 'failed'; readonly failure: Failure };
