/** Both files of the log, as those who read them see them: log.db is there, history.db may come and go. */
import type Database from 'better-sqlite3';
import type { ClockTable } from '../time/clock-table.ts';
import type { History } from './history-file.ts';

export interface ReadFiles {
  /** log.db, read only. */
  readonly db: Database.Database;
  readonly clock: ClockTable;
  /** undefined while there is none that can be read. */
  readonly history: History | undefined;
}

/** The same for the one who makes history.db. */
export interface KeptFiles extends ReadFiles {
  history: History | undefined;
  /** Decoded parts may be thinned now. */
  forget(): void;
}
