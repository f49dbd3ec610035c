/**
 * A restart of Node-RED that somebody asks for: of one that answers, and does nothing useful. Invariants:
 * - One at a time, and none while Node-RED starts or ends by itself or gets other flows: whoever asks then hears that.
 * - With `busy` and `not-running` nothing was done. What failed after the end of Node-RED has other codes.
 * - It ends in an answer: the next process passes messages, or none will soon, or RESTARTED_WITHIN is over.
 * - It is no crash, and it neither ends safe mode nor changes flows.
 * - However many ask, AT_ONCE follow each other, then one in REFILL: in between Node-RED runs its flows.
 */
import type { Clock } from '../core/clock.ts';
import { SluiceError } from '../core/errors.ts';
import type { FlowState, FlowStatus, FlowsRestarted } from '../core/flow-supervisor.ts';
import { START_WITHIN, STOP_WITHIN } from './machine.ts';

/** The end of one process, the start of the next, and what a disk makes of both, ms. */
export const RESTARTED_WITHIN = STOP_WITHIN + START_WITHIN + 10_000;

export const AT_ONCE = 5;
export const REFILL = 60_000;

export interface RestartsSide {
  readonly clock: Clock;
  /** undefined: the configuration has no Node-RED. */
  readonly status: () => FlowStatus | undefined;
  /** Node-RED is getting other flows from the gateway. */
  readonly deploying: () => boolean;
  /** Ends the process and starts another one. */
  readonly restart: () => void;
}

export class Restarts {
  readonly #side: RestartsSide;
  /** Ends the restart that is under way. */
  #over: ((outcome: FlowsRestarted | SluiceError) => void) | undefined;
  #left = AT_ONCE;
  #filledAt = 0;

  constructor(side: RestartsSide) {
    this.#side = side;
  }

  /** Rejects with SluiceError `not-running`, `busy`, `restart-failed`, `timeout`. Its words hold nothing of a flow. */
  async run(): Promise<FlowsRestarted> {
    const { clock, status, restart } = this.#side;
    this.#assertMayRestart(status());
    this.#take();
    const { promise, resolve, reject } = Promise.withResolvers<FlowsRestarted>();
    const cancel = clock.after(RESTARTED_WITHIN, () =>
      this.#over?.(
        new SluiceError(
          'timeout',
          `Node-RED was asked to restart and passes no message after ${RESTARTED_WITHIN / 1000} s; the gateway continues to try, and sluice flows list shows its state`,
        ),
      ),
    );
    this.#over = (outcome) => {
      cancel();
      this.#over = undefined;
      if (outcome instanceof SluiceError) reject(outcome);
      else resolve(outcome);
    };
    restart();
    return promise;
  }

  /** Node-RED has another state. */
  changed(state: FlowState): void {
    switch (state) {
      case 'running':
      case 'safe-mode':
        this.#over?.({ state });
        return;
      case 'backing-off':
        this.#over?.(
          new SluiceError(
            'restart-failed',
            'Node-RED was ended and did not start; the gateway tries again later, and sluice flows list says why',
          ),
        );
        return;
      case 'stopped':
        this.#over?.(new SluiceError('restart-failed', 'Node-RED was ended, and nobody wants it any more: it was switched off'));
        return;
      case 'starting':
      case 'stopping':
      case 'unhealthy':
    }
  }

  #take(): void {
    const now = this.#side.clock.monotonic();
    const filled = Math.floor((now - this.#filledAt) / REFILL);
    this.#left = Math.min(AT_ONCE, this.#left + filled);
    this.#filledAt = this.#left === AT_ONCE ? now : this.#filledAt + filled * REFILL;
    if (this.#left === 0)
      throw new SluiceError(
        'busy',
        `Node-RED was restarted ${AT_ONCE} times shortly before; nothing was done, so ask again in ${Math.ceil((this.#filledAt + REFILL - now) / 1000)} s`,
      );
    this.#left--;
  }

  #assertMayRestart(status: FlowStatus | undefined): void {
    if (status === undefined)
      throw new SluiceError(
        'not-running',
        'this gateway has no Node-RED: write nodeRed into its configuration (docs/how-to/switch-on-node-red.md)',
      );
    if (this.#over !== undefined)
      throw new SluiceError('busy', 'a restart of Node-RED is under way already; sluice flows list shows its state');
    const { state } = status;
    if (state === 'starting' || state === 'stopping')
      throw new SluiceError('busy', `Node-RED is ${state} already; nothing was done, and sluice flows list shows its state`);
    if (state === 'stopped')
      throw new SluiceError('not-running', 'Node-RED is stopped: the gateway does not run it now; nothing was done');
    // Its end would leave open whether it has them.
    if (this.#side.deploying())
      throw new SluiceError('busy', 'Node-RED is getting other flows; nothing was done, so ask again when they are there');
  }
}
