/** The findings of a repair, for the event, for status and for metrics. */

/** The progress of a salvage, as `status` shows it. */
export interface SalvageProgress {
  readonly file: Repair['file'];
  readonly why: string;
  /** `find`: pages of the damaged file are read; `bring back`: what was found is put into the new one. */
  readonly phase: 'find' | 'bring back';
  readonly done: number;
  readonly of: number;
}

/** Numbers of a log, inclusive. */
export interface Range {
  /** Its name. */
  readonly log: string;
  readonly first: number;
  readonly last: number;
}

export interface Unread {
  /** Pages that were not looked at: the time was over. */
  readonly pages: number;
  /** Rows that were not followed over their pages: together they claim more than the file can have. */
  readonly rows: number;
}

export interface Salvaged {
  readonly blocks: number;
  readonly records: number;
  readonly readings: number;
  /** Alarms and events. */
  readonly notices: number;
  /** Blocks whose head is left, and whose records are not. */
  readonly lost: {
    readonly blocks: number;
    readonly records: number;
    readonly readings: number;
    /** At most 32. */
    readonly ranges: readonly Range[];
  };
  /** Numbers of which nothing is left, at most 32 ranges; a number may also never have been kept. */
  readonly gaps: readonly Range[];
  readonly moreGaps: number;
  /** What the bounds of the salvage left in the damaged file; absent where all of it was read. */
  readonly unread?: Unread;
  /** Records whose lane cannot be proven: they go out under a new log, and may come twice. */
  readonly again: readonly {
    /** Empty where not even the name of the log is left. */
    readonly oldLog: string;
    readonly newLog: string;
    readonly first: number;
    readonly last: number;
    readonly records: number;
    readonly notices: number;
  }[];
}

export interface Repair {
  readonly file: 'log.db' | 'history.db';
  /** In words, for people. */
  readonly why: string;
  /** Where the damaged file lies; undefined where the file is whole, but not the newest. */
  readonly quarantine: string | undefined;
  readonly salvaged: Salvaged | undefined;
  /** The rest of the damaged file is still to come back: another report follows then. */
  readonly unfinished?: boolean;
  /** Names of the logs that end with it; what follows has a new one. Empty when the log goes on. */
  readonly ended: readonly string[];
}

/** Records first..last of a log (its ordinal) that cannot be read any more. */
export interface DamagedBlock {
  readonly log: number;
  readonly first: number;
  readonly last: number;
  readonly readings: number;
}

/** A log of which history.db has hours of history, the last number in them included. */
export interface KeptLog {
  readonly ordinal: number;
  readonly name: string;
  readonly last: number;
}
