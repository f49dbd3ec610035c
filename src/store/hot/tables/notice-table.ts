/** Alarm transitions and events, as the JSON that goes upstream. Which of them go for want of space: see notice-space.ts. */
import type Database from 'better-sqlite3';
import type { StoredNotice } from '../../../codecs/rows.ts';
import type { NoticeMessage } from '../../../core/ports.ts';
import { keyOf, seqOf } from '../../files/layout.ts';
import { rowSum } from '../../files/sealed-rows.ts';
import { EventBytes } from '../notice-space.ts';

export class NoticeTable {
  readonly #db: Database.Database;
  readonly events: EventBytes;
  /** Rows; counted when first asked for. */
  #count: number | undefined;
  #added = 0;

  constructor(db: Database.Database) {
    this.#db = db;
    this.events = new EventBytes(db);
  }

  /** Existing rows stay as they are. */
  add(log: number, boot: number, notices: readonly StoredNotice[]): void {
    const put = this.#db.prepare(
      'insert or ignore into notice (id, boot, at, kind, key, body, sum) values (?, ?, ?, ?, ?, ?, ?)',
    );
    for (const n of notices) {
      const row = [keyOf(log, n.seq), boot, n.at, n.kind, n.key, n.json] as const;
      this.#added += put.run(...row, rowSum('notice', ...row)).changes;
    }
    this.events.added(notices);
  }

  /** The highest number of a log in it; 0: it has none. */
  last(log: number): number {
    const id = this.#db
      .prepare<[number, number], number | null>('select max(id) from notice where id >= ? and id < ?')
      .pluck()
      .get(keyOf(log, 0), keyOf(log + 1, 0));
    return id == null ? 0 : seqOf(id);
  }
  /** A scan when something went, or at the first commit of a run. */
  count(): number {
    this.#count ??= this.#db.prepare('select count(*) from notice').pluck().get() as number;
    return this.#count;
  }

  /** A transaction begins: what is added in it counts once it is there. */
  begin(): void {
    this.#added = 0;
  }
  /** It is there. @param removed whether something went in it */
  end(removed: boolean): void {
    this.#count = removed || this.#count === undefined ? undefined : this.#count + this.#added;
  }
  /** It was rolled back. */
  rolledBack(): void {
    this.events.forget();
  }
  /** Rows came in beside the commits. */
  forget(): void {
    this.#count = undefined;
  }

  /** The newest transition of each rule. */
  lastAlarms(): NoticeMessage[] {
    return this.#db
      .prepare<[], { id: number; key: string; body: string }>(
        "select max(id) as id, key, body from notice where kind = 'alarm' group by key",
      )
      .all()
      .map((r) => ({ kind: 'alarm', key: r.key, seq: seqOf(r.id), json: r.body }));
  }
}
