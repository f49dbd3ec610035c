/**
 * What is read from the log, without the thread: backlog payloads and notices, in bounded slices. A run is what is
 * decoded at once: a unit of history.db, or a commit block of log.db behind the last unit.
 */
import Database from 'better-sqlite3';
import { decodeBlock } from '../../codecs/blocks.ts';
import { formatNamed } from '../../codecs/formats.ts';
import type { LogRecord, Shape } from '../../core/point.ts';
import { readingCount } from '../../core/point.ts';
import type { History } from '../archive/history-file.ts';
import type { NoticesRequest, NoticesResult, ReadRequest, ReadResult } from '../delivery/backlog-request.ts';
import type { UnitRow } from '../files/history-layout.ts';
import { type BlockRow, bootName, keyOf, seqOf, shapeReader } from '../files/layout.ts';
import type { DamagedBlock } from '../files/repair-report.ts';
import { ClockTable, type Mapping } from '../time/clock-table.ts';

/** What is decoded at once; either of unit and block. */
interface Run {
  readonly id: number;
  readonly last: number;
  readonly boot: number;
  readonly inventory: number;
  readonly unit?: UnitRow;
  readonly block?: BlockRow;
}

export class LogReader {
  readonly #db: Database.Database;
  readonly #clock: ClockTable;
  readonly #shapeOf: (id: number) => Shape | undefined;
  /** The run read last: a lane takes it in several batches. A unit has the id of its first block, and more records. */
  #last: { id: number; compacted: boolean; records: LogRecord[] } | undefined;
  #damaged: DamagedBlock[] = [];
  /** undefined while there is none that can be read. */
  history: History | undefined;

  constructor(file: string) {
    this.#db = new Database(file, { readonly: true, fileMustExist: true });
    this.#db.pragma('cache_size = -512');
    this.#clock = new ClockTable(this.#db);
    this.#shapeOf = shapeReader(this.#db);
  }

  get db(): Database.Database {
    return this.#db;
  }
  get shapeOf(): (id: number) => Shape | undefined {
    return this.#shapeOf;
  }
  get clock(): ClockTable {
    return this.#clock;
  }

  close(): void {
    this.#db.close();
    this.history?.close();
  }

  /** What was decoded may be thinned now. */
  forget(): void {
    this.#last = undefined;
  }

  /** The next batch of from..to: one boot, one inventory, one clock mapping. @throws SluiceError log-read */
  read(request: ReadRequest): ReadResult {
    const { log, from, to } = request;
    const records: LogRecord[] = [];
    let readings = 0;
    let first: Run | undefined;
    let clock: Mapping | undefined;
    let row = this.#runAt(log, from);
    while (row !== undefined && readings < request.maxReadings) {
      if (first !== undefined && (row.boot !== first.boot || row.inventory !== first.inventory)) break;
      if (seqOf(row.id) > to) break;
      let ended = false;
      for (const record of this.#recordsOf(row)) {
        if (record.seq < from) continue;
        const n = readingCount(record.sample);
        if (record.seq > to || (records.length > 0 && readings + n > request.maxReadings)) {
          ended = true;
          break;
        }
        const segment = this.#clockOf(row.boot, record.seq);
        if (clock === undefined) clock = segment;
        else if (segment.offset !== clock.offset || segment.estimated !== clock.estimated) {
          ended = true;
          break;
        }
        first ??= row;
        records.push(record);
        readings += n;
      }
      if (ended) break;
      row = this.#runAfter(log, row);
    }
    if (first === undefined || clock === undefined) return { id: request.id, batch: undefined };
    const boot = bootName(first.boot);
    const { lane, gateway, logName, sent } = request;
    const { offset, estimated } = clock;
    const messages = formatNamed(request.format).encode(
      { lane, gateway, log: logName, boot, inventory: first.inventory, sent, offset, estimated, records },
      request.formatOptions,
    );
    return {
      id: request.id,
      batch: {
        boot,
        first: (records[0] as LogRecord).seq,
        last: (records[records.length - 1] as LogRecord).seq,
        records: records.length,
        readings,
        messages,
      },
    };
  }

  notices(request: NoticesRequest): NoticesResult {
    const rows = this.#db
      .prepare<[number, number, string, number], { id: number; kind: 'alarm' | 'event'; key: string; body: string }>(
        'select id, kind, key, body from notice where id > ? and id <= ? and kind = ? order by id limit ?',
      )
      .all(keyOf(request.log, request.after), keyOf(request.log, request.to), request.only, request.limit);
    return { id: request.id, notices: rows.map((r) => ({ seq: seqOf(r.id), kind: r.kind, key: r.key, json: r.body })) };
  }

  /** The run that holds a number, else the next one of that log. */
  #runAt(log: number, seq: number): Run | undefined {
    const key = keyOf(log, seq);
    const mark = this.#mark(log);
    if (key <= mark) {
      const unit = this.history?.units.at(key);
      if (unit !== undefined && unit.id < keyOf(log + 1, 0)) return { ...unit, unit };
    }
    const before = this.#db
      .prepare<[number, number], BlockRow>('select * from block where id <= ? and id > ? order by id desc limit 1')
      .get(key, Math.max(mark, keyOf(log, 0) - 1));
    if (before !== undefined && before.last >= seq) return { ...before, block: before };
    return this.#blockAfter(log, Math.max(key, mark));
  }

  #runAfter(log: number, run: Run): Run | undefined {
    if (run.unit === undefined) return this.#blockAfter(log, run.id);
    const unit = this.history?.units.next(run.unit.id);
    if (unit !== undefined && unit.id < keyOf(log + 1, 0)) return { ...unit, unit };
    return this.#blockAfter(log, this.#mark(log));
  }

  #blockAfter(log: number, key: number): Run | undefined {
    const block = this.#db
      .prepare<[number, number], BlockRow>('select * from block where id > ? and id < ? order by id limit 1')
      .get(key, keyOf(log + 1, 0));
    return block === undefined ? undefined : { ...block, block };
  }

  #mark(log: number): number {
    return this.history?.units.watermark(log) ?? 0;
  }

  #recordsOf(run: Run): LogRecord[] {
    const compacted = run.unit !== undefined;
    if (this.#last?.id !== run.id || this.#last.compacted !== compacted)
      this.#last = { id: run.id, compacted, records: this.#decoded(run) };
    return this.#last.records;
  }

  /** What is damaged has no records: what is behind it must not wait for ever. */
  #decoded({ id, last, unit, block }: Run): LogRecord[] {
    const log = Math.floor((id - seqOf(id)) / keyOf(1, 0));
    const tell = (readings: number) => this.#damaged.push({ log, first: seqOf(id), last, readings });
    if (unit !== undefined) {
      const { records, damaged } = this.history?.units.records(unit) ?? { records: [], damaged: [] };
      if (damaged.length > 0) tell(damaged.reduce((sum, p) => sum + p.readings, 0));
      return records;
    }
    if (block === undefined) return [];
    try {
      return decodeBlock(block.body, this.#shapeOf);
    } catch {
      tell(block.readings);
      return [];
    }
  }

  /** Blocks found damaged since it was last asked. */
  takeDamaged(): DamagedBlock[] {
    const damaged = this.#damaged;
    this.#damaged = [];
    return damaged;
  }

  /** A boot without a mapping kept nothing but its own count of time: placed at its start, estimated. */
  #clockOf(boot: number, seq: number): Mapping {
    return this.#clock.of(boot, seq) ?? { offset: 0, estimated: true };
  }
}
