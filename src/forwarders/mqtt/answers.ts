/** What waits for an answer of the broker on one connection, each with its time-out, and what a refusal means. */
import type { Clock } from '../../core/clock.ts';
import { SluiceError } from '../../core/errors.ts';
import { verdictOf } from './reason-codes.ts';
import { refusedWords } from './refusal-words.ts';

export interface AnswersSide {
  /** An answer is late: nothing else on this connection is worth a wait. */
  late(fault: SluiceError): void;
  /** Why the connection is over. */
  lost(cause?: unknown): SluiceError;
  /** What the broker said beside a code in its last answer. */
  said(): string;
}

export class Answers {
  /** Oldest first, with the topic of a message. */
  readonly #waiting = new Map<(error: Error) => void, { readonly topic: string | undefined; readonly by: number }>();
  readonly #clock: Clock;
  readonly #timeout: number;
  readonly #side: AnswersSide;
  #roundTrip = Number.POSITIVE_INFINITY;

  /** @param timeout milliseconds */
  constructor(clock: Clock, timeout: number, side: AnswersSide) {
    this.#clock = clock;
    this.#timeout = timeout;
    this.#side = side;
  }

  /** Monotonic time at which the oldest answer is late. */
  get by(): number | undefined {
    return this.#waiting.values().next().value?.by;
  }
  /** Milliseconds of the answer to a message that came fastest; 0 before the first. */
  get roundTrip(): number {
    return Number.isFinite(this.#roundTrip) ? this.#roundTrip : 0;
  }
  /** The topic of the message that waits longest. */
  get topic(): string | undefined {
    return this.#waiting.values().find(({ topic }) => topic !== undefined)?.topic;
  }

  /** Resolves with the answer. @param topic of a message @throws SluiceError as `Connection.publish` */
  to(topic: string | undefined, send: (done: (error?: Error | null) => void) => void): Promise<void> {
    const asked = this.#clock.monotonic();
    return new Promise((resolve, reject) => {
      const fail = (error: Error): void => {
        cancel();
        this.#waiting.delete(fail);
        reject(error);
      };
      const cancel = this.#clock.after(this.#timeout, () => {
        const late = new SluiceError('upstream-timeout', `the broker did not acknowledge within ${this.#timeout / 1000} s`);
        fail(late);
        this.#side.late(late);
      });
      this.#waiting.set(fail, { topic, by: asked + this.#timeout });
      send((error) => {
        if (!this.#waiting.has(fail)) return;
        if (error === null || error === undefined) {
          cancel();
          this.#waiting.delete(fail);
          if (topic !== undefined) this.#roundTrip = Math.min(this.#roundTrip, this.#clock.monotonic() - asked);
          resolve();
          return;
        }
        const code: unknown = 'code' in error ? error.code : undefined;
        // From 0x80 on the broker refuses this very message or subscription.
        if (typeof code === 'number' && code >= 0x80) fail(refusal(code, this.#side.said(), topic, error));
        else fail(this.#side.lost(error));
      });
    });
  }

  /** None comes any more. */
  close(why: SluiceError): void {
    for (const reject of this.#waiting.keys()) reject(why);
    this.#waiting.clear();
  }
}

function refusal(code: number, said: string, topic: string | undefined, cause: Error): SluiceError {
  const words = refusedWords(code, said, topic);
  const data = { subscription: topic === undefined, reason: code };
  switch (verdictOf(code)) {
    case 'never':
      return new SluiceError('upstream-refused', words, { cause, data });
    case 'smaller':
      return new SluiceError('upstream-too-large', words, { cause, data: { reason: code } });
    case 'later':
      return new SluiceError('upstream-busy', words, { cause, data });
    case 'unclear':
      return new SluiceError('upstream-busy', words, { cause, data: { ...data, unclear: true } });
  }
}
