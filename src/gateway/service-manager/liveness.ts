/**
 * Whether the gateway works, for the watchdog of the service manager. A look follows a look, as long as the main thread turns.
 *
 * - A thread of the store that owes an answer and gives none for LIMIT is hung, unless it waits for the disk: a card may take
 *   minutes for one fsync, and a restart would not make it faster. Long answers give signs between their steps (store/threads/keeper.ts).
 * - A polled bus makes a sample for each poll that is due, also for a silent device and a closed port. A request that leaves or ends
 *   counts as well. Without any of them its timer is lost.
 * - What is only slow, silent or unplugged is never a reason.
 * - Time in which nobody looked does not count. The main thread, the process or the whole machine stood still, and the others with it.
 */

export interface ThreadWork {
  /** The name of the thread, which the kernel knows too. */
  readonly name: string;
  /** It owes an answer. */
  readonly waiting: boolean;
  /** Messages that came from it so far. */
  readonly answers: number;
}

export interface PolledBus {
  readonly name: string;
  /** Monotonic time of the poll that comes next. */
  readonly due: number;
  /** Monotonic time at which it last did something, or was made. */
  readonly last: number;
}

export interface Look {
  /** Monotonic, ms. */
  readonly now: number;
  readonly threads: readonly ThreadWork[];
  readonly buses: readonly PolledBus[];
  /** State of the threads of this name in the kernel (proc(5)): D waits for the disk. */
  readonly stateOf: (thread: string) => string;
}

/**
 * Milliseconds. A thread reads a file of some hundred megabytes in one piece. A bus waits until no late reply can come: twice a
 * time-out of 60 s, and the bytes at 110 baud. Then it waits for a line that is not silent.
 */
const LIMIT = 5 * 60_000;
/** The most that counts between two looks, ms. They come every 20 s. */
const LONGEST_STEP = 30_000;

/** Since when somebody owes the same. */
interface Owed {
  readonly mark: number;
  at: number;
}

export class Liveness {
  /** One entry for each thread. */
  readonly #threads = new Map<string, Owed>();
  /** One entry for each bus of the configuration. */
  #buses = new Map<string, Owed>();
  /** Milliseconds that were looked at. */
  #time = 0;
  #before: number | undefined;

  /** @returns words for what is hung; undefined: all is well */
  look({ now, threads, buses, stateOf }: Look): string | undefined {
    this.#time += Math.min(now - (this.#before ?? now), LONGEST_STEP);
    this.#before = now;
    const time = this.#time;
    const before = this.#buses;
    this.#buses = new Map(
      buses.map(({ name, due, last }) => {
        const owed = before.get(name);
        return [name, due <= now && owed?.mark === last ? owed : { mark: last, at: time }];
      }),
    );
    for (const { name, waiting, answers } of threads) {
      const owed = this.#threads.get(name);
      if (!waiting || owed?.mark !== answers) this.#threads.set(name, { mark: answers, at: time });
      else if (stateOf(name).includes('D')) owed.at = time;
      else if (time - owed.at > LIMIT) return `the thread ${name} of the store has not answered for ${seconds(time - owed.at)}`;
    }
    for (const [name, { at }] of this.#buses)
      if (time - at > LIMIT) return `the bus ${name} has polled nothing for ${seconds(time - at)}, and a poll is due`;
    return undefined;
  }
}

const seconds = (ms: number): string => `${Math.round(ms / 1000)} s`;
