/**
 * The clock mappings in the log's file: `at` of a boot's records + offset = UTC ms. A boot's rows are replaced as a whole
 * and carry the version of the list: of rows that a damaged file gives back, those of the highest one are the list.
 */
import type Database from 'better-sqlite3';
import type { ClockList, ClockSegment } from '../files/layout.ts';
import { rowSum } from '../files/sealed-rows.ts';
import type { Mapping } from './clock-segments.ts';

export type { Mapping } from './clock-segments.ts';

interface Row {
  from_seq: number;
  offset: number;
  estimated: number;
  version: number;
}

export class ClockTable {
  readonly #db: Database.Database;
  readonly #list: Database.Statement<[number], Row>;
  readonly #of: Database.Statement<[number, number], { offset: number; estimated: number }>;

  constructor(db: Database.Database) {
    this.#db = db;
    this.#list = db.prepare('select * from clock where boot = ? order by from_seq');
    this.#of = db.prepare('select offset, estimated from clock where boot = ? and from_seq <= ? order by from_seq desc limit 1');
  }

  /** An older list than the one that is there changes nothing. */
  set({ boot, version, segments }: ClockList): void {
    if (version < this.list(boot).version) return;
    this.#db.prepare('delete from clock where boot = ?').run(boot);
    const put = this.#db.prepare('insert into clock (boot, from_seq, offset, estimated, version, sum) values (?, ?, ?, ?, ?, ?)');
    for (const s of segments) {
      const row = [boot, s.fromSeq, s.offset, s.estimated ? 1 : 0, version] as const;
      put.run(...row, rowSum('clock', ...row));
    }
  }

  /** Every mapping of a boot; version 0 when it has none. */
  list(boot: number): ClockList {
    const rows = this.#list.all(boot);
    const segments = rows.map((r): ClockSegment => ({ fromSeq: r.from_seq, offset: r.offset, estimated: r.estimated === 1 }));
    return { boot, version: rows[0]?.version ?? 0, segments };
  }

  /** The mapping of a number; undefined for a boot that never had one. */
  of(boot: number, seq: number): Mapping | undefined {
    const row = this.#of.get(boot, seq);
    return row === undefined ? undefined : { offset: row.offset, estimated: row.estimated === 1 };
  }

  /**
   * UTC ms of a record that can tell an age. undefined: its time is not known, was only estimated, or is to come. A clock that was years
   * ahead once leaves such records.
   * @param now UTC ms
   */
  pastOf(boot: number, seq: number, at: number, now: number): number | undefined {
    const mapping = this.of(boot, seq);
    if (mapping === undefined || mapping.estimated) return undefined;
    const wall = at + mapping.offset;
    return wall <= now ? wall : undefined;
  }

  /** UTC ms of a record; Infinity where nothing is known. */
  wallOf(boot: number, seq: number, at: number): number {
    const mapping = this.of(boot, seq);
    return mapping === undefined ? Number.POSITIVE_INFINITY : at + mapping.offset;
  }
}
