/** Long answers are made in steps: between two of them the thread answers others. */

/** A step is over when it took this long, ms. */
const STEP = 8;

/** Tells when a step has taken long enough. */
export class Pace {
  #since = performance.now();
  get due(): boolean {
    const now = performance.now();
    if (now - this.#since < STEP) return false;
    this.#since = now;
    return true;
  }
  /** The others had their turn. */
  begin(): void {
    this.#since = performance.now();
  }
}

/** The end of a step. */
export function* rest(pace: Pace): Generator<undefined, void> {
  yield;
  pace.begin();
}
