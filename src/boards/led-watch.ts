/** Looks at the gateway every two seconds, and shows its state on the LED of the board. A timer of its own, which holds up nothing. */
import type { Clock } from '../core/clock.ts';
import { type Led, type LedFacts, ledStateOf } from './led.ts';

/** Milliseconds. */
const EVERY = 2000;

export class LedWatch {
  readonly #clock: Clock;
  readonly #led: Led;
  readonly #facts: () => LedFacts | undefined;
  #cancel: (() => void) | undefined;
  #over = false;

  /** @param facts undefined while the gateway starts */
  constructor(clock: Clock, led: Led, facts: () => LedFacts | undefined) {
    this.#clock = clock;
    this.#led = led;
    this.#facts = facts;
  }

  begin(): void {
    if (this.#over) return;
    const facts = this.#facts();
    this.#led.show(facts === undefined ? 'starting' : ledStateOf(facts));
    this.#cancel = this.#clock.after(EVERY, () => this.begin());
  }

  end(): void {
    this.#over = true;
    this.#cancel?.();
    this.#led.end();
  }
}
