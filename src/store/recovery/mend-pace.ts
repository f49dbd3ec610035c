/** How long a salvage of history.db may take, and what it says of itself. The keeper answers nobody meanwhile. */
import type { SalvageProgress } from '../files/repair-report.ts';
import type { Pace } from './salvage.ts';

/** The reading ends then, whatever is left, milliseconds: what was read is kept, the damaged file lies aside. */
const WITHIN = 5 * 60_000;
/** Between two reports. */
const TELL_EVERY = 500;

export class MendPace {
  readonly #why: string;
  readonly #tell: (progress: SalvageProgress) => void;
  #told = Number.NEGATIVE_INFINITY;
  /** Not all of it was read. */
  cut = false;

  constructor(why: string, tell: (progress: SalvageProgress) => void) {
    this.#why = why;
    this.#tell = tell;
  }

  /** The words of the report: the cause, and that a part was not read. */
  get words(): string {
    return this.cut ? `${this.#why} (it was read for ${WITHIN / 60_000} minutes, and not to its end)` : this.#why;
  }

  reading(): Pace {
    const until = performance.now() + WITHIN;
    return { until: () => performance.now() > until, progress: (done, of) => this.#progress('find', done, of) };
  }
  /** Units whose parts were looked through. */
  settled(done: number, of: number): void {
    this.#progress('bring back', done, of);
  }

  #progress(phase: SalvageProgress['phase'], done: number, of: number): void {
    if (performance.now() - this.#told < TELL_EVERY) return;
    this.#told = performance.now();
    this.#tell({ file: 'history.db', why: this.#why, phase, done, of });
  }
}
