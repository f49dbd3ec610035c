/**
 * The newest records in memory, for live batches. What a data lane still needs beyond the bound is read from the file
 * once it is committed.
 */
import type { LogRecord } from '../core/point.ts';

/** Readings kept: 10 s of 20,000 readings a second; about 10 MB at most. */
const MAX_READINGS = 200_000;

export class Recent {
  #records: LogRecord[] = [];
  #start = 0;
  #readings = 0;

  get readings(): number {
    return this.#readings;
  }
  /** Number of the oldest record held; Infinity when there is none. */
  get first(): number {
    return this.#records[this.#start]?.seq ?? Number.POSITIVE_INFINITY;
  }
  get full(): boolean {
    return this.#readings > MAX_READINGS;
  }

  push(record: LogRecord): void {
    this.#records.push(record);
    this.#readings += record.sample.shape.points.length;
  }

  /** Forgets records up to `seq`; while full, also those up to `committed`. */
  trim(seq: number, committed: number): void {
    let record = this.#records[this.#start];
    while (record !== undefined && (record.seq <= seq || (this.full && record.seq <= committed))) {
      this.#readings -= record.sample.shape.points.length;
      // The array is cut only now and then, so that a trim costs what it removes.
      this.#records[this.#start++] = undefined as unknown as LogRecord;
      record = this.#records[this.#start];
    }
    if (this.#start > 1024 && this.#start * 2 > this.#records.length) {
      this.#records = this.#records.slice(this.#start);
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

  /** Records of from..to, at most `maxReadings` (at least one record when there is one). `goOn` may end it early. */
  slice(
    from: number,
    to: number,
    maxReadings: number,
    goOn: (record: LogRecord) => boolean,
  ): { records: LogRecord[]; readings: number } {
    const records: LogRecord[] = [];
    let readings = 0;
    for (let i = this.#find(from); i < this.#records.length; i++) {
      const record = this.#records[i] as LogRecord;
      const n = record.sample.shape.points.length;
      if (record.seq > to || (records.length > 0 && readings + n > maxReadings) || !goOn(record)) break;
      records.push(record);
      readings += n;
    }
    return { records, readings };
  }

  /** The first record with a number of at least `seq`. */
  at(seq: number): LogRecord | undefined {
    return this.#records[this.#find(seq)];
  }

  /** Readings from `seq` on, counted up to `enough`. */
  count(seq: number, enough: number): number {
    let sum = 0;
    for (let i = this.#find(seq); i < this.#records.length && sum < enough; i++)
      sum += (this.#records[i] as LogRecord).sample.shape.points.length;
    return sum;
  }
}
