/**
 * Whether the gateway works, for the watchdog of the service manager. A look follows a look, as long as the main thread turns.
 *
 * - A thread of the store that owes an answer and gives none for THREAD_LIMIT is hung, unless it waits for the disk: a card may take
 *   minutes for one fsync, and a restart would not make it faster.
 * - A polled bus makes a sample for each poll that is due, also for a silent device and a closed port. Without any, its timer is lost.
 * - What is only slow, silent or unplugged is never a reason.
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
  /** Monotonic time of the newest sample, or of its start. */
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

/** Milliseconds. A slice of work of a thread takes seconds on the slowest board. */
const THREAD_LIMIT = 120_000;
const BUS_LIMIT = 120_000;

export class Liveness {
  /** Since when each thread owes the same answer; one entry for each thread. */
  readonly #since = new Map<string, { readonly answers: number; at: number }>();

  /** @returns words for what is hung; undefined: all is well */
  look({ now, threads, buses, stateOf }: Look): string | undefined {
    for (const { name, waiting, answers } of threads) {
      const since = this.#since.get(name);
      if (!waiting || since?.answers !== answers) this.#since.set(name, { answers, at: now });
      else if (stateOf(name).includes('D')) since.at = now;
      else if (now - since.at > THREAD_LIMIT)
        return `the thread ${name} of the store has not answered for ${seconds(now - since.at)}`;
    }
    for (const { name, due, last } of buses)
      if (now - due > BUS_LIMIT && now - last > BUS_LIMIT)
        return `the bus ${name} has polled nothing for ${seconds(now - last)}, and a poll is due`;
    return undefined;
  }
}

const seconds = (ms: number): string => `${Math.round(ms / 1000)} s`;
