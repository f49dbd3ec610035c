/** Records as commit blocks: each belongs to one log, one boot and one inventory. The content of a block is never written again. */
import type Database from 'better-sqlite3';
import { encodeBlock } from '../../../codecs/blocks.ts';
import type { LogRecord } from '../../../core/point.ts';
import { type BlockRow, keyOf } from '../../files/layout.ts';
import { rowSum } from '../../files/sealed-rows.ts';
import type { ShapeTable } from './shape-table.ts';

/** A block that a reader has to inflate at once: bounds its memory. */
export const BLOCK_READINGS = 20_000;

interface Held {
  records: number;
  readings: number;
  /** Bytes of block bodies. */
  bytes: number;
}
export type BlockHead = Omit<BlockRow, 'body'>;
const HEAD = 'id, last, boot, inventory, records, readings, at_last, sum';

export class BlockTable {
  readonly #db: Database.Database;
  readonly #shapes: ShapeTable;
  readonly #oldest: Database.Statement<[], BlockRow>;
  readonly #remove: Database.Statement<[number]>;
  /** The counts of the table; counted when first asked for. */
  #held: Held | undefined;
  #added: Held = { records: 0, readings: 0, bytes: 0 };

  constructor(db: Database.Database, shapes: ShapeTable) {
    this.#db = db;
    this.#shapes = shapes;
    this.#oldest = db.prepare('select * from block order by id limit 1');
    this.#remove = db.prepare('delete from block where id = ?');
  }

  /** Appends records of one boot, ascending. @returns how many readings they have */
  add(log: number, boot: number, inventory: number, records: readonly LogRecord[]): number {
    const put = this.#db.prepare(
      'insert into block (id, last, boot, inventory, records, readings, at_last, sum, body) values (?, ?, ?, ?, ?, ?, ?, ?, ?)',
    );
    let total = 0;
    for (let i = 0; i < records.length; ) {
      let readings = 0;
      const start = i;
      while (i < records.length && (i === start || readings + countReadings(records[i] as LogRecord) <= BLOCK_READINGS))
        readings += countReadings(records[i++] as LogRecord);
      const part = records.slice(start, i);
      const first = part[0] as LogRecord;
      const last = part[part.length - 1] as LogRecord;
      const head = [keyOf(log, first.seq), last.seq, boot, inventory, part.length, readings, last.sample.at] as const;
      const body = encodeBlock(part, (shape) => this.#shapes.idOf(shape));
      put.run(...head, rowSum('block', ...head), body);
      this.#added.bytes += body.length;
      total += readings;
    }
    this.#added.records += records.length;
    this.#added.readings += total;
    return total;
  }

  /** The highest number of a log in it; 0: it has none. */
  last(log: number): number {
    return (
      this.#db
        .prepare<[number, number], number>('select last from block where id >= ? and id < ? order by id desc limit 1')
        .pluck()
        .get(keyOf(log, 0), keyOf(log + 1, 0)) ?? 0
    );
  }

  /** The one that goes next. */
  oldest(): BlockRow | undefined {
    return this.#oldest.get();
  }
  /** The oldest ones. */
  heads(limit: number): BlockHead[] {
    return this.#db.prepare<[number], BlockHead>(`select ${HEAD} from block order by id limit ?`).all(limit);
  }
  /** The one that holds a number, else the next one of that log. */
  at(log: number, seq: number): BlockHead | undefined {
    const before = this.#db
      .prepare<[number, number], BlockHead>(`select ${HEAD} from block where id <= ? and id >= ? order by id desc limit 1`)
      .get(keyOf(log, seq), keyOf(log, 0));
    if (before !== undefined && before.last >= seq) return before;
    return this.#db
      .prepare<[number, number], BlockHead>(`select ${HEAD} from block where id >= ? and id < ? order by id limit 1`)
      .get(keyOf(log, seq), keyOf(log + 1, 0));
  }

  remove(id: number): void {
    this.#remove.run(id);
    this.#held = undefined;
  }
  /** @param seq the last number that lies in history.db */
  removeUpTo(log: number, seq: number): void {
    const { changes } = this.#db.prepare('delete from block where id >= ? and id <= ?').run(keyOf(log, 0), keyOf(log, seq));
    if (changes > 0) this.#held = undefined;
  }

  /** A transaction begins: what is added in it counts once it is there. */
  begin(): void {
    this.#added = { records: 0, readings: 0, bytes: 0 };
  }
  /** It is there. */
  end(): void {
    if (this.#held === undefined) return;
    for (const key of ['records', 'readings', 'bytes'] as const) this.#held[key] += this.#added[key];
  }
  /** Rows came in beside the commits. */
  forget(): void {
    this.#held = undefined;
  }

  /** A scan when something went, or at the first commit of a run; to keep it in the file would cost a page a commit. */
  held(): Readonly<Held> {
    this.#held ??= this.#db
      .prepare<[], Held>(
        'select coalesce(sum(records), 0) as records, coalesce(sum(readings), 0) as readings, coalesce(sum(length(body)), 0) as bytes from block',
      )
      .get() as Held;
    return this.#held;
  }
}

export function countReadings(record: LogRecord): number {
  return record.sample.shape.points.length;
}
