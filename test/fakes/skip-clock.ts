/** Real time with a wall clock of its own, over which a test can jump: as if the process had stood still meanwhile. */
import { type Clock, systemClock } from '../../src/core/clock.ts';

interface Timer {
  readonly due: number;
  readonly run: () => void;
  cancel: () => void;
}

export class SkipClock implements Clock {
  readonly #began = performance.now();
  readonly #timers = new Set<Timer>();
  #skipped = 0;
  #ahead: number;

  /** @param wall UTC ms that it begins with */
  constructor(wall: number) {
    this.#ahead = wall;
  }

  monotonic(): number {
    return performance.now() - this.#began + this.#skipped;
  }
  wall(): number {
    return this.monotonic() + this.#ahead;
  }
  /** Somebody sets the system clock. */
  set(wall: number): void {
    this.#ahead += wall - this.wall();
  }

  exactly(ms: number, run: () => void): () => void {
    return this.after(ms, run);
  }
  after(ms: number, run: () => void): () => void {
    const timer: Timer = { due: this.monotonic() + ms, run, cancel: () => {} };
    this.#arm(timer);
    return () => {
      timer.cancel();
      this.#timers.delete(timer);
    };
  }

  /** Timers that fall due on the way run once, late and in order. */
  async skip(ms: number): Promise<void> {
    this.#skipped += ms;
    for (const timer of [...this.#timers].sort((a, b) => a.due - b.due)) {
      // One before it may have cancelled it.
      if (!this.#timers.has(timer)) continue;
      timer.cancel();
      if (timer.due > this.monotonic()) this.#arm(timer);
      else this.#fire(timer);
    }
    await new Promise((resolve) => setImmediate(resolve));
  }

  #arm(timer: Timer): void {
    this.#timers.add(timer);
    timer.cancel = systemClock.after(timer.due - this.monotonic(), () => this.#fire(timer));
  }
  #fire(timer: Timer): void {
    this.#timers.delete(timer);
    timer.run();
  }
}
