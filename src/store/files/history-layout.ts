/**
 * The second file of the log: `history.db`, what the hourly compaction has taken out of `log.db`. An hour
 * of history is a stretch of one log, boot and inventory, of at most an hour of time. It is a row of the table `unit`, whose
 * name in the file stays. Its records lie in one part per shape, a block (codecs/blocks) of that shape alone, so that each
 * point is one column. Each part has its roll-ups (codecs/rollup-form), which outlive the records.
 *
 * Records 1 to 3 of the picture in layout.ts, as an hour of history. Every eighth record of a shape lies in a part of its own:
 *
 *   unit    id = 1 × 2^44 + 1, last 3, boot 1, inventory 1, at_first 1000, at_last 3000, records 3, readings 6, state 0,
 *    │      first_part 1, parts 2, bytes 95, sum = seal of id, last, boot, inventory, at_first, at_last, first_part, parts
 *    │      (twin: the same row again, its sum over 'twin')
 *    ├ part 1, shape 1: record 1 (stays when the hour is thinned). 29 bytes, a block; inflated, then its noise:
 *    │      01 01 01 01  01 00 d00f  0702  000101010c1200  4fe8
 *    ├ part 2, shape 1: records 2 and 3 (go first). 35 bytes; inflated, then its noise:
 *    │      01 02 01 01  0201 0000 a01fd00f  0902  000101010c12000200  57e0
 *    └ rollup 1 (id of part 1), shape 1: of all three records. 31 bytes, sealed as a block is; inflated:
 *           01 e0d403 02 01 bfb802 03 0000 0100 526e 0200 0000 03
 *           │  │      │  │  │      │  │    │    │    │    │    └ means where min and max differ: step 3 of 6
 *           │  │      │  │  │      │  │    │    │    │    └ columns of bounds off the decimal grid: none
 *           │  │      │  │  │      │  │    │    │    └ maxima above the minima: 0.2 and 0
 *           │  │      │  │  │      │  │    │    └ minima, signed: 4.1 and 55
 *           │  │      │  │  │      │  │    └ forms: one decimal, no decimal
 *           │  │      │  │  │      │  └ each record has a value: no counts follow
 *           │  │      │  │  │      └ records of the bucket: 3
 *           │  │      │  │  └ its start, signed: -20,000 ms, a full minute of UTC
 *           │  │      points, buckets
 *           │  width: 60,000 ms
 *           version
 *
 * A change of HISTORY_VERSION comes with a fixture of the old one that stays readable.
 */
import type { Layout } from './layout-seal.ts';

export const HISTORY_FILE = 'history.db';
export const HISTORY_VERSION = 2;
/** The oldest layout whose programs may go on with a file of this one (docs/decisions/layouts-and-rollback.md). */
export const HISTORY_LAYOUT: Layout = { version: HISTORY_VERSION, readers: 2 };
/** Large pages: a part is some kilobytes and is written once. */
export const HISTORY_PAGE_SIZE = 4096;

/**
 * Every eighth record of a shape outlives the others. Since version 2 an hour has them in a part of their own, so that
 * thinning takes the other part away and writes nothing; in hours of version 1 they are one part, and thinning rewrites it.
 */
export const THIN = 8;

/** The state of an hour's records: all are there, every THIN-th is there, none is there (the roll-ups are). */
export const HOUR_STATE = { whole: 0, thinned: 1, summary: 2 } as const;

/**
 * `log`, `boot`, `clock` and `shape` are copies of what log.db has, so that the file can be read alone.
 * unit.id: key of its first record (layout.ts); parts of an hour: part.id from first_part on, `parts` of them: those that
 * stay and have roll-ups, then those that go first.
 * unit.sum: seal of the columns that never change (sealed-rows.ts); the others are counted anew from its parts.
 * twin: each hour as it was made, a second time: a page of them describes some days, and must not be the only one.
 * removed.body: JSON {thinned, dropped, aged}, each readings by the shape's points, or one number where all have the same.
 */
export const HISTORY_TABLES = `
create table meta (name text primary key, value text not null) without rowid;
create table log (ordinal integer primary key, name text not null);
create table boot (boot integer primary key, log integer not null);
create table clock (boot integer not null, from_seq integer not null, offset integer not null, estimated integer not null, primary key (boot, from_seq)) without rowid;
create table shape (id integer primary key, body text not null);
create table unit (id integer primary key, last integer not null, boot integer not null, inventory integer not null, at_first integer not null, at_last integer not null, records integer not null, readings integer not null, state integer not null, first_part integer not null, parts integer not null, bytes integer not null, sum integer not null);
create table twin (id integer primary key, last integer not null, boot integer not null, inventory integer not null, at_first integer not null, at_last integer not null, records integer not null, readings integer not null, state integer not null, first_part integer not null, parts integer not null, bytes integer not null, sum integer not null);
create table part (id integer primary key, shape integer not null, records integer not null, readings integer not null, body blob not null);
create table rollup (id integer primary key, shape integer not null, body blob not null);
create table removed (shape integer primary key, body text not null);
`;

export interface HourRow {
  readonly id: number;
  readonly last: number;
  readonly boot: number;
  readonly inventory: number;
  /** Monotonic ms of its boot. */
  readonly at_first: number;
  readonly at_last: number;
  readonly records: number;
  readonly readings: number;
  readonly state: number;
  readonly first_part: number;
  readonly parts: number;
  /** The size of parts and roll-ups together. */
  readonly bytes: number;
}

export interface PartRow {
  readonly id: number;
  readonly shape: number;
  readonly records: number;
  readonly readings: number;
  readonly body: Buffer;
}

/** id: that of its part. */
export interface RollupRow {
  readonly id: number;
  readonly shape: number;
  readonly body: Buffer;
}
