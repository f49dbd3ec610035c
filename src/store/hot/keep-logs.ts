/** Logs of which a history.db that was made anew has hours: log.db has to name them, and to know how far they reach. */
import type { KeptLog } from '../files/repair-report.ts';
import type { LogDatabase } from './database.ts';

/** One transaction, which may be done again. A log that has another name here is left alone: the next opening sees it. */
export function keepLogs(database: LogDatabase, kept: readonly KeptLog[]): void {
  database.db.transaction(() => {
    const names = new Map(database.logs().map((l) => [l.ordinal, l.name]));
    for (const { ordinal, name, last } of kept) {
      if (!names.has(ordinal)) {
        database.putLog(name, ordinal);
        database.setLease(ordinal, last + 1);
        database.setLanes([], ordinal, 0, last);
      } else if (names.get(ordinal) !== name) continue;
      database.compacted.raise(ordinal, last);
    }
  })();
  database.reread();
}
