/**
 * Whether the hours of history.db are all there, and whole. SQLite finds a row by its place in a tree: with two pages in each
 * other's place a row that is in the file is not found, and nothing says so. Hours are therefore counted against their
 * twins, and parts against what their hour says of them.
 */
import type Database from 'better-sqlite3';
import { rowSum, SEALED_HOUR } from '../files/sealed-rows.ts';

/** Rows of `unit` and `twin`: each as it was written, in order, and both tables of the same hours. @returns what is wrong */
export function hourFault(db: Database.Database): string | undefined {
  const ids = (['unit', 'twin'] as const).map((table) => {
    const found: number[] = [];
    for (const row of db.prepare<[], Record<string, number>>(`select ${SEALED_HOUR.join(', ')}, sum from ${table}`).iterate()) {
      if (row.sum !== rowSum(table, ...SEALED_HOUR.map((column) => row[column] as number)))
        return `a row of the table ${table} is not as it was written`;
      if ((row.id as number) <= (found.at(-1) ?? 0)) return `the rows of the table ${table} are out of order`;
      found.push(row.id as number);
    }
    return found;
  });
  const [hours, twins] = ids;
  if (typeof hours === 'string' || hours === undefined) return hours;
  if (typeof twins === 'string' || twins === undefined) return twins;
  return hours.length === twins.length && hours.every((id, i) => id === twins[i]) ? undefined : 'hours of history are missing';
}

/** Counts of parts against those of their hours; reads the heads of all parts. */
export function partFault(db: Database.Database): string | undefined {
  const hour = db
    .prepare<[], number>(
      'select id from unit where records <> (select coalesce(sum(records), 0) from part where part.id >= first_part and part.id < first_part + parts) limit 1',
    )
    .pluck()
    .get();
  return hour === undefined ? undefined : 'an hour of history does not have all its parts';
}
