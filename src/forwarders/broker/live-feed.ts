/**
 * Turns samples into messages, and only into those for which a client listens:
 * - `value/…`: a point that was read is published at most once in VALUE_EVERY, with its latest value, kept or not;
 * - `data`: every record, in batches; at most MAX_WAITING_RECORDS wait when the broker cannot take them.
 */
import type { Clock } from '../../core/clock.ts';
import type { LogRecord, Sample, Shape } from '../../core/point.ts';
import { readingCount } from '../../core/point.ts';
import type { LatestValues } from '../../core/ports.ts';
import { ABSENT } from '../../core/reasons.ts';
import { BATCH_AGE, BATCH_READINGS, MAX_WAITING_RECORDS, VALUE_EVERY } from './limits.ts';
import type { Retained } from './retained.ts';
import { encodeValue } from './value-json.ts';

interface Entry {
  readonly topic: string;
  readonly device: string;
  readonly point: string;
  readonly index: number;
  dirty: boolean;
}
interface ShapeEntries {
  readonly all: readonly Entry[];
  /** Those that somebody listens to, as of `revision`. */
  wanted: readonly Entry[];
  revision: number;
}

/**
 * Payloads of `data` for these records: more than one where the inventory or the clock changed between them; undefined
 * while they have to wait (the clock is not known yet).
 */
export type EncodeBatch = (records: readonly LogRecord[]) => readonly (string | Uint8Array)[] | undefined;

export interface LiveFeedOptions {
  readonly root: string;
  readonly clock: Clock;
  readonly latest: LatestValues;
  readonly retained: Retained;
  readonly encodeBatch: EncodeBatch;
  /** Whether a connected client listens to a topic, and a number that changes with the answer. */
  readonly listens: (topic: string) => boolean;
  /** The same, counting sessions whose clients are away. */
  readonly keeps: (topic: string) => boolean;
  readonly revision: () => number;
  /** False when no more can be taken now. */
  readonly ready: () => boolean;
  /** Values that may be published in one turn of the event loop. */
  readonly atOnce: () => number;
  readonly nextTurn: (run: () => void) => void;
  /** @param numbers of the records that a batch is made of */
  readonly publish: (topic: string, payload: string | Uint8Array, qos: 0 | 1, numbers?: Numbers) => void;
}

/** In the log. */
export interface Numbers {
  readonly first: number;
  readonly last: number;
}

export class LiveFeed {
  /** Records that left `data` out because the broker could not take them. */
  dropped = 0;
  readonly #o: LiveFeedOptions;
  readonly #shapes = new WeakMap<Shape, ShapeEntries>();
  #dirty: Entry[] = [];
  #records: LogRecord[] = [];
  /** What a stop left over is in the log: sessions get it from there at the next start. */
  #leftFrom: number | undefined;
  #readings = 0;
  #valueTimer: (() => void) | undefined;
  #dataTimer: (() => void) | undefined;
  #dataRevision = -1;
  #dataWanted = false;

  constructor(options: LiveFeedOptions) {
    this.#o = options;
  }

  sample(sample: Sample, record: LogRecord | undefined, more: readonly LogRecord[] = []): void {
    this.#noteValues(sample);
    if (record === undefined || !this.#wantsData()) return;
    for (const one of [record, ...more]) {
      this.#records.push(one);
      this.#readings += readingCount(one.sample);
    }
    if (this.#readings >= BATCH_READINGS) this.#flushData();
    else this.#dataTimer ??= this.#o.clock.after(BATCH_AGE, () => this.#flushData());
  }

  /** The lowest number that waits for its batch, or that waited when the feed stopped. */
  get waitsFrom(): number | undefined {
    return this.#records[0]?.seq ?? this.#leftFrom;
  }

  stop(): void {
    this.#valueTimer?.();
    this.#dataTimer?.();
    this.#valueTimer = undefined;
    this.#dataTimer = undefined;
    this.#dirty = [];
    this.#leftFrom = this.#records[0]?.seq;
    this.#records = [];
    this.#readings = 0;
  }

  #noteValues(sample: Sample): void {
    const entries = this.#entries(sample.shape);
    for (const entry of entries.wanted) {
      if (entry.dirty || sample.reasons?.[entry.index] === ABSENT) continue;
      entry.dirty = true;
      this.#dirty.push(entry);
    }
    if (this.#dirty.length > 0) this.#valueTimer ??= this.#o.clock.after(VALUE_EVERY, () => this.#flushValues());
  }

  #flushValues(): void {
    this.#valueTimer = undefined;
    const dirty = this.#dirty;
    let i = 0;
    const most = Math.min(dirty.length, this.#o.atOnce());
    for (; i < most && this.#o.ready(); i++) {
      const entry = dirty[i] as Entry;
      entry.dirty = false;
      const value = this.#o.retained.has(entry.device, entry.point) ? this.#o.latest.get(entry.device, entry.point) : undefined;
      if (value !== undefined) this.#o.publish(entry.topic, encodeValue(value), 0);
    }
    // The number of points bounds the values that could not go now.
    this.#dirty = dirty.slice(i);
    if (this.#dirty.length === 0) return;
    if (i < most) this.#valueTimer = this.#o.clock.after(VALUE_EVERY, () => this.#flushValues());
    else this.#goOn();
  }

  /** The other values follow in the next turn. */
  #goOn(): void {
    let cancelled = false;
    this.#valueTimer = () => {
      cancelled = true;
    };
    this.#o.nextTurn(() => {
      if (!cancelled) this.#flushValues();
    });
  }

  #entries(shape: Shape): ShapeEntries {
    let entries = this.#shapes.get(shape);
    if (entries === undefined) {
      const all = shape.points.map(({ name }, index) => ({
        topic: `${this.#o.root}/value/${shape.device}/${name}`,
        device: shape.device,
        point: name,
        index,
        dirty: false,
      }));
      entries = { all, wanted: [], revision: -1 };
      this.#shapes.set(shape, entries);
    }
    const revision = this.#o.revision();
    if (entries.revision !== revision) {
      entries.revision = revision;
      entries.wanted = entries.all.filter((e) => this.#o.listens(e.topic));
    }
    return entries;
  }

  #wantsData(): boolean {
    const revision = this.#o.revision();
    if (this.#dataRevision !== revision) {
      this.#dataRevision = revision;
      const topic = `${this.#o.root}/data`;
      this.#dataWanted = this.#o.listens(topic) || this.#o.keeps(topic);
    }
    return this.#dataWanted;
  }

  #flushData(): void {
    this.#dataTimer?.();
    this.#dataTimer = undefined;
    if (!this.#wantsData()) {
      this.#records = [];
      this.#readings = 0;
      return;
    }
    while (this.#records.length > 0 && this.#o.ready()) {
      let n = 0;
      let readings = 0;
      while (n < this.#records.length && readings < BATCH_READINGS) readings += this.#size(n++);
      // One record may be longer than a batch; several together may not.
      if (n > 1 && readings > BATCH_READINGS) readings -= this.#size(--n);
      const payloads = this.#o.encodeBatch(this.#records.slice(0, n));
      if (payloads === undefined) break;
      const taken = this.#records.splice(0, n);
      this.#readings -= readings;
      const numbers = { first: taken[0]?.seq ?? 0, last: taken.at(-1)?.seq ?? 0 };
      for (const payload of payloads) this.#o.publish(`${this.#o.root}/data`, payload, 1, numbers);
    }
    while (this.#records.length > MAX_WAITING_RECORDS) {
      this.#readings -= this.#size(0);
      this.#records.shift();
      this.dropped++;
    }
    if (this.#records.length > 0) this.#dataTimer = this.#o.clock.after(BATCH_AGE, () => this.#flushData());
  }

  #size(index: number): number {
    const record = this.#records[index];
    return record === undefined ? 0 : readingCount(record.sample);
  }
}
