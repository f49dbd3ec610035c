/**
 * State of rules (under their name), of counters (`device.point`) and of forwarders (`@forwarder.name`) for the next start.
 * The table is called `alarm`, and its key `rule`, since the first version had rules alone: a name in a file stays.
 */
import type Database from 'better-sqlite3';
import { rowSum } from '../../files/sealed-rows.ts';
import { MOST_OF_ALL, MOST_OF_ONE, type SavedStates } from '../saved-states.ts';

export class SavedStateTable {
  readonly #db: Database.Database;

  constructor(db: Database.Database) {
    this.#db = db;
  }

  /** @returns the states that a start takes up, and how many are too large for it */
  all(): { readonly states: SavedStates; readonly left: number } {
    const sizes = this.#db
      .prepare<[], { rule: string; letters: number }>('select rule, length(state) as letters from alarm order by letters, rule')
      .all();
    const get = this.#db.prepare<[string], string>('select state from alarm where rule = ?').pluck();
    const states: [string, string][] = [];
    let letters = 0;
    for (const row of sizes) {
      letters += row.letters;
      if (row.letters > MOST_OF_ONE || letters > MOST_OF_ALL) break;
      states.push([row.rule, get.get(row.rule) ?? 'null']);
    }
    return { states, left: sizes.length - states.length };
  }
  /** @param state null forgets it */
  save(key: string, state: unknown): void {
    if (state === null) {
      this.#db.prepare('delete from alarm where rule = ?').run(key);
      return;
    }
    this.put(key, JSON.stringify(state));
  }
  put(key: string, text: string): void {
    this.#db
      .prepare('insert or replace into alarm (rule, state, sum) values (?, ?, ?)')
      .run(key, text, rowSum('alarm', key, text));
  }
}
