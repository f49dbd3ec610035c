/** What a log is opened with, and what it tells while it is open. */
import type { Clock } from '../core/clock.ts';
import type { CommitResult, DamagedBlock } from './messages.ts';

export interface LogOptions {
  readonly stateDir: string;
  readonly runtimeDir?: string | undefined;
  readonly env?: NodeJS.ProcessEnv;
  readonly clock: Clock;
  readonly maxSize: number;
  readonly maxAge: number;
  /** Milliseconds between two commits of readings. */
  readonly commitEvery: number;
}

export interface LogEvents {
  /** A record of so many readings was appended; 0 for a notice. */
  appended: [readings: number];
  committed: [CommitResult];
  /** The first failure of a row of failures; `undefined` when a commit went through again. */
  fault: [string | undefined];
  /** A block of the file cannot be read any more; what is behind it goes on. */
  damaged: [block: DamagedBlock];
  /** Readings that could not be kept because the disk took nothing for too long. */
  overflow: [readings: number];
  /** The writer thread ended by itself: the process has to end, the tail is in the runtime directory. */
  dead: [Error];
}
