/** So many at one time, the others in the order in which they came. Its callers bound how many wait. */
import { SluiceError } from '../../core/errors.ts';

export class Turns {
  readonly #most: number;
  #running = 0;
  readonly #waiting: (() => void)[] = [];

  constructor(most: number) {
    this.#most = most;
  }

  /** @param gone who asked is gone: then nothing begins. Rejects as `work` does */
  async run<T>(work: () => Promise<T>, gone: AbortSignal): Promise<T> {
    if (this.#running >= this.#most) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#running++;
    try {
      if (gone.aborted) throw new SluiceError('busy', 'who asked is gone; nothing was done');
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#running--;
      else next();
    }
  }
}
