/**
 * broker.db, in gateway.stateDir: what clients of the embedded broker left. Pages of 1024 bytes, a write-ahead file as that of
 * log.db (hot/wal.ts). The columns of the tables are in core/broker-store.ts; each row has a sum of its table and its columns.
 *
 * - It is made when there is something to keep.
 * - It is never larger than MAX_BYTES with what belongs to it, damaged file aside not counted.
 *
 * The runtime directory has `broker-tail`, lines of changes that no commit has: `CRC-32 JSON`. A commit empties it.
 */
import { crc32 } from 'node:zlib';
import { BROKER_TABLES, type BrokerChange, type BrokerTable, type BrokerValue } from '../../core/broker-store.ts';
import type { Layout } from '../files/layout-seal.ts';

export const BROKER_FILE = 'broker.db';
export const BROKER_TAIL = 'broker-tail';
/** `application_id` of the file, "SLbr", and the version of its layout. */
export const APPLICATION = 0x534c6272;
export const VERSION = 2;
/** The oldest version whose programs may go on with a file of this one (docs/decisions/layouts-and-rollback.md). */
export const BROKER_LAYOUT: Layout = { version: VERSION, readers: 2 };
/** Rows of version 1 had no owner, which is the last of their columns. Such a file is taken over when it is opened. */
export const FIRST_VERSION = 1;
const SINCE_2: Partial<Record<BrokerTable, number>> = { message: 1, retained: 1 };
/** `user_version`: the version, and the readers in the upper half where they are others. Programs before the upper half refuse such a number. */
export const stampOf = ({ version, readers }: Layout): number => (readers === version ? version : readers * 0x10000 + version);
export const layoutOf = (stamp: number): Layout => ({ version: stamp & 0xffff, readers: stamp >>> 16 || stamp & 0xffff });
export const PAGE_SIZE = 1024;
/** The queues and retained messages have 10 MiB at most (forwarders/broker/limits.ts); rows and free pages come on top. */
export const MAX_BYTES = 32 * 1024 * 1024;
/** Length of the write-ahead file. */
export const WAL_BYTES = 512 * 1024;
/** More than this does not lie in the tail: a commit follows. */
export const MAX_TAIL = 1024 * 1024;

export const TABLE_NAMES = Object.keys(BROKER_TABLES) as BrokerTable[];

const TYPES: Readonly<Record<string, string>> = {
  id: 'text',
  owner: 'text',
  topic: 'text',
  log: 'text',
  rest: 'text',
  payload: 'blob',
};
/** Rows of a table with large columns lie in a tree of their own. */
const LARGE: readonly BrokerTable[] = ['message', 'retained'];

export const SCHEMA = TABLE_NAMES.map((table) => {
  const { keys, columns } = BROKER_TABLES[table];
  const list = columns.map((column) => `${column} ${TYPES[column] ?? 'integer'}`);
  const key = columns.slice(0, keys).join(', ');
  return `create table ${table} (${list.join(', ')}, sum integer, primary key (${key}))${LARGE.includes(table) ? '' : ' without rowid'};`;
}).join('\n');

export function sumOf(table: BrokerTable, values: readonly BrokerValue[]): number {
  return crc32(JSON.stringify([table, ...values.map((v) => (v instanceof Uint8Array ? ['bytes', v.length, crc32(v)] : v))]));
}

/** A row as it was read, of either version; undefined where it is not as it was written. */
export function parseRow(table: BrokerTable, row: readonly unknown[]): BrokerChange | undefined {
  const values = row.slice(0, -1) as BrokerValue[];
  const whole = wholeRow(table, values);
  return whole !== undefined && sumOf(table, values) === row.at(-1) ? { table, values: whole, gone: false } : undefined;
}

/** With the columns that its version did not have. */
function wholeRow(table: BrokerTable, values: readonly BrokerValue[]): readonly BrokerValue[] | undefined {
  const missing = BROKER_TABLES[table].columns.length - values.length;
  if (missing === 0) return values;
  return missing === SINCE_2[table] ? [...values, ''] : undefined;
}

/** A line of the tail. */
export function tailLine({ table, values, gone }: BrokerChange): string {
  const plain = values.map((v) => (v instanceof Uint8Array ? { base64: Buffer.from(v).toString('base64') } : v));
  const json = JSON.stringify([table, gone ? 1 : 0, ...plain]);
  return `${crc32(json)} ${json}\n`;
}

/** The changes of a tail, up to the first line that is not whole: a kill may have cut it. */
export function parseTail(text: string): BrokerChange[] {
  const changes: BrokerChange[] = [];
  for (const line of text.split('\n')) {
    const at = line.indexOf(' ');
    const json = line.slice(at + 1);
    if (at <= 0 || Number(line.slice(0, at)) !== crc32(json)) break;
    const [table, gone, ...plain] = JSON.parse(json) as [BrokerTable, number, ...(string | number | null | { base64: string })[]];
    const read = plain.map((v) => (typeof v === 'object' && v !== null ? Buffer.from(v.base64, 'base64') : v));
    const values = gone === 1 ? read : wholeRow(table, read);
    if (values === undefined) break;
    changes.push({ table, values, gone: gone === 1 });
  }
  return changes;
}
