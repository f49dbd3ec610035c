/** What a log is opened with, and what it tells while it is open. */
import type { Clock } from '../core/clock.ts';
import type { CommitResult, DamagedBlock, TidyResult } from './messages.ts';

export interface LogOptions {
  readonly stateDir: string;
  readonly runtimeDir?: string | undefined;
  readonly env?: NodeJS.ProcessEnv;
  readonly clock: Clock;
  readonly maxSize: number;
  readonly maxAge: number;
  /** Bytes that the file system keeps free; absent: it is not asked. */
  readonly minFree?: number | undefined;
  /** Milliseconds between two commits of readings. */
  readonly commitEvery: number;
}

export interface LogEvents {
  /** A record of so many readings was appended; 0 for a notice. */
  appended: [readings: number];
  committed: [CommitResult];
  /** The first failure of a row of failures; `undefined` when a commit went through again. */
  fault: [string | undefined];
  /** Units were made, or records taken away for room or age. */
  tidied: [TidyResult];
  /** The first failure of a row to tidy; `undefined` when it went through again. */
  tidyFault: [string | undefined];
  /** A block of the file cannot be read any more; what is behind it goes on. */
  damaged: [block: DamagedBlock];
  /** Readings that could not be kept because the disk took nothing for too long. */
  overflow: [readings: number];
  /** The writer thread ended by itself: the process has to end, the tail is in the runtime directory. */
  dead: [Error];
}
