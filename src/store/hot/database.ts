/**
 * The log's file as its writer sees it. Everything is one transaction a call; nothing here knows threads or clocks.
 *
 * - A block belongs to one log, one boot, one inventory. Its content is never written again.
 * - The lease of the current log is always beyond every number in use.
 * - Room is made before it is used (room.ts).
 */
import { isDeepStrictEqual } from 'node:util';
import type Database from 'better-sqlite3';
import { encodeBlock } from '../../codecs/blocks.ts';
import { readEntries, type StoredNotice } from '../../codecs/rows.ts';
import type { Machine } from '../../core/clock.ts';
import { SluiceError } from '../../core/errors.ts';
import type { LogRecord, Shape } from '../../core/point.ts';
import type { NoticeMessage } from '../../core/ports.ts';
import { Lanes } from '../delivery/lanes.ts';
import type { Lane } from '../files/lane-state.ts';
import { type BlockRow, type ForwarderState, keyOf, type LanesRow, MAX_LOGS, seqOf, shapeReader } from '../files/layout.ts';
import { rowSum } from '../files/sealed-rows.ts';
import type { Sources } from '../files/sources.ts';
import { bytesOf } from '../files/whole-file.ts';
import type { Chunk } from '../tail/pending.ts';
import { BootTable } from '../time/boot-table.ts';
import { ClockTable } from '../time/clock-table.ts';
import { Agreement } from './agreement.ts';
import type { CommitRequest, CommitResult } from './commit-request.ts';
import { addTo, nothingDone } from './done.ts';
import { closeUnused, type LogFile } from './log-file.ts';
import { Memory } from './memory.ts';
import { EventBytes } from './notice-room.ts';
import { Removals } from './removals.ts';
import { commitNeeds, makeRoom, type Removed } from './room.ts';
import { WriteAhead, walLength } from './wal.ts';

/** A block that a reader has to inflate at once: bounds its memory. */
export const BLOCK_READINGS = 20_000;

interface Held {
  records: number;
  readings: number;
  /** Of block bodies. */
  bytes: number;
  notices: number;
}

export class LogDatabase {
  readonly file: string;
  readonly db: Database.Database;
  /** Path a damaged file was moved to when this one was made. */
  readonly quarantined: string | undefined;
  readonly shapeOf: (id: number) => Shape | undefined;
  readonly clock: ClockTable;
  readonly wal: WriteAhead;
  readonly boots: BootTable;
  readonly removed: Removals;
  readonly events: EventBytes;
  readonly #shapeIds = new Map<string, number>();
  #log = 0;
  #boot = 0;
  /** What is in the file; counted when first asked for. */
  #held: Held | undefined;
  /** Bytes of the blocks of the commit under way. */
  #written = 0;
  /** Of all files of the log, as far as the write-ahead file has followed it; and what of it is for this one. */
  #total: number;
  #limit = Number.POSITIVE_INFINITY;
  #memory: Memory;
  /** Up to here SQLite has what this run gave it, confirmed by the disk or not: a retry brings it again. */
  #taken = 0;
  /** What commits did that were not confirmed: told with the next one. */
  #untold = nothingDone();

  constructor({ file, db, quarantined }: LogFile, maxSize: number) {
    this.file = file;
    this.db = db;
    this.quarantined = quarantined;
    this.shapeOf = shapeReader(db);
    this.clock = new ClockTable(db);
    this.wal = new WriteAhead(file, db, walLength(maxSize));
    this.#total = maxSize;
    this.boots = new BootTable(db);
    this.removed = new Removals(db, this.shapeOf);
    this.events = new EventBytes(db);
    for (const row of db.prepare<[], { id: number; body: string }>('select id, body from shape').all())
      this.#shapeIds.set(row.body, row.id);
    this.#memory = new Memory(db, this.lanes());
  }

  logs(): { ordinal: number; name: string; lease: number }[] {
    return this.db
      .prepare<[], { ordinal: number; name: string; lease: number }>('select ordinal, name, lease from log order by ordinal')
      .all();
  }

  /** @param ordinal the lowest that it may get */
  addLog(name: string, ordinal = 1): number {
    return this.putLog(
      name,
      Math.max(ordinal, this.db.prepare('select coalesce(max(ordinal), 0) + 1 from log').pluck().get() as number),
    );
  }
  /** @param ordinal that no log has */
  putLog(name: string, ordinal: number): number {
    if (ordinal > MAX_LOGS)
      throw new SluiceError('log-open', `${this.file} has held ${MAX_LOGS} logs: export it and move it away`);
    this.#putLog(ordinal, name, 1);
    this.#putLanes({ log: ordinal, settled: 0, boot: 0, states: {} });
    return ordinal;
  }
  #putLog(ordinal: number, name: string, lease: number): void {
    this.db
      .prepare('insert or replace into log (ordinal, name, lease, sum) values (?, ?, ?, ?)')
      .run(ordinal, name, lease, rowSum('log', ordinal, name, lease));
  }

  /** Written only where it changes. */
  setMeta(name: string, value: string): void {
    this.db
      .prepare(
        'insert into meta (name, value) values (?, ?) on conflict (name) do update set value = excluded.value where value <> excluded.value',
      )
      .run(name, value);
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
    const compacted = this.db.prepare<[number], number>('select seq from compacted where log = ?').pluck().get(log);
    return Math.max((block as number | undefined) ?? 0, notice == null ? 0 : seqOf(notice as number), compacted ?? 0);
  }

  /** Numbers from here on were never used in this log. */
  lease(log: number): number {
    return this.db.prepare('select lease from log where ordinal = ?').pluck().get(log) as number;
  }
  setLease(log: number, end: number): void {
    const name = this.db.prepare('select name from log where ordinal = ?').pluck().get(log) as string;
    this.#putLog(log, name, end);
  }

  lastBoot(): number {
    return this.db.prepare('select coalesce(max(boot), 0) from boot').pluck().get() as number;
  }
  /** @param first number of the log from which on numbers are its own */
  addBoot(boot: number, log: number, first = 0, machine?: Machine): void {
    this.boots.add(boot, log, first, machine);
  }
  /** What `commit` writes belongs to this log and boot. */
  use(log: number, boot: number): void {
    this.#log = log;
    this.#boot = boot;
    this.#memory = new Memory(this.db, this.lanes());
  }
  /** In the place of `old`, whose file was damaged: what SQLite has of this run is what was salvaged. */
  takeOver(old: LogDatabase): void {
    this.use(old.#log, old.#boot);
    this.#taken = this.committed(old.#log);
    this.#untold = old.#untold;
  }
  /** Rows came in beside the commits. */
  reread(): void {
    this.#held = undefined;
    this.#memory = new Memory(this.db, this.lanes());
  }
  /** Everything small that the file must hold, whatever became of it. */
  remembered(): Sources {
    return this.#memory.sources([...this.#shapeIds].map(([body, id]) => ({ id, body })));
  }

  forwarders(): ForwarderState[] {
    return this.lanes().flatMap((row) => Object.entries(row.states).map(([name, state]) => ({ name, log: row.log, state })));
  }
  lanes(): LanesRow[] {
    return this.db
      .prepare<[], { log: number; settled: number; boot: number; states: string }>('select * from lanes order by log')
      .all()
      .map(({ log, settled, boot, states }) => ({ log, settled, boot, states: JSON.parse(states) }));
  }
  /** Inside a transaction, and written only where it changes: states of forwarders, and up to which number of `log` the lanes are settled with it. */
  setLanes(changed: readonly ForwarderState[], log: number, boot: number, settled: number): void {
    const before: ReadonlyMap<number, LanesRow> = new Map(this.lanes().map((row) => [row.log, row]));
    const rows = new Map(before);
    const put = new Set<LanesRow>();
    for (const of of [...new Set(changed.map((f) => f.log)), ...(settled > (rows.get(log)?.settled ?? -1) ? [log] : [])]) {
      const row = rows.get(of) ?? { log: of, settled: 0, boot, states: {} };
      const states = changed.filter((f) => f.log === of).map((f) => [f.name, f.state] as const);
      const next = {
        log: of,
        boot: of === log ? boot : row.boot,
        settled: of === log ? Math.max(row.settled, settled) : row.settled,
        states: { ...row.states, ...Object.fromEntries(states) },
      };
      rows.set(of, next);
      put.delete(row);
      put.add(next);
    }
    for (const row of put) if (!isDeepStrictEqual(row, before.get(row.log))) this.#putLanes(row);
  }
  #putLanes({ log, settled, boot, states }: LanesRow): void {
    const text = JSON.stringify(states);
    this.db
      .prepare('insert or replace into lanes (log, settled, boot, states, sum) values (?, ?, ?, ?, ?)')
      .run(log, settled, boot, text, rowSum('lanes', log, settled, boot, text));
  }

  savedStates(): [string, unknown][] {
    return this.db
      .prepare<[], { rule: string; state: string }>('select rule, state from alarm')
      .all()
      .map((r) => [r.rule, JSON.parse(r.state)]);
  }
  saveState(rule: string, state: unknown): void {
    if (state === null) this.db.prepare('delete from alarm where rule = ?').run(rule);
    else {
      const text = JSON.stringify(state);
      this.db
        .prepare('insert or replace into alarm (rule, state, sum) values (?, ?, ?)')
        .run(rule, text, rowSum('alarm', rule, text));
    }
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
    if (revision > (this.inventory()?.revision ?? 0)) this.#putInventory({ revision, body: '' });
  }
  #putInventory({ revision, body }: { revision: number; body: string }): void {
    this.db
      .prepare('insert or replace into inventory (revision, body, sum) values (?, ?, ?)')
      .run(revision, body, rowSum('inventory', revision, body));
  }

  shapes(): [number, Shape][] {
    return [...this.#shapeIds].map(([body, id]) => [id, JSON.parse(body) as Shape]);
  }

  /** The durable number of a shape; the same content has the same number for ever. */
  shapeId(shape: Shape): number {
    const body = JSON.stringify({ device: shape.device, points: shape.points });
    let id = this.#shapeIds.get(body);
    if (id === undefined) {
      id = this.db.prepare('select coalesce(max(id), 0) + 1 from shape').pluck().get() as number;
      this.db.prepare('insert into shape (id, body, sum) values (?, ?, ?)').run(id, body, rowSum('shape', id, body));
      this.#shapeIds.set(body, id);
    }
    return id;
  }

  /** Appends records of one boot, ascending, as blocks. */
  addRecords(log: number, boot: number, inventory: number, records: readonly LogRecord[]): number {
    const put = this.db.prepare(
      'insert into block (id, last, boot, inventory, records, readings, at_last, sum, body) values (?, ?, ?, ?, ?, ?, ?, ?, ?)',
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
      const head = [keyOf(log, first.seq), last.seq, boot, inventory, part.length, readings, last.sample.at] as const;
      const body = encodeBlock(part, (shape) => this.shapeId(shape));
      put.run(...head, rowSum('block', ...head), body);
      this.#written += body.length;
      total += readings;
    }
    return total;
  }

  addNotices(log: number, boot: number, notices: readonly StoredNotice[]): void {
    const put = this.db.prepare('insert or ignore into notice (id, boot, at, kind, key, body, sum) values (?, ?, ?, ?, ?, ?, ?)');
    for (const n of notices) {
      const row = [keyOf(log, n.seq), boot, n.at, n.kind, n.key, n.json] as const;
      put.run(...row, rowSum('notice', ...row));
    }
    this.events.added(notices);
  }

  /**
   * One commit, all or nothing, on the disk when this returns.
   * @param shapes the writer's map of the numbers that entries use
   * @param isLeaving asked last: true rolls everything back and throws
   * @param agreement which blocks may be dropped
   */
  commit(
    request: CommitRequest,
    shapes: Map<number, Shape>,
    isLeaving: () => boolean = () => false,
    agreement: Agreement = new Agreement(),
  ): CommitResult {
    this.wal.ready();
    if (this.wal.resize(walLength(request.total))) this.#total = request.total;
    this.#limit = request.maxSize;
    const needs = commitNeeds(request);
    const known = new Set(this.#shapeIds.keys());
    let readings = 0;
    const added = { records: 0, notices: 0 };
    let takenAway = 0;
    let removed: Removed | undefined;
    this.#written = 0;
    agreement.commitBegins();
    try {
      this.db.transaction(() => {
        takenAway = this.#dropCompacted(request.compacted);
        removed = makeRoom(this, request, agreement);
        // One after the other: as objects all of them may be more than the memory of a thread.
        for (const chunk of request.chunks) {
          const { records, notices } = this.#newOf(chunk, shapes);
          readings += this.addRecords(this.#log, this.#boot, chunk.inventory, records);
          this.addNotices(this.#log, this.#boot, notices);
          added.records += records.length;
          added.notices += notices.length;
        }
        if (request.newInventory !== undefined) this.#putInventory(request.newInventory);
        for (const list of request.clock) this.clock.set(list);
        this.setLanes(request.forwarders, this.#log, this.#boot, request.upTo);
        for (const [rule, state] of request.savedStates) this.saveState(rule, state);
        if (this.lease(this.#log) < request.leaseEnd) this.setLease(this.#log, request.leaseEnd);
        if (isLeaving()) throw new SluiceError('log-write', 'the log is being closed');
      })();
    } catch (thrown) {
      agreement.commitRolledBack();
      // Numbers given to shapes inside the transaction went with it.
      for (const body of [...this.#shapeIds.keys()]) if (!known.has(body)) this.#shapeIds.delete(body);
      this.events.forget();
      throw thrown;
    }
    if (takenAway > 0 || (removed?.records ?? 0) > 0) this.#held = undefined;
    else if (this.#held !== undefined) {
      this.#held.readings += readings;
      this.#held.records += added.records;
      this.#held.notices += added.notices;
      this.#held.bytes += this.#written;
    }
    this.#taken = Math.max(this.#taken, request.upTo);
    this.#memory.committed(request, this.#log, this.lanes());
    addTo(this.#untold, readings, removed);
    this.wal.sync();
    agreement.commitsOnDisk();
    const done = this.#untold;
    this.#untold = nothingDone();
    const held = this.#count();
    return {
      id: request.id,
      readings: done.readings,
      bytes: bytesOf(this.file),
      held: held.records + held.notices,
      ...{ needs, total: this.#total },
      hot: {
        ...{ records: held.records, readings: held.readings, bytes: held.bytes },
        oldest: this.db
          .prepare<[], { boot: number; at: number }>('select boot, at_last as at from block order by id limit 1')
          .get(),
      },
      oldest: this.#oldest(request.active),
      ...{ dropped: [...done.dropped], aged: [...done.aged], lost: [...done.lost] },
      lostNotices: done.notices,
    };
  }

  /** Closes the file of a run that does not end in order. */
  leave(): void {
    let certain = false;
    try {
      this.wal.ready();
      certain = true;
    } finally {
      this.wal.close();
      // Without a further commit while the disk does not take the last one.
      if (certain) closeUnused(this.db);
      else this.db.close();
    }
  }

  /** The last commit of a run that ends in order: numbers from `next` on were never used and need not be skipped. */
  end(next: number): void {
    this.wal.ready();
    // As one: of several a power cut may keep the last alone, which would look like damage.
    this.db.transaction(() => {
      const log = this.logs().at(-1);
      if (log !== undefined) this.setLease(log.ordinal, next);
      this.boots.prove(this.lastBoot());
      this.setMeta('clean', '1');
    })();
    this.wal.sync();
  }

  /**
   * The file is larger than it may be, as after a reload with a smaller maxSize, and most of it is free: one without the free
   * pages takes its place. Else they are used again, which costs nothing.
   * @returns whether it was done
   */
  shrink(): boolean {
    const pages = this.db.pragma('page_count', { simple: true }) as number;
    const free = this.db.pragma('freelist_count', { simple: true }) as number;
    if (bytesOf(this.file) <= this.#limit || free * 2 < pages) return false;
    this.db.exec('vacuum');
    this.wal.sync();
    return true;
  }

  /** What SQLite does not have yet. */
  #newOf({ entries }: Chunk, shapes: Map<number, Shape>): { records: LogRecord[]; notices: StoredNotice[] } {
    const records: LogRecord[] = [];
    const notices: StoredNotice[] = [];
    for (const entry of readEntries(entries, shapes)) {
      if (entry.kind === 'record' && entry.record.seq > this.#taken) records.push(entry.record);
      else if (entry.kind === 'notice' && entry.notice.seq > this.#taken) notices.push(entry.notice);
    }
    return { records, notices };
  }

  /** A scan when something went, or at the first commit of a run; to keep it in the file would cost a page a commit. */
  #count(): Held {
    this.#held ??= this.db
      .prepare<[], Held>(
        'select coalesce(sum(records), 0) as records, coalesce(sum(readings), 0) as readings, coalesce(sum(length(body)), 0) as bytes, (select count(*) from notice) as notices from block',
      )
      .get() as Held;
    return this.#held;
  }

  /** What history.db has: those blocks go. @returns how many */
  #dropCompacted(compacted: CommitRequest['compacted']): number {
    if (compacted.length > 0) this.boots.measure(this.#boot);
    let changes = 0;
    for (const [log, seq] of compacted) {
      changes += this.db.prepare('delete from block where id >= ? and id <= ?').run(keyOf(log, 0), keyOf(log, seq)).changes;
      this.db
        .prepare(
          'insert into compacted (log, seq) values (?, ?) on conflict do update set seq = excluded.seq where seq < excluded.seq',
        )
        .run(log, seq);
    }
    return changes;
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
