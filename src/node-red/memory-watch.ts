/**
 * Bounds the memory of a child where no systemd does. Node reserves address space at its start that it may never use, so the kernel's
 * limit is set once that is known. A flow that allocates is refused then, and one that holds more than it may is ended.
 */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import type { Clock } from '../core/clock.ts';
import { formatSize } from '../core/units.ts';
import { PROGRAM_WITHIN } from './programs.ts';

const LOOK_EVERY = 1000;

export class MemoryWatch {
  readonly #pid: number;
  readonly #limit: number;
  readonly #clock: Clock;
  readonly #tooMuch: (why: string) => void;
  #cancel: (() => void) | undefined;
  #settled = false;

  /** @param limit bytes of its own memory; code that it shares with other processes does not count */
  constructor(pid: number, limit: number, clock: Clock, tooMuch: (why: string) => void) {
    this.#pid = pid;
    this.#limit = limit;
    this.#clock = clock;
    this.#tooMuch = tooMuch;
  }

  start(): void {
    const look = (): void => {
      const used = fieldOf(this.#pid, 'RssAnon');
      if (used === undefined) return;
      if (used > this.#limit)
        this.#tooMuch(
          `it used ${formatSize(Math.round(used / 1024 ** 2) * 1024 ** 2)} of memory, and nodeRed.memory is ${formatSize(this.#limit)}`,
        );
      else this.#cancel = this.#clock.after(LOOK_EVERY, look);
    };
    look();
  }

  /**
   * It has loaded all of its code: from now on the kernel grants so much more, and nothing beyond. Best effort, and once: a flow that
   * says so again would raise the limit by what it has allocated meanwhile. Resolves when it is done.
   */
  async settle(): Promise<void> {
    if (this.#settled) return;
    this.#settled = true;
    const reserved = fieldOf(this.#pid, 'VmData');
    if (reserved === undefined) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    execFile('prlimit', ['--pid', String(this.#pid), `--data=${reserved + this.#limit}`], { timeout: PROGRAM_WITHIN }, () =>
      resolve(),
    );
    await promise;
  }

  stop(): void {
    this.#cancel?.();
  }
}

function fieldOf(pid: number, name: string): number | undefined {
  try {
    const kB = new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1];
    return kB === undefined ? undefined : Number(kB) * 1024;
  } catch {
    return undefined;
  }
}
