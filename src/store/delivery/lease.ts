/**
 * Numbers of the log, each given once: only below the end of a range that is durably reserved. A crash skips what was
 * left of the range, so a number that may be on the wire is never used again.
 */
/** Numbers reserved ahead; renewed while the other half is still unused. */
export const LEASE = 100_000;
/** The last numbers are kept for alarms and events, which do not wait for the disk. */
const NOTICE_RESERVE = 5000;

export class Lease {
  /** The number that the next item gets. */
  next: number;
  #end: number;

  constructor(next: number, end: number) {
    this.next = next;
    this.#end = end;
  }

  /** @returns the number of a record; undefined when none can be given (the range could not be renewed) */
  record(): number | undefined {
    return this.next >= this.#end - NOTICE_RESERVE ? undefined : this.next++;
  }

  /** @returns the number of an alarm or event; undefined when none can be given */
  notice(): number | undefined {
    return this.next < this.#end ? this.next++ : undefined;
  }

  get low(): boolean {
    return this.#end - this.next < LEASE / 2;
  }

  /** The end that the next commit has to reserve. */
  wanted(): number {
    return this.low ? this.next + LEASE : this.#end;
  }

  /** The file has reserved the numbers up to `end`. */
  reserved(end: number): void {
    this.#end = Math.max(this.#end, end);
  }
}
