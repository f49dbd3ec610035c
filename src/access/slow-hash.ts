/**
 * One slow hash at a time in the whole process: the thread pool has four threads, and serial ports, files and names of hosts need
 * them. What waits is bounded, in two queues: callers who got in before (and administrators on the socket) never wait behind
 * strangers, and strangers cannot fill their places.
 */
import { SluiceError } from '../core/errors.ts';

/** Waiting in each queue. */
const MOST_WAITING = 8;

interface Job {
  readonly run: () => Promise<void>;
}

export class SlowHash {
  readonly #known: Job[] = [];
  readonly #strangers: Job[] = [];
  #busy = false;

  /** Rejects with `throttled`, at once, when too many wait. */
  run<R>(work: () => Promise<R>, known: boolean): Promise<R> {
    const queue = known ? this.#known : this.#strangers;
    if (queue.length >= MOST_WAITING)
      return Promise.reject(new SluiceError('throttled', 'too many people log in at the same time; try again in a moment'));
    return new Promise((resolve, reject) => {
      queue.push({ run: () => work().then(resolve, reject) });
      void this.#next();
    });
  }

  async #next(): Promise<void> {
    if (this.#busy) return;
    this.#busy = true;
    for (let job = this.#take(); job !== undefined; job = this.#take()) await job.run();
    this.#busy = false;
  }

  #take(): Job | undefined {
    return this.#known.shift() ?? this.#strangers.shift();
  }
}
