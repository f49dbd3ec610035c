/**
 * The time of a GPS receiver as an offset to the monotonic clock. A sentence arrives some hundred milliseconds after the
 * moment that it tells, never before: the largest offset of the newest ones is nearest to the truth. It is good to about
 * half a second, which is what a serial line without a pulse gives.
 */

/** Sentences that must agree before the first is believed, and how well. */
const AGREE = { sentences: 3, within: 1000 };
/** Newest sentences that are looked at, and how old they may be. */
const KEPT = { sentences: 32, for: 30_000 };
/** The week of a GPS has ten bits: an old receiver jumps back by so much. */
const ROLLOVER = 1024 * 7 * 86_400_000;
/** For how long after its making software runs: what falls into it once a rollover is put back is taken for one. Less than a rollover. */
const LIFE = 15 * 366 * 86_400_000;

export class GpsClock {
  readonly #built: number;
  #offsets: { at: number; offset: number }[] = [];
  /** In words; undefined while nothing is wrong. */
  fault: string | undefined;

  /** @param built UTC ms: no time before it is believed */
  constructor(built: number) {
    this.#built = built;
  }

  /** @param utc ms, as the sentence says; @param at monotonic ms of its arrival */
  take(utc: number, at: number): void {
    if (utc < this.#built) {
      this.#offsets = [];
      const weeks = Math.ceil((this.#built - utc) / ROLLOVER);
      const rolled = utc + weeks * ROLLOVER <= this.#built + LIFE;
      const date = new Date(utc).toISOString().slice(0, 10);
      this.fault =
        rolled && weeks <= 2
          ? `it says ${date}, as a receiver does whose week counter has rolled over (1024 weeks): it cannot serve as a clock, replace it or its firmware`
          : `it says ${date}, before this software was made: not believed`;
      return;
    }
    this.fault = undefined;
    const offset = utc - at;
    // What does not go on from the others begins anew: it has to be said three times.
    if (this.#offsets.some((o) => Math.abs(o.offset - offset) > AGREE.within)) this.#offsets = [];
    this.#offsets.push({ at, offset });
    if (this.#offsets.length > KEPT.sentences) this.#offsets.shift();
  }

  /** undefined while the receiver does not tell, or not the same. @param now monotonic ms */
  offset(now: number): number | undefined {
    this.#offsets = this.#offsets.filter((o) => now - o.at <= KEPT.for);
    if (this.#offsets.length < AGREE.sentences) return undefined;
    return Math.round(Math.max(...this.#offsets.map((o) => o.offset)));
  }
}
