/** broker.db as its thread sees it: opened or made, read once, then written in transactions. */
import { closeSync, constants, openSync, statSync } from 'node:fs';
import Database from 'better-sqlite3';
import { BROKER_TABLES, type BrokerChange, type BrokerTable } from '../../core/broker-store.ts';
import { SluiceError } from '../../core/errors.ts';
import { bytesOf } from '../files/whole-file.ts';
import { WriteAhead } from '../hot/wal.ts';
import {
  APPLICATION,
  BROKER_LAYOUT,
  FIRST_VERSION,
  MAX_BYTES,
  PAGE_SIZE,
  parseRow,
  SCHEMA,
  stampOf,
  sumOf,
  TABLE_NAMES,
  WAL_BYTES,
} from './layout.ts';

/** A pipe in its place is a fault, and nobody waits for a reader of it. */
const MAKE = constants.O_WRONLY | constants.O_CREAT | constants.O_APPEND | constants.O_NONBLOCK;

/** What was read of a file. */
export interface Found {
  readonly rows: BrokerChange[];
  /** Rows that are not as they were written. */
  readonly damaged: number;
  /** Why not all of it could be read, or is not to be trusted. */
  readonly fault: string | undefined;
}

export class BrokerDatabase {
  readonly file: string;
  readonly #db: Database.Database;
  readonly #wal: WriteAhead;
  readonly #put = new Map<BrokerTable, Database.Statement<unknown[]>>();
  readonly #drop = new Map<BrokerTable, Database.Statement<unknown[]>>();

  /** Makes the file where it is missing or empty. Whose file it is was looked at before (open.ts). */
  constructor(file: string) {
    this.file = file;
    const fresh = (statSync(file, { throwIfNoEntry: false })?.size ?? 0) === 0;
    // Payloads and client ids are nobody else's business; SQLite gives the files beside it the same mode.
    if (fresh) closeSync(openSync(file, MAKE, 0o600));
    const db = new Database(file);
    this.#db = db;
    try {
      if (fresh) make(db);
      if (db.pragma('journal_mode = WAL', { simple: true }) !== 'wal')
        throw new SluiceError('log-open', `${file} lies on a file system that cannot share memory between programs`);
      db.pragma('cache_size = -256');
      db.pragma(`max_page_count = ${(MAX_BYTES - 2 * WAL_BYTES) / PAGE_SIZE}`);
      this.#wal = new WriteAhead(file, db, WAL_BYTES);
      if (!fresh) this.#wal.begin();
      if (!fresh && db.pragma('user_version', { simple: true }) === FIRST_VERSION) this.#takeOver();
      else this.#prepare();
    } catch (thrown) {
      this.close();
      throw thrown;
    }
  }

  get bytes(): number {
    return bytesOf(this.file);
  }

  read(): Found {
    return readRows(this.#db);
  }

  /** All or nothing, and on the disk when this returns. @param anew nothing that was there before stays */
  commit(changes: Iterable<BrokerChange>, anew = false): void {
    this.#wal.ready();
    this.#prepare();
    this.#db.transaction(() => {
      if (anew) for (const table of TABLE_NAMES) this.#db.exec(`delete from ${table}`);
      for (const { table, values, gone } of changes) {
        if (gone) this.#drop.get(table)?.run(...values.slice(0, BROKER_TABLES[table].keys));
        else this.#put.get(table)?.run(...values, sumOf(table, values));
      }
    })();
    this.#wal.sync();
  }

  /** Makes a file of the first version one of this version. A damaged one stays as it is: `read` says so. */
  #takeOver(): void {
    const { rows, fault } = readRows(this.#db);
    if (fault !== undefined) return;
    this.#wal.ready();
    this.#db.transaction(() => {
      for (const table of TABLE_NAMES) this.#db.exec(`drop table ${table}`);
      this.#db.exec(SCHEMA);
      this.#prepare();
      for (const { table, values } of rows) this.#put.get(table)?.run(...values, sumOf(table, values));
      this.#db.pragma(`user_version = ${stampOf(BROKER_LAYOUT)}`);
    })();
    this.#wal.sync();
  }

  #prepare(): void {
    if (this.#put.size > 0) return;
    for (const table of TABLE_NAMES) {
      const { keys, columns } = BROKER_TABLES[table];
      const marks = Array.from({ length: columns.length + 1 }, () => '?').join(', ');
      this.#put.set(table, this.#db.prepare<unknown[]>(`insert or replace into ${table} values (${marks})`));
      const where = columns.slice(0, keys).map((column) => `${column} = ?`);
      this.#drop.set(table, this.#db.prepare<unknown[]>(`delete from ${table} where ${where.join(' and ')}`));
    }
  }

  /** After the answer, so that nobody waits for a checkpoint. */
  tend(): void {
    this.#wal.tend();
  }

  close(): void {
    this.#wal?.close();
    this.#db.close();
  }
}

/** With a journal, so that the header says all of it before there is a write-ahead file. */
function make(db: Database.Database): void {
  db.pragma(`page_size = ${PAGE_SIZE}`);
  db.pragma('synchronous = FULL');
  db.transaction(() => {
    db.exec(SCHEMA);
    db.pragma(`application_id = ${APPLICATION}`);
    db.pragma(`user_version = ${stampOf(BROKER_LAYOUT)}`);
  })();
}

/** Row by row, each table for itself: what can be read of a damaged file is read. */
export function readRows(db: Database.Database): Found {
  const rows: BrokerChange[] = [];
  let damaged = 0;
  let fault: string | undefined;
  try {
    const found = db.pragma('quick_check(1)', { simple: true }) as string;
    if (found !== 'ok') fault = found.replaceAll('\n', '; ');
  } catch (thrown) {
    fault = (thrown as Error).message;
  }
  for (const table of TABLE_NAMES) {
    try {
      for (const row of db.prepare<[], unknown[]>(`select * from ${table}`).raw().iterate()) {
        const whole = parseRow(table, row);
        if (whole === undefined) damaged++;
        else rows.push(whole);
      }
    } catch (thrown) {
      fault ??= (thrown as Error).message;
    }
  }
  if (damaged > 0) fault ??= `${damaged} rows are not as they were written`;
  return { rows, damaged, fault };
}
