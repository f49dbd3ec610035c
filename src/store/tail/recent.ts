/**
 * The newest records in memory, for live batches. What a data lane still needs beyond the bound is read from the file
 * once it is committed.
 */
import type { Selection } from '../../codecs/record-filter.ts';
import type { LogRecord } from '../../core/point.ts';
import { readingCount } from '../../core/point.ts';

/** About what is kept, bytes: 10 s of 20,000 readings a second in records of three. From then on those go that the file has. */
const MAX_BYTES = 10 * 1024 * 1024;
/** While the disk takes nothing: beyond this they go too, and data goes on when they are committed (or given up). */
export const RECENT_MOST = 2 * MAX_BYTES;
/** Memory of a record beside its values (measured: 150 bytes and 8 for each number, whose entry has 21 and 8). */
const RECORD_BYTES = 128;

export class Recent {
  #records: LogRecord[] = [];
  /** The size of each of them. */
  #sizes: number[] = [];
  #start = 0;
  #bytes = 0;
  #from: number;

  /** @param from the number that the next item gets */
  constructor(from: number) {
    this.#from = from;
  }

  /** About what is held. */
  get bytes(): number {
    return this.#bytes;
  }
  /** Every record from this number on is here. */
  get from(): number {
    return this.#from;
  }
  get newest(): LogRecord | undefined {
    return this.#records.at(-1);
  }
  get full(): boolean {
    return this.#bytes > MAX_BYTES;
  }

  /** @param entry bytes of its entry (codecs/rows) */
  push(record: LogRecord, entry: number): void {
    this.#records.push(record);
    this.#sizes.push(RECORD_BYTES + entry);
    this.#bytes += RECORD_BYTES + entry;
    if (this.#bytes > RECENT_MOST) this.#drop((r) => this.#bytes > RECENT_MOST && r !== record);
  }

  /** Forgets records up to `seq`; while full, also those up to `committed`. */
  trim(seq: number, committed: number): void {
    this.#drop((record) => record.seq <= seq || (this.full && record.seq <= committed));
  }

  #drop(goes: (record: LogRecord) => boolean): void {
    let record = this.#records[this.#start];
    while (record !== undefined && goes(record)) {
      this.#bytes -= this.#sizes[this.#start] as number;
      this.#from = record.seq + 1;
      // The array is cut only now and then, so that a trim costs what it removes.
      this.#records[this.#start++] = undefined as unknown as LogRecord;
      record = this.#records[this.#start];
    }
    if (this.#start > 1024 && this.#start * 2 > this.#records.length) {
      this.#records = this.#records.slice(this.#start);
      this.#sizes = this.#sizes.slice(this.#start);
      this.#start = 0;
    }
  }

  /** Index of the first record with a number of at least `seq`. */
  #find(seq: number): number {
    let low = this.#start;
    let high = this.#records.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#records[middle] as LogRecord).seq < seq) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /**
   * What `selection` wants of the records of from..to, at most `maxReadings` (at least one record when there is one). `goOn` may
   * end it early; it is asked for wanted records only.
   * @returns `looked`: the records that were looked at, wanted or not; `ended`: there may be more in from..to
   */
  slice(
    from: number,
    to: number,
    maxReadings: number,
    selection: Pick<Selection, 'take'>,
    goOn: (record: LogRecord) => boolean,
  ): { records: LogRecord[]; readings: number; looked: { first: number; last: number } | undefined; ended: boolean } {
    const records: LogRecord[] = [];
    let readings = 0;
    let looked: { first: number; last: number } | undefined;
    for (let i = this.#find(from); i < this.#records.length; i++) {
      const record = this.#records[i] as LogRecord;
      if (record.seq > to) break;
      const wanted = selection.take(record);
      if (wanted !== undefined) {
        const n = readingCount(wanted.sample);
        const full = records.length > 0 && readings + n > maxReadings;
        if (full || !goOn(record)) return { records, readings, looked, ended: true };
        records.push(wanted);
        readings += n;
      }
      looked = { first: looked?.first ?? record.seq, last: record.seq };
    }
    return { records, readings, looked, ended: false };
  }

  /** The first record with a number of at least `seq`. */
  at(seq: number): LogRecord | undefined {
    return this.#records[this.#find(seq)];
  }

  /** The records from `seq` on. */
  *since(seq: number): Generator<LogRecord> {
    for (let i = this.#find(seq); i < this.#records.length; i++) yield this.#records[i] as LogRecord;
  }

  /** Readings from `seq` on up to `to`, counted up to `enough`. */
  count(seq: number, enough: number, to = Number.POSITIVE_INFINITY): number {
    let sum = 0;
    for (let i = this.#find(seq); i < this.#records.length && sum < enough; i++) {
      const record = this.#records[i] as LogRecord;
      if (record.seq > to) break;
      sum += readingCount(record.sample);
    }
    return sum;
  }
}
