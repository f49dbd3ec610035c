import * as z from 'zod';

/** So many readings make the first range. Their middle decides which of them count, so one wrong reading at the start does no harm. */
const FIRST = 32;
/** Readings that come faster than this (ms) do not crowd the first range. */
const FIRST_EVERY = 60_000;
/** Those of the first readings count that lie within so many times the distance that three quarters keep from the middle. */
const FIRST_REACH = 6;
/** The range remembers for this long (ms of learning), and at most twice as long. */
export const REMEMBERS = 30 * 86_400_000;
/**
 * A range grows once in this time (ms), so that it does not creep along with a slow change however fast readings come, and by at
 * most its own width, so that an outlier cannot make it blind.
 */
export const SLOT = 300_000;

/** A greater score says nothing more. */
const MOST = 1e9;
/** A smaller score is the noise of float arithmetic. */
const LEAST = 1e-9;

const finite = z.number().min(-1e301).max(1e301);
export const rangeSchema = z.strictObject({
  first: z.array(finite).max(FIRST),
  firstFor: z.number().min(0),
  ready: z.boolean(),
  older: z.tuple([finite, finite]).nullable(),
  newer: z.tuple([finite, finite]).nullable(),
  slot: z.tuple([finite, finite]).nullable(),
  slotFor: z.number().min(0).max(SLOT),
  age: z.number().min(0).max(REMEMBERS),
});

export type SavedRange = z.output<typeof rangeSchema>;
type Ends = [low: number, high: number];

/**
 * Where a number lay in the last 30 to 60 days of learning: two ranges, of which the older one is dropped when the newer one
 * is 30 days old. Bounded: the ends of two ranges, and 32 numbers while it begins.
 */
export class UsualRange {
  #first: number[];
  /** Time since the last of them was taken. */
  #firstFor: number;
  #ready: boolean;
  #older: Ends | null;
  #newer: Ends | null;
  /** What came since the range grew last, and for how long. */
  #slot: Ends | null;
  #slotFor: number;
  /** The age of the newer range. */
  #age: number;
  low = 0;
  high = 0;

  constructor(saved?: SavedRange) {
    this.#first = saved?.first.slice() ?? [];
    this.#firstFor = saved?.firstFor ?? FIRST_EVERY;
    this.#older = saved?.older ?? null;
    this.#newer = saved?.newer ?? null;
    this.#slot = saved?.slot ?? null;
    this.#slotFor = saved?.slotFor ?? 0;
    this.#age = saved?.age ?? 0;
    this.#ready = saved?.ready === true && (this.#older ?? this.#newer) !== null;
    if (this.#ready) this.#join();
  }

  /** False: nothing can be said yet. */
  get ready(): boolean {
    return this.#ready;
  }

  /** What it remembers, ms. */
  get span(): number {
    return this.#age + (this.#older === null ? 0 : REMEMBERS);
  }

  /**
   * How far a number lies outside, as a share of the width, at most MOST; 0 inside. @param margin distance that does not count
   * @param floor a smaller width counts as this much; greater than 0
   */
  beyond(value: number, margin: number, floor: number): number {
    if (!this.#ready) return 0;
    const distance = Math.max(value - this.high, this.low - value) - margin;
    const score = distance / Math.max(this.high - this.low, floor);
    return score > LEAST ? Math.min(score, MOST) : 0;
  }

  /** A number in the range or as far outside as it may grow at once. */
  reach(value: number): number {
    if (!this.#ready) return value;
    const step = this.#step();
    return Math.min(Math.max(value, this.low - step), this.high + step);
  }

  /** @param elapsed ms of learning since the last call */
  learn(value: number, elapsed: number): void {
    if (!this.#ready) {
      this.#begin(value, elapsed);
      return;
    }
    const slot = this.#slot;
    if (slot === null) this.#slot = [value, value];
    else if (value < slot[0]) slot[0] = value;
    else if (value > slot[1]) slot[1] = value;
    this.#slotFor += elapsed;
    if (this.#slotFor >= SLOT) this.#grow(this.#slot ?? [value, value]);
  }

  #grow([lowest, highest]: Ends): void {
    const [low, high] = [this.reach(lowest), this.reach(highest)];
    this.#age += this.#slotFor;
    this.#slot = null;
    this.#slotFor = 0;
    if (this.#age >= REMEMBERS) {
      this.#age = 0;
      this.#older = this.#newer ?? [this.low, this.high];
      this.#newer = null;
    }
    this.#newer = this.#newer === null ? [low, high] : [Math.min(low, this.#newer[0]), Math.max(high, this.#newer[1])];
    this.#join();
  }

  save(): SavedRange {
    return {
      first: this.#first.slice(),
      firstFor: this.#firstFor,
      ready: this.#ready,
      older: this.#older === null ? null : [...this.#older],
      newer: this.#newer === null ? null : [...this.#newer],
      slot: this.#slot === null ? null : [...this.#slot],
      slotFor: this.#slotFor,
      age: this.#age,
    };
  }

  #begin(value: number, elapsed: number): void {
    this.#firstFor = Math.min(this.#firstFor + elapsed, FIRST_EVERY);
    if (this.#firstFor < FIRST_EVERY) return;
    this.#firstFor = 0;
    this.#first.push(value);
    if (this.#first.length < FIRST) return;
    const middle = this.#first.toSorted((a, b) => a - b)[FIRST / 2] as number;
    const distances = this.#first.map((one) => Math.abs(one - middle)).sort((a, b) => a - b);
    const reach = FIRST_REACH * (distances[(FIRST * 3) / 4] as number);
    const counted = this.#first.filter((one) => Math.abs(one - middle) <= reach);
    this.#newer = [Math.min(...counted), Math.max(...counted)];
    this.#first = [];
    this.#ready = true;
    this.#join();
  }

  /** How far it may grow at once. A range without width has only the size of the number itself to go by. */
  #step(): number {
    const width = this.high - this.low;
    return width > 0 ? width : Math.max(Math.abs(this.high), 1);
  }

  #join(): void {
    const { older, newer } = { older: this.#older, newer: this.#newer };
    this.low = Math.min(older?.[0] ?? Number.POSITIVE_INFINITY, newer?.[0] ?? Number.POSITIVE_INFINITY);
    this.high = Math.max(older?.[1] ?? Number.NEGATIVE_INFINITY, newer?.[1] ?? Number.NEGATIVE_INFINITY);
  }
}
