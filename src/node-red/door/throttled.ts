/** What was left out, said at most once in THROTTLED_EVERY for each kind. Bound: one entry for `put` and for each subscription. */
import type { Clock } from '../../core/clock.ts';
import { MOST_SUBSCRIPTIONS, THROTTLED_EVERY } from './limits.ts';

export class Throttled {
  readonly #clock: Clock;
  readonly #say: (what: string, dropped: number, why: string) => void;
  readonly #waiting = new Map<string, { dropped: number; why: string; readonly cancel: () => void }>();

  constructor(clock: Clock, say: (what: string, dropped: number, why: string) => void) {
    this.#clock = clock;
    this.#say = say;
  }

  add(what: string, dropped: number, why: string): void {
    const waiting = this.#waiting.get(what);
    if (waiting !== undefined) {
      waiting.dropped += dropped;
      waiting.why = why;
      return;
    }
    if (this.#waiting.size > MOST_SUBSCRIPTIONS) return;
    const cancel = this.#clock.after(THROTTLED_EVERY, () => {
      const entry = this.#waiting.get(what);
      this.#waiting.delete(what);
      if (entry !== undefined) this.#say(what, entry.dropped, entry.why);
    });
    this.#waiting.set(what, { dropped, why, cancel });
  }

  end(): void {
    for (const { cancel } of this.#waiting.values()) cancel();
    this.#waiting.clear();
  }
}
