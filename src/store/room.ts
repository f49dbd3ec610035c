/**
 * Room in the log's file, made at the beginning of a commit: the oldest blocks go first, alarms and events last: delivered
 * ones when there are many and they are older than every block, those that somebody waits for when no block is left. What
 * goes before every forwarder had it is counted by point.
 */
import type Database from 'better-sqlite3';
import { decodeBlock } from '../codecs/blocks.ts';
import type { LogRecord, Shape } from '../core/point.ts';
import { ABSENT } from '../core/reasons.ts';
import type { Claim } from './claim.ts';
import type { ClockTable } from './clock-table.ts';
import { Lanes } from './lanes.ts';
import { type BlockRow, type ForwarderState, keyOf, PAGE_SIZE, seqOf } from './layout.ts';
import type { CommitRequest } from './messages.ts';
import { bytesOf, dropAside, statSize } from './quarantine.ts';

/** Rows that one commit may drop: bounds its time. */
const DROP_BLOCKS = 64;
const DROP_NOTICES = 1000;
/** Delivered alarms and events that stay whatever is dropped: so many at most, and so many that they take a small part of all room. */
const KEPT_NOTICES = 10_000;
const KEPT_NOTICES_SHARE = 16;
const NOTICE_BYTES = 400;
/** Under this name go the readings of a dropped block that could not be read any more. */
const DAMAGED = '(damaged block)';
/** Room that must be left for the write-ahead file and the pages of a commit: at most, and as a part of all room. */
const HEADROOM = 256 * 1024;
const HEADROOM_SHARE = 16;

/** Bytes that a commit may add to the files. */
export function commitNeeds(request: Pick<CommitRequest, 'chunks' | 'maxSize'>): number {
  const headroom = Math.min(HEADROOM, request.maxSize / HEADROOM_SHARE);
  return request.chunks.reduce((sum, c) => sum + c.entries.length, headroom);
}

/** The log's file and what reads its rows. */
export interface Place {
  readonly file: string;
  readonly db: Database.Database;
  readonly clock: ClockTable;
  readonly shapeOf: (id: number) => Shape | undefined;
  readonly quarantined: string | undefined;
}

export interface Removed {
  records: number;
  /** Alarms and events that a forwarder had not delivered. */
  notices: number;
  /** Readings that a forwarder had not delivered, by `device.point`. */
  readonly lost: Map<string, number>;
  /** Records that were delivered everywhere. */
  expired: number;
}

/** Inside the commit's transaction. */
export function makeRoom(database: Place, request: CommitRequest, claim: Claim): Removed {
  const { db, file } = database;
  const removed: Removed = { records: 0, notices: 0, lost: new Map(), expired: 0 };
  const pages = () => db.pragma('page_count', { simple: true }) as number;
  const free = () => db.pragma('freelist_count', { simple: true }) as number;
  const need = commitNeeds(request);
  const full = () => bytesOf(file) - statSize(file) + pages() * PAGE_SIZE + need > request.maxSize && free() * PAGE_SIZE < need;
  const oldest = db.prepare<[], BlockRow>('select * from block order by id limit 1');
  const remove = db.prepare('delete from block where id = ?');
  const oldestNotices = db.prepare('delete from notice where id in (select id from notice order by id limit ?)');
  const removeNotices = db.prepare(
    'delete from notice where id < ? and id <= (select id from notice order by id desc limit 1 offset ?)',
  );
  const keptNotices = Math.min(KEPT_NOTICES, Math.floor(request.maxSize / KEPT_NOTICES_SHARE / NOTICE_BYTES));
  const agedUpTo = request.wall === undefined ? 0 : agedTo(database, request.wall - request.maxAge);
  const waitingFrom = Math.min(Number.MAX_SAFE_INTEGER, ...request.active.map((f) => keyOf(f.log, f.state.notices + 1)));
  const countWaiting = (limit: number): number =>
    db
      .prepare('select count(*) from (select id from notice order by id limit ?) where id >= ?')
      .pluck()
      .get(limit, waitingFrom) as number;
  // What is damaged goes before what is whole.
  if (database.quarantined !== undefined && full()) dropAside(file);
  for (let i = 0; i < DROP_BLOCKS; i++) {
    const row = oldest.get();
    if (row === undefined) {
      // Alarms and events go last, and only for room.
      if (full()) {
        removed.notices += countWaiting(DROP_NOTICES);
        removed.records += oldestNotices.run(DROP_NOTICES).changes;
      }
      break;
    }
    if (row.id > agedUpTo && !full()) break;
    const verdict = claim.drop(row.id, row.id - seqOf(row.id) + row.last);
    if (verdict === 'stays') break;
    if (verdict === 'lost' && !countLost(database, row, request.active, removed.lost)) removed.expired += row.records;
    remove.run(row.id);
    removed.records += row.records + removeNotices.run(Math.min(row.id, waitingFrom), keptNotices).changes;
  }
  removed.records += removeAgedNotices(database, request, waitingFrom);
  return removed;
}

/** Those that everybody has; like readings, what is older than maxAge goes. */
function removeAgedNotices({ db, clock }: Place, { wall, maxAge }: CommitRequest, waitingFrom: number): number {
  if (wall === undefined) return 0;
  const oldest = db.prepare<[], { id: number; boot: number; at: number }>('select id, boot, at from notice order by id limit 1');
  const remove = db.prepare('delete from notice where id = ?');
  for (let n = 0; n < DROP_NOTICES; n++) {
    const notice = oldest.get();
    if (notice === undefined || notice.id >= waitingFrom) return n;
    const mapping = clock.of(notice.boot, seqOf(notice.id));
    if (mapping === undefined || mapping.estimated || notice.at + mapping.offset >= wall - maxAge) return n;
    remove.run(notice.id);
  }
  return DROP_NOTICES;
}

/**
 * The last of the oldest blocks that is known to be older than `limit`. A time that was only estimated (1970, where
 * a board has no battery) says nothing: such a block is as old as the known one after it.
 */
function agedTo(database: Place, limit: number): number {
  let up = 0;
  const rows = database.db
    .prepare<[number], BlockRow>('select id, last, boot, at_last from block order by id limit ?')
    .all(DROP_BLOCKS);
  for (const row of rows) {
    const clock = database.clock.of(row.boot, row.last);
    if (clock === undefined || clock.estimated) continue;
    if (row.at_last + clock.offset >= limit) break;
    up = row.id;
  }
  return up;
}

function countLost(database: Place, row: BlockRow, forwarders: readonly ForwarderState[], lost: Map<string, number>): boolean {
  const log = Math.floor((row.id - seqOf(row.id)) / keyOf(1, 0));
  const waiting = forwarders.filter((f) => f.log === log).map((f) => Lanes.load(f.state));
  const first = seqOf(row.id);
  // The usual case, without inflating: every forwarder is past the block.
  if (!waiting.some((l) => l.waitsWithin(first, row.last))) return false;
  let any = false;
  let records: LogRecord[];
  try {
    records = decodeBlock(row.body, database.shapeOf);
  } catch {
    lost.set(DAMAGED, (lost.get(DAMAGED) ?? 0) + row.readings);
    return true;
  }
  for (const record of records) {
    if (!waiting.some((l) => l.waits(record.seq))) continue;
    any = true;
    record.sample.shape.points.forEach((p, i) => {
      if (record.sample.reasons?.[i] === ABSENT) return;
      const name = `${record.sample.shape.device}.${p.name}`;
      lost.set(name, (lost.get(name) ?? 0) + 1);
    });
  }
  return any;
}
