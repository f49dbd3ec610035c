/** Time is passed in: nothing below the gateway room reads a clock of its own. */
export interface Clock {
  /** Milliseconds since this process started; never steps, fractions allowed. */
  monotonic(): number;
  /** The system's idea of UTC, in milliseconds since 1970. It may be wrong and may step. */
  wall(): number;
  /** Calls `run` once after `ms` (monotonic) milliseconds; the returned function cancels it. */
  after(ms: number, run: () => void): () => void;
}

export const systemClock: Clock = {
  monotonic: () => performance.now(),
  wall: () => Date.now(),
  after(ms, run) {
    // Node fires at once for anything past 2^31-1 ms, so longer waits are taken in steps.
    const step = Math.min(Math.max(ms, 0), 2_000_000_000);
    let cancelNext: (() => void) | undefined;
    const timer = setTimeout(() => {
      if (step < ms) cancelNext = systemClock.after(ms - step, run);
      else run();
    }, step);
    return () => {
      clearTimeout(timer);
      cancelNext?.();
    };
  },
};
