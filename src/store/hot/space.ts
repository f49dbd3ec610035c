/**
 * Space in the log's file, made at the beginning of a commit: events beyond their share first, then the oldest blocks, alarms
 * last (see notice-space.ts). What goes is counted by point, and what of it a forwarder had not had.
 */
import type Database from 'better-sqlite3';
import { decodeShapes, type ShapeColumns } from '../../codecs/blocks.ts';
import { ABSENT } from '../../core/reasons.ts';
import { Lanes } from '../delivery/lanes.ts';
import { type BlockRow, type ForwarderState, keyOf, PAGE_SIZE, seqOf } from '../files/layout.ts';
import { asideBytes, bytesOf, dropAside, isSalvaged, statSize } from '../files/whole-file.ts';
import type { ClockTable } from '../time/clock-table.ts';
import type { Agreement } from './agreement.ts';
import type { CommitRequest } from './commit-request.ts';
import { NoticeSpace } from './notice-space.ts';
import { DAMAGED, type Removals, spanOf } from './removals.ts';
import type { BlockTable } from './tables/block-table.ts';
import type { NoticeTable } from './tables/notice-table.ts';
import type { ShapeTable } from './tables/shape-table.ts';

/** Rows that one commit may drop: bounds its time. */
const DROP_BLOCKS = 64;
/** Space that must be left for the write-ahead file and the pages of a commit: at most, and as a part of all space. */
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
  readonly shapeTable: ShapeTable;
  readonly blocks: BlockTable;
  readonly notices: NoticeTable;
  readonly removed: Removals;
  readonly quarantined: string | undefined;
}

export interface Removed {
  records: number;
  /** Alarms and events that a forwarder had not delivered. */
  notices: number;
  /** Readings that went for space, and for their age, by `device.point`. */
  readonly dropped: Map<string, number>;
  readonly aged: Map<string, number>;
  /** Those of them that a forwarder had not delivered. */
  readonly lost: Map<string, number>;
}

/** Inside the commit's transaction. */
export function freeSpace(database: Place, request: CommitRequest, agreement: Agreement): Removed {
  const { db, file, blocks } = database;
  const removed: Removed = { records: 0, notices: 0, dropped: new Map(), aged: new Map(), lost: new Map() };
  const pages = () => db.pragma('page_count', { simple: true }) as number;
  const free = () => db.pragma('freelist_count', { simple: true }) as number;
  const need = commitNeeds(request);
  // Until all that is left of it has come back, the damaged file is beyond the space.
  const salvaged = database.quarantined !== undefined && isSalvaged(file);
  // Blocks without space are dropped also where free pages would take them: a reload may have made the space smaller than the file.
  const full = () => {
    const beside = bytesOf(file) - statSize(file) - (salvaged ? asideBytes(file) : 0) + need;
    const [all, unused] = [pages() * PAGE_SIZE, free() * PAGE_SIZE];
    return beside + all > request.maxSize && (unused < need || beside + all - unused > request.maxSize);
  };
  const notices = new NoticeSpace(db, database.notices.events, request);
  notices.boundEvents();
  const agedUpTo = request.wall === undefined ? 0 : agedTo(database, request.wall - request.maxAge);
  // Damaged blocks go before whole ones.
  if (database.quarantined !== undefined && !salvaged && full()) dropAside(file);
  for (let i = 0; i < DROP_BLOCKS; i++) {
    const row = blocks.oldest();
    if (row === undefined) {
      // Alarms go last, and only for space.
      if (full()) notices.dropOldest();
      break;
    }
    const aged = row.id <= agedUpTo;
    if (!aged && !full()) break;
    const verdict = agreement.drop(row.id, row.id - seqOf(row.id) + row.last);
    if (verdict === 'stays') break;
    if (verdict === 'lost') count(database, row, aged ? 'aged' : 'dropped', request.active, removed);
    blocks.remove(row.id);
    notices.dropBefore(row.id);
    removed.records += row.records;
  }
  notices.dropAged(database.clock);
  removed.records += notices.removed.rows;
  removed.notices = notices.removed.lost;
  return removed;
}

/**
 * The last of the oldest blocks that is known to be older than `limit`. A time that was only estimated (1970, where
 * a board has no battery) says nothing: such a block is as old as the known one after it.
 */
function agedTo(database: Place, limit: number): number {
  let up = 0;
  for (const row of database.blocks.heads(DROP_BLOCKS)) {
    const clock = database.clock.of(row.boot, row.last);
    if (clock === undefined || clock.estimated) continue;
    if (row.at_last + clock.offset >= limit) break;
    up = row.id;
  }
  return up;
}

/** The readings that go with a block, by point. No value is made for it. */
function count(place: Place, row: BlockRow, why: 'dropped' | 'aged', forwarders: readonly ForwarderState[], to: Removed): void {
  const log = Math.floor((row.id - seqOf(row.id)) / keyOf(1, 0));
  const waiting = forwarders.filter((f) => f.log === log).map((f) => Lanes.load(f.state));
  // The usual case: every forwarder is past the block.
  const anyWaits = waiting.some((l) => l.waitsWithin(seqOf(row.id), row.last));
  let groups: readonly ShapeColumns[];
  try {
    groups = decodeShapes(row.body, place.shapeTable.of);
  } catch {
    const counts = [row.readings];
    add(to[why], [DAMAGED], counts);
    if (anyWaits) add(to.lost, [DAMAGED], counts);
    place.removed.count({ why, shape: undefined, counts, lost: anyWaits ? counts : undefined, span: undefined });
    return;
  }
  for (const { shape, seqs, ats, reasons } of groups) {
    const names = shape.points.map((p) => `${shape.device}.${p.name}`);
    const counted = (goes: (seq: number) => boolean): number[] =>
      names.map((_, i) => seqs.reduce((sum, seq, m) => sum + (goes(seq) && reasons?.[i]?.[m] !== ABSENT ? 1 : 0), 0));
    const counts = counted(() => true);
    add(to[why], names, counts);
    const lost = anyWaits ? counted((seq) => waiting.some((l) => l.waits(seq))) : undefined;
    if (lost !== undefined) add(to.lost, names, lost);
    const ends = [0, seqs.length - 1].map((m) => ({ seq: seqs[m] as number, at: ats[m] as number }));
    place.removed.count({ why, shape: place.shapeTable.idOf(shape), counts, lost, span: spanOf(place.clock, row.boot, ...ends) });
  }
}

function add(map: Map<string, number>, names: readonly string[], counts: readonly number[]): void {
  names.forEach((name, i) => {
    const n = counts[i] as number;
    if (n > 0) map.set(name, (map.get(name) ?? 0) + n);
  });
}
