/** Files, tables and keys of the log. A change of SCHEMA_VERSION comes with a fixture of the old one that stays readable. */
import { randomBytes } from 'node:crypto';
import type Database from 'better-sqlite3';
import type { Machine } from '../../core/clock.ts';
import type { Shape } from '../../core/point.ts';
import type { Lane, LaneState } from './lane-state.ts';

export const LOG_FILE = 'log.db';
export const SCHEMA_VERSION = 2;
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

/** removed: see removals.ts. `sum` is the seal of a row (sealed-rows.ts). meta: `clean` is 1 after a clean end, `birth` when the file was made. */
export const TABLES = `
create table meta (name text primary key, value text not null) without rowid;
create table log (ordinal integer primary key, name text not null unique, lease integer not null, sum integer not null);
create table compacted (log integer primary key, seq integer not null);
create table boot (boot integer primary key, log integer not null, first integer not null, machine text not null, origin real not null, at_last integer not null, proven integer not null, sum integer not null);
create table clock (boot integer not null, from_seq integer not null, offset integer not null, estimated integer not null, version integer not null, sum integer not null, primary key (boot, from_seq)) without rowid;
create table shape (id integer primary key, body text not null unique, sum integer not null);
create table inventory (revision integer primary key, body text not null, sum integer not null);
create table block (id integer primary key, last integer not null, boot integer not null, inventory integer not null, records integer not null, readings integer not null, at_last integer not null, sum integer not null, body blob not null);
create table notice (id integer primary key, boot integer not null, at integer not null, kind text not null, key text not null, body text not null, sum integer not null);
create table lanes (log integer primary key, settled integer not null, boot integer not null, states text not null, sum integer not null);
create table alarm (rule text primary key, state text not null, sum integer not null) without rowid;
create table removed (shape integer primary key, body text not null);
`;
/** From version 1: what was dropped from log.db was counted by point where nobody could ask for it, and only what was not delivered. */
export const FROM_VERSION_1 = `
create table removed (shape integer primary key, body text not null);
drop table dropped;
`;

/** `at` of a boot's records + offset = UTC ms, for records from `fromSeq` on. */
export interface ClockSegment {
  readonly fromSeq: number;
  readonly offset: number;
  readonly estimated: boolean;
}
/** All mappings of a boot; a list of a higher version replaces it as a whole. */
export interface ClockList {
  readonly boot: number;
  readonly version: number;
  readonly segments: readonly ClockSegment[];
}

/** One start of the daemon, as its log has it. */
export interface BootInfo {
  readonly boot: number;
  /** Ordinal of the log. */
  readonly log: number;
  /** Its numbers: first..last. */
  readonly first: number;
  readonly last: number;
  readonly machine: Machine;
  /** Monotonic ms: its records reach at least to here. */
  readonly atLast: number;
  /** It is known for certain what was handed over in it. */
  readonly proven: boolean;
  readonly clock: ClockList;
}

/** A log that still holds something. */
export interface LogHead {
  readonly ordinal: number;
  readonly name: string;
  /** The highest number that it holds. */
  readonly last: number;
}

export interface ForwarderState {
  readonly name: string;
  /** Ordinal of the log. */
  readonly log: number;
  readonly state: LaneState;
}

/**
 * Lanes and cursors of every forwarder of a log, as one row. It is written with each commit of items, so that any copy
 * of it, however old, proves the lanes of all numbers up to `settled`, and of cursors what is acknowledged at least.
 */
export interface LanesRow {
  /** Ordinal of the log. */
  readonly log: number;
  /** Lanes of all numbers up to here are settled by it. */
  readonly settled: number;
  /** That wrote it. */
  readonly boot: number;
  readonly states: Readonly<Record<string, LaneState>>;
}

/** What lies in the runtime directory beside records and notices. */
export type TailState =
  | {
      readonly type: 'segment';
      readonly log: string;
      readonly boot: number;
      readonly inventory: number;
      readonly clock: ClockList;
      /** First number of the boot. */
      readonly first: number;
      readonly machine: Machine;
      /** Every number of the log up to here was in its file when the segment was begun. */
      readonly committed?: number;
    }
  | { readonly type: 'lanes'; readonly forwarder: string; readonly state: LaneState }
  | { readonly type: 'clock'; readonly clock: ClockList }
  /** Names its log, which may be older than that of the segment. */
  | { readonly type: 'handed'; readonly forwarder: string; readonly log: string; readonly lane: Lane; readonly last: number }
  | { readonly type: 'alarm'; readonly rule: string; readonly state: unknown };

export interface BlockRow {
  id: number;
  last: number;
  boot: number;
  inventory: number;
  records: number;
  readings: number;
  at_last: number;
  sum: number;
  body: Buffer;
}

/** `log` on the wire. */
export function newLogName(): string {
  return randomBytes(5).toString('hex');
}
/** The log of salvaged records whose lane is not known: everybody gets it from the oldest on. */
export function salvageLogName(): string {
  return `s${randomBytes(5).toString('hex').slice(1)}`;
}
export function isSalvageLog(name: string): boolean {
  return name.startsWith('s');
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
