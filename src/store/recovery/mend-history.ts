/** history.db whatever state it is in: opened when it is whole, made anew when it is damaged. For the keeper's thread. */
import Database from 'better-sqlite3';
import { isSealed } from '../../codecs/sealed.ts';
import { SluiceError, toError } from '../../core/errors.ts';
import { History } from '../archive/history-file.ts';
import { ensureWitness } from '../archive/witness.ts';
import { HISTORY_PAGE_SIZE, HISTORY_TABLES } from '../files/history-layout.ts';
import { keyOf, seqOf } from '../files/layout.ts';
import { tablesOf } from '../files/layout-seal.ts';
import type { DamagedBlock, KeptLog, Repair, SalvageProgress } from '../files/repair-report.ts';
import { checkFault, isDamage } from '../files/sqlite-errors.ts';
import { moveStray, statSize } from '../files/whole-file.ts';
import type { LogReader } from '../read/reading.ts';
import { confirmed } from './check-file.ts';
import { headFault, readHead } from './check-head.ts';
import { hourFault, partFault } from './check-hours.ts';
import { isMaking, journalFault } from './check-journal.ts';
import { keptLogs } from './homes.ts';
import { salvageHistory } from './salvage-history.ts';

const EXPECTED = tablesOf(HISTORY_TABLES);
/** Rows that one step of a check reads: some hundred kilobytes at most. */
const CHECK_ROWS = 8;
/** Time between two repairs, milliseconds: a card that spoils every file is not worn out by making new ones. */
const REPAIR_EVERY = 60_000;

export class HistoryMender {
  readonly #file: string;
  readonly #reader: LogReader;
  readonly #tell: (repair: Repair, kept: KeptLog[]) => void;
  readonly #mending: (progress: SalvageProgress) => void;
  readonly #onDisk: () => boolean;
  readonly #within: number;
  #repairedAt = Number.NEGATIVE_INFINITY;
  /** Why it could not be opened. */
  #fault = 'it is damaged';

  /**
   * @param onDisk whether what was read of log.db is on the disk
   * @param within a repair reads the damaged file for so long, milliseconds
   */
  constructor(
    file: string,
    reader: LogReader,
    tell: (repair: Repair, kept: KeptLog[]) => void,
    mending: (progress: SalvageProgress) => void,
    onDisk: () => boolean,
    within: number,
  ) {
    this.#within = within;
    this.#mending = mending;
    this.#file = file;
    this.#reader = reader;
    this.#tell = tell;
    this.#onDisk = onDisk;
  }

  /** Gives the reader its history. Without one (a disk that takes nothing) the log goes on; whoever needs it tries again. */
  open(): void {
    let fault: string | undefined;
    try {
      moveStray(this.#file, ['-wal', '-shm']);
      fault = confirmed(this.#file, () => {
        const found = this.#isGone()
          ? 'the file is gone'
          : this.#isUnmade()
            ? undefined
            : faultOfFile(this.#file, this.#reader.db);
        if (found === undefined) this.#reader.history = History.open(this.#file);
        return found;
      });
    } catch (thrown) {
      // The disk does not give it now.
      this.#fault = toError(thrown).message;
      return;
    }
    if (fault === undefined) return;
    this.#fault = fault;
    this.#mend(fault);
  }

  /**
   * For whoever reads records. Without history.db the log seems to begin behind it: a backlog would be passed over, and a
   * chart or an export would lack what is there.
   * @throws SluiceError log-read: records lie in it, and it cannot be opened now
   */
  need(): void {
    if (this.#reader.history === undefined) this.open();
    if (this.#reader.history === undefined && this.#isUsed())
      throw new SluiceError('log-read', `${this.#file} cannot be opened now (${this.#fault}); it is tried again`);
  }

  #isGone(): boolean {
    return statSize(this.#file) === 0 && this.#isUsed();
  }
  /** A power cut came into the transaction that makes the file: SQLite takes it back, and it is made again. */
  #isUnmade(): boolean {
    return !this.#isUsed() && isMaking(this.#file);
  }
  /** log.db remembers what was compacted into it. */
  #isUsed(): boolean {
    return (this.#reader.db.prepare<[], number>('select coalesce(max(seq), 0) from compacted').pluck().get() ?? 0) > 0;
  }

  /**
   * SQLite met a page that makes no sense.
   * @returns whether it was in history.db, which is another file now; else it is in log.db
   */
  met(thrown: unknown): boolean {
    if (!isDamage(thrown)) return false;
    const { history } = this.#reader;
    if (history === undefined) return false;
    let fault: string | undefined;
    try {
      fault = confirmed(
        this.#file,
        () =>
          checkFault(history.db.pragma('quick_check(1)', { simple: true }) as string) ??
          hourFault(history.db) ??
          partFault(history.db),
      );
    } catch {
      // A disk that does not answer says nothing about the file.
    }
    return fault !== undefined && this.#mend(fault);
  }

  /**
   * Counts the parts of every hour, then reads every part and every roll-up, in steps. Records of a part that is damaged are reported; the others are whole.
   * @returns bytes that were read @throws SqliteError where a page makes no sense
   */
  *check(damaged: (blocks: DamagedBlock[]) => void): Generator<undefined, number> {
    let bytes = 0;
    for (let after = 0, more = true; more; ) {
      const hours = this.#reader.history?.hours;
      const some = hours?.some(after, Number.MAX_SAFE_INTEGER, CHECK_ROWS) ?? [];
      for (const hour of some) hours?.check(hour);
      after = some.at(-1)?.id ?? after;
      more = some.length === CHECK_ROWS;
      yield;
    }
    for (const table of ['part', 'rollup'] as const)
      for (let after = 0, more = true; more; ) {
        // Another answer may have mended the file since.
        const db = this.#reader.history?.db;
        if (db === undefined) return bytes;
        const rows = db
          .prepare<[number, number], { id: number; body: Buffer }>(
            `select id, body from ${table} where id > ? order by id limit ?`,
          )
          .all(after, CHECK_ROWS);
        for (const { id, body } of rows) {
          bytes += body.length;
          after = id;
          if (table === 'part' && !isSealed(body)) damaged(recordsOf(db, id));
        }
        more = rows.length === CHECK_ROWS;
        yield;
      }
    return bytes;
  }

  #mend(fault: string): boolean {
    if (performance.now() - this.#repairedAt < REPAIR_EVERY) return false;
    this.#repairedAt = performance.now();
    try {
      this.#reader.history?.close();
      this.#reader.history = undefined;
      this.#reader.forget();
      const repair = salvageHistory(this.#file, fault, this.#reader.db, this.#within, this.#mending);
      this.#reader.history = History.open(this.#file);
      this.#tell(repair, keptLogs(this.#reader.history.db, this.#reader.history.watermarks()));
      ensureWitness(this.#reader.history.db, this.#reader.db, this.#onDisk);
      return true;
    } catch (thrown) {
      // The disk takes nothing now: what is left stays as it is.
      this.#fault = toError(thrown).message;
      return false;
    }
  }
}

/** The part of an hour that lies in one part. */
function recordsOf(db: Database.Database, part: number): DamagedBlock[] {
  return db
    .prepare<[number, number], { id: number; last: number; readings: number }>(
      'select unit.id, unit.last, part.readings from unit join part on part.id = ? where first_part = (select max(first_part) from unit where first_part <= ?)',
    )
    .all(part, part)
    .map(({ id, last, readings }) => ({ log: Math.floor(id / keyOf(1, 0)), first: seqOf(id), last, readings }));
}

/** A quick look at the file, which does not read all of it: it may have some hundred megabytes. */
function faultOfFile(file: string, log: Database.Database): string | undefined {
  if (statSize(file) === 0) return undefined;
  const head = readHead(file);
  const fault = headFault(head, 'history') ?? journalFault(file, head, HISTORY_PAGE_SIZE);
  if (fault !== undefined) return fault;
  const db = new Database(file, { fileMustExist: true });
  try {
    const tables = new Map(
      db.prepare<[], [string, string]>("select name, sql from sqlite_schema where type = 'table'").raw().all(),
    );
    if (tables.size === 0) return undefined;
    const lacks = [...EXPECTED.keys()].find((table) => !tables.has(table));
    if (lacks !== undefined) return `the file is a database but not a history; it has no table ${lacks}`;
    if (statSize(file) % HISTORY_PAGE_SIZE !== 0) return 'the file ends in the middle of a page';
    const differs = [...EXPECTED].find(([table, words]) => tables.get(table) !== words)?.[0];
    return differs === undefined ? rowFault(db, log) : `the table ${differs} is not as it was made`;
  } finally {
    db.close();
  }
}

/** Rows that name things for all others. What log.db has sealed counts. */
function rowFault(db: Database.Database, log: Database.Database): string | undefined {
  const shapes = new Map(log.prepare<[], [number, string]>('select id, body from shape').raw().all());
  for (const [id, body] of db.prepare<[], [number, string]>('select id, body from shape').raw().iterate())
    if ((shapes.get(id) ?? body) !== body) return 'a shape is not the one that the log has';
  const names = new Map(log.prepare<[], [number, string]>('select ordinal, name from log').raw().all());
  for (const [ordinal, name] of db.prepare<[], [number, string]>('select ordinal, name from log').raw().iterate())
    if (names.get(ordinal) !== name) return 'a log is not the one that log.db has under its number';
  const fault = hourFault(db);
  if (fault !== undefined) return fault;
  const settled = new Map(log.prepare<[], [number, number]>('select log, settled from lanes').raw().all());
  for (const [id, last] of db.prepare<[], [number, number]>('select id, last from unit').raw().iterate())
    if (last > (settled.get(Math.floor(id / keyOf(1, 0))) ?? 0)) return 'log.db does not know the lanes of an hour of history';
  return undefined;
}
