/**
 * A copy of the log beside a gateway that runs or does not: for a backup. Invariants:
 * - The files are read only. log.db comes before history.db: what moves over meanwhile is in both, and the next opening knows that.
 * - The copy counts as one (`birth`): the gateway that opens it begins a new log, so no number is given twice (contract, rule 1).
 */
import { existsSync, rmSync, statSync } from 'node:fs';
import path from 'node:path';
import Database from 'better-sqlite3';
import { SluiceError, toError } from '../../core/errors.ts';
import { HISTORY_FILE } from '../files/history-layout.ts';
import { LOG_FILE, LOG_LAYOUT, PAGE_SIZE, SCHEMA_VERSION, TABLES } from '../files/layout.ts';
import { refuseNewer, sealedLayout, sealLayout, tablesOf } from '../files/layout-seal.ts';
import { copyHistory } from './copy-history.ts';

/** Pages that one step copies: between two steps the command answers signals. */
const STEP = 2000;
/** What no gateway of this program writes there (log-file.ts). */
const COPIED = 'a copy';
const OWN = tablesOf(TABLES);
/** Readings, alarms and events. */
const CONTENT: readonly string[] = ['block', 'notice', 'compacted', 'removed'];

export interface LogCopy {
  /** Names of files in the folder of the copy. */
  readonly files: readonly string[];
  /** The id of the log that was written to last; undefined: there is no log. */
  readonly log: string | undefined;
}

/** Bytes that a copy of everything needs. */
export function logBytes(stateDir: string): number {
  return [LOG_FILE, `${LOG_FILE}-wal`, HISTORY_FILE].reduce(
    (sum, name) => sum + (statSync(path.join(stateDir, name), { throwIfNoEntry: false })?.size ?? 0),
    0,
  );
}

/**
 * @param what `small`: cursors, states of rules and counters, without readings; `all`: readings too
 * @param into an empty folder
 * @throws SluiceError log-read, log-newer
 */
export async function copyLog(stateDir: string, into: string, what: 'small' | 'all'): Promise<LogCopy> {
  const file = path.join(stateDir, LOG_FILE);
  if (!existsSync(file)) return { files: [], log: undefined };
  const target = path.join(into, LOG_FILE);
  try {
    const source = new Database(file, { readonly: true, fileMustExist: true });
    try {
      refuseNewer(file, sealedLayout(source, 'log'), SCHEMA_VERSION);
      if (what === 'all') await copyAll(source, target);
      else copySmall(source, target);
    } finally {
      source.close();
    }
    const log = finishCopy(target);
    const history = path.join(stateDir, HISTORY_FILE);
    if (what === 'small' || !existsSync(history)) return { files: [LOG_FILE], log };
    await copyHistory(history, path.join(into, HISTORY_FILE));
    return { files: [LOG_FILE, HISTORY_FILE], log };
  } catch (cause) {
    if (cause instanceof SluiceError) throw cause;
    throw new SluiceError(
      'log-read',
      `the log in ${stateDir} cannot be copied: ${toError(cause).message}. Start the gateway once: it repairs a damaged log`,
      { cause },
    );
  }
}

/**
 * The file as it was at the begin. SQLite begins a copy anew at each commit of another connection (sqlite.org/c3ref/backup_finish.html),
 * and a gateway commits all the time; a read transaction that stays open holds the one moment. Meanwhile the write-ahead file grows.
 */
async function copyAll(source: Database.Database, target: string): Promise<void> {
  source.exec('begin');
  source.prepare('select count(*) from sqlite_schema').get();
  await source.backup(target, { progress: () => STEP });
  source.exec('rollback');
}

/** One read transaction sees all tables at one moment. */
function copySmall(source: Database.Database, target: string): void {
  const copy = new Database(target);
  try {
    copy.pragma(`page_size = ${PAGE_SIZE}`);
    copy.pragma('journal_mode = memory');
    copy.exec(TABLES);
    copy.pragma(`user_version = ${SCHEMA_VERSION}`);
    const tables = source.prepare<[], string>("select name from sqlite_schema where type = 'table'").pluck();
    source.transaction(() =>
      copy.transaction(() => {
        for (const table of tables.all()) {
          // A newer version may have added others; this one copies what it knows.
          if (!OWN.has(table) || CONTENT.includes(table)) continue;
          const rows = source.prepare<[], unknown[]>(`select * from ${table}`).raw();
          const names = rows.columns().map(({ name }) => name);
          const insert = copy.prepare(`insert into ${table} (${names.join(', ')}) values (${names.map(() => '?').join(', ')})`);
          for (const row of rows.iterate()) insert.run(row);
        }
        sealLayout(copy, 'log', LOG_LAYOUT);
      })(),
    )();
  } finally {
    copy.close();
  }
}

/** Marks it. A copy is one file, without a write-ahead file beside it. @returns the newest log */
function finishCopy(target: string): string | undefined {
  const copy = new Database(target);
  try {
    copy.pragma('journal_mode = delete');
    const set = copy.prepare('insert or replace into meta (name, value) values (?, ?)');
    set.run('birth', COPIED);
    set.run('clean', '1');
    return copy.prepare<[], string>('select name from log order by ordinal desc limit 1').pluck().get();
  } finally {
    copy.close();
    for (const end of ['-wal', '-shm', '-journal']) rmSync(target + end, { force: true });
  }
}
