/** The compacted units of history.db, as everything that reads the log sees them. Read-only. */
import type Database from 'better-sqlite3';
import { decodeBlock } from '../../codecs/blocks.ts';
import type { LogRecord, Shape } from '../../core/point.ts';
import { type PartRow, type RollupRow, UNIT_STATE, type UnitRow } from '../files/history-layout.ts';
import { keyOf, seqOf } from '../files/layout.ts';

/** First and end of ids, then the rest. */
type OfUnit = [first: number, end: number, ...rest: number[]];

export class Units {
  readonly #shapeOf: (id: number) => Shape | undefined;
  readonly #last: Database.Statement<[number, number], { id: number; last: number }>;
  readonly #one: Database.Statement<[number], UnitRow>;
  readonly #upTo: Database.Statement<[number], UnitRow>;
  readonly #behind: Database.Statement<[number], UnitRow>;
  readonly #some: Database.Statement<[number, number, number], UnitRow>;
  readonly #parts: Database.Statement<OfUnit, PartRow>;
  readonly #partsOf: Database.Statement<OfUnit, PartRow>;
  readonly #rollup: Database.Statement<OfUnit, RollupRow>;
  readonly #rollupAt: Database.Statement<[id: number, shape: number], RollupRow>;
  readonly #lacks: Database.Statement<[number], number>;
  /** The unit that was counted last: its parts are asked for one after the other. */
  #counted = '';
  /** Where a shape's part was among those of the unit asked before: most units have the same parts. */
  readonly #places = new Map<number, number>();

  /** Statements are made once: a chart of a day asks each some hundred times. */
  constructor(db: Database.Database, shapeOf: (id: number) => Shape | undefined) {
    this.#shapeOf = shapeOf;
    this.#last = db.prepare('select id, last from unit where id >= ? and id < ? order by id desc limit 1');
    this.#one = db.prepare('select * from unit where id = ?');
    this.#upTo = db.prepare('select * from unit where id <= ? order by id desc limit 1');
    this.#behind = db.prepare('select * from unit where id > ? order by id limit 1');
    this.#some = db.prepare('select * from unit where id > ? and id < ? order by id limit ?');
    this.#parts = db.prepare('select * from part where id >= ? and id < ? order by id');
    this.#partsOf = db.prepare('select * from part where id >= ? and id < ? and shape = ? order by id');
    this.#rollup = db.prepare('select * from rollup where id >= ? and id < ? and shape = ?');
    this.#rollupAt = db.prepare('select * from rollup where id = ? and shape = ?');
    this.#lacks = db
      .prepare<[number], number>(
        'select records - (select coalesce(sum(records), 0) from part where part.id >= first_part and part.id < first_part + parts) from unit where id = ?',
      )
      .pluck();
  }

  /** Key of the last record of a log that is in a unit; 0 when there is none. Blocks up to it are not read any more. */
  watermark(log: number): number {
    const row = this.#last.get(keyOf(log, 0), keyOf(log + 1, 0));
    return row === undefined ? 0 : row.id - seqOf(row.id) + row.last;
  }

  /** The unit that begins with `key`. */
  one(key: number): UnitRow | undefined {
    return this.#one.get(key);
  }

  /** The unit that holds `key`, else the next one of any log; undefined behind the last. */
  at(key: number): UnitRow | undefined {
    const before = this.#upTo.get(key);
    if (before !== undefined && before.id - seqOf(before.id) + before.last >= key) return before;
    return this.next(key);
  }

  /** The first unit whose first record is behind `key`. */
  next(key: number): UnitRow | undefined {
    return this.#behind.get(key);
  }

  /** The first `most` units whose first record is behind `key` and before `end`. */
  some(key: number, end: number, most: number): UnitRow[] {
    return this.#some.all(key, end, most);
  }

  /** @throws where some are missing */
  parts(unit: UnitRow): PartRow[] {
    this.#count(unit);
    return unit.state === UNIT_STATE.summary ? [] : this.#parts.all(...idsOf(unit));
  }

  /** The parts of one shape; none when the unit has none of it, or no records any more. @throws as `parts` */
  partsOf(unit: UnitRow, shape: number): PartRow[] {
    this.#count(unit);
    return this.#partsOf.all(...idsOf(unit), shape);
  }

  /**
   * A part that SQLite does not find (check-units.ts) must not pass for one that is not there: whoever reads would go on behind it.
   * @throws where the unit has other parts than it says; as SQLite does where pages contradict each other
   */
  #count({ id, state }: UnitRow): void {
    const name = `${id}/${state}`;
    if (this.#counted === name) return;
    if ((this.#lacks.get(id) ?? 0) !== 0)
      throw Object.assign(new Error('a unit has not the parts that it was made of'), { code: 'SQLITE_CORRUPT' });
    this.#counted = name;
  }

  /** @throws as `parts` */
  check(unit: UnitRow): void {
    this.#counted = '';
    this.#count(unit);
  }

  rollup(unit: UnitRow, shape: number): RollupRow | undefined {
    const place = this.#places.get(shape) ?? unit.parts;
    const there = place < unit.parts ? this.#rollupAt.get(unit.first_part + place, shape) : undefined;
    const row = there ?? this.#rollup.get(...idsOf(unit), shape);
    if (row !== undefined) this.#places.set(shape, row.id - unit.first_part);
    return row;
  }

  /** All records that are left, ascending, and the parts that cannot be read any more. @throws as `parts` */
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

function idsOf(unit: UnitRow): [first: number, end: number] {
  return [unit.first_part, unit.first_part + unit.parts];
}
