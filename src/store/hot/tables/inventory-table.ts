/** The devices and points, as JSON, by revision. Records name theirs; the newest one is in force now. */
import type Database from 'better-sqlite3';
import { rowSum } from '../../files/sealed-rows.ts';

interface InventoryRow {
  readonly revision: number;
  readonly body: string;
}

export class InventoryTable {
  readonly #db: Database.Database;

  constructor(db: Database.Database) {
    this.#db = db;
  }

  newest(): InventoryRow | undefined {
    return this.#db.prepare<[], InventoryRow>('select revision, body from inventory order by revision desc limit 1').get();
  }
  put({ revision, body }: InventoryRow): void {
    this.#db
      .prepare('insert or replace into inventory (revision, body, sum) values (?, ?, ?)')
      .run(revision, body, rowSum('inventory', revision, body));
  }
}
