/**
 * The log's file as its writer sees it. Everything is one transaction a call; nothing here knows threads or clocks.
 *
 * - A block belongs to one log, one boot, one inventory. Its content is never written again.
 * - The lease of the current log is always beyond every number in use.
 * - Space is made before it is used (space.ts).
 */
import type Database from 'better-sqlite3';
import { readEntries, type StoredNotice } from '../../codecs/rows.ts';
import type { Machine } from '../../core/clock.ts';
import { SluiceError } from '../../core/errors.ts';
import type { LogRecord, Shape } from '../../core/point.ts';
import type { NoticeMessage } from '../../core/ports.ts';
import { Lanes } from '../delivery/lanes.ts';
import type { Lane } from '../files/lane-state.ts';
import { type ForwarderState, type LanesRow, MAX_LOGS, seqOf } from '../files/layout.ts';
import type { Sources } from '../files/sources.ts';
import { bytesOf } from '../files/whole-file.ts';
import type { Chunk } from '../tail/pending.ts';
import { BootTable } from '../time/boot-table.ts';
import { ClockTable } from '../time/clock-table.ts';
import { Agreement } from './agreement.ts';
import type { CommitRequest, CommitResult } from './commit-request.ts';
import { addTo, nothingDone } from './done.ts';
import { closeAsKilled, closeUnused, type LogFile } from './log-file.ts';
import { Memory } from './memory.ts';
import { Removals } from './removals.ts';
import { commitNeeds, freeSpace, type Removed } from './space.ts';
import { BlockTable } from './tables/block-table.ts';
import { CompactedTable } from './tables/compacted-table.ts';
import { InventoryTable } from './tables/inventory-table.ts';
import { LanesTable } from './tables/lanes-table.ts';
import { type LogRow, LogTable } from './tables/log-table.ts';
import { MetaTable } from './tables/meta-table.ts';
import { NoticeTable } from './tables/notice-table.ts';
import { SavedStateTable } from './tables/saved-state-table.ts';
import { ShapeTable } from './tables/shape-table.ts';
import { WriteAhead, walLength } from './wal.ts';

export class LogDatabase {
  readonly file: string;
  readonly db: Database.Database;
  /** Path a damaged file was moved to when this one was made. */
  readonly quarantined: string | undefined;
  readonly wal: WriteAhead;
  // A class for each table.
  readonly meta: MetaTable;
  readonly logTable: LogTable;
  readonly compacted: CompactedTable;
  readonly boots: BootTable;
  readonly clock: ClockTable;
  readonly shapeTable: ShapeTable;
  readonly inventoryTable: InventoryTable;
  readonly blocks: BlockTable;
  readonly notices: NoticeTable;
  readonly lanesTable: LanesTable;
  readonly states: SavedStateTable;
  readonly removed: Removals;
  #log = 0;
  #boot = 0;
  /** Bytes that all files of the log may take, as far as the write-ahead file has followed a change; and those that this one may. */
  #total: number;
  #limit = Number.POSITIVE_INFINITY;
  #memory: Memory;
  #overwrites = false;
  /** Up to here SQLite has what this run gave it, confirmed by the disk or not: a retry brings it again. */
  #taken = 0;
  /** The effects of commits that were not confirmed. The next result reports them. */
  #unreported = nothingDone();

  constructor({ file, db, quarantined }: LogFile, maxSize: number) {
    this.file = file;
    this.db = db;
    this.quarantined = quarantined;
    this.wal = new WriteAhead(file, db, walLength(maxSize));
    this.#total = maxSize;
    this.meta = new MetaTable(db);
    this.logTable = new LogTable(db);
    this.compacted = new CompactedTable(db);
    this.boots = new BootTable(db);
    this.clock = new ClockTable(db);
    this.shapeTable = new ShapeTable(db);
    this.inventoryTable = new InventoryTable(db);
    this.blocks = new BlockTable(db, this.shapeTable);
    this.notices = new NoticeTable(db);
    this.lanesTable = new LanesTable(db);
    this.states = new SavedStateTable(db);
    this.removed = new Removals(db, this.shapeTable.of);
    this.#memory = new Memory(this);
  }

  // The opening.

  logs(): LogRow[] {
    return this.logTable.all();
  }
  /** @param ordinal the lowest that it may get */
  addLog(name: string, ordinal = 1): number {
    return this.putLog(name, Math.max(ordinal, this.logTable.nextOrdinal));
  }
  /** @param ordinal that no log has */
  putLog(name: string, ordinal: number): number {
    if (ordinal > MAX_LOGS)
      throw new SluiceError('log-open', `${this.file} has held ${MAX_LOGS} logs: export it and move it away`);
    this.logTable.put({ ordinal, name, lease: 1 });
    this.lanesTable.put({ log: ordinal, settled: 0, boot: 0, states: {} });
    return ordinal;
  }
  setMeta(name: string, value: string): void {
    this.meta.set(name, value);
  }
  /** The highest number of a log that is committed; 0 when it holds none. */
  committed(log: number): number {
    return Math.max(this.blocks.last(log), this.notices.last(log), this.compacted.of(log));
  }
  /** Numbers from here on were never used in this log. */
  lease(log: number): number {
    return this.logTable.lease(log);
  }
  setLease(log: number, end: number): void {
    this.logTable.setLease(log, end);
  }
  lastBoot(): number {
    return this.boots.newest;
  }
  /** @param first number of the log from which on numbers are its own */
  addBoot(boot: number, log: number, first = 0, machine?: Machine): void {
    this.boots.add(boot, log, first, machine);
  }
  /** The log and boot of everything that `commit` writes. */
  use(log: number, boot: number): void {
    this.#log = log;
    this.#boot = boot;
    this.#memory = new Memory(this);
  }
  /** In the place of `old`, whose file was damaged: what SQLite has of this run is what was salvaged. */
  takeOver(old: LogDatabase): void {
    this.use(old.#log, old.#boot);
    this.#taken = this.committed(old.#log);
    this.#unreported = old.#unreported;
  }
  /** Rows came in beside the commits. */
  reread(): void {
    this.blocks.forget();
    this.notices.forget();
    this.#memory = new Memory(this);
  }
  /** Everything small that the file must hold, whatever became of it. */
  remembered(): Sources {
    return this.#memory.sources(this.shapeTable.all());
  }
  forwarders(): ForwarderState[] {
    return this.lanesTable.forwarders();
  }
  lanes(): LanesRow[] {
    return this.lanesTable.all();
  }
  setLanes(changed: readonly ForwarderState[], log: number, boot: number, settled: number): void {
    this.lanesTable.set(changed, log, boot, settled);
  }
  savedStates(): ReturnType<SavedStateTable['all']> {
    return this.states.all();
  }
  saveState(key: string, state: unknown): void {
    this.states.save(key, state);
  }
  lastAlarms(): NoticeMessage[] {
    return this.notices.lastAlarms();
  }
  inventory(): Sources['inventory'] {
    return this.inventoryTable.newest();
  }
  /** Records name this revision, whatever became of its content: the next one is another. */
  useRevision(revision: number): void {
    if (revision > (this.inventory()?.revision ?? 0)) this.inventoryTable.put({ revision, body: '' });
  }
  shapes(): [number, Shape][] {
    return this.shapeTable.all().map(({ id, body }) => [id, JSON.parse(body) as Shape]);
  }
  get shapeOf(): (id: number) => Shape | undefined {
    return this.shapeTable.of;
  }
  /** Appends records of one boot, ascending, as blocks. */
  addRecords(log: number, boot: number, inventory: number, records: readonly LogRecord[]): number {
    return this.blocks.add(log, boot, inventory, records);
  }
  addNotices(log: number, boot: number, notices: readonly StoredNotice[]): void {
    this.notices.add(log, boot, notices);
  }

  // The commits.

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
    this.#overwriteFrom(request.overwrite === true);
    const needs = commitNeeds(request);
    const forgetShapes = this.shapeTable.begin();
    let readings = 0;
    let removed: Removed | undefined;
    this.blocks.begin();
    this.notices.begin();
    agreement.commitBegins();
    try {
      this.db.transaction(() => {
        this.#dropCompacted(request.compacted);
        removed = freeSpace(this, request, agreement);
        // One after the other: as objects all of them may be more than the memory of a thread.
        for (const chunk of request.chunks) {
          const { records, notices } = this.#newOf(chunk, shapes);
          readings += this.blocks.add(this.#log, this.#boot, chunk.inventory, records);
          this.notices.add(this.#log, this.#boot, notices);
        }
        if (request.newInventory !== undefined) this.inventoryTable.put(request.newInventory);
        for (const list of request.clock) this.clock.set(list);
        this.lanesTable.set(request.forwarders, this.#log, this.#boot, request.upTo);
        for (const [key, state] of request.savedStates) this.states.save(key, state);
        if (this.lease(this.#log) < request.leaseEnd) this.setLease(this.#log, request.leaseEnd);
        if (isLeaving()) throw new SluiceError('log-write', 'the log is being closed');
      })();
    } catch (thrown) {
      agreement.commitRolledBack();
      forgetShapes();
      this.notices.rolledBack();
      throw thrown;
    }
    this.blocks.end();
    this.notices.end((removed?.records ?? 0) > 0);
    this.#taken = Math.max(this.#taken, request.upTo);
    this.#memory.committed(request, this.#log, this.lanes());
    addTo(this.#unreported, readings, removed);
    this.wal.sync();
    if (this.#overwrites && (request.compacted.length > 0 || (removed?.records ?? 0) > 0)) this.wal.overwriteOld();
    agreement.commitsOnDisk();
    const done = this.#unreported;
    this.#unreported = nothingDone();
    const held = this.blocks.held();
    const [oldest] = this.blocks.heads(1);
    return {
      id: request.id,
      readings: done.readings,
      bytes: bytesOf(this.file),
      held: held.records + this.notices.count(),
      ...{ needs, total: this.#total },
      hot: { ...held, oldest: oldest === undefined ? undefined : { boot: oldest.boot, at: oldest.at_last } },
      oldest: this.#oldest(request.active),
      ...{ dropped: [...done.dropped], aged: [...done.aged], lost: [...done.lost] },
      lostNotices: done.notices,
    };
  }

  /** From now on rows that go are overwritten with zeros. */
  #overwriteFrom(on: boolean): void {
    if (on === this.#overwrites) return;
    this.db.pragma(`secure_delete = ${on ? 'ON' : 'OFF'}`);
    this.#overwrites = on;
  }

  /** Closes the file of a run that does not end in order. */
  leave(): void {
    let certain = false;
    try {
      this.wal.ready();
      certain = true;
    } catch {
      // The files stay as after a kill.
    }
    this.wal.close();
    // Without a further commit while the disk does not take the last one.
    if (certain) closeUnused(this.db);
    else closeAsKilled(this.db);
  }

  /** The last commit of a run that ends in order: numbers from `next` on were never used and need not be skipped. */
  end(next: number): void {
    this.wal.ready();
    // As one: of several a power cut may keep the last alone, which would look like damage.
    this.db.transaction(() => {
      const log = this.logs().at(-1);
      if (log !== undefined) this.setLease(log.ordinal, next);
      this.boots.prove(this.boots.newest);
      this.meta.set('clean', '1');
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

  /** Bytes that SQLite does not have yet. */
  #newOf({ entries }: Chunk, shapes: Map<number, Shape>): { records: LogRecord[]; notices: StoredNotice[] } {
    const records: LogRecord[] = [];
    const notices: StoredNotice[] = [];
    for (const entry of readEntries(entries, shapes)) {
      if (entry.kind === 'record' && entry.record.seq > this.#taken) records.push(entry.record);
      else if (entry.kind === 'notice' && entry.notice.seq > this.#taken) notices.push(entry.notice);
    }
    return { records, notices };
  }

  /** The blocks that history.db has go. */
  #dropCompacted(compacted: CommitRequest['compacted']): void {
    if (compacted.length > 0) this.boots.measure(this.#boot);
    for (const [log, seq] of compacted) {
      this.blocks.removeUpTo(log, seq);
      this.compacted.raise(log, seq);
    }
  }

  #oldest(active: readonly ForwarderState[]): [string, Lane, number][] {
    const out: [string, Lane, number][] = [];
    for (const { name, log, state } of active) {
      const lanes = Lanes.load(state);
      for (const lane of ['data', 'history'] as const) {
        const span = lanes.span(lane);
        const row = span === undefined ? undefined : this.blocks.at(log, span.from);
        if (span !== undefined && row !== undefined && seqOf(row.id) <= span.to)
          out.push([name, lane, this.clock.wallOf(row.boot, row.last, row.at_last)]);
      }
    }
    return out;
  }
}
