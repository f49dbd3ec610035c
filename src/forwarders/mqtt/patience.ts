/**
 * What follows when a broker does not take something now: a pause that grows, words for the status, and in the end a refusal where
 * the reason stays unclear. One for each forwarder; it forgets with the connection.
 */
import { waitAfter } from '../../core/backoff.ts';
import type { Clock } from '../../core/clock.ts';
import type { SluiceError } from '../../core/errors.ts';
import type { Later, Outcome } from '../drain-sides.ts';

/** Milliseconds. */
const PAUSE = { first: 1000, longest: 30_000 };
/** Refusals without a reason of a message that cannot be made smaller. With the pauses between them these are four minutes. */
export const MOST_UNCLEAR = 12;

/** As `Outcome`, and with the reason why it is kept. */
export type Delivered = 'accept' | { readonly reject: SluiceError } | { readonly keep: SluiceError };

export class Patience {
  readonly #clock: Clock;
  readonly #random: () => number;
  /** Refusals in a row, by what was refused: at most a batch of each lane, the events under way, and an alarm of each channel. */
  readonly #refusals = new Map<string, { tries: number; alone: number }>();
  readonly #pauses = new Set<() => void>();
  /** Why something waits, newest first; undefined: nothing does. */
  fault: string | undefined;

  constructor({ clock, random }: { readonly clock: Clock; readonly random: () => number }) {
    this.#clock = clock;
    this.#random = random;
  }

  /**
   * @param key of what was offered
   * @param smaller makes the next one smaller; false: it is as small as it can be
   * @returns at once, or after a pause when it is to be offered again
   */
  async judge(key: string, outcome: Delivered, smaller: (error: SluiceError) => boolean): Promise<Outcome> {
    const verdict = this.verdict(key, outcome, smaller);
    if (typeof verdict === 'string' || 'reject' in verdict) return verdict;
    await this.#pause(verdict.later);
    return 'keep';
  }

  /** As `judge`, at once: who offers it again waits for the pause. */
  verdict(key: string, outcome: Delivered, smaller: (error: SluiceError) => boolean): Outcome | Later {
    if (outcome === 'accept' || 'reject' in outcome) {
      this.pass(key);
      return outcome;
    }
    const error = outcome.keep;
    const large = error.code === 'upstream-too-large';
    const unclear = error.data.unclear === true;
    const shrunk = (large || unclear) && smaller(error);
    // Nothing was sent, or the broker says that less will do.
    if (large && shrunk) return 'keep';
    const { tries, alone } = this.#refusals.get(key) ?? { tries: 0, alone: 0 };
    if (!shrunk && (large || (unclear && alone + 1 >= MOST_UNCLEAR))) {
      this.pass(key);
      return { reject: error };
    }
    this.fault = error.message;
    this.#refusals.set(key, { tries: tries + 1, alone: shrunk ? 0 : alone + 1 });
    return { later: waitAfter(PAUSE, Math.min(tries, 30), this.#random()) };
  }

  /** What was refused is taken, refused for good, or not wanted any more. */
  pass(key: string): void {
    if (this.#refusals.delete(key) && this.#refusals.size === 0) this.fault = undefined;
  }

  /** Nothing waits any more: the connection is over, or the forwarder ends. */
  hurry(): void {
    for (const wake of this.#pauses) wake();
  }

  /** The connection is over: its refusals count no more. */
  forget(): void {
    this.hurry();
    this.#refusals.clear();
    this.fault = undefined;
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const wake = (): void => {
        cancel();
        this.#pauses.delete(wake);
        resolve();
      };
      const cancel = this.#clock.after(ms, wake);
      this.#pauses.add(wake);
    });
  }
}
