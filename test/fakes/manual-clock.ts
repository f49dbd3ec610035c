/** A clock that only moves when a test moves it. */
import type { Clock } from '../../src/core/clock.ts';

export class ManualClock implements Clock {
  /** Waits that were asked to be exact. */
  exactWaits = 0;
  #now = 0;
  #wall: number;
  readonly #timers = new Set<{ due: number; run: () => void }>();

  constructor(wall = Date.UTC(2026, 0, 1)) {
    this.#wall = wall;
  }

  monotonic(): number {
    return this.#now;
  }

  wall(): number {
    return this.#wall;
  }

  exactly(ms: number, run: () => void): () => void {
    this.exactWaits++;
    return this.after(ms, run);
  }
  after(ms: number, run: () => void): () => void {
    const timer = { due: this.#now + ms, run };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  /** Somebody sets the system clock. */
  step(ms: number): void {
    this.#wall += ms;
  }

  /** Runs the timers that fall due on the way, in order, and lets promises settle after each. */
  async advance(ms: number): Promise<void> {
    const end = this.#now + ms;
    await settle();
    for (;;) {
      const [next] = [...this.#timers].filter((timer) => timer.due <= end).sort((a, b) => a.due - b.due);
      if (next === undefined) break;
      this.#timers.delete(next);
      this.#move(Math.max(next.due, this.#now));
      next.run();
      await settle();
    }
    this.#move(end);
  }

  #move(to: number): void {
    this.#wall += to - this.#now;
    this.#now = to;
  }
}

/** Everything that is already resolved runs its course. */
function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
