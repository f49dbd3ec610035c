/** So many at one time, the others in the order in which they came. Who is gone waits no longer, so its callers bound how many wait. */
import { SluiceError } from '../../core/errors.ts';

export class Turns {
  readonly #most: number;
  #running = 0;
  readonly #waiting = new Set<() => void>();

  constructor(most: number) {
    this.#most = most;
  }

  /** Those that have no turn yet. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /** @param gone who asked is gone: then nothing begins. Rejects as `work` does */
  async run<T>(work: () => Promise<T>, gone: AbortSignal): Promise<T> {
    if (this.#running >= this.#most) await this.#turn(gone);
    else this.#running++;
    try {
      if (gone.aborted) throw whoIsGone();
      return await work();
    } finally {
      const [next] = this.#waiting;
      if (next === undefined) this.#running--;
      else next();
    }
  }

  #turn(gone: AbortSignal): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const begin = (): void => {
      this.#waiting.delete(begin);
      gone.removeEventListener('abort', leave);
      resolve();
    };
    const leave = (): void => {
      this.#waiting.delete(begin);
      reject(whoIsGone());
    };
    this.#waiting.add(begin);
    gone.addEventListener('abort', leave, { once: true });
    return promise;
  }
}

function whoIsGone(): SluiceError {
  return new SluiceError('busy', 'who asked is gone; nothing was done');
}
