/** Lanes and cursors: one row a log, with the states of all forwarders. Written with each commit that changes one (files/layout.ts says why). */
import { isDeepStrictEqual } from 'node:util';
import type Database from 'better-sqlite3';
import type { ForwarderState, LanesRow } from '../../files/layout.ts';
import { rowSum } from '../../files/sealed-rows.ts';

export class LanesTable {
  readonly #db: Database.Database;

  constructor(db: Database.Database) {
    this.#db = db;
  }

  /** By the ordinals of their logs. */
  all(): LanesRow[] {
    return this.#db
      .prepare<[], { log: number; settled: number; boot: number; states: string }>('select * from lanes order by log')
      .all()
      .map(({ log, settled, boot, states }) => ({ log, settled, boot, states: JSON.parse(states) }));
  }
  forwarders(): ForwarderState[] {
    return this.all().flatMap((row) => Object.entries(row.states).map(([name, state]) => ({ name, log: row.log, state })));
  }

  /**
   * Inside a transaction, and written only where it changes.
   * @param changed states of forwarders
   * @param settled up to here the lanes of `log` are settled with it
   */
  set(changed: readonly ForwarderState[], log: number, boot: number, settled: number): void {
    const before: ReadonlyMap<number, LanesRow> = new Map(this.all().map((row) => [row.log, row]));
    const rows = new Map(before);
    const put = new Set<LanesRow>();
    for (const of of [...new Set(changed.map((f) => f.log)), ...(settled > (rows.get(log)?.settled ?? -1) ? [log] : [])]) {
      const row = rows.get(of) ?? { log: of, settled: 0, boot, states: {} };
      const states = changed.filter((f) => f.log === of).map((f) => [f.name, f.state] as const);
      const next = {
        log: of,
        boot: of === log ? boot : row.boot,
        settled: of === log ? Math.max(row.settled, settled) : row.settled,
        states: { ...row.states, ...Object.fromEntries(states) },
      };
      rows.set(of, next);
      put.delete(row);
      put.add(next);
    }
    for (const row of put) if (!isDeepStrictEqual(row, before.get(row.log))) this.put(row);
  }
  put({ log, settled, boot, states }: LanesRow): void {
    const text = JSON.stringify(states);
    this.#db
      .prepare('insert or replace into lanes (log, settled, boot, states, sum) values (?, ?, ?, ?, ?)')
      .run(log, settled, boot, text, rowSum('lanes', log, settled, boot, text));
  }
}
