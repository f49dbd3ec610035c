/**
 * The log's SQLite file itself: opened, refused, moved aside when it is damaged, measured. What is in it is the business
 * of database.ts.
 */
import { existsSync, renameSync, rmSync, statSync } from 'node:fs';
import Database from 'better-sqlite3';
import { SluiceError, toError } from '../core/errors.ts';
import { PAGE_SIZE, SCHEMA_VERSION, TABLES } from './layout.ts';

const ASIDE = '.damaged';

export interface LogFile {
  readonly file: string;
  readonly db: Database.Database;
  /** Path a damaged file was moved to when this one was made. */
  readonly quarantined: string | undefined;
}

/**
 * Opens or makes the file. A file that SQLite cannot read is moved aside (one is kept) and a new one is made.
 * @throws SluiceError log-newer, log-open
 */
export function openLogFile(file: string): LogFile {
  try {
    return open(file, undefined);
  } catch (thrown) {
    if (!isDamage(thrown)) {
      if (thrown instanceof SluiceError) throw thrown;
      throw new SluiceError('log-open', `${file} cannot be opened: ${toError(thrown).message}`, { cause: thrown });
    }
    return openAnew(file);
  }
}

/** Moves a damaged file aside and makes a new one. */
export function openAnew(file: string): LogFile {
  for (const end of ['', '-wal', '-shm']) {
    rmSync(`${file}${ASIDE}${end}`, { force: true });
    if (existsSync(file + end)) renameSync(file + end, `${file}${ASIDE}${end}`);
  }
  return open(file, file + ASIDE);
}

function open(file: string, quarantined: string | undefined): LogFile {
  const db = new Database(file);
  try {
    const version = db.pragma('user_version', { simple: true }) as number;
    if (version > SCHEMA_VERSION)
      throw new SluiceError(
        'log-newer',
        `${file} was written by a newer version of Sluice (layout ${version}, this one knows ${SCHEMA_VERSION}): install that version again, or move the file away`,
      );
    if (version === 0) db.pragma(`page_size = ${PAGE_SIZE}`);
    db.pragma('journal_mode = WAL');
    db.pragma('synchronous = FULL');
    db.pragma('cache_size = -512');
    db.pragma('journal_size_limit = 1048576');
    if (version === 0)
      db.transaction(() => {
        db.exec(TABLES);
        db.pragma(`user_version = ${SCHEMA_VERSION}`);
      })();
    return { file, db, quarantined };
  } catch (thrown) {
    db.close();
    throw thrown;
  }
}

/** File and write-ahead file, and a damaged one that was moved aside. */
export function logFileBytes(file: string): number {
  return ['', '-wal', ASIDE, `${ASIDE}-wal`].reduce((sum, end) => sum + statSize(file + end), 0);
}

export function dropQuarantine(file: string): void {
  for (const end of ['', '-wal', '-shm']) rmSync(`${file}${ASIDE}${end}`, { force: true });
}

export function statSize(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.size ?? 0;
}
/** The file is no database, or its pages contradict each other. */
export function isDamage(thrown: unknown): boolean {
  const code = codeOf(thrown);
  return code === 'SQLITE_NOTADB' || code?.startsWith('SQLITE_CORRUPT') === true;
}
export function codeOf(thrown: unknown): string | undefined {
  return typeof thrown === 'object' && thrown !== null && 'code' in thrown ? String(thrown.code) : undefined;
}
