/**
 * Makes batches of one forwarder: from memory here, from the files in the keeper, by one function of the format. A batch
 * lies within one lane, log, boot, inventory and clock mapping.
 */
import { type Batch, type FormatOptions, type PayloadFormat, rangeOf } from '../../codecs/format.ts';
import { json } from '../../codecs/format-json.ts';
import { encodeBatch, formatNamed } from '../../codecs/formats.ts';
import { filterWords, type RecordFilter, Selection } from '../../codecs/record-filter.ts';
import type { Clock } from '../../core/clock.ts';
import type { LogRecord } from '../../core/point.ts';
import type { Lane } from '../files/lane-state.ts';
import { bootName } from '../files/layout.ts';
import type { Recent } from '../tail/recent.ts';
import type { ClockBook } from '../time/clock-book.ts';
import type { Backlog, Passed } from './backlog-request.ts';
import type { OutBatch } from './out.ts';

/** The part of the log that it needs. */
export interface BatchLog {
  readonly opened: { readonly boot: number };
  /** Every number up to here is in the file. */
  readonly committed: number;
  readonly recent: Recent;
  readonly keeper: Pick<Backlog, 'read'>;
  readonly options: { readonly clock: Clock };
  readonly inventoryRevision: number;
  inventoryOf(seq: number): number;
  readonly clock: ClockBook;
}

/** The log that a batch is of. */
export interface Source {
  readonly ordinal: number;
  readonly name: string;
  /** Last number of a log that grows no more; undefined for the current log. */
  readonly end: number | undefined;
}

/** Without a batch: nothing up to `upTo` is for the forwarder. */
export interface Found {
  readonly batch?: OutBatch;
  readonly upTo: number;
  /** Behind `upTo` nothing can be said before this monotonic time is settled. */
  readonly open?: number | undefined;
  /** What the filter left out last. */
  readonly passed?: Passed | undefined;
}

/** What a batch may be of. */
export interface Stretch {
  readonly from: number;
  readonly to: number;
  readonly maxReadings: number;
  /** What the filter left out just before `from`. */
  readonly passed: Passed | undefined;
  /** Records of this boot that are not younger are all committed: monotonic milliseconds. For windows of time alone. */
  readonly settled?: number | undefined;
}

export class BatchMaker {
  readonly #log: BatchLog;
  #gateway = '';
  #format: PayloadFormat = json;
  #options: FormatOptions = {};
  #filter: RecordFilter | undefined;
  #selection = new Selection();

  constructor(log: BatchLog) {
    this.#log = log;
  }

  /** @throws SluiceError internal: there is no such format */
  address(gateway: string, format: string, options: FormatOptions, filter: RecordFilter | undefined): void {
    this.#gateway = gateway;
    this.#format = formatNamed(format);
    this.#options = options;
    this.#filter = filter;
    this.#selection = new Selection(filter);
  }

  get filter(): RecordFilter | undefined {
    return this.#filter;
  }
  /** Batches are of windows of time, and of what is committed. */
  get thins(): boolean {
    return this.#filter?.thinning !== undefined;
  }
  get selection(): Selection {
    return this.#selection;
  }

  /** A batch of the current log. @returns undefined when nothing can leave now */
  fromMemory({ ordinal, name }: Source, { from, to, maxReadings, passed: before }: Stretch): Found | undefined {
    const log = this.#log;
    const selection = this.#selection;
    const boot = bootName(log.opened.boot);
    let clock: { offset: number; estimated: boolean } | undefined;
    let revision: number | undefined;
    let unknown = false;
    const { records, readings, ended, looked } = log.recent.slice(from, to, maxReadings, selection, (record) => {
      const segment = log.clock.of(record.seq);
      if (segment === undefined) {
        unknown = true;
        return false;
      }
      clock ??= segment;
      revision ??= log.inventoryOf(record.seq);
      return segment.offset === clock.offset && segment.estimated === clock.estimated && log.inventoryOf(record.seq) === revision;
    });
    const passed = looked === undefined || before?.boot === boot ? before : { boot, first: looked.first };
    if (records.length === 0 || clock === undefined) {
      if (looked !== undefined && ended) return { upTo: looked.last, passed };
      return unknown ? undefined : { upTo: to, passed };
    }
    const { offset, estimated } = clock;
    const inventory = revision ?? log.inventoryRevision;
    const payload: Batch = {
      ...{ lane: 'data', gateway: this.#gateway, log: name, boot, inventory, sent: this.#now(), offset, estimated, records },
      ...filterWords(this.#filter, { first: passed?.first ?? from, last: looked?.last ?? to }),
    };
    const messages = encodeBatch(this.#format, payload, this.#options);
    const batch: OutBatch = {
      ...{ lane: 'data', log: ordinal, boot, ...rangeOf(payload), records: records.length, readings },
      ...{ messages, oldest: (records[0] as LogRecord).sample.at, clock: log.clock.version },
    };
    return { batch, upTo: batch.last };
  }

  /** @returns undefined when nothing can leave now @throws SluiceError log-read */
  async fromFile(part: Source, lane: Lane, stretch: Stretch): Promise<Found | undefined> {
    const { from, to, maxReadings, passed } = stretch;
    const log = this.#log;
    // A mapping that is not committed yet, or that changed during the reading, would give a number two times.
    const end = part.end ?? log.committed;
    const horizon = Math.min(end, log.clock.settledBelow(part.ordinal) - 1);
    const upTo = Math.min(to, horizon);
    if (from > upTo) return undefined;
    const known = {
      ...{ upTo: horizon, whole: horizon === end, settled: stretch.settled ?? Number.NEGATIVE_INFINITY },
      boot: part.end === undefined ? log.opened.boot : -1,
    };
    const { version } = log.clock;
    const found = await log.keeper.read({
      ...{ log: part.ordinal, logName: part.name, from, to: upTo, maxReadings, lane },
      ...{ format: this.#format.name, formatOptions: this.#options, gateway: this.#gateway, sent: this.#now() },
      ...(this.#filter === undefined ? {} : { filter: this.#filter, passed, ...(this.thins ? { known } : {}) }),
    });
    if (log.clock.version !== version) return this.fromFile(part, lane, stretch);
    const { batch } = found;
    const { open } = found;
    if (batch === undefined) return { upTo: found.upTo, open, passed: found.passed };
    return { batch: { lane, log: part.ordinal, oldest: undefined, clock: version, ...batch }, upTo: batch.last, open };
  }

  /** UTC ms as the gateway knows it: the system clock may be years behind a GPS. */
  #now(): number {
    const { clock, options } = this.#log;
    const offset = clock.last?.offset;
    return Math.round(offset === undefined ? options.clock.wall() : options.clock.monotonic() + offset);
  }
}
