/**
 * The tables that an import fills. They are those of examples/consumer, with the key of each reading: what is there stays as it is.
 * Everything of one bundle is one transaction.
 */
import Database from 'better-sqlite3';
import type { Batch } from '../../codecs/format.ts';
import { readingRows } from '../../codecs/reading-rows.ts';
import { SluiceError, toError } from '../../core/errors.ts';

const TABLES = `
create table if not exists reading (gateway text, log text, seq integer, device text, point text,
  time integer, value, quality text, reason text, lane text, estimated integer,
  primary key (gateway, log, seq, point)) without rowid;
create table if not exists notice (gateway text, log text, seq integer, kind text, name text, time integer, body text,
  primary key (gateway, log, seq)) without rowid;
create table if not exists inventory (gateway text, revision integer, body text, primary key (gateway, revision)) without rowid;
`;
const COLUMNS = { reading: 11, notice: 7, inventory: 3 } as const;

export interface NoticeRow {
  readonly kind: 'alarm' | 'event';
  readonly log: string;
  readonly seq: number;
  readonly name: string;
  readonly time: number;
  readonly json: string;
}

export class ImportTables {
  readonly #db: Database.Database;
  readonly #reading: Database.Statement<unknown[]>;
  readonly #notice: Database.Statement<unknown[]>;
  readonly #inventory: Database.Statement<unknown[]>;

  /** @throws SluiceError usage: the file is no database, or has other tables of these names */
  constructor(file: string) {
    try {
      this.#db = new Database(file);
      this.#db.pragma('journal_mode = wal');
      this.#db.pragma('synchronous = full');
      this.#db.exec(TABLES);
      const insert = (table: keyof typeof COLUMNS) =>
        this.#db.prepare<unknown[]>(`insert or ignore into ${table} values (${Array(COLUMNS[table]).fill('?').join(', ')})`);
      this.#reading = insert('reading');
      this.#notice = insert('notice');
      this.#inventory = insert('inventory');
    } catch (cause) {
      throw new SluiceError('usage', `${file} cannot take readings: ${toError(cause).message}; name another file`, { cause });
    }
  }

  begin(): void {
    this.#db.exec('begin immediate');
  }
  commit(): void {
    this.#db.exec('commit');
  }
  rollback(): void {
    if (this.#db.inTransaction) this.#db.exec('rollback');
  }
  close(): void {
    this.#db.close();
  }

  /** @returns records of which a reading is new */
  batch(batch: Batch): number {
    const { gateway, log, lane, estimated } = batch;
    const fresh = new Set<number>();
    for (const { seq, device, point, time, value, quality, reason } of readingRows(batch)) {
      const plain = typeof value === 'boolean' ? Number(value) : value;
      const { changes } = this.#reading.run(
        ...[gateway, log, seq, device, point, time, plain, quality, reason ?? null, lane, Number(estimated)],
      );
      if (changes > 0) fresh.add(seq);
    }
    return fresh.size;
  }

  /** @returns whether it is new */
  notice(gateway: string, { log, seq, kind, name, time, json }: NoticeRow): boolean {
    return this.#notice.run(gateway, log, seq, kind, name, time, json).changes > 0;
  }

  inventory(gateway: string, revision: number, json: string): void {
    this.#inventory.run(gateway, revision, json);
  }
}
