/**
 * Counts the readings of some stretches of numbers from the heads of hours and blocks: nothing is decoded. An hour or a block
 * that lies in a stretch in part counts by its share of numbers, and so the answer says that it is not exact.
 */
import type Database from 'better-sqlite3';
import { keyOf, seqOf } from '../files/layout.ts';
import type { LogReader } from './reading.ts';
import type { WaitingRequest, WaitingResult } from './requests.ts';

/** Heads that are read for one answer: a year of hours of one log has 8,760. */
const MOST_HEADS = 20_000;

interface Head {
  readonly id: number;
  readonly last: number;
  readonly readings: number;
}

export function waitingReadings(reader: LogReader, { id, spans }: WaitingRequest): WaitingResult {
  const hours = reader.history && new Heads(reader.history.db, 'unit');
  const blocks = new Heads(reader.db, 'block');
  const total = { readings: 0, exact: true, left: MOST_HEADS };
  for (const { log, from, to } of spans) {
    // Blocks up to the watermark are in an hour, and only wait to be deleted.
    const mark = seqOf(reader.history?.hours.watermark(log) ?? 0);
    hours?.count(log, from, Math.min(to, mark), total);
    blocks.count(log, Math.max(from, mark + 1), to, total);
  }
  return { id, readings: total.readings, exact: total.exact };
}

class Heads {
  readonly #upTo: Database.Statement<[key: number, from: number], Head>;
  readonly #within: Database.Statement<[key: number, end: number, most: number], { readings: number; heads: number }>;

  constructor(db: Database.Database, table: 'unit' | 'block') {
    this.#upTo = db.prepare(`select id, last, readings from ${table} where id <= ? and id >= ? order by id desc limit 1`);
    this.#within = db.prepare(
      `select coalesce(sum(readings), 0) as readings, count(*) as heads from (select readings from ${table} where id > ? and id <= ? order by id limit ?)`,
    );
  }

  count(log: number, from: number, to: number, total: { readings: number; exact: boolean; left: number }): void {
    if (from > to) return;
    const first = this.#upTo.get(keyOf(log, from), keyOf(log, 0));
    if (first !== undefined && first.last >= from) this.#share(first, from, to, total);
    const end = this.#upTo.get(keyOf(log, to), keyOf(log, from) + 1);
    if (end === undefined) return;
    const whole = end.last > to ? end.id - 1 : end.id;
    const { readings, heads } = this.#within.get(keyOf(log, from), whole, total.left) ?? { readings: 0, heads: 0 };
    total.readings += readings;
    total.left -= heads;
    if (total.left <= 0) total.exact = false;
    if (end.last > to) this.#share(end, from, to, total);
  }

  #share({ id, last, readings }: Head, from: number, to: number, total: { readings: number; exact: boolean }): void {
    const first = seqOf(id);
    const part = Math.min(to, last) - Math.max(from, first) + 1;
    const all = last - first + 1;
    total.readings += Math.round((readings * part) / all);
    if (part < all) total.exact = false;
  }
}
