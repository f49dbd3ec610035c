/**
 * Compaction: the commit blocks of log.db become hours of history.db, column by column.
 *
 * - Blocks are taken in the order of their keys, behind the watermark of their log; none is left out.
 * - An hour of history lies within one log, boot, inventory and hour of time, and within HOUR_READINGS, HOUR_RECORDS and HOUR_TEXTS.
 * - The hour is committed before anybody deletes the blocks it replaces.
 * - Works in steps, between which the thread answers readers.
 */
import type Database from 'better-sqlite3';
import { decodeShapes, encodeShape, type ShapeColumns } from '../../codecs/blocks.ts';
import { encodeRollups } from '../../codecs/rollup-encode.ts';
import { rollupWidth } from '../../codecs/rollup-sums.ts';
import { contentOf } from '../../codecs/rows.ts';
import type { Shape } from '../../core/point.ts';
import { THIN } from '../files/history-layout.ts';
import { type BlockRow, keyOf, seqOf, shapeReader } from '../files/layout.ts';
import type { Agreement } from '../hot/agreement.ts';
import type { ClockTable } from '../time/clock-table.ts';
import { Collector } from './collector.ts';
import type { Copies, History, NewHour, NewPart } from './history-file.ts';
import { Scratch, ShapeTable } from './shape-table.ts';

/** Bound an hour's memory: while it is made eight bytes a reading, while it is read record by record about 20 MB. */
export const HOUR_READINGS = 360_000;
export const HOUR_RECORDS = 50_000;
/** Bytes of all texts: only decoding tells how many there are. A block has a part of it, so that it is not far surpassed. */
const HOUR_TEXTS = 8 * 1024 * 1024;
const HOUR = 3_600_000;
/** Blocks that one step decodes, and readings that one step encodes. */
const STEP_BLOCKS = 16;
/** Hours are written once and read often. */
const LEVEL = 6;

type Head = Omit<BlockRow, 'body'>;

export interface CompactRequest {
  /** Boot and monotonic time of now: an hour that is over is compacted although no block follows it. */
  readonly boot: number;
  readonly at: number;
  /** Closes the hour however little there is: space is short. */
  readonly force: boolean;
  /** Logs with a lower ordinal are left alone. */
  readonly from?: number;
}

export class Compactor {
  readonly #log: Database.Database;
  readonly #clock: ClockTable;
  readonly #history: History;
  readonly #agreement: Agreement;
  readonly #shapeOf: (id: number) => Shape | undefined;
  readonly #garbage = new Collector();

  constructor(log: Database.Database, clock: ClockTable, history: History, agreement: Agreement) {
    this.#log = log;
    this.#clock = clock;
    this.#history = history;
    this.#agreement = agreement;
    this.#shapeOf = shapeReader(log);
  }

  /**
   * The next hour, made but not written; undefined when none is due.
   * @returns `damaged`: blocks that could not be read and are left out
   */
  *next(request: CompactRequest): Generator<undefined, { hour: NewHour; copies: Copies; damaged: Head[] } | undefined> {
    const heads = this.#heads(request);
    const [first] = heads;
    let last = heads.at(-1);
    if (first === undefined || last === undefined) return undefined;
    this.#agreement.begin(first.id, lastKeyOf(last));
    const tables = new Map<number, ShapeTable>();
    const shapeIds = new Map<Shape, number>();
    const damaged: Head[] = [];
    let texts = 0;
    const body = this.#log.prepare<[number], Buffer>('select body from block where id = ?').pluck();
    for (const [i, head] of heads.entries()) {
      if (i > 0 && i % STEP_BLOCKS === 0) yield;
      const blob = body.get(head.id);
      if (blob === undefined) continue;
      let groups: ShapeColumns[];
      try {
        groups = decodeShapes(blob, this.#shapeOf);
      } catch {
        damaged.push(head);
        continue;
      }
      texts += groups.reduce((sum, columns) => sum + columns.texts, 0);
      if (texts > HOUR_TEXTS && i > 0) {
        // It begins the next hour.
        last = heads[i - 1] as Head;
        this.#agreement.shorten(lastKeyOf(last));
        break;
      }
      if (!this.#take(groups, tables, shapeIds)) damaged.push(head);
      this.#garbage.worked(head.readings);
    }
    const offset = this.#clock.of(first.boot, last.last)?.offset ?? 0;
    let atFirst = last.at_last;
    const shapes = [...tables.keys()];
    const parts: NewPart[] = [];
    const scratch = new Scratch();
    for (const [id, table] of tables) {
      yield;
      const began = table.at(0);
      atFirst = Math.min(atFirst, began);
      const width = rollupWidth(table.at(table.length - 1) - began, table.length);
      const rollup = encodeRollups(
        table.rows(scratch, () => true),
        width,
        offset,
      );
      const part = (picked: (m: number) => boolean) => {
        const rows = table.rows(scratch, picked);
        const records = rows.seqs.length;
        return { records, readings: records * table.shape.points.length, body: encodeShape(rows, id, LEVEL) };
      };
      parts.push({
        shape: id,
        ...part((m) => m % THIN === 0),
        rollup,
        goesFirst: table.length === 1 ? undefined : part((m) => m % THIN !== 0),
      });
      // Encoded readings need not be held twice.
      tables.delete(id);
      // Encoded three times: the roll-ups, and both parts.
      this.#garbage.worked(2 * table.length * table.shape.points.length);
    }
    const hour: NewHour = {
      id: first.id,
      last: last.last,
      boot: first.boot,
      inventory: first.inventory,
      atFirst,
      atLast: last.at_last,
      parts,
    };
    return { hour, copies: this.#copies(first, shapes), damaged };
  }

  /**
   * All records of a block, or none: then it is damaged. It may have several groups of one shape, whose records stand
   * between each other. @returns false when it is damaged
   */
  #take(groups: readonly ShapeColumns[], tables: Map<number, ShapeTable>, shapeIds: Map<Shape, number>): boolean {
    const staged = new Map<number, ShapeTable>();
    try {
      for (const columns of groups) {
        const id = this.#idOf(columns.shape, shapeIds);
        const table = staged.get(id) ?? tables.get(id) ?? new ShapeTable(columns.shape);
        staged.set(id, table);
        table.stage(columns);
      }
    } catch {
      for (const table of staged.values()) table.forget();
      return false;
    }
    for (const [id, table] of staged) {
      table.commit();
      tables.set(id, table);
    }
    return true;
  }

  /** The blocks of the next hour, without their bodies. */
  #heads({ boot, at, force, from = 1 }: CompactRequest): Head[] {
    const logs = this.#log
      .prepare<[number], number>('select ordinal from log where ordinal >= ? order by ordinal')
      .pluck()
      .all(from);
    const select = this.#log.prepare<[number, number], Head>(
      'select id, last, boot, inventory, records, readings, at_last from block where id > ? and id < ? order by id',
    );
    for (const log of logs) {
      const heads: Head[] = [];
      let readings = 0;
      let records = 0;
      let closed = force;
      const mark = this.#history.hours.watermark(log);
      for (const head of select.iterate(Math.max(mark, keyOf(log, 0)), keyOf(log + 1, 0))) {
        const [first] = heads;
        if (
          first !== undefined &&
          (head.boot !== first.boot ||
            head.inventory !== first.inventory ||
            this.#hourOf(head) !== this.#hourOf(first) ||
            readings + head.readings > HOUR_READINGS ||
            records + head.records > HOUR_RECORDS)
        ) {
          closed = true;
          break;
        }
        heads.push(head);
        readings += head.readings;
        records += head.records;
      }
      const [first] = heads;
      if (first === undefined) continue;
      if (closed || first.boot !== boot || this.#hour(first.boot, first.last, at) !== this.#hourOf(first)) return heads;
    }
    return [];
  }

  #hourOf(head: Head): number {
    return this.#hour(head.boot, head.last, head.at_last);
  }
  /** Hours of UTC as far as it is known. */
  #hour(boot: number, seq: number, at: number): number {
    return Math.floor((at + (this.#clock.of(boot, seq)?.offset ?? 0)) / HOUR);
  }

  /** The durable number, by content: two numbers never have the same. @param ids what was asked before: each object once */
  #idOf(shape: Shape, ids: Map<Shape, number>): number {
    let id = ids.get(shape);
    if (id === undefined) {
      const key = contentOf(shape);
      id = this.#log.prepare<[string], number>('select id from shape where body = ?').pluck().get(key);
      if (id === undefined) throw new Error(`a shape of ${shape.device} has no number`);
      ids.set(shape, id);
    }
    return id;
  }

  #copies(first: Head, shapes: readonly number[]): Copies {
    const ordinal = (first.id - seqOf(first.id)) / keyOf(1, 0);
    const shape = this.#log.prepare<[number], string>('select body from shape where id = ?').pluck();
    return {
      logs: this.#log
        .prepare<[number], { ordinal: number; name: string }>('select ordinal, name from log where ordinal = ?')
        .all(ordinal),
      boots: [{ boot: first.boot, log: ordinal }],
      clock: this.#log
        .prepare<[number], Copies['clock'][number]>('select boot, from_seq, offset, estimated from clock where boot = ?')
        .all(first.boot),
      shapes: shapes.map((id) => ({ id, body: shape.get(id) as string })),
    };
  }
}

/** Key of its last record. */
function lastKeyOf({ id, last }: Head): number {
  return id - seqOf(id) + last;
}
