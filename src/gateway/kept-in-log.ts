/**
 * Waits until the log has what a person is going to hear was done, or what has to be kept before a command begins. Invariant: a disk that
 * hangs or refuses keeps nobody waiting. The wait has a bound, and nobody begins to wait while the disk is late or commits fail.
 */
import type { Clock } from '../core/clock.ts';
import { endsWithin } from '../core/ends-within.ts';
import { SluiceError } from '../core/errors.ts';

/** Before the answer about an alarm, milliseconds. */
export const KEPT_WITHIN = 2000;
/** Before a command with an id begins, milliseconds. Without a bound it would act hours later, when the disk is well. */
export const ID_WITHIN = 15_000;

interface LogSide {
  flush(): Promise<void>;
  status(): { readonly fault: string | undefined };
}

export class KeptInLog {
  readonly #log: () => LogSide;
  readonly #clock: Clock;
  readonly #within: number;
  #late = false;

  /** @param within milliseconds */
  constructor(log: () => LogSide, clock: Clock, within: number) {
    this.#log = log;
    this.#clock = clock;
    this.#within = within;
  }

  /** Resolves with whether everything of now is on the disk, `within` at the latest. Never rejects. */
  async wait(): Promise<boolean> {
    const log = this.#log();
    if (this.#late || log.status().fault !== undefined) return false;
    const flushed = log.flush();
    if (await endsWithin(this.#clock, flushed, this.#within)) return true;
    this.#late = true;
    const over = (): void => {
      this.#late = false;
    };
    flushed.then(over, over);
    return false;
  }

  /** @throws SluiceError log-write */
  async assert(): Promise<void> {
    if (!(await this.wait()))
      throw new SluiceError(
        'log-write',
        'the log cannot be written now, so the id of the command is not kept; nothing was done, ask again later with the same id',
      );
  }
}
