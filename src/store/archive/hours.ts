/** The hours of history in history.db (rows of the table `unit`), as everything that reads the log sees them. Read-only. */
import type Database from 'better-sqlite3';
import { decodeBlock } from '../../codecs/blocks.ts';
import type { LogRecord, Shape } from '../../core/point.ts';
import { HOUR_STATE, type HourRow, type PartRow, type RollupRow } from '../files/history-layout.ts';
import { keyOf, seqOf } from '../files/layout.ts';

/** First and end of ids, then the rest. */
type OfHour = [first: number, end: number, ...rest: number[]];

export class Hours {
  readonly #shapeOf: (id: number) => Shape | undefined;
  readonly #last: Database.Statement<[number, number], { id: number; last: number }>;
  readonly #one: Database.Statement<[number], HourRow>;
  readonly #upTo: Database.Statement<[number], HourRow>;
  readonly #behind: Database.Statement<[number], HourRow>;
  readonly #some: Database.Statement<[number, number, number], HourRow>;
  readonly #parts: Database.Statement<OfHour, PartRow>;
  readonly #partsOf: Database.Statement<OfHour, PartRow>;
  readonly #rollup: Database.Statement<OfHour, RollupRow>;
  readonly #rollupAt: Database.Statement<[id: number, shape: number], RollupRow>;
  readonly #lacks: Database.Statement<[number], number>;
  /** The hour that was counted last: its parts are asked for one after the other. */
  #counted = '';
  /** Where a shape's part was among those of the hour asked before: most hours have the same parts. */
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

  /** Key of the last record of a log that is in an hour; 0 when there is none. Blocks up to it are not read any more. */
  watermark(log: number): number {
    const row = this.#last.get(keyOf(log, 0), keyOf(log + 1, 0));
    return row === undefined ? 0 : row.id - seqOf(row.id) + row.last;
  }

  /** The hour that begins with `key`. */
  one(key: number): HourRow | undefined {
    return this.#one.get(key);
  }

  /** The hour that holds `key`, else the next one of any log; undefined behind the last. */
  at(key: number): HourRow | undefined {
    const before = this.#upTo.get(key);
    if (before !== undefined && before.id - seqOf(before.id) + before.last >= key) return before;
    return this.next(key);
  }

  /** The last hour of any log that begins at `key` or before. */
  upTo(key: number): HourRow | undefined {
    return this.#upTo.get(key);
  }

  /** The first hour whose first record is behind `key`. */
  next(key: number): HourRow | undefined {
    return this.#behind.get(key);
  }

  /** The first `most` hours whose first record is behind `key` and before `end`. */
  some(key: number, end: number, most: number): HourRow[] {
    return this.#some.all(key, end, most);
  }

  /** @throws where some are missing */
  parts(hour: HourRow): PartRow[] {
    this.#count(hour);
    return hour.state === HOUR_STATE.summary ? [] : this.#parts.all(...idsOf(hour));
  }

  /** The parts of one shape; none when the hour has none of it, or no records any more. @throws as `parts` */
  partsOf(hour: HourRow, shape: number): PartRow[] {
    this.#count(hour);
    return this.#partsOf.all(...idsOf(hour), shape);
  }

  /**
   * A part that SQLite does not find (check-hours.ts) must not pass for one that is not there: whoever reads would go on behind it.
   * @throws where the hour has other parts than it says; as SQLite does where pages contradict each other
   */
  #count({ id, state }: HourRow): void {
    const name = `${id}/${state}`;
    if (this.#counted === name) return;
    if ((this.#lacks.get(id) ?? 0) !== 0)
      throw Object.assign(new Error('an hour of history does not have all its parts'), { code: 'SQLITE_CORRUPT' });
    this.#counted = name;
  }

  /** @throws as `parts` */
  check(hour: HourRow): void {
    this.#counted = '';
    this.#count(hour);
  }

  rollup(hour: HourRow, shape: number): RollupRow | undefined {
    const place = this.#places.get(shape) ?? hour.parts;
    const there = place < hour.parts ? this.#rollupAt.get(hour.first_part + place, shape) : undefined;
    const row = there ?? this.#rollup.get(...idsOf(hour), shape);
    if (row !== undefined) this.#places.set(shape, row.id - hour.first_part);
    return row;
  }

  /** All records that are left, ascending, and the parts that cannot be read any more. @throws as `parts` */
  records(hour: HourRow): { records: LogRecord[]; damaged: PartRow[] } {
    const records: LogRecord[] = [];
    const damaged: PartRow[] = [];
    for (const part of this.parts(hour)) {
      try {
        for (const record of decodeBlock(part.body, this.#shapeOf)) records.push(record);
      } catch {
        damaged.push(part);
      }
    }
    return { records: records.sort((a, b) => a.seq - b.seq), damaged };
  }
}

function idsOf(hour: HourRow): [first: number, end: number] {
  return [hour.first_part, hour.first_part + hour.parts];
}
