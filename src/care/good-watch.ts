/** Keeps the configuration in force as the last good one when it ran well: for a minute with a log that can be written, or to a clean stop. */
import type { Clock } from '../core/clock.ts';
import type { Ran } from '../core/configuring.ts';
import { toError } from '../core/errors.ts';
import type { Logger } from '../core/logger.ts';
import { keepLastGood } from './last-good.ts';

/** Milliseconds. */
const WELL_AFTER = 60_000;

export interface GoodWatchOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly stateDir: string;
  readonly version: string;
  /** Whether the gateway runs and its log can be written. */
  readonly isWell: () => boolean;
}

export class GoodWatch {
  readonly #o: GoodWatchOptions;
  #ran: Ran | undefined;
  #cancel: (() => void) | undefined;
  #writing: Promise<void> = Promise.resolve();

  constructor(options: GoodWatchOptions) {
    this.#o = options;
  }

  /** A configuration is in force from now on. @param ran undefined: it is the last good one itself */
  inForce(ran: Ran | undefined): void {
    this.#cancel?.();
    this.#ran = ran;
    if (ran !== undefined) this.#wait();
  }

  /** The gateway was stopped in order. Resolves when what ran well is kept. */
  stopped(): Promise<void> {
    this.#cancel?.();
    this.#keep();
    return this.#writing;
  }

  #wait(): void {
    this.#cancel = this.#o.clock.after(WELL_AFTER, () => {
      if (this.#o.isWell()) this.#keep();
      else this.#wait();
    });
  }

  #keep(): void {
    const ran = this.#ran;
    this.#ran = undefined;
    if (ran === undefined) return;
    const { clock, logger, stateDir, version } = this.#o;
    this.#writing = this.#writing
      .then(() => keepLastGood(stateDir, ran, version, Math.round(clock.wall())))
      .then((written) => {
        if (written) logger.info({ stateDir }, 'The configuration ran well and is kept as the last good one.');
      })
      .catch((thrown: unknown) =>
        logger.warn(
          { error: toError(thrown).message },
          'The configuration could not be kept as the last good one. A start with a broken file takes an older one, or ends.',
        ),
      );
  }
}
