/**
 * Whether the units of history.db are all there, and whole. SQLite finds a row by its place in a tree: with two pages in each
 * other's place a row that is in the file is not found, and nothing says so. Units are therefore counted against their
 * twins, and parts against what their unit says of them.
 */
import type Database from 'better-sqlite3';
import { rowSum, SEALED_HOUR } from '../files/sealed-rows.ts';

/** Rows of `unit` and `twin`: each as it was written, in order, and both tables of the same units. @returns what is wrong */
export function unitFault(db: Database.Database): string | undefined {
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
  const [units, twins] = ids;
  if (typeof units === 'string' || units === undefined) return units;
  if (typeof twins === 'string' || twins === undefined) return twins;
  return units.length === twins.length && units.every((id, i) => id === twins[i]) ? undefined : 'units are missing';
}

/** Counts of parts against those of their units; reads the heads of all parts. */
export function partFault(db: Database.Database): string | undefined {
  const unit = db
    .prepare<[], number>(
      'select id from unit where records <> (select coalesce(sum(records), 0) from part where part.id >= first_part and part.id < first_part + parts) limit 1',
    )
    .pluck()
    .get();
  return unit === undefined ? undefined : 'an hour of history does not have all its parts';
}
