/**
 * The starts of the daemon ("boots") in the log's file. Several of them lie within one boot of the machine, whose
 * monotonic clock they share: what one of them learns of the time holds for all.
 */
import type Database from 'better-sqlite3';
import type { Machine } from '../../core/clock.ts';
import { type BootInfo, keyOf } from '../files/layout.ts';
import { rowSum } from '../files/sealed-rows.ts';
import type { ClockTable } from './clock-table.ts';

/** Boots whose time may still change: the newest ones. */
const MAX_OPEN = 1000;

interface Row {
  boot: number;
  log: number;
  first: number;
  machine: string;
  origin: number;
  at_last: number;
  proven: number;
}

export class BootTable {
  readonly #db: Database.Database;

  constructor(db: Database.Database) {
    this.#db = db;
  }

  /** A boot that is there already stays as it is. @param first the number from which on numbers of the log are its own */
  add(boot: number, log: number, first: number, machine: Machine | undefined): void {
    if (this.#row(boot) !== undefined) return;
    const { id = '', origin = 0 } = machine ?? {};
    this.#put({ boot, log, first, machine: id, origin, at_last: 0, proven: 0 });
  }

  /** Its records reach at least to here. @param at monotonic ms of the boot */
  reaches(boot: number, at: number): void {
    const row = this.#row(boot);
    if (row !== undefined && at > row.at_last) this.#put({ ...row, at_last: Math.ceil(at) });
  }

  /** Nothing was handed over in it that the lanes in the file do not know. */
  prove(boot: number): void {
    const row = this.#row(boot);
    if (row !== undefined && row.proven === 0) this.#put({ ...row, proven: 1 });
  }

  /**
   * The last run may have handed over records of every boot. Where it left neither a tail nor a clean end (`prove`), that is not
   * known, and known times stay as they are. @param last the boot of that run
   */
  doubtAfter(last: number): void {
    if (this.#row(last)?.proven !== 0) return;
    const rows = this.#db.prepare<[number], Row>('select * from boot where proven = 1 order by boot desc limit ?').all(MAX_OPEN);
    for (const row of rows) this.#put({ ...row, proven: 0 });
  }

  /** Takes over from blocks and notices how far a boot reaches, before they are gone. */
  measure(boot: number): void {
    const row = this.#row(boot);
    if (row === undefined) return;
    const end = this.#end(row);
    for (const [table, at] of [
      ['block', 'at_last'],
      ['notice', 'at'],
    ] as const) {
      const last = this.#db
        .prepare<[number, number], { boot: number; at: number }>(
          `select boot, ${at} as at from ${table} where id >= ? and id < ? order by id desc limit 1`,
        )
        .get(keyOf(row.log, row.first), keyOf(row.log, end));
      if (last?.boot === boot) this.reaches(boot, last.at);
    }
  }

  /** All rows, as they stand in the file. */
  all(): Row[] {
    return this.#db.prepare<[], Row>('select * from boot').all();
  }
  /** The number of the newest one; 0: there is none. */
  get newest(): number {
    return this.#db.prepare('select coalesce(max(boot), 0) from boot').pluck().get() as number;
  }

  /** The newest boots, oldest first, with their mappings. */
  open(clock: ClockTable): BootInfo[] {
    const rows = this.#db.prepare<[number], Row>('select * from boot order by boot desc limit ?').all(MAX_OPEN).reverse();
    // A boot of which only the name was salvaged changes no more.
    return rows
      .filter((row) => row.first > 0)
      .map((row) => ({
        ...{ boot: row.boot, log: row.log, first: row.first, last: this.#end(row) - 1, atLast: row.at_last },
        ...{ machine: { id: row.machine, origin: row.origin }, proven: row.proven === 1 },
        clock: clock.list(row.boot),
      }));
  }

  /** The number behind its last one. */
  #end(row: Row): number {
    const next = this.#db
      .prepare<[number, number], number>('select first from boot where log = ? and boot > ? and first > 0 order by boot limit 1')
      .pluck()
      .get(row.log, row.boot);
    return next ?? keyOf(1, 0) - 1;
  }
  #row(boot: number): Row | undefined {
    return this.#db.prepare<[number], Row>('select * from boot where boot = ?').get(boot);
  }
  #put({ boot, log, first, machine, origin, at_last, proven }: Row): void {
    const row = [boot, log, first, machine, origin, at_last, proven] as const;
    this.#db
      .prepare(
        'insert or replace into boot (boot, log, first, machine, origin, at_last, proven, sum) values (?, ?, ?, ?, ?, ?, ?, ?)',
      )
      .run(...row, rowSum('boot', ...row));
  }
}
