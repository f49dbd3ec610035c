/** Time is passed in: nothing below the gateway room reads a clock of its own. */
export interface Clock {
  /** Milliseconds since this process started; never steps, fractions allowed. */
  monotonic(): number;
  /** The system's idea of UTC, in milliseconds since 1970. It may be wrong and may step. */
  wall(): number;
  /** Calls `run` once after `ms` (monotonic) milliseconds; the returned function cancels it. */
  after(ms: number, run: () => void): () => void;
  /** As `after`, but to some hundredths of a millisecond instead of one; takes up to half a millisecond of processor time. */
  exactly(ms: number, run: () => void): () => void;
}

/** One boot of the machine, which may see several starts of the daemon. */
export interface Machine {
  /** The kernel's name for it; '' where there is none, and then no two starts are known to share one. */
  readonly id: string;
  /** The kernel's monotonic time, ms, at which this process's is 0. */
  readonly origin: number;
}

/** Timers count whole milliseconds and come up to 0.2 ms late. */
const TIMER_LATE = 0.2;
/** A sleep takes up to so much longer than asked for, ms: the slack of Linux and the way back. */
const NAP_LATE = 0.12;
/** For so long at most everybody else waits, ms; NAP_LATE comes on top. */
const NAP = 0.05;
const nobody = new Int32Array(new SharedArrayBuffer(4));

export const systemClock: Clock = {
  monotonic: () => performance.now(),
  wall: () => Date.now(),
  after(ms, run) {
    // Node fires at once for anything past 2^31-1 ms, so longer waits are taken in steps.
    // A timer that is due within a millisecond is waited for, or the process wakes twice: timers leave fractions out.
    const step = Math.min(Math.max(Math.ceil(ms), 0), 2_000_000_000);
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
  exactly(ms, run) {
    const due = performance.now() + ms;
    let cancel = () => {};
    const look = (): void => {
      const left = due - performance.now();
      if (left <= 0) run();
      else wait(left);
    };
    const wait = (left: number): void => {
      if (left >= 1 + TIMER_LATE) {
        cancel = systemClock.after(Math.floor(left - TIMER_LATE), look);
        return;
      }
      // Short naps between looks at what has arrived: less than half the processor time of looking all the time.
      if (left > NAP_LATE) Atomics.wait(nobody, 0, 0, Math.min(NAP, left - NAP_LATE));
      const soon = setImmediate(look);
      cancel = () => clearImmediate(soon);
    };
    wait(ms);
    return () => cancel();
  },
};
