/** The compacted units of history.db, as everything that reads the log sees them. Read-only. */
import type Database from 'better-sqlite3';
import { decodeBlock } from '../codecs/blocks.ts';
import type { LogRecord, Shape } from '../core/point.ts';
import { type PartRow, type RollupRow, UNIT_STATE, type UnitRow } from './history-layout.ts';
import { keyOf, seqOf } from './layout.ts';

export class Units {
  readonly #db: Database.Database;
  readonly #shapeOf: (id: number) => Shape | undefined;

  constructor(db: Database.Database, shapeOf: (id: number) => Shape | undefined) {
    this.#db = db;
    this.#shapeOf = shapeOf;
  }

  /** Key of the last record of a log that is in a unit; 0 when there is none. Blocks up to it are not read any more. */
  watermark(log: number): number {
    const row = this.#db
      .prepare<[number, number], { id: number; last: number }>(
        'select id, last from unit where id >= ? and id < ? order by id desc limit 1',
      )
      .get(keyOf(log, 0), keyOf(log + 1, 0));
    return row === undefined ? 0 : row.id - seqOf(row.id) + row.last;
  }

  /** The unit that holds `key`, else the next one of any log; undefined behind the last. */
  at(key: number): UnitRow | undefined {
    const before = this.#db.prepare<[number], UnitRow>('select * from unit where id <= ? order by id desc limit 1').get(key);
    if (before !== undefined && before.id - seqOf(before.id) + before.last >= key) return before;
    return this.next(key);
  }

  /** The first unit whose first record is behind `key`. */
  next(key: number): UnitRow | undefined {
    return this.#db.prepare<[number], UnitRow>('select * from unit where id > ? order by id limit 1').get(key);
  }

  parts(unit: UnitRow): PartRow[] {
    if (unit.state === UNIT_STATE.summary) return [];
    return this.#db
      .prepare<[number, number], PartRow>('select * from part where id >= ? and id < ? order by id')
      .all(unit.first_part, unit.first_part + unit.parts);
  }

  /** The parts of one shape; none when the unit has none of it, or no records any more. */
  partsOf(unit: UnitRow, shape: number): PartRow[] {
    return this.#db
      .prepare<[number, number, number], PartRow>('select * from part where id >= ? and id < ? and shape = ? order by id')
      .all(unit.first_part, unit.first_part + unit.parts, shape);
  }

  rollup(unit: UnitRow, shape: number): RollupRow | undefined {
    return this.#db
      .prepare<[number, number, number], RollupRow>('select * from rollup where id >= ? and id < ? and shape = ?')
      .get(unit.first_part, unit.first_part + unit.parts, shape);
  }

  /** All records that are left, ascending, and the parts that cannot be read any more. */
  records(unit: UnitRow): { records: LogRecord[]; damaged: PartRow[] } {
    const records: LogRecord[] = [];
    const damaged: PartRow[] = [];
    for (const part of this.parts(unit)) {
      try {
        for (const record of decodeBlock(part.body, this.#shapeOf)) records.push(record);
      } catch {
        damaged.push(part);
      }
    }
    return { records: records.sort((a, b) => a.seq - b.seq), damaged };
  }
}
