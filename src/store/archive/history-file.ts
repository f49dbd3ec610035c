/**
 * history.db as the keeper thread has it: opened, written, measured. One transaction a call.
 *
 * - An hour's records are written once, those that outlive the others in parts of their own; a record never changes.
 * - What is taken away is counted, by point, in the transaction that takes it away.
 * - Free pages are used again before the file grows, so that a full log does not move in the file system.
 */
import Database from 'better-sqlite3';
import { toError } from '../../core/errors.ts';
import type { LogRecord, Shape } from '../../core/point.ts';
import { ABSENT } from '../../core/reasons.ts';
import {
  HISTORY_LAYOUT,
  HISTORY_PAGE_SIZE,
  HISTORY_TABLES,
  HISTORY_VERSION,
  HOUR_STATE,
  type HourRow,
} from '../files/history-layout.ts';
import { keyOf, shapeReader } from '../files/layout.ts';
import { keptLayout, refuseNewer, sealedLayout, sealLayout } from '../files/layout-seal.ts';
import { rowSum, shapeSeal, shapeSealName } from '../files/sealed-rows.ts';
import { bytesOf, statSize } from '../files/whole-file.ts';
import { Removals } from '../hot/removals.ts';
import { Hours } from './hours.ts';

/** Bytes of the journal that stay. */
const JOURNAL_KEPT = 262_144;

export interface NewPart extends Body {
  readonly shape: number;
  /** The roll-up of all records. */
  readonly rollup: Buffer;
  /** The records that go when the hour is thinned; undefined where all stay. */
  readonly goesFirst: Body | undefined;
}
interface Body {
  readonly records: number;
  readonly readings: number;
  readonly body: Buffer;
}
export interface NewHour {
  readonly id: number;
  readonly last: number;
  readonly boot: number;
  readonly inventory: number;
  readonly atFirst: number;
  readonly atLast: number;
  readonly parts: readonly NewPart[];
}
/** The rows of log.db that an hour needs to be read alone. */
export interface Copies {
  readonly logs: readonly { readonly ordinal: number; readonly name: string }[];
  readonly boots: readonly { readonly boot: number; readonly log: number }[];
  readonly clock: readonly {
    readonly boot: number;
    readonly from_seq: number;
    readonly offset: number;
    readonly estimated: number;
  }[];
  readonly shapes: readonly { readonly id: number; readonly body: string }[];
}

export class History {
  readonly file: string;
  readonly db: Database.Database;
  readonly hours: Hours;
  readonly shapeOf: (id: number) => Shape | undefined;
  readonly removed: Removals;
  #overwrites = false;

  private constructor(file: string, db: Database.Database) {
    this.file = file;
    this.db = db;
    this.shapeOf = shapeReader(db);
    this.hours = new Hours(db, this.shapeOf);
    this.removed = new Removals(db, this.shapeOf);
  }

  /** @throws SluiceError log-newer, log-open; SqliteError where the file is damaged or the disk refuses */
  static open(file: string): History {
    const db = new Database(file);
    try {
      const tables = db.prepare<[], number>("select count(*) from sqlite_schema where type = 'table'").pluck().get() as number;
      if (tables > 0) refuseNewer(file, sealedLayout(db, 'history'), HISTORY_VERSION);
      else {
        db.pragma(`page_size = ${HISTORY_PAGE_SIZE}`);
        db.pragma('auto_vacuum = INCREMENTAL');
      }
      // Nobody else opens it, and a journal that stays open need not be looked for in its folder.
      db.pragma('locking_mode = EXCLUSIVE');
      // A journal that stays where it is costs no change of a directory; what it holds is small, since new pages are not in it.
      db.pragma('journal_mode = PERSIST');
      db.pragma(`journal_size_limit = ${JOURNAL_KEPT}`);
      db.pragma('synchronous = FULL');
      db.pragma('cache_size = -1024');
      if (tables === 0)
        db.transaction(() => {
          db.exec(HISTORY_TABLES);
          db.pragma(`user_version = ${HISTORY_VERSION}`);
          sealLayout(db, 'history', HISTORY_LAYOUT);
        })();
      return new History(file, db);
    } catch (thrown) {
      db.close();
      throw thrown;
    }
  }

  close(): void {
    this.db.close();
  }

  /** From now on what is deleted is overwritten with zeros, and the journal, which has what was there before, is cut. */
  overwrite(on: boolean): void {
    if (on === this.#overwrites) return;
    this.db.pragma(`secure_delete = ${on ? 'ON' : 'OFF'}`);
    this.db.pragma(`journal_size_limit = ${on ? 0 : JOURNAL_KEPT}`);
    this.#overwrites = on;
  }

  /** On disk: the file and its journal, and a damaged one beside it. */
  bytes(): number {
    return bytesOf(this.file);
  }
  /** Pages in use, and the journal. */
  used(): number {
    const pages = this.db.pragma('page_count', { simple: true }) as number;
    const free = this.db.pragma('freelist_count', { simple: true }) as number;
    return (pages - free) * HISTORY_PAGE_SIZE + statSize(`${this.file}-journal`);
  }

  /** Gives free pages back to the file system until the file has at most `most` bytes; `step` bytes a call. @returns whether any went */
  shrink(most: number, step: number): boolean {
    const free = this.db.pragma('freelist_count', { simple: true }) as number;
    const pages = Math.min(
      free,
      Math.ceil(Math.min(statSize(this.file) + statSize(`${this.file}-journal`) - most, step) / HISTORY_PAGE_SIZE),
    );
    if (pages <= 0) return false;
    this.db.pragma(`incremental_vacuum(${pages})`);
    return true;
  }

  add(hour: NewHour, copies: Copies): void {
    this.db.transaction(() => {
      this.copy(copies);
      const firstPart = this.db.prepare('select coalesce(max(first_part + parts), 1) from unit').pluck().get() as number;
      const put = this.db.prepare('insert into part (id, shape, records, readings, body) values (?, ?, ?, ?, ?)');
      const putRollup = this.db.prepare('insert into rollup (id, shape, body) values (?, ?, ?)');
      let records = 0;
      let readings = 0;
      let bytes = 0;
      let next = firstPart;
      const putPart = (shape: number, part: Body): void => {
        put.run(next++, shape, part.records, part.readings, part.body);
        records += part.records;
        readings += part.readings;
        bytes += part.body.length;
      };
      for (const part of hour.parts) {
        putRollup.run(next, part.shape, part.rollup);
        bytes += part.rollup.length;
        putPart(part.shape, part);
      }
      for (const { shape, goesFirst } of hour.parts) if (goesFirst !== undefined) putPart(shape, goesFirst);
      // An older version would read half of what such an hour has.
      const kept = keptLayout(sealedLayout(this.db, 'history'), HISTORY_LAYOUT);
      if (this.db.pragma('user_version', { simple: true }) !== kept.version) this.db.pragma(`user_version = ${kept.version}`);
      sealLayout(this.db, 'history', kept);
      const seal = [
        hour.id,
        hour.last,
        hour.boot,
        hour.inventory,
        hour.atFirst,
        hour.atLast,
        firstPart,
        next - firstPart,
      ] as const;
      this.db
        .prepare(
          'insert into unit (id, last, boot, inventory, at_first, at_last, records, readings, state, first_part, parts, bytes, sum) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)',
        )
        .run(
          hour.id,
          hour.last,
          hour.boot,
          hour.inventory,
          hour.atFirst,
          hour.atLast,
          records,
          readings,
          HOUR_STATE.whole,
          firstPart,
          next - firstPart,
          bytes,
          rowSum('unit', ...seal),
        );
      this.db
        .prepare(
          'insert into twin select id, last, boot, inventory, at_first, at_last, records, readings, state, first_part, parts, bytes, ? from unit where id = ?',
        )
        .run(rowSum('twin', ...seal), hour.id);
    })();
  }

  /** Inside a transaction. What is the same already is not written. */
  copy({ logs, boots, clock, shapes }: Copies): void {
    const log = this.db.prepare(
      'insert into log (ordinal, name) values (?, ?) on conflict do update set name = excluded.name where name <> excluded.name',
    );
    for (const l of logs) log.run(l.ordinal, l.name);
    const boot = this.db.prepare('insert or ignore into boot (boot, log) values (?, ?)');
    for (const b of boots) boot.run(b.boot, b.log);
    const known = new Map(
      this.db
        .prepare<[], { boot: number; from_seq: number; offset: number; estimated: number }>('select * from clock')
        .all()
        .map((c) => [`${c.boot}/${c.from_seq}`, `${c.offset}/${c.estimated}`]),
    );
    const setClock = this.db.prepare('insert or replace into clock (boot, from_seq, offset, estimated) values (?, ?, ?, ?)');
    for (const c of clock)
      if (known.get(`${c.boot}/${c.from_seq}`) !== `${c.offset}/${c.estimated}`)
        setClock.run(c.boot, c.from_seq, c.offset, c.estimated);
    const shape = this.db.prepare('insert or ignore into shape (id, body) values (?, ?)');
    const seal = this.db.prepare('insert or ignore into meta (name, value) values (?, ?)');
    for (const s of shapes) if (shape.run(s.id, s.body).changes > 0) seal.run(shapeSealName(s.id), shapeSeal(s.id, s.body));
  }

  /** @param after id of an hour to look behind */
  oldest(state: number, after = 0): HourRow | undefined {
    return this.db
      .prepare<[number, number], HourRow>('select * from unit where state = ? and id > ? order by id limit 1')
      .get(state, after);
  }
  bytesOf(state: number): number {
    return this.db.prepare('select coalesce(sum(bytes), 0) from unit where state = ?').pluck().get(state) as number;
  }
  /** Records in all hours. */
  held(): number {
    return this.db.prepare('select coalesce(sum(records), 0) from unit').pluck().get() as number;
  }
  /** For each log, the last number that is in an hour. */
  watermarks(): [log: number, seq: number][] {
    const logs = this.db
      .prepare<[], number>(`select distinct cast(id / ${keyOf(1, 0)} as integer) from unit`)
      .pluck()
      .all() as number[];
    return logs.map((log) => [log, this.hours.watermark(log) - keyOf(log, 0)]);
  }

  /** Inside a transaction: the part's records become these (none: the part goes). */
  setPart(id: number, part: { records: number; readings: number; body: Buffer } | undefined): void {
    if (part === undefined) this.db.prepare('delete from part where id = ?').run(id);
    else
      this.db
        .prepare('update part set records = ?, readings = ?, body = ? where id = ?')
        .run(part.records, part.readings, part.body, id);
  }
  setHour(hour: HourRow, state: number): void {
    const range = [hour.first_part, hour.first_part + hour.parts] as const;
    const sums = this.db
      .prepare<[number, number], { records: number; readings: number; bytes: number }>(
        'select coalesce(sum(records), 0) as records, coalesce(sum(readings), 0) as readings, coalesce(sum(length(body)), 0) as bytes from part where id >= ? and id < ?',
      )
      .get(...range) as { records: number; readings: number; bytes: number };
    const rollups = this.db
      .prepare<[number, number], number>('select coalesce(sum(length(body)), 0) from rollup where id >= ? and id < ?')
      .pluck()
      .get(...range) as number;
    this.db
      .prepare('update unit set state = ?, records = ?, readings = ?, bytes = ? where id = ?')
      .run(state, sums.records, sums.readings, sums.bytes + rollups, hour.id);
  }
  /** Inside a transaction: hour, parts and roll-ups are gone. */
  removeHour(hour: HourRow): void {
    for (const table of ['part', 'rollup'])
      this.db.prepare(`delete from ${table} where id >= ? and id < ?`).run(hour.first_part, hour.first_part + hour.parts);
    for (const table of ['unit', 'twin']) this.db.prepare(`delete from ${table} where id = ?`).run(hour.id);
  }
}

/** Opening for those who only want to know: no file, no history. */
export function tryHistory(file: string): { history: History | undefined; fault: string | undefined } {
  try {
    return { history: History.open(file), fault: undefined };
  } catch (thrown) {
    return { history: undefined, fault: toError(thrown).message };
  }
}

/** Readings of records by point; what is absent is no reading. */
export function countByPoint(shape: Shape, records: readonly LogRecord[]): number[] {
  const counts = new Array<number>(shape.points.length).fill(0);
  for (const { sample } of records)
    for (let i = 0; i < counts.length; i++)
      if (sample.reasons === null || sample.reasons[i] !== ABSENT) counts[i] = (counts[i] as number) + 1;
  return counts;
}
