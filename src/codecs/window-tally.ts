/** The readings of one point in one window, and the value that they make. */
import { hasValue, type Value } from '../core/point.ts';
import { ABSENT, GOOD, reasonCode } from '../core/reasons.ts';
import type { WindowValue } from './thinning.ts';

const NOT_A_NUMBER = reasonCode('not-a-number');
const PARTIAL = reasonCode('partial');
/** Digits of a mean: what adding up leaves behind them is noise, and costs bytes. */
const DIGITS = 12;

export class PointTally {
  readonly #way: WindowValue;
  #count = 0;
  /** The newest reason of each kind; GOOD: there was none. */
  #bad = GOOD;
  #uncertain = GOOD;
  /** `last`: the reason of the reading. */
  #reason = ABSENT;
  #value: Value = 0;
  #mean = 0;
  #sum = 0n;
  #same = true;

  constructor(way: WindowValue) {
    this.#way = way;
  }

  /** @param reason not ABSENT */
  add(value: Value, reason: number): void {
    const why = hasValue(reason) && typeof value === 'number' && !Number.isFinite(value) ? NOT_A_NUMBER : reason;
    if (this.#way === 'last') {
      this.#value = value;
      this.#reason = why;
    } else if (hasValue(why)) {
      if (why !== GOOD) this.#uncertain = why;
      this.#count++;
      this.#take(value);
    } else this.#bad = why;
  }

  #take(value: Value): void {
    const first = this.#count === 1;
    switch (this.#way) {
      case 'min':
        if (first || value < this.#value) this.#value = value;
        return;
      case 'max':
        if (first || value > this.#value) this.#value = value;
        return;
      default:
        if (first) this.#value = value;
        this.#same &&= value === this.#value;
        if (typeof value === 'bigint') this.#sum += value;
        else this.#mean = meanOf(this.#mean, Number(value), this.#count);
    }
  }

  /**
   * A window in which a reading was bad is uncertain, reason `partial`; it is bad when all were. The value of `last` has the
   * quality of that reading. ABSENT: there was none.
   */
  take(): { readonly value: Value; readonly reason: number } {
    if (this.#way === 'last') return { value: this.#value, reason: this.#reason };
    if (this.#count === 0) return { value: 0, reason: this.#bad === GOOD ? ABSENT : this.#bad };
    const reason = this.#bad === GOOD ? this.#uncertain : PARTIAL;
    if (this.#way !== 'mean' || this.#same) return { value: this.#value, reason };
    if (typeof this.#value === 'bigint') return { value: roundedMean(this.#sum, BigInt(this.#count)), reason };
    return { value: Number(this.#mean.toPrecision(DIGITS)), reason };
  }
}

/** The mean of `count` values, of which `mean` is that of all before. Never infinite. */
function meanOf(mean: number, value: number, count: number): number {
  const step = (value - mean) / count;
  return Number.isFinite(step) ? mean + step : mean * ((count - 1) / count) + value / count;
}

function roundedMean(sum: bigint, count: bigint): bigint {
  const rest = sum % count;
  const up = 2n * (rest < 0n ? -rest : rest) >= count ? 1n : 0n;
  return sum / count + (sum < 0n ? -up : up);
}
