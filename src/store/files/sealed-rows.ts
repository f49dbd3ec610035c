/**
 * Rows of log.db carry a CRC-32 of their table and their other columns. A row that is found again in a damaged file
 * proves by it which table it belongs to and that no byte of it is another. SQLite itself keeps no checksum of a page
 * once it is in the file.
 */
import { crc32 } from 'node:zlib';

/** The columns that the sum of a row covers, in order. The body of a block has a CRC of its own (codecs/sealed.ts). */
export const SEALED = {
  log: ['ordinal', 'name', 'lease'],
  boot: ['boot', 'log', 'first', 'machine', 'origin', 'at_last', 'proven'],
  clock: ['boot', 'from_seq', 'offset', 'estimated', 'version'],
  shape: ['id', 'body'],
  inventory: ['revision', 'body'],
  block: ['id', 'last', 'boot', 'inventory', 'records', 'readings', 'at_last'],
  notice: ['id', 'boot', 'at', 'kind', 'key', 'body'],
  lanes: ['log', 'settled', 'boot', 'states'],
  alarm: ['rule', 'state'],
} as const;
export type SealedTable = keyof typeof SEALED;
export const SEALED_TABLES = Object.keys(SEALED) as SealedTable[];
/** The columns of an hour of history that never change. */
export const SEALED_HOUR = ['id', 'last', 'boot', 'inventory', 'at_first', 'at_last', 'first_part', 'parts'] as const;

type Plain = number | string;

export function rowSum(table: SealedTable | 'unit' | 'twin', ...values: readonly Plain[]): number {
  return crc32(JSON.stringify([table, ...values]));
}

/** Whether a row as read from its table is as it was written. */
export function isWhole(table: SealedTable, row: Readonly<Record<string, unknown>>): boolean {
  return row.sum === rowSum(table, ...SEALED[table].map((column) => row[column] as Plain));
}

/** The seal of a shape in history.db, whose copies of shapes have no column for it: a row of its table `meta` for each. */
export function shapeSealName(id: number): string {
  return `shape ${id}`;
}
export function shapeSeal(id: number, body: string): string {
  return String(rowSum('shape', id, body));
}
