/** How long a salvage of history.db reads, and what it says of itself. The keeper answers nobody meanwhile. */
import type { SalvageProgress } from '../files/repair-report.ts';
import type { Pace } from './salvage.ts';

/** Between two reports. */
const TELL_EVERY = 500;

export class MendPace {
  readonly #why: string;
  readonly #tell: (progress: SalvageProgress) => void;
  readonly #within: number;
  #reportedAt = Number.NEGATIVE_INFINITY;

  /** @param within the reading ends then, milliseconds: what was read is kept, the damaged file lies aside */
  constructor(why: string, within: number, tell: (progress: SalvageProgress) => void) {
    this.#why = why;
    this.#within = within;
    this.#tell = tell;
  }

  reading(): Pace {
    const until = performance.now() + this.#within;
    return { until: () => performance.now() > until, progress: (done, of) => this.#progress('find', done, of) };
  }
  /** Hours whose parts were looked through. */
  settled(done: number, of: number): void {
    this.#progress('bring back', done, of);
  }

  #progress(phase: SalvageProgress['phase'], done: number, of: number): void {
    if (performance.now() - this.#reportedAt < TELL_EVERY) return;
    this.#reportedAt = performance.now();
    this.#tell({ file: 'history.db', why: this.#why, phase, done, of });
  }
}
