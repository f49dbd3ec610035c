/**
 * Files, tables and keys of the log. A change of SCHEMA_VERSION comes with a fixture of the old one that stays readable.
 *
 * The state directory (gateway.stateDir, on the card):
 *
 *   sluice.lock          0 B            a lock of the kernel on byte 0x40000001 (state-dir.ts); never written, never removed
 *   sluice.sock                         the socket of the operator's commands
 *   modbus-times.json    JSON           how long devices take to answer (drivers/modbus/measured-file.ts)
 *   log.db               1024 B pages   the newest records as blocks, notices, and everything small: TABLES
 *   log.db-wal           32 B head,     commits that are not in log.db yet; then zeros, so that it keeps its length (hot/wal.ts)
 *                        1048 B frames
 *   log.db-shm           32 KiB blocks  SQLite's index of log.db-wal, in memory that its threads share
 *   history.db           4096 B pages   records that were compacted out of log.db: history-layout.ts
 *   broker.db            1024 B pages   sessions of MQTT clients: broker/layout.ts
 *   history.db-journal   up to 256 KiB  pages of a transaction as they were before it; it stays, with an empty head
 *
 *   After damage (X is log.db or history.db; whole-file.ts, recovery/):
 *   X.making             a new X while it is made
 *   X.ready              the same, complete, until the damaged one has moved
 *   X.damaged            the damaged one, never written again; X.damaged-wal and X.damaged-journal with it
 *   log.db.salvage       JSON {"sum","body"}: what is left of log.db.damaged is still to come back; body: SalvageTask (sources.ts)
 *   log.db.salvaging     a database with the tables of log.db, while a thread fills it with what it finds
 *   log.db.salvaged      the same, complete: its rows go into log.db between two commits, then these three go
 *
 * The runtime directory (gateway.runtimeDir, /run/sluice/… or /dev/shm/sluice-…, in memory):
 *
 *   owner                path of the state directory that it belongs to
 *   tail-4.bin           a segment of the mirror, up to 4 MiB (tail/mirror.ts); a commit begins the next one
 *
 * Bytes, from the append of a record on. Log 1 (b615d274f2), boot 1, shape 1: device fridge with the points t and h.
 * Numbers are little-endian where nothing else is said; LEB128 is in codecs/bytes.ts. A test holds these pictures.
 *
 * 1. An append: an entry in tail-4.bin (codecs/rows.ts). A file holds the state of its moment, then what came after it:
 *
 *      04 d6000000 {"type":"segment","log":"b615d274f2","boot":1,"clock":{…},"first":1,"machine":{…},"committed":4,"inventory":1}
 *      04 9a000000 {"type":"lanes","forwarder":"cloud","state":{"ranges":[[0,"history"],[1,"data"]],…}}
 *      01 9c000000 01000000 {"device":"fridge","points":[{"name":"t",…
 *      02 25000000 0000000000002040 01000000 000000000094c140 00 0000000000001440 0000000000804b40
 *      │  │        │                │        │                │  └ t, h: 5, 55; doubles, 8 bytes each
 *      │  │        │                │        │                └ flags: 1 when reasons, a byte a point, stand before the values
 *      │  │        │                │        └ monotonic ms of the boot: 9000, double
 *      │  │        number: 8,       shape
 *      │  bytes    double
 *      kind: 1 shape, 2 record, 3 notice, 4 state
 *
 * 2. A commit: frames in log.db-wal, numbers big-endian (sqlite.org/walformat.html). The last one names the length of the file:
 *
 *      377f0682 002de218 00000400 00000000 a7ec3446106f96e0 1b03efbab376366f   magic, format, page size, checkpoints, salts, sum
 *      00000001 00000000 a7ec3446106f96e0 877ea5074cff8900 <1024 bytes>        page, 0 or pages of the file, the same salts, sum
 *
 * 3. Records 5 to 7 in the table `block`: a row with a seal, and a body with its own (codecs/blocks.ts, codecs/sealed.ts):
 *
 *      id = 1 × 2^44 + 5, last 7, boot 1, inventory 1, records 3, readings 6, at_last 6000, sum = seal of these seven
 *      body, 40 bytes: deflated part, noise (67d0), 02000000 bytes of noise, 39441969 CRC-32 of all before it; inflated, then noise:
 *      01 03 01 01  050101 000000 c03e d00f 00  0b02  000101010c120002020000  67d0
 *      │  │  │  │   │      │      │    │    │   │     └ columns of t and h (codecs/columns.ts)
 *      │  │  │  │   │      │      │    │    │   └ their bytes: 11, and 2 of noise
 *      │  │  │  │   │      │      times: 4000 after 0, 1000 after that, no change (LEB128, zigzag)
 *      │  │  │  │   │      shapes, as steps
 *      │  │  │  │   numbers: 5, then steps of 1
 *      │  │  shapes: 1, its number
 *      │  records
 *      version
 *
 * 4. A sealed row as SQLite stores it: a saved state in the table `alarm` (sealed-rows.ts). Numbers big-endian:
 *
 *      1c 04 23 1b 05 66726964… 7b2261223a317d 0000abc05de2
 *      │  │  │  │  │  │         │              └ sum: CRC-32 of ["alarm","fridge-warm","{\"a\":1}"], 6 bytes
 *      │  │  │  │  │  rule      state: {"a":1}
 *      │  │  types: text of 11, text of 7, integer of 6 bytes
 *      │  bytes of the head
 *      bytes of the row
 *
 * 5. An hour later: an hour of history and its parts in history.db, drawn in history-layout.ts.
 */
import { randomBytes } from 'node:crypto';
import type Database from 'better-sqlite3';
import type { Machine } from '../../core/clock.ts';
import type { Shape } from '../../core/point.ts';
import type { Lane, LaneState } from './lane-state.ts';
import type { Layout } from './layout-seal.ts';

export const LOG_FILE = 'log.db';
export const SCHEMA_VERSION = 2;
/** The oldest layout whose programs may go on with a file of this one (docs/decisions/layouts-and-rollback.md). */
export const LOG_LAYOUT: Layout = { version: SCHEMA_VERSION, readers: 2 };
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

/** The states that lie in the runtime directory beside records and notices. */
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
