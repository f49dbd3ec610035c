/** Files, tables and keys of the log. A change of SCHEMA_VERSION comes with a fixture of the old one that stays readable. */
import type Database from 'better-sqlite3';
import type { Shape } from '../core/point.ts';
import type { LaneState } from './lanes.ts';

export const LOG_FILE = 'log.db';
export const SCHEMA_VERSION = 1;
/** Small pages: a commit is a few hundred bytes, and every page it touches is written whole. */
export const PAGE_SIZE = 1024;

/**
 * Blocks and notices are found by one integer: number of the log × 2^44 + sequence number. It stays exact in a double:
 * 512 logs of 17 billion thousand numbers. The table is then a single B-tree, so a commit touches the fewest pages.
 */
const SPAN = 2 ** 44;
export const MAX_LOGS = 511;
export const keyOf = (log: number, seq: number): number => log * SPAN + seq;
export const seqOf = (key: number): number => key % SPAN;

export const TABLES = `
create table log (ordinal integer primary key, name text not null unique, lease integer not null);
create table boot (boot integer primary key, log integer not null);
create table clock (boot integer not null, from_seq integer not null, offset integer not null, estimated integer not null, primary key (boot, from_seq)) without rowid;
create table shape (id integer primary key, body text not null unique);
create table inventory (revision integer primary key, body text not null);
create table block (id integer primary key, last integer not null, boot integer not null, inventory integer not null, records integer not null, readings integer not null, at_last integer not null, body blob not null);
create table notice (id integer primary key, boot integer not null, at integer not null, kind text not null, key text not null, body text not null);
create table forwarder (name text not null, log integer not null, state text not null, primary key (name, log)) without rowid;
create table alarm (rule text primary key, state text not null) without rowid;
create table dropped (point text primary key, readings integer not null) without rowid;
`;

/** `at` of a boot's records + offset = UTC ms, for records from `fromSeq` on. */
export interface ClockSegment {
  readonly fromSeq: number;
  readonly offset: number;
  readonly estimated: boolean;
}

export interface ForwarderState {
  readonly name: string;
  /** Ordinal of the log. */
  readonly log: number;
  readonly state: LaneState;
}

/** What lies in the runtime directory beside records and notices. */
export type TailState =
  | {
      readonly type: 'segment';
      readonly log: string;
      readonly boot: number;
      readonly inventory: number;
      readonly clock: readonly ClockSegment[];
    }
  | { readonly type: 'lanes'; readonly forwarder: string; readonly state: LaneState }
  | { readonly type: 'clock'; readonly clock: readonly ClockSegment[] }
  | { readonly type: 'handed'; readonly forwarder: string; readonly last: number }
  | { readonly type: 'alarm'; readonly rule: string; readonly state: unknown };

export interface BlockRow {
  id: number;
  last: number;
  boot: number;
  inventory: number;
  records: number;
  readings: number;
  at_last: number;
  body: Buffer;
}

export function bootName(boot: number): string {
  return `b${boot}`;
}

/** Shapes by their number, read when first asked for. */
export function shapeReader(db: Database.Database): (id: number) => Shape | undefined {
  const known = new Map<number, Shape>();
  const select = db.prepare<[number], { body: string }>('select body from shape where id = ?');
  return (id) => {
    let shape = known.get(id);
    if (shape === undefined) {
      const row = select.get(id);
      if (row === undefined) return undefined;
      shape = JSON.parse(row.body) as Shape;
      known.set(id, shape);
    }
    return shape;
  };
}
