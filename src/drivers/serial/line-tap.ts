/**
 * A tap of a serial line shows the bytes that were written and those that came, in stretches that silence ends: a port gives
 * bytes in pieces of its own. Bound: LONGEST bytes wait.
 */
import type { Clock } from '../../core/clock.ts';

/** @param way `out`: written by us; `in`: came. @param at monotonic ms of the first byte written, or of the last one that came */
export type LineListener = (way: 'in' | 'out', bytes: Uint8Array, at: number) => void;

/** Silence that ends a stretch, ms. */
const PAUSE = 30;
const LONGEST = 1024;

export class LineTap {
  readonly #clock: Clock;
  readonly #listeners = new Map<LineListener, () => void>();
  #came: Uint8Array[] = [];
  #length = 0;
  #at = 0;
  #cancel: (() => void) | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** @param ended the line is given up. @returns ends it, after all bytes that came before were given */
  add(listener: LineListener, ended: () => void): () => void {
    this.#listeners.set(listener, ended);
    return () => {
      this.#flush();
      this.#listeners.delete(listener);
    };
  }

  came(chunk: Uint8Array): void {
    if (this.#listeners.size === 0) return;
    this.#came.push(chunk.slice());
    this.#length += chunk.length;
    this.#at = this.#clock.monotonic();
    this.#cancel?.();
    if (this.#length >= LONGEST) this.#flush();
    else this.#cancel = this.#clock.after(PAUSE, () => this.#flush());
  }

  wrote(bytes: Uint8Array): void {
    this.#flush();
    const at = this.#clock.monotonic();
    for (const listener of this.#listeners.keys()) listener('out', bytes, at);
  }

  end(): void {
    this.#flush();
    for (const ended of this.#listeners.values()) ended();
    this.#listeners.clear();
  }

  #flush(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    if (this.#length === 0) return;
    const bytes = Buffer.concat(this.#came);
    this.#came = [];
    this.#length = 0;
    for (const listener of this.#listeners.keys()) listener('in', bytes, this.#at);
  }
}
