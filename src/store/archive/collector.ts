/**
 * Collects garbage on the way while an hour is made. V8 lets the heap of a thread grow to about twice what lives in it
 * before it collects, whatever the limits of the heap (docs/decisions/keeper-garbage.md).
 */
import { getHeapStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** Readings decoded or encoded between two looks at the heap. */
const READINGS = 16_000;
/** A heap that grew by this many bytes is worth a collection, which takes some 20 ms of processor time, however much it finds. */
const GARBAGE = 2 * 1024 * 1024;

export class Collector {
  #collect: (() => void) | undefined;
  #since = 0;
  readonly #heap: () => number;
  /** The heap at the start, or after the last collection. */
  #least: number;

  /** @param heap its used bytes now */
  constructor(heap: () => number = () => getHeapStatistics().used_heap_size) {
    this.#heap = heap;
    this.#least = heap();
  }

  /** Counts decoded or encoded readings. */
  worked(readings: number): void {
    this.#since += readings;
    if (this.#since < READINGS) return;
    this.#since = 0;
    const used = this.#heap();
    // V8 has collected by itself.
    this.#least = Math.min(this.#least, used);
    if (used - this.#least < GARBAGE) return;
    this.#collect ??= collectorOf();
    this.#collect();
    this.#least = this.#heap();
  }
}

/** The function that Node has only with the flag --expose-gc, which may be set later for a context made after it. */
function collectorOf(): () => void {
  setFlagsFromString('--expose-gc');
  const collect: unknown = runInNewContext('typeof gc === "function" ? gc : undefined');
  setFlagsFromString('--no-expose-gc');
  return typeof collect === 'function' ? () => void collect() : () => {};
}
