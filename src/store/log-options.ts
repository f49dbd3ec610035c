/** The options of a log, and the events that it emits while it is open. */
import type { Clock, Machine } from '../core/clock.ts';
import type { Retention } from '../core/privacy.ts';
import type { TidyResult } from './archive/tidy-request.ts';
import type { DamagedBlock, Repair, SalvageProgress } from './files/repair-report.ts';
import type { SalvageBounds } from './files/salvage-bounds.ts';
import type { CommitResult } from './hot/commit-request.ts';

export interface LogOptions {
  readonly stateDir: string;
  readonly runtimeDir?: string | undefined;
  readonly env?: NodeJS.ProcessEnv;
  readonly clock: Clock;
  /** The boot of the machine; absent where it has no name: no two starts then share what they know of the time. */
  readonly machine?: Machine | undefined;
  readonly maxSize: number;
  readonly maxAge: number;
  /** Readings that are kept for less. Absent: there are none. */
  readonly retention?: Retention | undefined;
  /** Bytes that the file system keeps free; absent: it is not asked. */
  readonly minFree?: number | undefined;
  /** How long a salvage reads a damaged file. Absent: SALVAGE_BOUNDS; tests reach smaller ones. */
  readonly salvage?: SalvageBounds | undefined;
  /** Milliseconds between two commits of readings. */
  readonly commitEvery: number;
  /** A try to open the log failed because the disk did, and another one follows. @param fault in words */
  readonly onRetry?: (fault: string) => void;
}

export interface LogEvents {
  /** A record of so many readings was appended; 0 for a notice. */
  appended: [readings: number];
  committed: [CommitResult];
  /** The first failure of a row of failures; `undefined` when a commit went through again. */
  fault: [string | undefined];
  /** The database file takes nothing, while commits go on in the write-ahead file; `undefined` when it does again. */
  checkpoint: [fault: string | undefined];
  /** Hours of history were made, or records taken away for space or age. */
  tidied: [TidyResult];
  /** The first failure of a row to tidy; `undefined` when it went through again. */
  tidyFault: [string | undefined];
  /** A block of the file cannot be read any more; what is behind it goes on. */
  damaged: [block: DamagedBlock];
  /** A file was damaged and was made anew; what runs goes on. */
  repaired: [Repair];
  /** The rest of a damaged file is being restored, while everything else goes on; several times a second. */
  salvaging: [SalvageProgress];
  /** That is over; `fault`: it could not be done now, and the next start tries again. */
  salvaged: [Repair, fault: string | undefined];
  /** Readings that could not be kept because the disk took nothing for too long. */
  overflow: [readings: number, notices: number];
  /** The writer thread ended by itself: the process has to end, the tail is in the runtime directory. */
  dead: [Error];
}
