/** Rows found in a damaged history.db: the table of each, shown by its seal or its checksum. */
import { isSealed } from '../../codecs/sealed.ts';
import type { Cell, FoundRow } from '../files/found-row.ts';
import type { HourRow } from '../files/history-layout.ts';
import { rowSum, SEALED_HOUR } from '../files/sealed-rows.ts';

export const HOUR_COLUMNS = [
  ...(['id', 'last', 'boot', 'inventory', 'at_first', 'at_last'] as const),
  ...(['records', 'readings', 'state', 'first_part', 'parts', 'bytes', 'sum'] as const),
];
export type SealedHour = HourRow & { readonly sum: number };

export function hourOf({ rowid, columns }: FoundRow): { table: 'unit' | 'twin'; hour: SealedHour } | undefined {
  if (rowid === undefined || columns.length !== HOUR_COLUMNS.length) return undefined;
  const row: Record<string, Cell> = {};
  HOUR_COLUMNS.forEach((name, i) => {
    row[name] = i === 0 ? rowid : (columns[i] as Cell);
  });
  const hour = Object.fromEntries(HOUR_COLUMNS.map((name) => [name, Number(row[name])])) as {
    [K in (typeof HOUR_COLUMNS)[number]]: number;
  };
  for (const table of ['unit', 'twin'] as const) if (hour.sum === sealOf(table, hour)) return { table, hour };
  return undefined;
}

export function sealOf(table: 'unit' | 'twin', hour: SealedHour): number {
  return rowSum(table, ...SEALED_HOUR.map((column) => hour[column]));
}

interface FoundPart {
  readonly id: number;
  readonly shape: number;
  /** undefined: it is a roll-up. */
  readonly records: number | undefined;
  readonly readings: number;
  readonly body: Uint8Array;
}
export function partOf({ rowid, columns }: FoundRow): FoundPart | undefined {
  const shape = columns[1];
  const body = columns.at(-1);
  if (rowid === undefined || typeof shape !== 'number' || !(body instanceof Uint8Array) || !isSealed(body)) return undefined;
  if (columns.length === 3) return { id: rowid, shape, records: undefined, readings: 0, body };
  const [, , records, readings] = columns;
  if (columns.length !== 5 || typeof records !== 'number' || typeof readings !== 'number') return undefined;
  return { id: rowid, shape, records, readings, body };
}
