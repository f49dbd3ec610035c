/** The commit blocks of log.db, as everything that reads the log sees them: what Hours is for history.db. Read-only. */
import type Database from 'better-sqlite3';
import { type BlockRow, keyOf, seqOf } from '../files/layout.ts';

export type BlockHead = Omit<BlockRow, 'body'>;
const HEAD = 'id, last, boot, inventory, records, readings, at_last, sum';

export class Blocks {
  readonly #upTo: Database.Statement<[key: number, from: number], BlockHead>;
  readonly #behind: Database.Statement<[key: number, end: number], BlockHead>;
  readonly #some: Database.Statement<[key: number, end: number, most: number], BlockHead>;
  readonly #body: Database.Statement<[id: number], Buffer>;

  /** Statements are made once: they lie outside of the heap, and a backlog would leave some behind with each batch. */
  constructor(db: Database.Database) {
    this.#upTo = db.prepare(`select ${HEAD} from block where id <= ? and id >= ? order by id desc limit 1`);
    this.#behind = db.prepare(`select ${HEAD} from block where id > ? and id < ? order by id limit 1`);
    this.#some = db.prepare(`select ${HEAD} from block where id > ? and id < ? order by id limit ?`);
    this.#body = db.prepare<[number], Buffer>('select body from block where id = ?').pluck();
  }

  /** The one of a log that holds `key`, else the next one. */
  at(log: number, key: number): BlockHead | undefined {
    const before = this.#upTo.get(key, keyOf(log, 0));
    return before !== undefined && before.last >= seqOf(key) ? before : this.#behind.get(key, keyOf(log + 1, 0));
  }

  /** The last one of a log that begins at `key` or before. */
  upTo(log: number, key: number): BlockHead | undefined {
    return this.#upTo.get(key, keyOf(log, 0));
  }

  /** The first `most` whose first record is behind `key` and before `end`. */
  some(key: number, end: number, most: number): BlockHead[] {
    return this.#some.all(key, end, most);
  }

  body(id: number): Buffer | undefined {
    return this.#body.get(id);
  }
}
