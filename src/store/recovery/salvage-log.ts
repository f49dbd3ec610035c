/**
 * Makes log.db anew out of what is left of it: rows that prove themselves, and what others know (the runtime
 * directory, history.db, the running process).
 *
 * - A number keeps its content, boot and lane, or it is not delivered under its old log at all (contract, rule 1): records
 *   whose lane cannot be proven go into a log of their own, under their old numbers.
 * - Everything that is not found again is reported: blocks by their numbers and readings where their heads are left, else as gaps.
 */
import type Database from 'better-sqlite3';
import { isSealed } from '../../codecs/sealed.ts';
import type { Shape } from '../../core/point.ts';
import type { NoticeMessage } from '../../core/ports.ts';
import { type BlockRow, keyOf, type LanesRow, MAX_LOGS, PAGE_SIZE, salvageLogName, seqOf } from '../files/layout.ts';
import type { Salvaged, Unread } from '../files/repair-report.ts';
import { rowSum, SEALED, type SealedTable } from '../files/sealed-rows.ts';
import type { Sources } from '../files/sources.ts';
import { isRemoval, removalOf } from '../hot/removals.ts';
import { HOMES } from './homes.ts';
import { DamagedFile, type Pace } from './salvage.ts';
import { gapsOf, type Head, type KnownLog, MAX_GAPS } from './salvage-gaps.ts';
import { fits, identify, progress, type Row, sealed } from './salvage-rows.ts';

/** Heads of blocks without their bodies; more are not counted. */
const MAX_HEADS = 100_000;
/** Rows of `removed`, which prove nothing by themselves, and the length of one. */
const MAX_REMOVALS = 10_000;
const REMOVAL_LENGTH = 64 * 1024;
/** Ordinals beyond one for each log: logs that only the runtime directory names. */
const SPARE_LOGS = 4;
/** Newest transitions that are remembered, one a rule. */
const MAX_ALARMS = 1000;

/** The data of a damaged file with which a run begins beside it. */
export interface Small {
  /** No log of it has a higher ordinal, and there are some left for what has to move. */
  readonly upTo: number;
  /** The newest transition of each rule. */
  readonly alarms: readonly NoticeMessage[];
  /** Not all of it was read: boots and shapes may be missing. */
  readonly cut: boolean;
}

/** The statements of blocks and notices about their log. */
interface Seen {
  name: string | undefined;
  boot: number;
}

export class Rebuild {
  readonly #db: Database.Database;
  readonly #sources: Sources;
  readonly #lanes = new Map<number, LanesRow>();
  readonly #logs = new Map<number, { name: string | undefined; lease: number }>();
  /** Logs of which the file still says how far they were committed. */
  readonly #endsFound = new Set<number>();
  readonly #clocks = new Map<number, { readonly version: number; readonly rows: Map<number, Row> }>();
  /** Counts of what was removed, by the number of their shape. */
  readonly #removals = new Map<number, string>();
  /** Blocks whose body was not found whole (yet). */
  readonly #heads = new Map<number, Head>();
  readonly #seen = new Map<number, Seen>();
  /** Boots that blocks and notices name, with their logs. */
  readonly #boots = new Map<number, number>();
  readonly #pace: Pace;
  #unread: Unread | undefined;

  constructor(db: Database.Database, sources: Sources, pace: Pace) {
    this.#db = db;
    this.#sources = sources;
    this.#pace = pace;
  }

  small(file: string): Small {
    const alarms = new Map<string, { id: number; json: string }>();
    const reaches = new Map<number, number>();
    this.#read(file, (table, row) => {
      const { id, boot, kind, key, body } = row as { [name: string]: number } & { kind: string; key: string; body: string };
      const at = Number(table === 'block' ? row.at_last : row.at);
      reaches.set(Number(boot), Math.max(at, reaches.get(Number(boot)) ?? 0));
      if (table !== 'notice' || kind !== 'alarm' || (alarms.get(key)?.id ?? 0) >= Number(id)) return;
      if (alarms.has(key) || alarms.size < MAX_ALARMS) alarms.set(key, { id: Number(id), json: body });
    });
    this.#putKnown();
    this.#putBoots(reaches);
    this.#nameLogs();
    this.#putSmall();
    return {
      // Each log may have records that have to move into one of their own.
      upTo: Math.max(0, ...this.#logs.keys()) + this.#logs.size + SPARE_LOGS + HOMES,
      alarms: [...alarms].map(([key, { id, json }]) => ({ kind: 'alarm', key, seq: seqOf(id), json })),
      cut: this.#unread !== undefined,
    };
  }

  run(file: string | undefined): Salvaged {
    // The memory of a living process counts more than the found rows; the memory of others fills the gaps.
    if (this.#sources.alive) this.#putKnown();
    if (file !== undefined)
      this.#read(file, (table, row) => {
        if (table === 'block') this.#block(row);
        else this.#put(table, row);
      });
    if (!this.#sources.alive) this.#putKnown();
    this.#putBoots(new Map());
    const lost = this.#dropUnreadable();
    this.#nameLogs();
    const gaps = gapsOf(this.#db, this.#sources, (ordinal) => this.#known(ordinal), lost);
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
      ...gaps,
      ...(this.#unread === undefined ? {} : { unread: this.#unread }),
      again,
    };
  }

  /** Existing rows stay. */
  #putKnown(): void {
    const { logs, shapes, clock, lanes, alarms, inventory, compacted } = this.#sources;
    for (const { ordinal, name, lease } of logs) this.#nameLog(ordinal, name, lease);
    for (const row of lanes) this.#keepLanes(row);
    for (const { id, body } of shapes) this.#put('shape', { id, body });
    for (const { boot, version, segments } of clock)
      for (const { fromSeq, offset, estimated } of segments)
        this.#takeClock({ boot, from_seq: fromSeq, offset, estimated: estimated ? 1 : 0, version });
    for (const [log, seq] of compacted) this.#db.prepare('insert into compacted (log, seq) values (?, ?)').run(log, seq);
    // A task that an earlier version left has the state itself.
    for (const [rule, state] of alarms)
      this.#put('alarm', { rule, state: typeof state === 'string' ? state : JSON.stringify(state) });
    if (inventory !== undefined) this.#put('inventory', { ...inventory });
  }

  #put(table: SealedTable, row: Row): void {
    const values = SEALED[table].map((column) => row[column] as number | string);
    const places = values.map(() => '?').join(', ');
    this.#db
      .prepare(`insert or ignore into ${table} (${SEALED[table].join(', ')}, sum) values (${places}, ?)`)
      .run(...values, rowSum(table, ...values));
  }

  /** @param reaches for each boot, up to where its records are known to go, monotonic ms */
  #putBoots(reaches: ReadonlyMap<number, number>): void {
    const seen = [...this.#boots].map(([boot, log]) => ({ boot, log }));
    for (const row of [...this.#sources.boots, ...seen])
      this.#put('boot', { first: 0, machine: '', origin: 0, at_last: 0, proven: 0, ...row });
    const boots = this.#db.prepare<[], { boot: number; at_last: number } & Row>('select * from boot').all();
    for (const row of boots) {
      const at = Math.ceil(reaches.get(row.boot) ?? 0);
      if (at <= row.at_last) continue;
      this.#db.prepare('delete from boot where boot = ?').run(row.boot);
      this.#put('boot', { ...row, at_last: at });
    }
  }

  /** @param take blocks and notices */
  #read(file: string, take: (table: 'block' | 'notice', row: Row) => void): void {
    const pages = new DamagedFile(file, PAGE_SIZE, (row) => identify(row) !== undefined, this.#pace);
    try {
      for (const found of pages.rows()) {
        const known = identify(found);
        if (known === undefined) {
          const [shape, body] = removalOf(found) ?? [];
          // The first copy is the newest.
          if (shape === undefined || body === undefined || this.#removals.has(shape)) continue;
          if (this.#removals.size < MAX_REMOVALS && body.length <= REMOVAL_LENGTH) this.#removals.set(shape, body);
          continue;
        }
        const { table, row } = known;
        if (table === 'block' || table === 'notice') {
          this.#see(table, row);
          take(table, row);
        } else if (table === 'lanes') {
          this.#keepLanes({ ...row, states: JSON.parse(row.states as string) } as LanesRow);
          this.#endsFound.add(row.log as number);
        } else if (table === 'log') this.#nameLog(row.ordinal as number, row.name as string, row.lease as number);
        else if (table === 'clock') this.#takeClock(row);
        else this.#put(table, row);
      }
      this.#unread = pages.unread;
    } finally {
      pages.close();
    }
  }

  #see(table: 'block' | 'notice', row: Row): void {
    const log = Math.floor((row.id as number) / keyOf(1, 0));
    const seen = this.#seen.get(log) ?? { name: undefined, boot: 0 };
    this.#seen.set(log, seen);
    this.#boots.set(row.boot as number, log);
    if (table === 'block') seen.boot = Math.max(seen.boot, row.boot as number);
    else if (seen.name === undefined) seen.name = (JSON.parse(row.body as string) as { log: string }).log;
  }

  #nameLog(ordinal: number, name: string, lease: number): void {
    const known = this.#logs.get(ordinal);
    if (known !== undefined && known.name !== name) return;
    this.#logs.set(ordinal, { name, lease: Math.max(known?.lease ?? 0, lease) });
  }

  /** Keeps the list with the highest version where a boot has several (clock-table.ts). */
  #takeClock(row: Row): void {
    const boot = row.boot as number;
    const version = row.version as number;
    const list = this.#clocks.get(boot);
    if (list !== undefined && list.version > version) return;
    if (list === undefined || list.version < version)
      this.#clocks.set(boot, { version, rows: new Map([[row.from_seq as number, row]]) });
    else if (!list.rows.has(row.from_seq as number)) list.rows.set(row.from_seq as number, row);
  }

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

  /** @returns heads of what is lost */
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
    const unreadable: number[] = [];
    for (const row of this.#db.prepare<[], BlockRow>('select * from block').iterate()) {
      this.#heads.delete(row.id);
      if (fits(row, shapes)) continue;
      unreadable.push(row.id);
      const { id, last, boot, records, readings } = row;
      if (this.#heads.size < MAX_HEADS) this.#heads.set(id, { id, last, boot, records, readings });
    }
    for (const id of unreadable) this.#db.prepare('delete from block where id = ?').run(id);
    return [...this.#heads.values()].filter(({ id, last }) => last > (compacted.get(Math.floor(id / keyOf(1, 0))) ?? 0));
  }

  /** A log whose row is gone: notices name theirs, and the runtime directory knows which boot wrote under which name. */
  #nameLogs(): void {
    for (const ordinal of [...this.#seen.keys(), ...this.#lanes.keys()]) {
      if (this.#logs.get(ordinal)?.name !== undefined) continue;
      const { name, boot } = this.#seen.get(ordinal) ?? { name: undefined, boot: undefined };
      this.#logs.set(ordinal, { name: name ?? this.#sources.tails.find((t) => t.boot === boot)?.log, lease: 0 });
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

  #known(ordinal: number): KnownLog {
    const { name, lease = 0 } = this.#logs.get(ordinal) ?? {};
    return { name, lease, settled: this.#lanes.get(ordinal)?.settled ?? 0, hasEnd: this.#endsFound.has(ordinal) };
  }
}
