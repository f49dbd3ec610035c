/**
 * Collects garbage on the way while an hour is made. V8 lets the heap of a thread grow to about twice what lives in it
 * before it collects, whatever the limits of the heap (docs/decisions/keeper-garbage.md).
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** Readings decoded or encoded between two collections, which take some milliseconds each. */
const READINGS = 16_000;

export class Collector {
  #collect: (() => void) | undefined;
  #since = 0;

  /** Counts decoded or encoded readings. */
  worked(readings: number): void {
    this.#since += readings;
    if (this.#since < READINGS) return;
    this.#since = 0;
    this.#collect ??= collectorOf();
    this.#collect();
  }
}

/** The function that Node has only with the flag --expose-gc, which may be set later for a context made after it. */
function collectorOf(): () => void {
  setFlagsFromString('--expose-gc');
  const collect: unknown = runInNewContext('typeof gc === "function" ? gc : undefined');
  setFlagsFromString('--no-expose-gc');
  return typeof collect === 'function' ? () => void collect() : () => {};
}
