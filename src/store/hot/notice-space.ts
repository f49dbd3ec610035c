/**
 * Space of alarms and events in log.db.
 * - Events have a bounded share, delivered or not: beyond it the oldest go, before any reading. Who can cause events can
 *   therefore push out older events and nothing else.
 * - Alarms that somebody waits for go when no block is left. Delivered alarms and events go with the blocks around them when there
 *   are many, and for their age.
 */
import type Database from 'better-sqlite3';
import type { StoredNotice } from '../../codecs/rows.ts';
import { Lanes } from '../delivery/lanes.ts';
import type { NoticeKind } from '../files/lane-state.ts';
import { keyOf, seqOf } from '../files/layout.ts';
import type { ClockTable } from '../time/clock-table.ts';
import type { CommitRequest } from './commit-request.ts';

/** Rows that one commit may drop: bounds its time. */
const DROP_NOTICES = 1000;
/** Delivered alarms and events that stay whatever is dropped: so many at most, and so many that they take a small part of all space. */
const KEPT_NOTICES = 10_000;
const KEPT_NOTICES_SHARE = 16;
const NOTICE_BYTES = 400;
/** The part of log.db that events may take, and what they may take of a small one. When it is full, an eighth of it is made free. */
const EVENTS_SHARE = 16;
const EVENTS_LEAST = 32 * 1024;
const EVENTS_FREED = 1 / 8;
/** Bytes of an event's row beside its message. */
const ROW = 64;

/** Bytes that events take, counted once in a run and kept up to date. */
export class EventBytes {
  readonly #db: Database.Database;
  #bytes: number | undefined;

  constructor(db: Database.Database) {
    this.#db = db;
  }

  get total(): number {
    this.#bytes ??= this.#db
      .prepare<[number], number>("select coalesce(sum(length(body) + ?), 0) from notice where kind = 'event'")
      .pluck()
      .get(ROW) as number;
    return this.#bytes;
  }
  added(notices: readonly StoredNotice[]): void {
    if (this.#bytes === undefined) return;
    for (const { kind, json } of notices) if (kind === 'event') this.#bytes += Buffer.byteLength(json) + ROW;
  }
  /** Rows went, or a transaction was rolled back: they are counted again. */
  forget(): void {
    this.#bytes = undefined;
  }
}

interface Row {
  readonly id: number;
  readonly kind: NoticeKind;
  readonly key: string;
}

export interface NoticesRemoved {
  rows: number;
  /** Those that a forwarder had not delivered. */
  lost: number;
}

/** In the transaction of one commit. */
export class NoticeSpace {
  readonly #db: Database.Database;
  readonly #events: EventBytes;
  readonly #request: Pick<CommitRequest, 'maxSize' | 'maxAge' | 'wall'>;
  /** Keys of the first ones that somebody waits for. */
  readonly #waiting: Readonly<Record<NoticeKind, number>>;
  /** What each forwarder has had, by log. */
  readonly #parties: readonly { readonly log: number; readonly lanes: Lanes }[];
  /** The last one that need not stay; looked for once, since it means counting all that do. */
  #lastLoose: number | undefined;
  #left = DROP_NOTICES;
  readonly removed: NoticesRemoved = { rows: 0, lost: 0 };

  constructor(db: Database.Database, events: EventBytes, request: Pick<CommitRequest, 'maxSize' | 'maxAge' | 'wall' | 'active'>) {
    this.#db = db;
    this.#events = events;
    this.#request = request;
    this.#parties = request.active.map(({ log, state }) => ({ log, lanes: Lanes.load(state) }));
    const waiting = (kind: NoticeKind): number =>
      Math.min(Number.MAX_SAFE_INTEGER, ...this.#parties.map(({ log, lanes }) => keyOf(log, lanes.noticesAcked(kind) + 1)));
    this.#waiting = { alarm: waiting('alarm'), event: waiting('event') };
  }

  /** Events beyond their share, the oldest first. */
  boundEvents(): void {
    const limit = Math.max(EVENTS_LEAST, this.#request.maxSize / EVENTS_SHARE);
    let over = this.#events.total - limit;
    if (over <= 0) return;
    over += limit * EVENTS_FREED;
    const rows = this.#db
      .prepare<[number, number], { id: number; bytes: number }>(
        "select id, length(body) + ? as bytes from notice where kind = 'event' order by id limit ?",
      )
      .all(ROW, DROP_NOTICES);
    const remove = this.#db.prepare('delete from notice where id = ?');
    for (const { id, bytes } of rows) {
      if (over <= 0) break;
      over -= bytes;
      if (id >= this.#waiting.event) this.removed.lost++;
      this.removed.rows += remove.run(id).changes;
    }
    this.#events.forget();
  }

  /** The oldest, events first, for want of any block that could go. */
  dropOldest(): void {
    const rows = this.#db
      .prepare<[number], Row>("select id, kind, key from notice order by kind = 'alarm', id limit ?")
      .all(DROP_NOTICES);
    for (const row of rows) if (this.#isWaitedFor(row)) this.removed.lost++;
    this.#remove("delete from notice where id in (select id from notice order by kind = 'alarm', id limit ?)", DROP_NOTICES);
  }

  /** The cursor alone would not say it: alarms pass one that the far side takes later. */
  #isWaitedFor({ id, kind, key }: Row): boolean {
    const seq = seqOf(id);
    const log = Math.floor(id / keyOf(1, 0));
    return this.#parties.some((of) => of.log === log && of.lanes.waitsForNotice(kind, seq, key));
  }

  /** Delivered ones before a block that goes, when there are many. @param block its key */
  dropBefore(block: number): void {
    const { maxSize } = this.#request;
    const kept = Math.min(KEPT_NOTICES, Math.floor(maxSize / KEPT_NOTICES_SHARE / NOTICE_BYTES));
    this.#lastLoose ??= this.#db
      .prepare<[number], number>('select coalesce((select id from notice order by id desc limit 1 offset ?), 0)')
      .pluck()
      .get(kept) as number;
    const { alarm, event } = this.#waiting;
    this.#left -= this.#remove(
      "delete from notice where id in (select id from notice where id < ? and id < case kind when 'event' then ? else ? end order by id limit ?)",
      ...[Math.min(block, this.#lastLoose + 1), event, alarm, this.#left],
    );
  }

  /** Those that everybody has; like readings, what is older than maxAge goes. */
  dropAged(clock: ClockTable): void {
    const { wall, maxAge } = this.#request;
    if (wall === undefined) return;
    const { alarm, event } = this.#waiting;
    const rows = this.#db
      .prepare<[number, number, number], { id: number; boot: number; at: number }>(
        "select id, boot, at from notice where id < case kind when 'event' then ? else ? end order by id limit ?",
      )
      .all(event, alarm, DROP_NOTICES);
    for (const { id, boot, at } of rows) {
      const mapping = clock.of(boot, seqOf(id));
      if (mapping === undefined || mapping.estimated || at + mapping.offset >= wall - maxAge) return;
      this.#remove('delete from notice where id = ?', id);
    }
  }

  #remove(statement: string, ...values: number[]): number {
    const { changes } = this.#db.prepare(statement).run(...values);
    if (changes > 0) this.#events.forget();
    this.removed.rows += changes;
    return changes;
  }
}
