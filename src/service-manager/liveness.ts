/**
 * Whether the gateway works, for the watchdog of the service manager. A look follows a look, as long as the main thread turns.
 *
 * - A thread of the store that owes an answer, waits for messages and computes nothing has lost the one or the other: it hangs after
 *   IDLE. One that computes gets RUNNING: a step over some hundred megabytes takes long on a small board. Long answers give signs
 *   between their steps (store/threads/keeper.ts).
 * - A thread that waits for the disk never hangs: a card may take minutes for one fsync, and a restart would not make it faster. The
 *   other threads may wait for that one.
 * - A polled bus makes a sample for each poll that is due, also for a silent device and a closed port. A request that leaves or ends
 *   counts as well. The bus says by when the next one leaves, whatever the time-outs are. LATE after that, its timer is lost.
 * - Other parts say what they do by themselves, and when (core/duty.ts): the watch on a device that speaks by itself, the opening of a
 *   port, the timer of the rules, the queues and time-outs of a forwarder. LATE after that moment, the timer is lost. What waits for a
 *   device, an upstream or the disk has no such moment.
 * - What is only slow, silent or unplugged is never a reason.
 * - Time in which nobody looked does not count. The main thread, the process or the whole machine stood still, and the others with it.
 */

import type { Duty } from '../core/duty.ts';

export interface ThreadWork {
  /** The name of the thread, which the kernel knows too. */
  readonly name: string;
  /** It owes an answer. */
  readonly waiting: boolean;
  /** Messages that came from it so far. */
  readonly answers: number;
}

/** What a thread does, as the kernel has it. */
export interface ThreadState {
  /** `disk`: it waits for the disk. `idle`: it waits for a message or a lock. `runs`: all else, and where the kernel does not say. */
  readonly does: 'disk' | 'idle' | 'runs';
  /** Processor time that it had so far; any unit. */
  readonly ticks: number;
}

export interface PolledBus {
  readonly name: string;
  /** Monotonic time of the poll that comes next. */
  readonly due: number;
  /** Monotonic time at which it last did something, or was made. */
  readonly last: number;
  /** Monotonic time by which it does something next, when a poll is due. */
  readonly by: number;
}

export interface Look {
  /** Monotonic, ms. */
  readonly now: number;
  readonly threads: readonly ThreadWork[];
  readonly buses: readonly PolledBus[];
  readonly duties: readonly Duty[];
  readonly stateOf: (thread: string) => ThreadState;
}

/** Milliseconds of the time that was looked at. */
const IDLE = 45_000;
const RUNNING = 5 * 60_000;
const LATE = 45_000;
/** Late parts that the words name. */
const SHOWN = 5;
/** The most that counts between two looks, ms. They come every 10 s. */
const LONGEST_STEP = 15_000;

/** Since when somebody owes the same. */
interface Owed {
  readonly mark: number;
  at: number;
}

interface OwedByThread extends Owed {
  /** Since when it is idle without any processor time. */
  idleAt: number;
  ticks: number;
}

export class Liveness {
  /** One entry for each thread. */
  readonly #threads = new Map<string, OwedByThread>();
  /** One entry for each bus of the configuration. */
  #buses = new Map<string, Owed>();
  /** One entry for each duty, of which the parts of the configuration have a few each. */
  #duties = new Map<string, Owed>();
  /** Milliseconds that were looked at. */
  #time = 0;
  #before: number | undefined;

  /** @returns words for what is hung; undefined: all is well */
  look({ now, threads, buses, duties, stateOf }: Look): string | undefined {
    this.#time += Math.min(now - (this.#before ?? now), LONGEST_STEP);
    this.#before = now;
    const time = this.#time;
    const before = this.#buses;
    this.#buses = new Map(
      buses.map(({ name, due, last, by }) => {
        const owed = before.get(name);
        return [name, Math.max(due, by) <= now && owed?.mark === last ? owed : { mark: last, at: time }];
      }),
    );
    const owing = this.#duties;
    this.#duties = new Map(
      duties.map(({ name, due }) => {
        const owed = owing.get(name);
        return [name, due <= now && owed?.mark === due ? owed : { mark: due, at: time }];
      }),
    );
    return this.#hungThread(threads, stateOf) ?? this.#hungBus() ?? this.#hungDuties();
  }

  #hungThread(threads: readonly ThreadWork[], stateOf: Look['stateOf']): string | undefined {
    const time = this.#time;
    const owing = threads.filter(({ name, waiting, answers }) => {
      const owes = waiting && this.#threads.get(name)?.mark === answers;
      if (!owes) this.#threads.set(name, { mark: answers, at: time, idleAt: time, ticks: -1 });
      return owes;
    });
    // Only where somebody owes an answer is the kernel asked, for all of them: one may wait for another that waits for the disk.
    const states = new Map((owing.length === 0 ? [] : threads).map(({ name }) => [name, stateOf(name)]));
    const disk = [...states.values()].some(({ does }) => does === 'disk');
    for (const { name } of owing) {
      const owed = this.#threads.get(name) as OwedByThread;
      const { does, ticks } = states.get(name) as ThreadState;
      if (disk) owed.at = time;
      if (disk || does !== 'idle' || ticks !== owed.ticks) owed.idleAt = time;
      owed.ticks = ticks;
      if (time - owed.at > RUNNING || time - owed.idleAt > IDLE)
        return `the thread ${name} of the store has not answered for ${seconds(time - owed.at)}`;
    }
    return undefined;
  }

  #hungBus(): string | undefined {
    for (const [name, { at }] of this.#buses)
      if (this.#time - at > LATE) return `the bus ${name} has polled nothing for ${seconds(this.#time - at)}, and a poll is due`;
    return undefined;
  }

  #hungDuties(): string | undefined {
    const late = [...this.#duties].filter(([, { at }]) => this.#time - at > LATE);
    const words = late.slice(0, SHOWN).map(([name, { at }]) => `${name} is late by ${seconds(this.#time - at)}`);
    return words.length === 0 ? undefined : words.join(', ');
  }
}

const seconds = (ms: number): string => `${Math.round(ms / 1000)} s`;
