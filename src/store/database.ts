/**
 * The log's file as its writer sees it. Everything is one transaction a call; nothing here knows threads or clocks.
 *
 * - A block belongs to one log, one boot, one inventory. Its content is never written again.
 * - The lease of the current log is always beyond every number in use.
 * - The file with its write-ahead file stays below maxSize: the oldest blocks go first, notices only when they are
 *   older than every block. What goes before every forwarder had it is counted by point.
 */
import { existsSync, renameSync, rmSync, statSync } from 'node:fs';
import Database from 'better-sqlite3';
import { decodeBlock, encodeBlock } from '../codecs/blocks.ts';
import { readEntries, type StoredNotice } from '../codecs/rows.ts';
import { SluiceError, toError } from '../core/errors.ts';
import type { LogRecord, Shape } from '../core/point.ts';
import type { NoticeMessage } from '../core/ports.ts';
import { ABSENT } from '../core/reasons.ts';
import { type Lane, Lanes } from './lanes.ts';
import {
  type BlockRow,
  type ClockSegment,
  type ForwarderState,
  keyOf,
  MAX_LOGS,
  PAGE_SIZE,
  SCHEMA_VERSION,
  seqOf,
  shapeReader,
  TABLES,
} from './layout.ts';
import type { CommitRequest, CommitResult } from './messages.ts';

/** A block that a reader has to inflate at once: bounds its memory. */
const BLOCK_READINGS = 20_000;
/** Rows that one commit may drop: bounds its time. */
const DROP_BLOCKS = 64;
const DROP_NOTICES = 1000;
/** Under this name go the readings of a dropped block that could not be read any more. */
const DAMAGED = '(damaged block)';
/** Room that must be left for the write-ahead file and the pages of a commit. */
const HEADROOM = 256 * 1024;
const TRIED_AGAIN = '.damaged';

export class LogDatabase {
  readonly file: string;
  readonly db: Database.Database;
  /** Path a damaged file was moved to when this one was made. */
  readonly quarantined: string | undefined;
  readonly shapeOf: (id: number) => Shape | undefined;
  readonly #shapeIds = new Map<string, number>();
  #log = 0;
  #boot = 0;
  /** Records and notices in the file; counted when first asked for. */
  #held: number | undefined;

  private constructor(file: string, db: Database.Database, quarantined: string | undefined) {
    this.file = file;
    this.db = db;
    this.quarantined = quarantined;
    this.shapeOf = shapeReader(db);
    for (const row of db.prepare<[], { id: number; body: string }>('select id, body from shape').all())
      this.#shapeIds.set(row.body, row.id);
  }

  /**
   * Opens or makes the file. A file that SQLite cannot read is moved aside (one is kept) and a new one is made.
   * @throws SluiceError log-newer, log-open
   */
  static open(file: string): LogDatabase {
    try {
      return LogDatabase.#open(file, undefined);
    } catch (thrown) {
      if (!isDamage(thrown)) {
        if (thrown instanceof SluiceError) throw thrown;
        throw new SluiceError('log-open', `${file} cannot be opened: ${toError(thrown).message}`, { cause: thrown });
      }
      return LogDatabase.openAnew(file);
    }
  }

  /** Moves a damaged file aside and makes a new one. */
  static openAnew(file: string): LogDatabase {
    for (const end of ['', '-wal', '-shm']) {
      rmSync(`${file}${TRIED_AGAIN}${end}`, { force: true });
      if (existsSync(file + end)) renameSync(file + end, `${file}${TRIED_AGAIN}${end}`);
    }
    return LogDatabase.#open(file, file + TRIED_AGAIN);
  }

  static #open(file: string, quarantined: string | undefined): LogDatabase {
    const db = new Database(file);
    try {
      const version = db.pragma('user_version', { simple: true }) as number;
      if (version > SCHEMA_VERSION)
        throw new SluiceError(
          'log-newer',
          `${file} was written by a newer version of Sluice (layout ${version}, this one knows ${SCHEMA_VERSION}): install that version again, or move the file away`,
        );
      if (version === 0) db.pragma(`page_size = ${PAGE_SIZE}`);
      db.pragma('journal_mode = WAL');
      db.pragma('synchronous = FULL');
      db.pragma('cache_size = -512');
      db.pragma('journal_size_limit = 1048576');
      if (version === 0)
        db.transaction(() => {
          db.exec(TABLES);
          db.pragma(`user_version = ${SCHEMA_VERSION}`);
        })();
      return new LogDatabase(file, db, quarantined);
    } catch (thrown) {
      db.close();
      throw thrown;
    }
  }

  close(): void {
    this.db.close();
  }

  /** File and write-ahead file, and a damaged one that was moved aside. */
  bytes(): number {
    let sum = 0;
    for (const end of ['', '-wal', TRIED_AGAIN, `${TRIED_AGAIN}-wal`])
      sum += statSync(this.file + end, { throwIfNoEntry: false })?.size ?? 0;
    return sum;
  }

  #dropQuarantine(): void {
    for (const end of ['', '-wal', '-shm']) rmSync(`${this.file}${TRIED_AGAIN}${end}`, { force: true });
  }

  logs(): { ordinal: number; name: string; lease: number }[] {
    return this.db
      .prepare<[], { ordinal: number; name: string; lease: number }>('select ordinal, name, lease from log order by ordinal')
      .all();
  }

  addLog(name: string): number {
    const ordinal = (this.db.prepare('select coalesce(max(ordinal), 0) + 1 from log').pluck().get() as number) ?? 1;
    if (ordinal > MAX_LOGS)
      throw new SluiceError('log-open', `${this.file} has held ${MAX_LOGS} logs: export it and move it away`);
    this.db.prepare('insert into log (ordinal, name, lease) values (?, ?, 1)').run(ordinal, name);
    return ordinal;
  }

  /** The highest number of a log that is committed; 0 when it holds none. */
  committed(log: number): number {
    const range = [keyOf(log, 0), keyOf(log + 1, 0)] as const;
    const block = this.db
      .prepare<[number, number], number>('select last from block where id >= ? and id < ? order by id desc limit 1')
      .pluck()
      .get(...range);
    const notice = this.db
      .prepare<[number, number], number>('select max(id) from notice where id >= ? and id < ?')
      .pluck()
      .get(...range);
    return Math.max((block as number | undefined) ?? 0, notice == null ? 0 : seqOf(notice as number));
  }

  /** Numbers from here on were never used in this log. */
  lease(log: number): number {
    return this.db.prepare('select lease from log where ordinal = ?').pluck().get(log) as number;
  }
  setLease(log: number, end: number): void {
    this.db.prepare('update log set lease = ? where ordinal = ?').run(end, log);
  }

  lastBoot(): number {
    return this.db.prepare('select coalesce(max(boot), 0) from boot').pluck().get() as number;
  }
  addBoot(boot: number, log: number): void {
    this.db.prepare('insert or ignore into boot (boot, log) values (?, ?)').run(boot, log);
  }
  /** What `commit` writes belongs to this log and boot. */
  use(log: number, boot: number): void {
    this.#log = log;
    this.#boot = boot;
  }

  setClock(boot: number, segments: readonly ClockSegment[]): void {
    const put = this.db.prepare('insert or replace into clock (boot, from_seq, offset, estimated) values (?, ?, ?, ?)');
    for (const s of segments) put.run(boot, s.fromSeq, s.offset, s.estimated ? 1 : 0);
  }

  forwarders(): ForwarderState[] {
    return this.db
      .prepare<[], { name: string; log: number; state: string }>('select name, log, state from forwarder order by log')
      .all()
      .map((r) => ({ name: r.name, log: r.log, state: JSON.parse(r.state) }));
  }
  setForwarder(f: ForwarderState): void {
    this.db
      .prepare('insert or replace into forwarder (name, log, state) values (?, ?, ?)')
      .run(f.name, f.log, JSON.stringify(f.state));
  }

  alarms(): [string, unknown][] {
    return this.db
      .prepare<[], { rule: string; state: string }>('select rule, state from alarm')
      .all()
      .map((r) => [r.rule, JSON.parse(r.state)]);
  }
  setAlarm(rule: string, state: unknown): void {
    if (state === null) this.db.prepare('delete from alarm where rule = ?').run(rule);
    else this.db.prepare('insert or replace into alarm (rule, state) values (?, ?)').run(rule, JSON.stringify(state));
  }

  /** The newest transition of each rule. */
  lastAlarms(): NoticeMessage[] {
    return this.db
      .prepare<[], { id: number; key: string; body: string }>(
        "select max(id) as id, key, body from notice where kind = 'alarm' group by key",
      )
      .all()
      .map((r) => ({ kind: 'alarm', key: r.key, seq: seqOf(r.id), json: r.body }));
  }

  inventory(): { revision: number; body: string } | undefined {
    return this.db
      .prepare<[], { revision: number; body: string }>('select revision, body from inventory order by revision desc limit 1')
      .get();
  }

  /** Records name this revision, whatever became of its content: the next one is another. */
  useRevision(revision: number): void {
    if (revision > (this.inventory()?.revision ?? 0))
      this.db.prepare('insert into inventory (revision, body) values (?, ?)').run(revision, '');
  }

  shapes(): [number, Shape][] {
    return [...this.#shapeIds].map(([body, id]) => [id, JSON.parse(body) as Shape]);
  }

  /** The durable number of a shape; the same content has the same number for ever. */
  shapeId(shape: Shape): number {
    const body = JSON.stringify({ device: shape.device, points: shape.points });
    let id = this.#shapeIds.get(body);
    if (id === undefined) {
      id = Number(this.db.prepare('insert into shape (body) values (?)').run(body).lastInsertRowid);
      this.#shapeIds.set(body, id);
    }
    return id;
  }

  /** Appends records of one boot, ascending, as blocks. */
  addRecords(log: number, boot: number, inventory: number, records: readonly LogRecord[]): number {
    const put = this.db.prepare(
      'insert into block (id, last, boot, inventory, records, readings, at_last, body) values (?, ?, ?, ?, ?, ?, ?, ?)',
    );
    let total = 0;
    for (let i = 0; i < records.length; ) {
      let readings = 0;
      const start = i;
      while (i < records.length && (i === start || readings + countReadings(records[i] as LogRecord) <= BLOCK_READINGS))
        readings += countReadings(records[i++] as LogRecord);
      const part = records.slice(start, i);
      const first = part[0] as LogRecord;
      const last = part[part.length - 1] as LogRecord;
      put.run(
        keyOf(log, first.seq),
        last.seq,
        boot,
        inventory,
        part.length,
        readings,
        last.sample.at,
        encodeBlock(part, (shape) => this.shapeId(shape)),
      );
      total += readings;
    }
    return total;
  }

  addNotices(log: number, boot: number, notices: readonly StoredNotice[]): void {
    const put = this.db.prepare('insert or ignore into notice (id, boot, at, kind, key, body) values (?, ?, ?, ?, ?, ?)');
    for (const n of notices) put.run(keyOf(log, n.seq), boot, n.at, n.kind, n.key, n.json);
  }

  /**
   * One commit, all or nothing.
   * @param shapes the writer's map of the numbers that entries use
   * @param isLeaving asked last: true rolls everything back and throws
   */
  commit(request: CommitRequest, shapes: Map<number, Shape>, isLeaving: () => boolean): CommitResult {
    const parts = request.chunks.map((chunk) => {
      const records: LogRecord[] = [];
      const notices: StoredNotice[] = [];
      for (const entry of readEntries(chunk.entries, shapes)) {
        if (entry.kind === 'record') records.push(entry.record);
        else if (entry.kind === 'notice') notices.push(entry.notice);
      }
      return { inventory: chunk.inventory, records, notices };
    });
    const known = new Set(this.#shapeIds.keys());
    const lost = new Map<string, number>();
    let readings = 0;
    let expired = 0;
    let added = 0;
    const removed = { records: 0, notices: 0 };
    try {
      this.db.transaction(() => {
        expired = this.#makeRoom(request, lost, removed);
        for (const part of parts) {
          readings += this.addRecords(this.#log, this.#boot, part.inventory, part.records);
          this.addNotices(this.#log, this.#boot, part.notices);
          added += part.records.length + part.notices.length;
        }
        if (request.newInventory !== undefined)
          this.db
            .prepare('insert or replace into inventory (revision, body) values (?, ?)')
            .run(request.newInventory.revision, request.newInventory.body);
        if (request.clock.length > 0) this.setClock(this.#boot, request.clock);
        for (const f of request.forwarders) this.setForwarder(f);
        for (const [rule, state] of request.alarms) this.setAlarm(rule, state);
        if (this.lease(this.#log) < request.leaseEnd) this.setLease(this.#log, request.leaseEnd);
        const count = this.db.prepare(
          'insert into dropped (point, readings) values (?, ?) on conflict (point) do update set readings = readings + excluded.readings',
        );
        for (const [point, n] of lost) count.run(point, n);
        if (isLeaving()) throw new SluiceError('log-write', 'the log is being closed');
      })();
    } catch (thrown) {
      // Numbers given to shapes inside the transaction went with it.
      for (const body of [...this.#shapeIds.keys()]) if (!known.has(body)) this.#shapeIds.delete(body);
      throw thrown;
    }
    if (this.#held !== undefined) this.#held += added - removed.records;
    return {
      id: request.id,
      readings,
      bytes: this.bytes(),
      held: this.#count(),
      oldest: this.#oldest(request.active),
      lost: [...lost],
      lostNotices: removed.notices,
      expired,
    };
  }

  #makeRoom(request: CommitRequest, lost: Map<string, number>, removed: { records: number; notices: number }): number {
    const pages = () => this.db.pragma('page_count', { simple: true }) as number;
    const free = () => this.db.pragma('freelist_count', { simple: true }) as number;
    const need = request.chunks.reduce((sum, c) => sum + c.entries.length, HEADROOM);
    const full = () =>
      this.bytes() - statSize(this.file) + pages() * PAGE_SIZE + need > request.maxSize && free() * PAGE_SIZE < need;
    const oldest = this.db.prepare<[], BlockRow>('select * from block order by id limit 1');
    const remove = this.db.prepare('delete from block where id = ?');
    const oldestNotices = this.db.prepare('delete from notice where id in (select id from notice order by id limit ?)');
    const removeNotices = this.db.prepare('delete from notice where id < ?');
    const agedUpTo = request.wall === undefined ? 0 : this.#agedUpTo(request.wall - request.maxAge);
    const waitingFrom = Math.min(Number.MAX_SAFE_INTEGER, ...request.active.map((f) => keyOf(f.log, f.state.notices + 1)));
    const countWaiting = (limit: number): number =>
      this.db
        .prepare('select count(*) from (select id from notice order by id limit ?) where id >= ?')
        .pluck()
        .get(limit, waitingFrom) as number;
    let expired = 0;
    // What is damaged goes before what is whole.
    if (this.quarantined !== undefined && full()) this.#dropQuarantine();
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
      expired += this.#countLost(row, request.active, lost) ? 0 : row.records;
      remove.run(row.id);
      // Alarms and events that somebody still waits for go last of all.
      removed.records += row.records + removeNotices.run(Math.min(row.id, waitingFrom)).changes;
    }
    return expired;
  }

  /** One scan at the first commit of a run, in this thread; kept up from then on would cost a page a commit. */
  #count(): number {
    const changes = this.db
      .prepare('select (select coalesce(sum(records), 0) from block) + (select count(*) from notice)')
      .pluck();
    if (this.#held === undefined) this.#held = changes.get() as number;
    return this.#held;
  }

  #oldest(active: readonly ForwarderState[]): [string, Lane, number][] {
    const out: [string, Lane, number][] = [];
    const next = this.db.prepare<[number, number], BlockRow>(
      'select id, last, boot, at_last from block where id >= ? and id < ? order by id limit 1',
    );
    const before = this.db.prepare<[number, number], BlockRow>(
      'select id, last, boot, at_last from block where id <= ? and id >= ? order by id desc limit 1',
    );
    for (const { name, log, state } of active) {
      const lanes = Lanes.load(state);
      for (const lane of ['data', 'history'] as const) {
        const span = lanes.span(lane);
        if (span === undefined) continue;
        const holds = before.get(keyOf(log, span.from), keyOf(log, 0));
        const row = holds !== undefined && holds.last >= span.from ? holds : next.get(keyOf(log, span.from), keyOf(log + 1, 0));
        if (row !== undefined && seqOf(row.id) <= span.to) out.push([name, lane, this.#wallOf(row)]);
      }
    }
    return out;
  }

  /**
   * The last of the oldest blocks that is known to be older than `limit`. A time that was only estimated (1970, where
   * a board has no battery) says nothing: such a block is as old as the known one after it.
   */
  #agedUpTo(limit: number): number {
    let up = 0;
    const rows = this.db
      .prepare<[number], BlockRow>('select id, last, boot, at_last from block order by id limit ?')
      .all(DROP_BLOCKS);
    for (const row of rows) {
      const clock = this.#clockOf(row);
      if (clock === undefined || clock.estimated === 1) continue;
      if (row.at_last + clock.offset >= limit) break;
      up = row.id;
    }
    return up;
  }

  #clockOf(row: BlockRow): { offset: number; estimated: number } | undefined {
    return this.db
      .prepare<[number, number], { offset: number; estimated: number }>(
        'select offset, estimated from clock where boot = ? and from_seq <= ? order by from_seq desc limit 1',
      )
      .get(row.boot, row.last);
  }

  #wallOf(row: BlockRow): number {
    const clock = this.#clockOf(row);
    return clock === undefined ? Number.POSITIVE_INFINITY : row.at_last + clock.offset;
  }

  #countLost(row: BlockRow, forwarders: readonly ForwarderState[], lost: Map<string, number>): boolean {
    const log = Math.floor((row.id - seqOf(row.id)) / keyOf(1, 0));
    const waiting = forwarders.filter((f) => f.log === log).map((f) => Lanes.load(f.state));
    const first = seqOf(row.id);
    // The usual case, without inflating: every forwarder is past the block.
    if (!waiting.some((l) => l.waitsWithin(first, row.last))) return false;
    let any = false;
    let records: LogRecord[];
    try {
      records = decodeBlock(row.body, this.shapeOf);
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
}

function statSize(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.size ?? 0;
}
export function countReadings(record: LogRecord): number {
  return record.sample.shape.points.length;
}
/** The file is no database, or its pages contradict each other. */
export function isDamage(thrown: unknown): boolean {
  const code = codeOf(thrown);
  return code === 'SQLITE_NOTADB' || code?.startsWith('SQLITE_CORRUPT') === true;
}
export function codeOf(thrown: unknown): string | undefined {
  return typeof thrown === 'object' && thrown !== null && 'code' in thrown ? String(thrown.code) : undefined;
}
