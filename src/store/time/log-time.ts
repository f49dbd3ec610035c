/** The time by the mappings that the log has learnt since the machine was switched on: the system clock may not know it. */
import type Database from 'better-sqlite3';
import type { Machine } from '../../core/clock.ts';
import { BootTable } from './boot-table.ts';
import type { ClockTable } from './clock-table.ts';

/**
 * UTC ms; undefined where no start of the gateway within this boot of the machine knew the time.
 * @param machine this boot of the machine; monotonic ms count from its origin
 */
export function timeByLog(
  log: { readonly db: Database.Database; readonly clock: ClockTable },
  machine: Machine,
  monotonic: number,
): number | undefined {
  const boots = new BootTable(log.db).open(log.clock).filter((b) => b.machine.id === machine.id && machine.id !== '');
  for (const { machine: then, clock } of boots.reverse()) {
    const known = clock.segments.findLast((s) => !s.estimated);
    if (known !== undefined) return Math.round(monotonic + machine.origin - then.origin + known.offset);
  }
  return undefined;
}
