/**
 * Reads backlog payloads and notices from the log in bounded slices; it knows no thread. It decodes one stretch at once
 * (stretches.ts): an hour of history.db, or a commit block of log.db behind the last hour.
 */
import Database from 'better-sqlite3';
import { decodeBlock } from '../../codecs/blocks.ts';
import { type Batch, rangeOf } from '../../codecs/format.ts';
import { encodeBatch, formatNamed } from '../../codecs/formats.ts';
import { filterWords, type RecordFilter, Selection } from '../../codecs/record-filter.ts';
import type { LogRecord, Shape } from '../../core/point.ts';
import { readingCount } from '../../core/point.ts';
import type { History } from '../archive/history-file.ts';
import type { NoticesRequest, NoticesResult, ReadRequest, ReadResult } from '../delivery/backlog-request.ts';
import { bootName, keyOf, seqOf, shapeReader } from '../files/layout.ts';
import type { DamagedBlock } from '../files/repair-report.ts';
import { ClockTable, type Mapping } from '../time/clock-table.ts';
import { Blocks } from './blocks.ts';
import { PackedReader } from './packed.ts';
import { Still } from './still.ts';
import { type Stretch, Stretches } from './stretches.ts';

/** Records of a batch at most, however many readings it may have: each is an object here. */
const MOST_RECORDS = 50_000;
/** Records that a filter looks at for one answer. */
const MOST_LOOKED_AT = 200_000;
/** Filters that are kept ready: one for each forwarder, and those before a reload. */
const MOST_SELECTIONS = 32;

/** What the records of a batch have in common. */
export interface BatchHead extends Pick<Stretch, 'boot' | 'inventory'> {
  readonly clock: Mapping;
  readonly range: Batch['range'];
}

interface NoticeRow {
  readonly id: number;
  readonly kind: 'alarm' | 'event';
  readonly key: string;
  readonly body: string;
}

export class LogReader {
  readonly #db: Database.Database;
  readonly #clock: ClockTable;
  readonly #notices: Database.Statement<[number, number, string, string | null, number], NoticeRow>;
  readonly #alarms: Database.Statement<[number, number], { id: number; body: string }>;
  readonly #shapeOf: (id: number) => Shape | undefined;
  /** The stretch read last: a lane takes it in several batches. An hour has the id of its first block, and more records. */
  #last: { id: number; compacted: boolean; records: LogRecord[] } | undefined;
  #damaged: DamagedBlock[] = [];
  readonly #packed = new PackedReader();
  readonly #selections = new Map<string, Selection>();
  readonly blocks: Blocks;
  readonly still = new Still();
  /** undefined while there is none that can be read. */
  history: History | undefined;

  constructor(file: string) {
    this.#db = new Database(file, { readonly: true, fileMustExist: true });
    this.#db.pragma('cache_size = -512');
    this.#clock = new ClockTable(this.#db);
    this.#shapeOf = shapeReader(this.#db);
    this.blocks = new Blocks(this.#db);
    this.#notices = this.#db.prepare(
      'select id, kind, key, body from notice where id > ? and id <= ? and kind = ? and key = coalesce(?, key) order by id limit ?',
    );
    this.#alarms = this.#db.prepare("select id, body from notice where id > ? and kind = 'alarm' order by id limit ?");
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

  /** Decoded parts may be thinned now. */
  forget(): void {
    this.#last = undefined;
    this.#packed.forget();
  }

  /** The next batch of from..to: one boot, one inventory, one clock mapping. @throws SluiceError log-read */
  read(request: ReadRequest): ReadResult {
    const { id, log, from, to, filter } = request;
    const selection = this.selection(filter);
    const stretches = new Stretches(this);
    const packed = selection.all ? this.#packed.next(request, stretches) : undefined;
    if (packed !== undefined) return packed;
    const records: LogRecord[] = [];
    let readings = 0;
    let first: Stretch | undefined;
    let clock: Mapping | undefined;
    let { passed } = request;
    let looked = 0;
    /** The number looked at last. */
    let last: number | undefined;
    let ended = false;
    for (const stretch of stretches.of(log, keyOf(log, from))) {
      if (seqOf(stretch.id) > to || readings >= request.maxReadings) break;
      const { between } = request;
      if (between !== undefined && !stretches.concerns(stretch, between.from, between.to)) continue;
      const other = first !== undefined && (stretch.boot !== first.boot || stretch.inventory !== first.inventory);
      if (other && records.length > 0) break;
      if (other) [first, clock] = [undefined, undefined];
      const mappings = stretches.clock(stretch.boot);
      for (const record of this.recordsOf(stretches, stretch)) {
        if (record.seq < from) continue;
        if (record.seq > to) break;
        if (between !== undefined && !this.#isOf(between, stretch.boot, record)) continue;
        const wanted = selection.take(record);
        const n = wanted === undefined ? 0 : readingCount(wanted.sample);
        const full = records.length > 0 && (readings + n > request.maxReadings || records.length === MOST_RECORDS);
        if (full || looked === MOST_LOOKED_AT) {
          ended = true;
          break;
        }
        const segment = mappings.at(record.seq);
        if (clock === undefined || records.length === 0) clock = segment;
        else if (segment.offset !== clock.offset || segment.estimated !== clock.estimated) {
          ended = true;
          break;
        }
        first ??= stretch;
        const boot = bootName(stretch.boot);
        if (passed?.boot !== boot) passed = { boot, first: record.seq };
        last = record.seq;
        looked++;
        if (wanted === undefined) continue;
        records.push(wanted);
        readings += n;
      }
      if (ended) break;
    }
    if (records.length === 0 || first === undefined || clock === undefined || last === undefined)
      return { id, upTo: ended ? (last ?? to) : to, passed, batch: undefined };
    const range = selection.all || passed === undefined ? undefined : { first: passed.first, last };
    return this.encode(request, records, readings, { ...first, clock, range });
  }

  encode(
    request: ReadRequest,
    records: readonly LogRecord[],
    readings: number,
    { boot, inventory, clock, range }: BatchHead,
  ): ReadResult {
    const { id, lane, gateway, logName, sent, filter } = request;
    const { offset, estimated } = clock;
    const batch: Batch = {
      ...{
        lane,
        gateway,
        log: logName,
        boot: bootName(boot),
        inventory,
        sent,
        offset,
        estimated,
        records,
      },
      ...filterWords(filter, range),
    };
    const covered = rangeOf(batch);
    const messages = encodeBatch(formatNamed(request.format), batch, request.formatOptions);
    return {
      ...{ id, upTo: covered.last },
      batch: { boot: batch.boot, ...covered, records: records.length, readings, messages },
    };
  }

  selection(filter: RecordFilter = {}): Selection {
    const { devices, points, outward } = filter;
    const name = JSON.stringify([devices, points, outward]);
    let selection = this.#selections.get(name);
    if (selection === undefined) {
      if (this.#selections.size === MOST_SELECTIONS) this.#selections.clear();
      selection = new Selection({ devices, points, outward });
      this.#selections.set(name, selection);
    }
    return selection;
  }

  notices(request: NoticesRequest): NoticesResult {
    const { log, only, limit, key = null } = request;
    const rows = this.#notices.all(keyOf(log, request.after), keyOf(log, request.to), only, key, limit);
    return { id: request.id, notices: rows.map((r) => ({ seq: seqOf(r.id), kind: r.kind, key: r.key, json: r.body })) };
  }

  /** Transitions behind an id, in the order of the log. */
  alarms(after: number, limit: number): { readonly id: number; readonly body: string }[] {
    return this.#alarms.all(after, limit);
  }

  recordsOf(stretches: Stretches, stretch: Stretch): LogRecord[] {
    const compacted = stretch.hour !== undefined;
    if (this.#last?.id !== stretch.id || this.#last.compacted !== compacted)
      this.#last = { id: stretch.id, compacted, records: this.#decoded(stretches, stretch) };
    return this.#last.records;
  }

  /** A damaged part has no records: the parts behind it must not wait for it. */
  #decoded(stretches: Stretches, stretch: Stretch): LogRecord[] {
    const { id, log, last, hour } = stretch;
    const tell = (readings: number) => this.#damaged.push({ log, first: seqOf(id), last, readings });
    if (hour !== undefined) {
      const { records, damaged } = this.history?.hours.records(hour) ?? { records: [], damaged: [] };
      if (damaged.length > 0) tell(damaged.reduce((sum, p) => sum + p.readings, 0));
      return records;
    }
    const body = stretches.body(stretch);
    if (body === undefined) return [];
    try {
      return decodeBlock(body, this.#shapeOf);
    } catch {
      tell(stretch.readings);
      return [];
    }
  }

  /** Blocks found damaged since it was last asked. */
  takeDamaged(): DamagedBlock[] {
    const damaged = this.#damaged;
    this.#damaged = [];
    return damaged;
  }

  #isOf({ from, to }: { from: number; to: number }, boot: number, { seq, sample }: LogRecord): boolean {
    const time = sample.at + this.clockOf(boot, seq).offset;
    return time >= from && time <= to;
  }

  /** A boot without a mapping kept nothing but its own count of time: placed at its start, estimated. */
  clockOf(boot: number, seq: number): Mapping {
    return this.#clock.of(boot, seq) ?? { offset: 0, estimated: true };
  }
}
