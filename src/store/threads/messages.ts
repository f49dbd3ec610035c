/** The messages between the main thread and the store's threads. Records travel as entries (codecs/rows), transferred. */
import type { TidyRequest, TidyResult } from '../archive/tidy-request.ts';
import type { NoticesRequest, NoticesResult, ReadRequest, ReadResult } from '../delivery/backlog-request.ts';
import type { ForwarderState } from '../files/layout.ts';
import type { DamagedBlock, KeptLog, Repair, Salvaged, SalvageProgress } from '../files/repair-report.ts';
import type { SalvageTask } from '../files/sources.ts';
import type { CommitRequest, CommitResult } from '../hot/commit-request.ts';
import type { Opened, OpenRequest } from '../hot/opened.ts';
import type {
  ExportRequest,
  ExportResult,
  NewestRequest,
  NewestResult,
  QueryRequest,
  QueryResult,
  RemovedRequest,
  RemovedResult,
  WaitingRequest,
  WaitingResult,
} from '../read/requests.ts';
import type { Chunk } from '../tail/pending.ts';

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
  /** The entries of a commit that failed, handed back. */
  readonly chunks?: readonly Chunk[];
}

/** The data with which the keeper thread begins. */
export interface KeeperData {
  readonly file: string;
  readonly historyFile: string;
  readonly agreement: SharedArrayBuffer;
  /** A repair of history.db reads the damaged file for so long, milliseconds. */
  readonly mendWithin: number;
}

export interface WriterData {
  /** Shared with the keeper, see agreement.ts. */
  readonly agreement: SharedArrayBuffer;
  readonly request: OpenRequest;
  /** Not 0: the thread is to end without committing anything more. */
  readonly leaving: Int32Array;
}

export type WriterMessage =
  | { readonly kind: 'commit'; readonly request: CommitRequest }
  /** A reader met a damaged page: is it the file? */
  | { readonly kind: 'look' }
  /** The salvage found the rest of a damaged file, which is to come back. undefined: nothing is to. */
  | { readonly kind: 'come-back'; readonly task: SalvageTask | undefined }
  /** history.db was made anew, and has hours of these. */
  | { readonly kind: 'keep'; readonly logs: readonly KeptLog[] }
  | { readonly kind: 'close'; readonly next: number }
  | { readonly kind: 'leave' };

export type WriterReply =
  | { readonly kind: 'opened'; readonly opened: Opened }
  | { readonly kind: 'committed'; readonly result: CommitResult }
  | { readonly kind: 'failed'; readonly failure: Failure }
  /** The fault of the database file when the write-ahead file was to be brought into it; sent when it changes. */
  | { readonly kind: 'checkpoint'; readonly fault: string | undefined }
  /** The file was damaged and was made anew; before the answer of the commit that met it. */
  | { readonly kind: 'repaired'; readonly repair: Repair }
  /** The count of rows that have come back. */
  | { readonly kind: 'coming-back'; readonly done: number; readonly of: number }
  /** All of them, with the logs that they are of; or none, and why. */
  | {
      readonly kind: 'came-back';
      readonly logs: Opened['logs'];
      readonly forwarders: readonly ForwarderState[];
      readonly fault: string | undefined;
    }
  /** log.db knows what history.db has, with the logs that they are of. */
  | { readonly kind: 'kept'; readonly logs: Opened['logs']; readonly forwarders: readonly ForwarderState[] }
  | { readonly kind: 'closed' };

export interface SalvagerData {
  readonly file: string;
  readonly task: SalvageTask;
  /** The reading ends then, milliseconds. */
  readonly within: number;
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
  | { readonly kind: 'waiting'; readonly request: WaitingRequest }
  | { readonly kind: 'export'; readonly request: ExportRequest };

export type KeeperReply =
  | { readonly kind: 'tidy'; readonly result: TidyResult }
  | { readonly kind: 'check'; readonly result: CheckResult }
  | { readonly kind: 'removed'; readonly result: RemovedResult }
  | { readonly kind: 'read'; readonly result: ReadResult }
  | { readonly kind: 'notices'; readonly result: NoticesResult }
  | { readonly kind: 'query'; readonly result: QueryResult }
  | { readonly kind: 'newest'; readonly result: NewestResult }
  | { readonly kind: 'waiting'; readonly result: WaitingResult }
  | { readonly kind: 'export'; readonly result: ExportResult }
  | { readonly kind: 'damaged'; readonly blocks: readonly DamagedBlock[] }
  /** A long answer makes steps: the thread does not hang. */
  | { readonly kind: 'works' }
  /** history.db was damaged and was made anew. */
  /** history.db is being made anew; nobody is answered meanwhile. */
  | { readonly kind: 'mending'; readonly progress: SalvageProgress }
  | { readonly kind: 'repaired'; readonly repair: Repair; readonly kept: readonly KeptLog[] }
  | { readonly kind: 'failed'; readonly failure: Failure };
