/**
 * The cost that a silent device may have. One object for each device of a bus, so for each bus and unit.
 *
 * - After UNANSWERED requests in a row without an answer (or all of its repeats, if these are more) the device rests: its
 *   polls are reported as failed without a request. DAMAGED times as many where something came, but never a whole reply. Rests are
 *   FIRST ms, doubled up to LONGEST. The first answer ends it.
 * - When a rest is over, one poll is let through. It is free while it delays nobody; otherwise silent devices together
 *   take at most SHARE of the bus.
 */
export const UNANSWERED = 2;
export const DAMAGED = 4;
const FIRST = 1000;
export const LONGEST = 60_000;
export const SHARE = 0.05;
/** The most that may be saved up, ms. */
const SAVED = 5000;

export class Rest {
  #unanswered = 0;
  #length = 0;
  #until = Number.NEGATIVE_INFINITY;

  answered(): void {
    this.#unanswered = 0;
    this.#length = 0;
    this.#until = Number.NEGATIVE_INFINITY;
  }

  /** @param enough requests without an answer, in a row, that make it silent */
  unanswered(now: number, enough: number): void {
    if (++this.#unanswered < enough) return;
    this.#length = this.#length === 0 ? FIRST : Math.min(LONGEST, this.#length * 2);
    this.#until = now + this.#length;
  }

  /** It has not answered for so long that it only gets polls as probes. */
  get silent(): boolean {
    return this.#length > 0;
  }
  /** Monotonic ms from which on a poll may be let through. */
  get until(): number {
    return this.#until;
  }
}

/** The part of the bus that probes may take. */
export class ProbeBudget {
  #credit = 0;
  #at: number;

  constructor(now: number) {
    this.#at = now;
  }

  /** @param cost ms that a probe takes when nobody answers */
  allows(now: number, cost: number): boolean {
    this.#credit = Math.min(Math.max(SAVED, cost), this.#credit + (now - this.#at) * SHARE);
    this.#at = now;
    return this.#credit >= cost;
  }

  spend(cost: number): void {
    this.#credit -= cost;
  }
}
