/**
 * Asks a process again and again whether it answers: one question at a time, the next one a while after the answer. Each question has
 * a number that cannot be guessed, so only code that reads the question answers it (docs/decisions/flows-check.md).
 */
import { randomInt } from 'node:crypto';
import type { Clock } from '../core/clock.ts';

/** Between checks, and for an answer, ms. */
export const CHECK_EVERY = 10_000;
export const CHECK_WITHIN = 10_000;

export interface AnswerChecksSide {
  readonly clock: Clock;
  /** For tests; default: 47 random bits. */
  readonly number?: () => number;
  readonly send: (n: number) => void;
  /** No answer came within CHECK_WITHIN. The next question follows at once, unless `stop` was called. */
  readonly missed: () => void;
}

export class AnswerChecks {
  readonly #side: AnswerChecksSide;
  #n: number | undefined;
  /** When the question went out whose answer is missing. */
  #sentAt: number | undefined;
  #cancel: (() => void) | undefined;

  constructor(side: AnswerChecksSide) {
    this.#side = side;
  }

  /** Asks now. */
  ask(): void {
    const { clock, send, missed, number = () => randomInt(1, 2 ** 47) } = this.#side;
    this.#sentAt = clock.monotonic();
    this.#n = number();
    send(this.#n);
    this.#later(CHECK_WITHIN, () => {
      missed();
      if (this.#sentAt !== undefined) this.ask();
    });
  }

  /** @returns how long the answer took, ms; undefined where it answers another question than the open one */
  answered(n: number): number | undefined {
    const sentAt = this.#sentAt;
    if (n !== this.#n || sentAt === undefined) return undefined;
    // A second answer puts the next question off no further.
    this.#sentAt = undefined;
    this.#later(CHECK_EVERY, () => this.ask());
    return this.#side.clock.monotonic() - sentAt;
  }

  stop(): void {
    this.#cancel?.();
    this.#sentAt = undefined;
  }

  #later(ms: number, then: () => void): void {
    this.#cancel?.();
    this.#cancel = this.#side.clock.after(ms, then);
  }
}
