/**
 * Makes log.db anew out of what is left of it: rows that prove themselves, and what others know (the runtime
 * directory, history.db, the running process).
 *
 * - A number keeps its content, boot and lane, or it is not told under its old log at all (contract, rule 1): records
 *   whose lane cannot be proven go into a log of their own, under their old numbers.
 * - Whatever is not found again is told: blocks by their numbers and readings where their heads are left, else as gaps.
 */
import Database from 'better-sqlite3';
import { decodeBlock } from '../../codecs/blocks.ts';
import { isSealed } from '../../codecs/sealed.ts';
import type { Shape } from '../../core/point.ts';
import type { Cell, FoundRow } from '../hot/found-row.ts';
import {
  type BlockRow,
  keyOf,
  type LanesRow,
  MAX_LOGS,
  PAGE_SIZE,
  SCHEMA_VERSION,
  salvageLogName,
  seqOf,
  TABLES,
} from '../hot/layout.ts';
import { sealLayout } from '../hot/layout-seal.ts';
import { isRemoval, removalOf } from '../hot/removals.ts';
import { isWhole, rowSum, SEALED, SEALED_TABLES, type SealedTable } from '../hot/sealed-rows.ts';
import type { Sources } from '../hot/sources.ts';
import type { Range, Salvaged } from '../repair-report.ts';
import { DamagedFile } from './salvage.ts';

/** Heads of blocks without their bodies; more are counted by nobody. */
const MAX_HEADS = 100_000;
/** Gaps that are told one by one. */
const MAX_GAPS = 32;

type Row = Record<string, Cell>;
type Head = Pick<BlockRow, 'id' | 'last' | 'boot' | 'records' | 'readings'>;

/** @param target a file that does not exist yet @param salvage false: nothing is taken from the damaged file */
export function rebuildLog(file: string, target: string, sources: Sources, salvage: boolean): Salvaged {
  const db = new Database(target);
  try {
    db.pragma(`page_size = ${PAGE_SIZE}`);
    // Nothing depends on this file until it is complete.
    db.pragma('journal_mode = OFF');
    db.pragma('synchronous = OFF');
    db.pragma('cache_size = -2048');
    return db.transaction(() => {
      db.exec(TABLES);
      db.pragma(`user_version = ${SCHEMA_VERSION}`);
      sealLayout(db, 'log', SCHEMA_VERSION);
      return new Rebuild(db, sources).run(salvage ? file : undefined);
    })();
  } finally {
    db.close();
  }
}

class Rebuild {
  readonly #db: Database.Database;
  readonly #sources: Sources;
  readonly #lanes = new Map<number, LanesRow>();
  readonly #logs = new Map<number, { name: string | undefined; lease: number }>();
  /** Logs of which the file still says how far they were committed. */
  readonly #endsFound = new Set<number>();
  readonly #clocks = new Map<number, { readonly version: number; readonly rows: Map<number, Row> }>();
  /** Counts of what was taken away, by the number of their shape. */
  readonly #removals = new Map<number, string>();
  /** Blocks whose body was not found whole (yet). */
  readonly #heads = new Map<number, Head>();

  constructor(db: Database.Database, sources: Sources) {
    this.#db = db;
    this.#sources = sources;
  }

  run(file: string | undefined): Salvaged {
    // What a process knows that lives counts more than what is found; what others remember fills up.
    if (this.#sources.alive) this.#putKnown();
    if (file !== undefined) this.#read(file);
    if (!this.#sources.alive) this.#putKnown();
    for (const row of this.#sources.boots) this.#put('boot', { first: 0, machine: '', origin: 0, at_last: 0, proven: 0, ...row });
    const lost = this.#dropUnreadable();
    this.#nameLogs();
    const gaps = this.#gaps(lost);
    const again = this.#sources.alive ? [] : this.#moveUnproven();
    this.#putSmall();
    const count = (sql: string) => this.#db.prepare<[], number>(sql).pluck().get() as number;
    return {
      blocks: count('select count(*) from block'),
      records: count('select coalesce(sum(records), 0) from block'),
      readings: count('select coalesce(sum(readings), 0) from block'),
      notices: count('select count(*) from notice'),
      lost: {
        blocks: lost.length,
        records: lost.reduce((sum, h) => sum + h.records, 0),
        readings: lost.reduce((sum, h) => sum + h.readings, 0),
        ranges: lost.slice(0, MAX_GAPS).map((h) => ({ log: this.#nameOf(h.id), first: seqOf(h.id), last: h.last })),
      },
      gaps: gaps.slice(0, MAX_GAPS),
      moreGaps: Math.max(0, gaps.length - MAX_GAPS),
      again,
    };
  }

  /** What is there already stays. */
  #putKnown(): void {
    const { logs, shapes, clock, lanes, alarms, inventory, compacted } = this.#sources;
    for (const { ordinal, name, lease } of logs) this.#nameLog(ordinal, name, lease);
    for (const row of lanes) this.#keepLanes(row);
    for (const { id, body } of shapes) this.#put('shape', { id, body });
    for (const { boot, version, segments } of clock)
      for (const { fromSeq, offset, estimated } of segments)
        this.#takeClock({ boot, from_seq: fromSeq, offset, estimated: estimated ? 1 : 0, version });
    for (const [log, seq] of compacted) this.#db.prepare('insert into compacted (log, seq) values (?, ?)').run(log, seq);
    for (const [rule, state] of alarms) this.#put('alarm', { rule, state: JSON.stringify(state) });
    if (inventory !== undefined) this.#put('inventory', { ...inventory });
  }

  #put(table: SealedTable, row: Row): void {
    const values = SEALED[table].map((column) => row[column] as number | string);
    const places = values.map(() => '?').join(', ');
    this.#db
      .prepare(`insert or ignore into ${table} (${SEALED[table].join(', ')}, sum) values (${places}, ?)`)
      .run(...values, rowSum(table, ...values));
  }

  #read(file: string): void {
    const pages = new DamagedFile(file, PAGE_SIZE, (row) => identify(row) !== undefined);
    try {
      for (const found of pages.rows()) {
        const known = identify(found);
        if (known === undefined) {
          const [shape, body] = removalOf(found) ?? [];
          // The first copy is the newest.
          if (shape !== undefined && body !== undefined && !this.#removals.has(shape)) this.#removals.set(shape, body);
          continue;
        }
        const { table, row } = known;
        if (table === 'block') this.#block(row);
        else if (table === 'lanes') {
          this.#keepLanes({ ...row, states: JSON.parse(row.states as string) } as LanesRow);
          this.#endsFound.add(row.log as number);
        } else if (table === 'log') this.#nameLog(row.ordinal as number, row.name as string, row.lease as number);
        else if (table === 'clock') this.#takeClock(row);
        else this.#put(table, row);
      }
    } finally {
      pages.close();
    }
  }

  #nameLog(ordinal: number, name: string, lease: number): void {
    const known = this.#logs.get(ordinal);
    if (known !== undefined && known.name !== name) return;
    this.#logs.set(ordinal, { name, lease: Math.max(known?.lease ?? 0, lease) });
  }

  /** Of several lists of a boot the one with the highest version (clock-table.ts). */
  #takeClock(row: Row): void {
    const boot = row.boot as number;
    const version = row.version as number;
    const list = this.#clocks.get(boot);
    if (list !== undefined && list.version > version) return;
    if (list === undefined || list.version < version)
      this.#clocks.set(boot, { version, rows: new Map([[row.from_seq as number, row]]) });
    else if (!list.rows.has(row.from_seq as number)) list.rows.set(row.from_seq as number, row);
  }

  /** Of several copies the newest: what it settles only grows, and so do its cursors. */
  #keepLanes(row: LanesRow): void {
    const known = this.#lanes.get(row.log);
    if (known === undefined || (!this.#sources.alive && progress(row) > progress(known))) this.#lanes.set(row.log, row);
  }

  #block(row: Row): void {
    const { body } = row;
    const head = SEALED.block.map((column) => row[column] as number);
    if (body instanceof Uint8Array && isSealed(body))
      this.#db
        .prepare(`insert or ignore into block (${SEALED.block.join(', ')}, sum, body) values (?, ?, ?, ?, ?, ?, ?, ?, ?)`)
        .run(...head, row.sum, body);
    else if (this.#heads.size < MAX_HEADS) {
      const [id = 0, last = 0, boot = 0, , records = 0, readings = 0] = head;
      this.#heads.set(id, { id, last, boot, records, readings });
    }
  }

  /** A body belongs to its head when it decodes to what the head says. @returns heads of what is lost */
  #dropUnreadable(): Head[] {
    const compacted = new Map(this.#sources.compacted);
    // They lie in history.db; a page that was let go may still hold them.
    for (const [log, seq] of compacted)
      this.#db.prepare('delete from block where id >= ? and id <= ?').run(keyOf(log, 0), keyOf(log, seq));
    const shapes = new Map<number, Shape>(
      this.#db
        .prepare<[], { id: number; body: string }>('select id, body from shape')
        .all()
        .map(({ id, body }) => [id, JSON.parse(body) as Shape]),
    );
    const unreadable: Head[] = [];
    for (const row of this.#db.prepare<[], BlockRow>('select * from block').iterate()) {
      this.#heads.delete(row.id);
      const { id, last, boot, records, readings } = row;
      if (!fits(row, shapes)) unreadable.push({ id, last, boot, records, readings });
    }
    for (const head of unreadable) {
      this.#heads.set(head.id, head);
      this.#db.prepare('delete from block where id = ?').run(head.id);
    }
    return [...this.#heads.values()].filter(({ id, last }) => last > (compacted.get(Math.floor(id / keyOf(1, 0))) ?? 0));
  }

  /** A log whose row is gone: notices name theirs, and the runtime directory knows which boot wrote under which name. */
  #nameLogs(): void {
    const ordinals = this.#db
      .prepare<[number, number], number>('select distinct id / ? from block union select distinct id / ? from notice')
      .pluck()
      .all(keyOf(1, 0), keyOf(1, 0))
      .map(Math.floor);
    for (const ordinal of [...ordinals, ...this.#lanes.keys()]) {
      if (this.#logs.get(ordinal)?.name !== undefined) continue;
      const range = [keyOf(ordinal, 0), keyOf(ordinal + 1, 0)] as const;
      const body = this.#db
        .prepare<[number, number], string>('select body from notice where id >= ? and id < ? limit 1')
        .pluck()
        .get(...range);
      const boot = this.#db
        .prepare<[number, number], number>('select max(boot) from block where id >= ? and id < ?')
        .pluck()
        .get(...range);
      const named = body === undefined ? undefined : (JSON.parse(body) as { log: string }).log;
      this.#logs.set(ordinal, { name: named ?? this.#sources.tails.find((t) => t.boot === boot)?.log, lease: 0 });
    }
  }

  /**
   * Lanes are proven up to what a copy of their row settles, and for the boots of which the runtime directory has them.
   * The rest goes into a log of its own: its consumers may have it already, under a number of the old one.
   */
  #moveUnproven(): Salvaged['again'] {
    const moved: Salvaged['again'][number][] = [];
    for (const [ordinal, { name }] of [...this.#logs].sort(([a], [b]) => a - b)) {
      const settled = name === undefined ? -1 : (this.#lanes.get(ordinal)?.settled ?? -1);
      const boots = this.#sources.tails.filter((t) => t.log === name).map((t) => t.boot);
      const where = `id > ? and id < ? and boot not in (${boots.map(() => '?').join(', ')})`;
      const args = [keyOf(ordinal, Math.max(settled, 0)), keyOf(ordinal + 1, 0), ...boots];
      const blocks = this.#db
        .prepare<unknown[], number>(`select id from block where ${where} order by id`)
        .pluck()
        .all(...args);
      const notices = this.#db
        .prepare<unknown[], number>(`select id from notice where ${where} order by id`)
        .pluck()
        .all(...args);
      if (blocks.length + notices.length === 0) continue;
      const target = Math.max(...this.#logs.keys()) + 1;
      if (target > MAX_LOGS) break;
      const fresh = salvageLogName();
      let records = 0;
      let last = 0;
      for (const id of blocks) {
        const row = this.#db.prepare<[number], BlockRow>('select * from block where id = ?').get(id) as BlockRow;
        this.#db.prepare('delete from block where id = ?').run(id);
        this.#block(sealed('block', { ...row, id: keyOf(target, seqOf(id)) }));
        records += row.records;
        last = Math.max(last, row.last);
      }
      for (const id of notices) {
        const row = this.#db.prepare<[number], Row>('select * from notice where id = ?').get(id) as Row;
        const body = JSON.stringify({ ...(JSON.parse(row.body as string) as object), log: fresh });
        this.#db.prepare('delete from notice where id = ?').run(id);
        this.#put('notice', { ...row, id: keyOf(target, seqOf(id)), body });
        last = Math.max(last, seqOf(id));
      }
      this.#logs.set(target, { name: fresh, lease: last + 1 });
      // Nobody has anything of it: what an outlet does not know, it sends from the oldest on.
      this.#lanes.set(target, { log: target, settled: last, boot: 0, states: {} });
      const first = seqOf(Math.min(blocks[0] ?? Number.POSITIVE_INFINITY, notices[0] ?? Number.POSITIVE_INFINITY));
      moved.push({ oldLog: name ?? '', newLog: fresh, first, last, records, notices: notices.length });
    }
    return moved;
  }

  #putSmall(): void {
    const shapes = new Set(this.#db.prepare<[], number>('select id from shape').pluck().all());
    for (const [shape, body] of this.#removals)
      if (isRemoval(shape, body, (id) => shapes.has(id)))
        this.#db.prepare('insert into removed (shape, body) values (?, ?)').run(shape, body);
    for (const { rows } of this.#clocks.values()) for (const row of rows.values()) this.#put('clock', row);
    const put = this.#db.prepare('insert into lanes (log, settled, boot, states, sum) values (?, ?, ?, ?, ?)');
    for (const [ordinal, { name, lease }] of this.#logs) {
      // Everything that was under an ordinal without a name has moved.
      if (name === undefined) continue;
      this.#put('log', { ordinal, name, lease: Math.max(lease, 1) });
      const { settled, boot, states } = this.#lanes.get(ordinal) ?? { settled: 0, boot: 0, states: {} };
      const text = JSON.stringify(states);
      put.run(ordinal, settled, boot, text, rowSum('lanes', ordinal, settled, boot, text));
    }
  }

  #nameOf(key: number): string {
    return this.#logs.get(Math.floor(key / keyOf(1, 0)))?.name ?? '';
  }

  /**
   * Numbers that were given and of which nothing is left. Between two boots numbers are absent by right (the rest of the
   * lease); each boot knows its first one. What was compacted is not missed.
   */
  #gaps(lost: readonly Head[]): Range[] {
    const firsts = new Map(this.#db.prepare<[], [number, number]>('select boot, first from boot').raw().all());
    const compacted = new Map(this.#sources.compacted);
    const ends = new Map<number, number>(compacted);
    const gaps: Range[] = [];
    const gap = (log: number, first: number, last: number): void => {
      if (first <= last) gaps.push({ log: this.#logs.get(log)?.name ?? '', first, last });
    };
    let before: { log: number; boot: number } | undefined;
    for (const { id, last, boot } of this.#everything(lost)) {
      const log = Math.floor(id / keyOf(1, 0));
      const done = ends.get(log) ?? 0;
      const from = before?.log === log && before.boot === boot ? done + 1 : Math.max(done + 1, firsts.get(boot) || seqOf(id));
      gap(log, from, seqOf(id) - 1);
      before = { log, boot };
      ends.set(log, Math.max(done, last));
    }
    for (const [log, last] of ends) gap(log, last + 1, this.#knownUpTo(log, last));
    return gaps;
  }

  /** Blocks, notices and heads in the order of their numbers. */
  *#everything(lost: readonly Head[]): Generator<{ id: number; last: number; boot: number }> {
    const heads = [...lost].sort((a, b) => a.id - b.id);
    const rows = this.#db.prepare<[number], { id: number; last: number; boot: number }>(
      'select id, last, boot from block union all select id, id % ?, boot from notice order by 1',
    );
    for (const row of rows.iterate(keyOf(1, 0))) {
      while (heads[0] !== undefined && heads[0].id < row.id) yield heads.shift() as Head;
      yield row;
    }
    yield* heads;
  }

  /** Every number of a log up to here may have been committed. */
  #knownUpTo(log: number, last: number): number {
    const name = this.#logs.get(log)?.name;
    const tails = this.#sources.tails.filter((t) => t.log === name).map((t) => t.committed);
    const settled = Math.max(0, this.#lanes.get(log)?.settled ?? 0, ...tails);
    // Nobody knows where it ended: somewhere below its lease.
    const open = (!this.#endsFound.has(log) || settled < last) && !this.#sources.alive && tails.length === 0;
    return open ? Math.max(settled, (this.#logs.get(log)?.lease ?? 0) - 1) : settled;
  }
}

function sealed(table: SealedTable, row: Row): Row {
  return { ...row, sum: rowSum(table, ...SEALED[table].map((column) => row[column] as number | string)) };
}

/** Which table a found row belongs to: the one whose seal it bears. */
export function identify({ rowid, columns }: FoundRow): { table: SealedTable; row: Row } | undefined {
  for (const table of SEALED_TABLES) {
    const names: readonly string[] = [...SEALED[table], 'sum', ...(table === 'block' ? ['body'] : [])];
    if (names.length !== columns.length) continue;
    // The first column of a table with rowid is kept as that, and null stands in its place.
    if ((rowid === undefined) !== (table === 'clock' || table === 'alarm')) continue;
    const row: Row = {};
    names.forEach((name, i) => {
      row[name] = i === 0 && rowid !== undefined ? rowid : (columns[i] as Cell);
    });
    if (isWhole(table, row)) return { table, row };
  }
  return undefined;
}

function fits(row: BlockRow, shapes: ReadonlyMap<number, Shape>): boolean {
  try {
    const records = decodeBlock(row.body, (id) => shapes.get(id));
    const last = records.at(-1);
    return (
      records.length === row.records &&
      records[0]?.seq === seqOf(row.id) &&
      last?.seq === row.last &&
      last.sample.at === row.at_last
    );
  } catch {
    return false;
  }
}

function progress({ settled, states }: LanesRow): number {
  let sum = settled;
  for (const { data, history, notices, alarms = notices, events = notices, handed, handedHistory } of Object.values(states))
    sum += data + history + alarms + events + handed + handedHistory;
  return sum;
}
