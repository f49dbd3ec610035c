/**
 * Makes history.db anew out of what is left of it. Names, boots, mappings and shapes come from log.db, which has them
 * all; hours prove themselves by their seal, parts and roll-ups by their checksums and by what they decode to.
 *
 * - An hour keeps the parts that are whole; parts and roll-ups that no hour claims are left behind.
 * - Lanes and cursors lie in log.db: nothing that was delivered is sent again, except where log.db lost them (homes.ts).
 */
import Database from 'better-sqlite3';
import { decodeBlock } from '../../codecs/blocks.ts';
import type { LogRecord, Shape } from '../../core/point.ts';
import type { FoundRow } from '../files/found-row.ts';
import { HISTORY_LAYOUT, HISTORY_PAGE_SIZE, HISTORY_TABLES, HISTORY_VERSION, HOUR_STATE } from '../files/history-layout.ts';
import { keyOf, seqOf } from '../files/layout.ts';
import { sealLayout } from '../files/layout-seal.ts';
import type { Range, Repair, SalvageProgress, Unread } from '../files/repair-report.ts';
import { shapeSeal, shapeSealName } from '../files/sealed-rows.ts';
import { codeOf } from '../files/sqlite-errors.ts';
import { asidePath, beginSwap, statSize, swap, twice } from '../files/whole-file.ts';
import { isRemoval, removalOf } from '../hot/removals.ts';
import { HOUR_COLUMNS, hourOf, partOf, type SealedHour, sealOf } from './history-rows.ts';
import { type Home, Homes } from './homes.ts';
import { MendPace } from './mend-pace.ts';
import { DamagedFile } from './salvage.ts';

/** Gaps and losses that are listed one by one. */
const MAX_RANGES = 32;
/** Hours without a log that are counted. */
const MAX_LEFT = 10_000;
/** Hours in memory at once: ten years have some hundred thousand. */
const SOME = 500;
const COPIED = ['log', 'boot', 'clock', 'shape'] as const;
/**
 * history.db is closed; it lies aside afterwards, and a new one with all that is whole is in its place.
 * @param log log.db, open
 * @param within the reading of the damaged file ends then, milliseconds
 * @param tell how far it is, some times a second: the thread does nothing else meanwhile
 */
export function salvageHistory(
  file: string,
  why: string,
  log: Database.Database,
  within: number,
  tell: (progress: SalvageProgress) => void,
): Repair {
  let report: Repair['salvaged'];
  const pace = new MendPace(why, within, tell);
  try {
    report = twice(() => rebuildHistory(file, beginSwap(file), log, pace));
  } catch (thrown) {
    // No room for a second copy: the damaged file is kept, and a new history begins.
    if (!['SQLITE_FULL', 'SQLITE_IOERR_WRITE', 'ENOSPC'].includes(codeOf(thrown) ?? '')) throw thrown;
    rebuildHistory(file, beginSwap(file), log, undefined);
  }
  const had = statSize(file) > 0;
  swap(file);
  return { file: 'history.db', why, quarantine: had ? asidePath(file) : undefined, salvaged: report, ended: [] };
}

/** @param pace undefined: nothing is taken from the damaged file */
function rebuildHistory(file: string, target: string, log: Database.Database, pace: MendPace | undefined): Repair['salvaged'] {
  const db = new Database(target);
  try {
    db.pragma(`page_size = ${HISTORY_PAGE_SIZE}`);
    db.pragma('auto_vacuum = INCREMENTAL');
    db.pragma('journal_mode = OFF');
    db.pragma('synchronous = OFF');
    db.pragma('cache_size = -2048');
    return db.transaction(() => {
      db.exec(HISTORY_TABLES);
      db.pragma(`user_version = ${HISTORY_VERSION}`);
      sealLayout(db, 'history', HISTORY_LAYOUT);
      for (const table of COPIED) copyTable(log, db, table);
      for (const { id, body } of db.prepare<[], { id: number; body: string }>('select id, body from shape').all())
        db.prepare('insert into meta (name, value) values (?, ?)').run(shapeSealName(id), shapeSeal(id, body));
      return pace === undefined ? undefined : new Rebuild(db, log, pace).run(file);
    })();
  } finally {
    db.close();
  }
}

/** Copies the columns that both files have. */
function copyTable(from: Database.Database, to: Database.Database, table: (typeof COPIED)[number]): void {
  const columns = to.prepare<[string], string>('select name from pragma_table_info(?)').pluck().all(table);
  const put = to.prepare(`insert into ${table} (${columns.join(', ')}) values (${columns.map(() => '?').join(', ')})`);
  for (const row of from
    .prepare<[], unknown[]>(`select ${columns.join(', ')} from ${table}`)
    .raw()
    .iterate())
    put.run(...row);
}

class Rebuild {
  readonly #db: Database.Database;
  readonly #shapes: ReadonlyMap<number, Shape>;
  readonly #compacted: readonly [log: number, seq: number][];
  readonly #homes: Homes;
  readonly #pace: MendPace;
  /** Hours that no log is left for. */
  readonly #left = new Map<number, SealedHour>();
  #unread: Unread | undefined;

  constructor(db: Database.Database, log: Database.Database, pace: MendPace) {
    this.#db = db;
    this.#pace = pace;
    this.#homes = new Homes(log);
    this.#compacted = log.prepare<[], [number, number]>('select log, seq from compacted').raw().all();
    this.#shapes = new Map(
      db
        .prepare<[], { id: number; body: string }>('select id, body from shape')
        .all()
        .map(({ id, body }) => [id, JSON.parse(body) as Shape]),
    );
  }

  run(file: string): NonNullable<Repair['salvaged']> {
    const isOurs = (row: FoundRow): boolean => hourOf(row) !== undefined || partOf(row) !== undefined;
    const pages = new DamagedFile(file, HISTORY_PAGE_SIZE, isOurs, this.#pace.reading());
    try {
      for (const row of pages.rows()) this.#take(row);
      this.#unread = pages.unread;
    } finally {
      pages.close();
    }
    return this.#settle();
  }

  /** The first copy stays: it is the newest. */
  #take(row: FoundRow): void {
    const found = hourOf(row);
    if (found !== undefined) {
      const { table } = found;
      const log = this.#homes.of(found.hour);
      if (log === undefined) {
        if (this.#left.size < MAX_LEFT) this.#left.set(found.hour.id, found.hour);
        return;
      }
      const moved = { ...found.hour, id: keyOf(log, seqOf(found.hour.id)) };
      const hour = { ...moved, sum: sealOf(table, moved) };
      this.#db
        .prepare(`insert or ignore into ${table} (${HOUR_COLUMNS.join(', ')}) values (${HOUR_COLUMNS.map(() => '?').join(', ')})`)
        .run(...HOUR_COLUMNS.map((column) => hour[column]));
      return;
    }
    const part = partOf(row);
    if (part !== undefined) {
      const { id, shape, records, readings, body } = part;
      if (records === undefined)
        this.#db.prepare('insert or ignore into rollup (id, shape, body) values (?, ?, ?)').run(id, shape, body);
      else
        this.#db
          .prepare('insert or ignore into part (id, shape, records, readings, body) values (?, ?, ?, ?, ?)')
          .run(id, shape, records, readings, body);
      return;
    }
    const removal = removalOf(row);
    if (removal !== undefined && isRemoval(...removal, (id) => this.#shapes.has(id)))
      this.#db.prepare('insert or ignore into removed (shape, body) values (?, ?)').run(...removal);
  }

  /** Gives each hour both of its rows again. */
  #pair(): void {
    for (const [table, other] of [
      ['unit', 'twin'],
      ['twin', 'unit'],
    ] as const) {
      const put = this.#db.prepare(
        `insert into ${table} (${HOUR_COLUMNS.join(', ')}) values (${HOUR_COLUMNS.map(() => '?').join(', ')})`,
      );
      const missing = this.#db.prepare<[number], SealedHour>(
        `select * from ${other} where id > ? and id not in (select id from ${table}) order by id limit ${SOME}`,
      );
      for (const hour of inChunks(missing))
        put.run(...HOUR_COLUMNS.map((column) => (column === 'sum' ? sealOf(table, hour) : hour[column])));
    }
  }

  /** Every hour with the parts that are its own; what nobody claims goes. */
  #settle(): NonNullable<Repair['salvaged']> {
    this.#pair();
    for (const { ordinal, name } of this.#homes.made)
      this.#db.prepare('insert into log (ordinal, name) values (?, ?)').run(ordinal, name);
    const lost = { blocks: 0, records: 0, readings: 0, ranges: [] as Range[] };
    for (const { id, last, records, readings } of this.#left.values()) {
      lost.blocks++;
      lost.records += records;
      lost.readings += readings;
      if (lost.ranges.length < MAX_RANGES)
        lost.ranges.push({ log: this.#nameOf(Math.floor(id / keyOf(1, 0))), first: seqOf(id), last });
    }
    const sums = { blocks: 0, records: 0, readings: 0 };
    const gaps: Range[] = [];
    let before: SealedHour | undefined;
    const count = this.#db.prepare<[], number>('select count(*) from unit').pluck().get() ?? 0;
    for (const hour of inChunks(
      this.#db.prepare<[number], SealedHour>(`select * from unit where id > ? order by id limit ${SOME}`),
    )) {
      const now = this.#settleHour(hour);
      sums.blocks++;
      this.#pace.settled(sums.blocks, count);
      sums.records += now.records;
      sums.readings += now.readings;
      const log = Math.floor(hour.id / keyOf(1, 0));
      const name = this.#nameOf(log);
      if (now.records < hour.records) {
        lost.blocks++;
        lost.records += hour.records - now.records;
        lost.readings += hour.readings - now.readings;
        if (lost.ranges.length < MAX_RANGES) lost.ranges.push({ log: name, first: seqOf(hour.id), last: hour.last });
      }
      // Alarms and events have numbers between hours too: such a gap is one of which nothing is in this file.
      if (before !== undefined && before.boot === hour.boot && hour.id > keyOf(log, before.last) + 1)
        gaps.push({ log: name, first: before.last + 1, last: seqOf(hour.id) - 1 });
      before = hour;
    }
    this.#dropUnclaimed();
    // log.db knows how far it was compacted.
    for (const [log, seq] of this.#compacted) {
      const last = this.#db
        .prepare<[number, number], number>('select last from unit where id >= ? and id < ? order by id desc limit 1')
        .pluck()
        .get(keyOf(log, 0), keyOf(log + 1, 0));
      if ((last ?? 0) < seq) gaps.push({ log: this.#nameOf(log), first: (last ?? 0) + 1, last: seq });
    }
    return {
      ...sums,
      notices: 0,
      lost,
      gaps: gaps.slice(0, MAX_RANGES),
      moreGaps: Math.max(0, gaps.length - MAX_RANGES),
      ...(this.#unread === undefined ? {} : { unread: this.#unread }),
      again: this.#homes.made.flatMap((home) => this.#movedInto(home)),
    };
  }

  /** The part of the report about the moved hours; nothing where no record is left. */
  #movedInto({ ordinal, name, oldLog }: Home): NonNullable<Repair['salvaged']>['again'] {
    const [first, last, records] = this.#db
      .prepare<[number, number], [number, number, number]>(
        'select coalesce(min(id), 0), coalesce(max(last), 0), coalesce(sum(records), 0) from unit where id >= ? and id < ?',
      )
      .raw()
      .get(keyOf(ordinal, 0), keyOf(ordinal + 1, 0)) as [number, number, number];
    return records === 0 ? [] : [{ oldLog, newLog: name, first: seqOf(first), last, records, notices: 0 }];
  }

  /** Parts and roll-ups of no hour: what lies between those of two. */
  #dropUnclaimed(): void {
    const next = this.#db
      .prepare<[number], [number, number]>(
        'select first_part, first_part + parts from unit where first_part >= ? order by first_part limit 1',
      )
      .raw();
    this.#db.exec('create index by_part on unit (first_part)');
    for (let from = 0, more = true; more; ) {
      const found = next.get(from);
      const [first, end] = found ?? [Number.MAX_SAFE_INTEGER, 0];
      for (const table of ['part', 'rollup']) this.#db.prepare(`delete from ${table} where id >= ? and id < ?`).run(from, first);
      more = found !== undefined;
      from = Math.max(end, from + 1);
    }
    this.#db.exec('drop index by_part');
  }

  #settleHour(hour: SealedHour): { records: number; readings: number } {
    let records = 0;
    let readings = 0;
    let bytes = 0;
    const range = [hour.first_part, hour.first_part + hour.parts] as const;
    for (const part of this.#db
      .prepare<[number, number], { id: number; shape: number; body: Buffer }>(
        'select id, shape, body from part where id >= ? and id < ?',
      )
      .all(...range)) {
      const found = this.#partRecords(part);
      const own = found?.every((r) => r.seq >= seqOf(hour.id) && r.seq <= hour.last);
      if (found === undefined || own !== true) {
        this.#db.prepare('delete from part where id = ?').run(part.id);
        continue;
      }
      const n = found.reduce((sum, r) => sum + r.sample.shape.points.length, 0);
      this.#db.prepare('update part set records = ?, readings = ? where id = ?').run(found.length, n, part.id);
      records += found.length;
      readings += n;
      bytes += part.body.length;
    }
    for (const rollup of this.#db
      .prepare<[number, number], { id: number; shape: number; body: Buffer }>(
        'select id, shape, body from rollup where id >= ? and id < ?',
      )
      .all(...range)) {
      const part = this.#db.prepare<[number], number>('select shape from part where id = ?').pluck().get(rollup.id);
      if (!this.#shapes.has(rollup.shape) || (part !== undefined && part !== rollup.shape))
        this.#db.prepare('delete from rollup where id = ?').run(rollup.id);
      else bytes += rollup.body.length;
    }
    // A twin does not know what became of its hour.
    const state = records === 0 ? HOUR_STATE.summary : hour.state === HOUR_STATE.summary ? HOUR_STATE.thinned : hour.state;
    this.#db
      .prepare('update unit set records = ?, readings = ?, bytes = ?, state = ? where id = ?')
      .run(records, readings, bytes, state, hour.id);
    return { records, readings };
  }

  /** undefined where the part is of another shape than it says. */
  #partRecords({ shape, body }: { shape: number; body: Buffer }): LogRecord[] | undefined {
    try {
      return decodeBlock(body, (id) => (id === shape ? this.#shapes.get(id) : undefined));
    } catch {
      return undefined;
    }
  }

  #nameOf(log: number): string {
    return this.#db.prepare<[number], string>('select name from log where ordinal = ?').pluck().get(log) ?? '';
  }
}

/** Rows behind the last one, some at a time: nothing else can be done with the file while a statement is under way. */
function* inChunks(some: Database.Statement<[number], SealedHour>): Generator<SealedHour> {
  for (let after = 0, hours = some.all(0); hours.length > 0; hours = some.all(after)) {
    yield* hours;
    after = hours.at(-1)?.id ?? after;
  }
}
