/** The clock mappings in the log's file: `at` of a boot's records + offset = UTC ms. */
import type Database from 'better-sqlite3';
import type { ClockSegment } from './layout.ts';

export interface Mapping {
  readonly offset: number;
  readonly estimated: boolean;
}

export class ClockTable {
  readonly #db: Database.Database;

  constructor(db: Database.Database) {
    this.#db = db;
  }

  set(boot: number, segments: readonly ClockSegment[]): void {
    const put = this.#db.prepare('insert or replace into clock (boot, from_seq, offset, estimated) values (?, ?, ?, ?)');
    for (const s of segments) put.run(boot, s.fromSeq, s.offset, s.estimated ? 1 : 0);
  }

  /** The mapping of a number; undefined for a boot that never had one. */
  of(boot: number, seq: number): Mapping | undefined {
    const row = this.#db
      .prepare<[number, number], { offset: number; estimated: number }>(
        'select offset, estimated from clock where boot = ? and from_seq <= ? order by from_seq desc limit 1',
      )
      .get(boot, seq);
    return row === undefined ? undefined : { offset: row.offset, estimated: row.estimated === 1 };
  }

  /** UTC ms of a record; Infinity where nothing is known. */
  wallOf(boot: number, seq: number, at: number): number {
    const mapping = this.of(boot, seq);
    return mapping === undefined ? Number.POSITIVE_INFINITY : at + mapping.offset;
  }
}
