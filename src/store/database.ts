/**
 * The log's file as its writer sees it. Everything is one transaction a call; nothing here knows threads or clocks.
 *
 * - A block belongs to one log, one boot, one inventory. Its content is never written again.
 * - The lease of the current log is always beyond every number in use.
 * - Room is made before it is used (room.ts).
 */
import type Database from 'better-sqlite3';
import { encodeBlock } from '../codecs/blocks.ts';
import { readEntries, type StoredNotice } from '../codecs/rows.ts';
import { SluiceError } from '../core/errors.ts';
import type { LogRecord, Shape } from '../core/point.ts';
import type { NoticeMessage } from '../core/ports.ts';
import { ClockTable } from './clock-table.ts';
import { type Lane, Lanes } from './lanes.ts';
import { type BlockRow, type ForwarderState, keyOf, MAX_LOGS, seqOf, shapeReader } from './layout.ts';
import { type LogFile, logFileBytes } from './log-file.ts';
import type { CommitRequest, CommitResult } from './messages.ts';
import { makeRoom, type Removed } from './room.ts';

/** A block that a reader has to inflate at once: bounds its memory. */
const BLOCK_READINGS = 20_000;

export class LogDatabase {
  readonly file: string;
  readonly db: Database.Database;
  /** Path a damaged file was moved to when this one was made. */
  readonly quarantined: string | undefined;
  readonly shapeOf: (id: number) => Shape | undefined;
  readonly clock: ClockTable;
  readonly #shapeIds = new Map<string, number>();
  #log = 0;
  #boot = 0;
  /** Records and notices in the file; counted when first asked for. */
  #held: number | undefined;

  constructor({ file, db, quarantined }: LogFile) {
    this.file = file;
    this.db = db;
    this.quarantined = quarantined;
    this.shapeOf = shapeReader(db);
    this.clock = new ClockTable(db);
    for (const row of db.prepare<[], { id: number; body: string }>('select id, body from shape').all())
      this.#shapeIds.set(row.body, row.id);
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
    let readings = 0;
    let added = 0;
    let removed: Removed | undefined;
    try {
      this.db.transaction(() => {
        removed = makeRoom(this, request);
        for (const part of parts) {
          readings += this.addRecords(this.#log, this.#boot, part.inventory, part.records);
          this.addNotices(this.#log, this.#boot, part.notices);
          added += part.records.length + part.notices.length;
        }
        if (request.newInventory !== undefined)
          this.db
            .prepare('insert or replace into inventory (revision, body) values (?, ?)')
            .run(request.newInventory.revision, request.newInventory.body);
        if (request.clock.length > 0) this.clock.set(this.#boot, request.clock);
        for (const f of request.forwarders) this.setForwarder(f);
        for (const [rule, state] of request.alarms) this.setAlarm(rule, state);
        if (this.lease(this.#log) < request.leaseEnd) this.setLease(this.#log, request.leaseEnd);
        const count = this.db.prepare(
          'insert into dropped (point, readings) values (?, ?) on conflict (point) do update set readings = readings + excluded.readings',
        );
        for (const [point, n] of removed.lost) count.run(point, n);
        if (isLeaving()) throw new SluiceError('log-write', 'the log is being closed');
      })();
    } catch (thrown) {
      // Numbers given to shapes inside the transaction went with it.
      for (const body of [...this.#shapeIds.keys()]) if (!known.has(body)) this.#shapeIds.delete(body);
      throw thrown;
    }
    if (this.#held !== undefined) this.#held += added - (removed?.records ?? 0);
    return {
      id: request.id,
      readings,
      bytes: logFileBytes(this.file),
      held: this.#count(),
      oldest: this.#oldest(request.active),
      lost: [...(removed?.lost ?? [])],
      lostNotices: removed?.notices ?? 0,
      expired: removed?.expired ?? 0,
    };
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
        if (row !== undefined && seqOf(row.id) <= span.to)
          out.push([name, lane, this.clock.wallOf(row.boot, row.last, row.at_last)]);
      }
    }
    return out;
  }
}

export function countReadings(record: LogRecord): number {
  return record.sample.shape.points.length;
}
