/** Words of log.db about itself: `clean`, `birth` and the layout (files/layout.ts). */
import type Database from 'better-sqlite3';

export class MetaTable {
  readonly #db: Database.Database;

  constructor(db: Database.Database) {
    this.#db = db;
  }

  /** Written only where it changes. */
  set(name: string, value: string): void {
    this.#db
      .prepare(
        'insert into meta (name, value) values (?, ?) on conflict (name) do update set value = excluded.value where value <> excluded.value',
      )
      .run(name, value);
  }
}
