/**
 * The time of a GPS receiver as an offset to the monotonic clock. A sentence arrives some hundred milliseconds after the
 * moment that it gives, never before: the largest offset of the newest ones is nearest to the truth. It is good to about
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

/** How far the time of a receiver may be before the last trusted one, ms: clocks drift, and it may count leap seconds late. */
const BEFORE_TRUSTED = 60_000;
/** How far it may be from the time of another source, ms. */
const BESIDE_OTHER = 10_000;

/** Another source that knows the time: its offset to the monotonic clock, and its name. */
export interface OtherSource {
  readonly name: string;
  readonly offset: number;
}

export class GpsClock {
  readonly #bounds: { readonly from: number; readonly to: number };
  #offsets: { at: number; offset: number }[] = [];
  /** UTC ms that was known last, by whatever source; no earlier time is believed. */
  trusted: number | undefined;
  /** In words; undefined while nothing is wrong. */
  fault: string | undefined;

  /** @param bounds UTC ms: no other time is believed */
  constructor(bounds: { readonly from: number; readonly to: number }) {
    this.#bounds = bounds;
  }

  /** @param utc ms, as the sentence says; @param at monotonic ms of its arrival; @param other must agree, where there is one */
  take(utc: number, at: number, other?: OtherSource): void {
    const wrong = this.#wrong(utc, at, other);
    this.fault = wrong === undefined ? undefined : `its time cannot be right: it says ${wrong}`;
    if (wrong !== undefined) {
      this.#offsets = [];
      return;
    }
    const offset = utc - at;
    // A time that does not follow from the others begins anew: the receiver has to say it three times.
    if (this.#offsets.some((o) => Math.abs(o.offset - offset) > AGREE.within)) this.#offsets = [];
    this.#offsets.push({ at, offset });
    if (this.#offsets.length > KEPT.sentences) this.#offsets.shift();
  }

  /** Why a time cannot be right. */
  #wrong(utc: number, at: number, other: OtherSource | undefined): string | undefined {
    const { from, to } = this.#bounds;
    const date = new Date(utc).toISOString().slice(0, 10);
    if (utc < from) {
      const weeks = Math.ceil((from - utc) / ROLLOVER);
      const rolled = weeks <= 2 && utc + weeks * ROLLOVER <= from + LIFE;
      return rolled
        ? `${date}, which shows that the week counter of the receiver has rolled over (1024 weeks). It cannot be the clock; replace it or its firmware`
        : `${date}, before this software was made`;
    }
    if (utc > to) return `${date}, more than 19 years after this software was made`;
    if (this.trusted !== undefined && utc < this.trusted - BEFORE_TRUSTED)
      return `${date}, before ${new Date(this.trusted).toISOString().slice(0, 16)}Z, the last time that was known: if the receiver is right, set the system clock and start once without gateway.clock.gps`;
    if (other !== undefined && Math.abs(utc - at - other.offset) > BESIDE_OTHER)
      return `${seconds(utc)}, and ${other.name} says ${seconds(other.offset + at)}`;
    return undefined;
  }

  /** undefined while the receiver gives no time, or different ones. @param now monotonic ms */
  offset(now: number): number | undefined {
    this.#offsets = this.#offsets.filter((o) => now - o.at <= KEPT.for);
    if (this.#offsets.length < AGREE.sentences) return undefined;
    return Math.round(Math.max(...this.#offsets.map((o) => o.offset)));
  }
}

function seconds(utc: number): string {
  return `${new Date(utc).toISOString().slice(0, 19)}Z`;
}
