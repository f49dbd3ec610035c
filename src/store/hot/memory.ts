/**
 * What the writer knows by heart of log.db: every small table as the last commit left it. When a page of the file goes
 * bad while the gateway runs, nothing has to be proven: log, numbers, lanes and cursors are put back as they are.
 */
import type Database from 'better-sqlite3';
import type { LanesRow } from '../files/layout.ts';
import type { Sources } from '../files/sources.ts';
import { ClockTable } from '../time/clock-table.ts';
import type { CommitRequest } from './commit-request.ts';

type Known = Omit<Sources, 'tails' | 'alive'>;

export class Memory {
  readonly #known: { -readonly [K in keyof Known]: Known[K] };
  #savedStates: Map<string, unknown>;

  /** @param db just opened, and found whole */
  constructor(db: Database.Database, lanes: readonly LanesRow[]) {
    const clock = new ClockTable(db);
    const boots = db.prepare<[], Sources['boots'][number]>('select * from boot').all();
    this.#savedStates = new Map(
      db
        .prepare<[], { rule: string; state: string }>('select rule, state from alarm')
        .all()
        .map(({ rule, state }) => [rule, JSON.parse(state)]),
    );
    this.#known = {
      logs: db.prepare<[], Sources['logs'][number]>('select ordinal, name, lease from log order by ordinal').all(),
      boots,
      shapes: [],
      clock: boots.map(({ boot }) => clock.list(boot)),
      lanes,
      alarms: [],
      inventory: db
        .prepare<[], { revision: number; body: string }>('select revision, body from inventory order by revision desc limit 1')
        .get(),
      compacted: db.prepare<[], [number, number]>('select log, seq from compacted').raw().all(),
    };
  }

  /** A commit is in the file. */
  committed(request: CommitRequest, log: number, lanes: readonly LanesRow[]): void {
    const known = this.#known;
    known.lanes = lanes;
    known.logs = known.logs.map((l) => (l.ordinal === log ? { ...l, lease: Math.max(l.lease, request.leaseEnd) } : l));
    for (const [rule, state] of request.savedStates)
      if (state === null) this.#savedStates.delete(rule);
      else this.#savedStates.set(rule, state);
    known.clock = [...new Map([...known.clock, ...request.clock].map((list) => [list.boot, list])).values()];
    known.inventory = request.newInventory ?? known.inventory;
    known.compacted = [...new Map([...known.compacted, ...request.compacted])];
  }

  sources(shapes: Sources['shapes']): Sources {
    return {
      ...this.#known,
      shapes,
      alarms: [...this.#savedStates],
      tails: [],
      alive: true,
    };
  }
}
