/** What came of each gateway of a fleet, behind marks as docs/consuming.md says it, and what is missing or twice. Pure. */
import type { Expected, Missing, Verdict } from './fleet-words.ts';

/** Ranges of records that are missing; beyond it they are counted only. */
const MOST_MISSING = 2000;

/** What came of one gateway. A byte counts up to 255. */
export class Book {
  #came = new Uint8Array(1024);
  #stored = new Uint8Array(1024);
  readonly marks = new Map<string, number>();
  readonly alarms = new Map<string, number>();
  repeats = 0;
  wrong = 0;

  record(log: string, topic: string, seq: number): void {
    this.#grow(seq);
    if ((this.#came[seq] as number) > 0) this.repeats++;
    this.#came[seq] = Math.min(255, (this.#came[seq] as number) + 1);
    // The subscription is one session of one cluster, so a mark needs no other source.
    const mark = `${log} ${topic}`;
    if (seq <= (this.marks.get(mark) ?? 0)) return;
    this.marks.set(mark, seq);
    this.#stored[seq] = Math.min(255, (this.#stored[seq] as number) + 1);
  }

  came(seq: number): number {
    return this.#came[seq] ?? 0;
  }
  stored(seq: number): number {
    return this.#stored[seq] ?? 0;
  }
  /** How many different numbers came. */
  get different(): number {
    return this.#came.reduce((sum, n) => sum + (n > 0 ? 1 : 0), 0);
  }

  #grow(seq: number): void {
    if (seq < this.#came.length) return;
    const size = Math.max(2 * this.#came.length, seq + 1);
    for (const which of ['came', 'stored'] as const) {
      const larger = new Uint8Array(size);
      larger.set(which === 'came' ? this.#came : this.#stored);
      if (which === 'came') this.#came = larger;
      else this.#stored = larger;
    }
  }
}

/** @param books by gateway, `g0` on */
export function verdict(books: ReadonlyMap<string, Book>, expected: Expected): Verdict {
  const sum = { expected: 0, lost: 0, lostSince: 0, lostBehindMarks: 0, doubled: 0, repeats: 0, wrong: 0 };
  const missing: { -readonly [K in keyof Missing]: Missing[K] }[] = [];
  const alarms = { alarmsExpected: 0, alarmsLost: 0, alarmsRepeats: 0 };
  expected.forEach((one, i) => {
    const gateway = `g${i}`;
    const book = books.get(gateway) as Book;
    let range: (typeof missing)[number] | undefined;
    for (const [k, seq] of one.records.entries()) {
      sum.expected++;
      if (book.came(seq) === 0) {
        sum.lost++;
        const taken = one.taken[k] as number;
        if (sum.lostSince === 0 || taken < sum.lostSince) sum.lostSince = taken;
        if (range !== undefined) range.last = seq;
        else if (missing.length < MOST_MISSING) {
          range = { gateway, first: seq, last: seq, taken };
          missing.push(range);
        }
      } else {
        range = undefined;
        if (book.stored(seq) === 0) sum.lostBehindMarks++;
      }
      if (book.stored(seq) > 1) sum.doubled++;
    }
    const came = one.records.reduce((n, seq) => n + (book.came(seq) > 0 ? 1 : 0), 0);
    sum.wrong += book.wrong + book.different - came;
    sum.repeats += book.repeats;
    for (const seq of one.alarms) {
      const times = [...book.alarms].find(([key]) => key.endsWith(` ${seq}`))?.[1] ?? 0;
      alarms.alarmsExpected++;
      if (times === 0) alarms.alarmsLost++;
      alarms.alarmsRepeats += Math.max(0, times - 1);
    }
  });
  return { ...sum, missing, ...alarms };
}
