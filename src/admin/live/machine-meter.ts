/** How much room the board has. The disk is asked in the background: one that hangs must not hold up the gateway. */
import { statfs } from 'node:fs/promises';
import { freemem, totalmem } from 'node:os';
import type { LiveState } from './live-types.ts';

/** Milliseconds for which an answer of the disk is good enough. */
const KEEP = 10_000;
/** What changes by less is no news. Bytes. */
const STEP = 1024 * 1024;

export class MachineMeter {
  readonly #folder: () => string;
  readonly #now: () => number;
  #disk: LiveState['machine']['disk'] = null;
  #askedAt = Number.NEGATIVE_INFINITY;
  #asking = false;

  /** @param folder where the log is. @param now monotonic milliseconds */
  constructor(folder: () => string, now: () => number) {
    this.#folder = folder;
    this.#now = now;
  }

  read(): LiveState['machine'] {
    void this.#look();
    return {
      resident: rounded(process.memoryUsage.rss()),
      memory: { total: totalmem(), available: rounded(freemem()) },
      disk: this.#disk,
    };
  }

  /** Asks the disk where that is due. Never rejects. */
  async #look(): Promise<void> {
    if (this.#asking || this.#now() - this.#askedAt < KEEP) return;
    this.#asking = true;
    this.#askedAt = this.#now();
    try {
      const { bavail, blocks, bsize } = await statfs(this.#folder());
      this.#disk = { total: blocks * bsize, free: rounded(bavail * bsize) };
    } catch {
      this.#disk = null;
    } finally {
      this.#asking = false;
    }
  }
}

const rounded = (bytes: number): number => Math.round(bytes / STEP) * STEP;
