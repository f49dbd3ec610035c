/**
 * The log's SQLite file itself: opened and measured. What is in it is the business
 * of database.ts.
 */
import { existsSync, statSync } from 'node:fs';
import Database from 'better-sqlite3';
import { SluiceError, toError } from '../../core/errors.ts';
import { FROM_VERSION_1, LOG_LAYOUT, PAGE_SIZE, SCHEMA_VERSION, TABLES } from '../files/layout.ts';
import { keptLayout, type Layout, sealedLayout, sealLayout } from '../files/layout-seal.ts';
import { isDamage } from '../files/sqlite-errors.ts';
import { asidePath } from '../files/whole-file.ts';

export interface LogFile {
  readonly file: string;
  readonly db: Database.Database;
  /** Where a damaged file lies that was moved aside, in this run or an earlier one. */
  readonly quarantined: string | undefined;
}

/**
 * Opens or makes the file. Whether it is whole was looked at before (check-log.ts).
 * @throws SluiceError log-open; SqliteError where it is damaged after all
 */
export function openLogFile(file: string): LogFile {
  const db = new Database(file);
  try {
    const layout = layoutOf(db);
    if (layout === 0) db.pragma(`page_size = ${PAGE_SIZE}`);
    if (db.pragma('journal_mode = WAL', { simple: true }) !== 'wal')
      throw new SluiceError(
        'log-open',
        `${file} is on a file system that cannot share memory between programs, which SQLite needs; name a folder on a local disk as gateway.stateDir`,
      );
    db.pragma('cache_size = -512');
    const kept = layout === 0 ? LOG_LAYOUT : keptLayout(sealedLayout(db, 'log'), LOG_LAYOUT);
    if (layout < SCHEMA_VERSION || !isSealed(db, kept)) {
      // On the disk before the first commit of the run, and behind no other: a power cut finds one commit open at most (wal.ts).
      db.pragma('synchronous = FULL');
      if (layout > 0) db.pragma('wal_checkpoint(RESTART)');
      db.transaction(() => {
        if (layout === 0) db.exec(TABLES);
        if (layout === 1) db.exec(FROM_VERSION_1);
        db.pragma(`user_version = ${kept.version}`);
        sealLayout(db, 'log', kept);
      })();
    }
    const aside = asidePath(file);
    return { file, db, quarantined: existsSync(aside) ? aside : undefined };
  } catch (thrown) {
    closeUnused(db);
    if (isDamage(thrown) || thrown instanceof SluiceError) throw thrown;
    throw new SluiceError('log-open', `${file} cannot be opened: ${toError(thrown).message}`, { cause: thrown });
  }
}

/** By its tables: the number in the header may be a flipped byte. 0: it has none yet. */
function layoutOf(db: Database.Database): number {
  const tables = db.prepare<[], string>("select name from sqlite_schema where type = 'table'").pluck().all();
  if (tables.length === 0) return 0;
  return tables.includes('dropped') ? 1 : SCHEMA_VERSION;
}

function isSealed(db: Database.Database, { version, readers }: Layout): boolean {
  const sealed = sealedLayout(db, 'log');
  return db.pragma('user_version', { simple: true }) === version && sealed.version === version && sealed.readers === readers;
}

/**
 * Closes a log that is not closed in order. With the last connection SQLite takes the write-ahead file away; the next start
 * must not find that somebody else did, least of all one after a power cut, to which the runtime directory shows nothing.
 */
export function closeUnused(db: Database.Database): void {
  try {
    // A first start that failed has no such row yet.
    db.prepare("insert or replace into meta (name, value) values ('clean', '1')").run();
  } catch {
    closeAsKilled(db);
    return;
  }
  db.close();
}

/** Closes a log that cannot be marked, as a kill would: SQLite keeps the write-ahead file while somebody else has the log open. */
export function closeAsKilled(db: Database.Database): void {
  let other: Database.Database | undefined;
  try {
    other = new Database(db.name, { readonly: true, fileMustExist: true });
    other.prepare('select count(*) from sqlite_schema').get();
  } catch {
    // Then the write-ahead file cannot be read either.
  }
  db.close();
  // It may only read, and takes nothing away.
  other?.close();
}

/** When the file was made, as the file system knows it: a copy that was put back is younger. `0` where it does not know. */
export function birthOf(file: string): string {
  return String(statSync(file, { bigint: true }).birthtimeNs);
}
