/** The logs that log.db holds or has held, each with its lease: numbers from there on were never used. */
import type Database from 'better-sqlite3';
import { rowSum } from '../../files/sealed-rows.ts';

export interface LogRow {
  readonly ordinal: number;
  /** `log` on the wire. */
  readonly name: string;
  readonly lease: number;
}

export class LogTable {
  readonly #db: Database.Database;

  constructor(db: Database.Database) {
    this.#db = db;
  }

  /** By their ordinals. */
  all(): LogRow[] {
    return this.#db.prepare<[], LogRow>('select ordinal, name, lease from log order by ordinal').all();
  }
  /** That no log had yet. */
  get nextOrdinal(): number {
    return this.#db.prepare('select coalesce(max(ordinal), 0) + 1 from log').pluck().get() as number;
  }
  put({ ordinal, name, lease }: LogRow): void {
    this.#db
      .prepare('insert or replace into log (ordinal, name, lease, sum) values (?, ?, ?, ?)')
      .run(ordinal, name, lease, rowSum('log', ordinal, name, lease));
  }
  /** @param ordinal of a log that is there */
  lease(ordinal: number): number {
    return this.#db.prepare('select lease from log where ordinal = ?').pluck().get(ordinal) as number;
  }
  setLease(ordinal: number, end: number): void {
    const name = this.#db.prepare('select name from log where ordinal = ?').pluck().get(ordinal) as string;
    this.put({ ordinal, name, lease: end });
  }
}
