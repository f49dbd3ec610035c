/**
 * State of rules (under their name), of counters (`device.point`) and of forwarders (`@forwarder.name`) for the next start.
 * The table is called `alarm`, and its key `rule`, since the first version had rules alone: a name in a file stays.
 */
import type Database from 'better-sqlite3';
import { rowSum } from '../../files/sealed-rows.ts';

export class SavedStateTable {
  readonly #db: Database.Database;

  constructor(db: Database.Database) {
    this.#db = db;
  }

  all(): [key: string, state: unknown][] {
    return this.#db
      .prepare<[], { rule: string; state: string }>('select rule, state from alarm')
      .all()
      .map((r) => [r.rule, JSON.parse(r.state)]);
  }
  /** @param state null forgets it */
  save(key: string, state: unknown): void {
    if (state === null) {
      this.#db.prepare('delete from alarm where rule = ?').run(key);
      return;
    }
    const text = JSON.stringify(state);
    this.#db
      .prepare('insert or replace into alarm (rule, state, sum) values (?, ?, ?)')
      .run(key, text, rowSum('alarm', key, text));
  }
}
