/** For each log, the last number whose record lies in history.db: blocks up to it are gone. */
import type Database from 'better-sqlite3';

export class CompactedTable {
  readonly #db: Database.Database;

  constructor(db: Database.Database) {
    this.#db = db;
  }

  all(): [log: number, seq: number][] {
    return this.#db.prepare<[], [number, number]>('select log, seq from compacted').raw().all();
  }
  /** 0: nothing of the log lies there. */
  of(log: number): number {
    return this.#db.prepare<[number], number>('select seq from compacted where log = ?').pluck().get(log) ?? 0;
  }
  /** It never goes back. */
  raise(log: number, seq: number): void {
    this.#db
      .prepare(
        'insert into compacted (log, seq) values (?, ?) on conflict do update set seq = excluded.seq where seq < excluded.seq',
      )
      .run(log, seq);
  }
}
