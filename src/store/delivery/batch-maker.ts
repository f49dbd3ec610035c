/**
 * Makes batches of one forwarder: from memory here, from the files in the keeper, by one function of the format. A batch
 * lies within one lane, log, boot, inventory and clock mapping.
 */
import type { FormatOptions, PayloadFormat } from '../../codecs/format.ts';
import { json } from '../../codecs/format-json.ts';
import { formatNamed } from '../../codecs/formats.ts';
import type { Clock } from '../../core/clock.ts';
import type { LogRecord } from '../../core/point.ts';
import type { Lane } from '../files/lane-state.ts';
import { bootName } from '../files/layout.ts';
import type { Recent } from '../tail/recent.ts';
import type { ClockBook } from '../time/clock-book.ts';
import type { Backlog } from './backlog-request.ts';
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

/** Without a batch: nothing has a number up to `upTo`. */
export interface Found {
  readonly batch?: OutBatch;
  readonly upTo: number;
}

export class BatchMaker {
  readonly #log: BatchLog;
  #gateway = '';
  #format: PayloadFormat = json;
  #options: FormatOptions = {};

  constructor(log: BatchLog) {
    this.#log = log;
  }

  /** @throws SluiceError internal: there is no such format */
  address(gateway: string, format: string, options: FormatOptions): void {
    this.#gateway = gateway;
    this.#format = formatNamed(format);
    this.#options = options;
  }

  /** A batch of the current log. @returns undefined when nothing can leave now */
  fromMemory({ ordinal, name }: Source, from: number, to: number, maxReadings: number): Found | undefined {
    const log = this.#log;
    const boot = bootName(log.opened.boot);
    let clock: { offset: number; estimated: boolean } | undefined;
    let revision: number | undefined;
    let unknown = false;
    const { records, readings } = log.recent.slice(from, to, maxReadings, (record) => {
      const segment = log.clock.of(record.seq);
      if (segment === undefined) {
        unknown = true;
        return false;
      }
      clock ??= segment;
      revision ??= log.inventoryOf(record.seq);
      return segment.offset === clock.offset && segment.estimated === clock.estimated && log.inventoryOf(record.seq) === revision;
    });
    if (records.length === 0 || clock === undefined) return unknown ? undefined : { upTo: to };
    const { offset, estimated } = clock;
    const inventory = revision ?? log.inventoryRevision;
    const messages = this.#format.encode(
      { lane: 'data', gateway: this.#gateway, log: name, boot, inventory, sent: this.#now(), offset, estimated, records },
      this.#options,
    );
    const first = records[0] as LogRecord;
    const last = records.at(-1) as LogRecord;
    const batch: OutBatch = {
      ...{ lane: 'data', log: ordinal, boot, first: first.seq, last: last.seq, records: records.length, readings },
      ...{ messages, oldest: first.sample.at, clock: log.clock.version },
    };
    return { batch, upTo: batch.last };
  }

  /** @returns undefined when nothing can leave now @throws SluiceError log-read */
  async fromFile(part: Source, lane: Lane, from: number, to: number, maxReadings: number): Promise<Found | undefined> {
    const log = this.#log;
    // A mapping that is not committed yet, or that changed during the reading, would give a number two times.
    const upTo = Math.min(to, part.end ?? log.committed, log.clock.settledBelow(part.ordinal) - 1);
    if (from > upTo) return undefined;
    const { version } = log.clock;
    const { batch } = await log.keeper.read({
      ...{ log: part.ordinal, logName: part.name, from, to: upTo, maxReadings, lane },
      ...{ format: this.#format.name, formatOptions: this.#options, gateway: this.#gateway, sent: this.#now() },
    });
    if (log.clock.version !== version) return this.fromFile(part, lane, from, to, maxReadings);
    if (batch === undefined) return { upTo };
    return { batch: { lane, log: part.ordinal, oldest: undefined, clock: version, ...batch }, upTo: batch.last };
  }

  /** UTC ms as the gateway knows it: the system clock may be years behind a GPS. */
  #now(): number {
    const { clock, options } = this.#log;
    const offset = clock.last?.offset;
    return Math.round(offset === undefined ? options.clock.wall() : options.clock.monotonic() + offset);
  }
}
