/** The callers behind long answers. Sessions and tokens end: with time, and by changes of accounts. Their answers end then, too. */
import type { Clock } from '../core/clock.ts';
import { LOOK_AT_CALLERS } from './limits.ts';

interface Known {
  readonly holds: () => boolean;
  readonly end: () => void;
}

export class KnownCallers {
  readonly #clock: Clock;
  readonly #known = new Set<Known>();
  #cancel: (() => void) | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** @param holds whether the caller is still who he was @returns forgets it */
  add(holds: () => boolean, end: () => void): () => void {
    const known = { holds, end };
    this.#known.add(known);
    this.#cancel ??= this.#clock.after(LOOK_AT_CALLERS, () => this.#again());
    return () => this.#known.delete(known);
  }

  /** Something about accounts changed. */
  look(): void {
    for (const { holds, end } of [...this.#known]) if (!holds()) end();
  }

  stop(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }

  #again(): void {
    this.#cancel = undefined;
    this.look();
    if (this.#known.size > 0) this.#cancel = this.#clock.after(LOOK_AT_CALLERS, () => this.#again());
  }
}
