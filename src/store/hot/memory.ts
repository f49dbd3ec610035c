/**
 * The copy of log.db's small tables in the writer's memory, as the last commit left them. When a page of the file goes bad
 * while the gateway runs, nothing has to be proven: the copy puts log, numbers, lanes and cursors back as they are.
 */
import type { LanesRow } from '../files/layout.ts';
import type { Sources } from '../files/sources.ts';
import type { BootTable } from '../time/boot-table.ts';
import type { ClockTable } from '../time/clock-table.ts';
import type { CommitRequest } from './commit-request.ts';
import type { CompactedTable } from './tables/compacted-table.ts';
import type { InventoryTable } from './tables/inventory-table.ts';
import type { LanesTable } from './tables/lanes-table.ts';
import type { LogTable } from './tables/log-table.ts';
import type { SavedStateTable } from './tables/saved-state-table.ts';

type Known = Omit<Sources, 'tails' | 'alive' | 'alarms' | 'shapes'>;

/** The small tables of a file that was just opened, and found whole. */
export interface SmallTables {
  readonly logTable: LogTable;
  readonly boots: BootTable;
  readonly clock: ClockTable;
  readonly lanesTable: LanesTable;
  readonly inventoryTable: InventoryTable;
  readonly compacted: CompactedTable;
  readonly states: SavedStateTable;
}

export class Memory {
  readonly #known: { -readonly [K in keyof Known]: Known[K] };
  /** As JSON. */
  readonly #savedStates: Map<string, string>;

  constructor(tables: SmallTables) {
    const boots = tables.boots.all();
    this.#savedStates = new Map(tables.states.all().states);
    this.#known = {
      logs: tables.logTable.all(),
      boots,
      clock: boots.map(({ boot }) => tables.clock.list(boot)),
      lanes: tables.lanesTable.all(),
      inventory: tables.inventoryTable.newest(),
      compacted: tables.compacted.all(),
    };
  }

  /** A commit is in the file. */
  committed(request: CommitRequest, log: number, lanes: readonly LanesRow[]): void {
    const known = this.#known;
    known.lanes = lanes;
    known.logs = known.logs.map((l) => (l.ordinal === log ? { ...l, lease: Math.max(l.lease, request.leaseEnd) } : l));
    for (const [key, state] of request.savedStates)
      if (state === null) this.#savedStates.delete(key);
      else this.#savedStates.set(key, JSON.stringify(state));
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
