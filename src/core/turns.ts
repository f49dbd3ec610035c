/**
 * What the clients of a door (the embedded broker, HTTP) may take of one turn of the event loop, all together. Polls and alarms run
 * in the same loop and come first, so the rest waits for the next turns, one client after the other. Packets and requests cost very
 * different times: while somebody waits, each turn is measured, and fewer go through in the next one when it took longer than
 * TURN_TIME.
 */
import type { Clock } from './clock.ts';

/** How many go through in a turn: at first, and at most. */
export const FIRST_PER_TURN = 8;
export const MOST_PER_TURN = 32;
/** A turn that takes longer makes them fewer, ms. */
export const TURN_TIME = 3;
/** The longest rest between two turns, ms. */
const LONGEST_REST = 30;

export interface TurnOptions {
  /**
   * While somebody waits, the next turn begins after a rest of so many times what the last one took: with 1 at most half the time goes
   * to this door, with 3 a quarter. No rest is longer than LONGEST_REST: a long turn takes a larger part. Default: no rest.
   */
  readonly rests?: number;
}

export class Turnstile {
  readonly #clock: Clock;
  readonly #rests: number;
  /** Jobs of one turn at most. */
  #most = FIRST_PER_TURN;
  #left = FIRST_PER_TURN;
  #armed = false;
  /** When the last turn began; undefined when nobody waited at its end. */
  #since: number | undefined;
  /** Bounded by the connections. Of the broker: their bytes, their replays, a batch of messages of each account, and one for the values of points. */
  readonly #waiting: (() => void)[] = [];

  constructor(clock: Clock, { rests = 0 }: TurnOptions = {}) {
    this.#clock = clock;
    this.#rests = rests;
  }

  /** @returns false when it has to wait */
  enter(): boolean {
    this.#arm();
    if (this.#left === 0) return false;
    this.#left--;
    return true;
  }

  /** @param again called in a later turn in which `enter` is true once at least; it has to enter, or nobody would count it */
  wait(again: () => void): void {
    this.#waiting.push(again);
    this.#arm();
  }

  /** @param run called in a later turn, having entered */
  later(run: () => void): void {
    this.wait(() => {
      this.enter();
      run();
    });
  }

  #arm(): void {
    if (this.#armed) return;
    this.#armed = true;
    setImmediate(() => {
      this.#armed = false;
      this.#begin();
    });
  }

  #begin(): void {
    const now = this.#clock.monotonic();
    if (this.#since !== undefined) {
      const took = now - this.#since;
      this.#learn(took);
      if (this.#rests > 0 && took >= 1) {
        this.#since = undefined;
        this.#armed = true;
        this.#clock.after(Math.min(this.#rests * took, LONGEST_REST), () => {
          this.#armed = false;
          this.#begin();
        });
        return;
      }
    }
    this.#left = this.#most;
    while (this.#left > 0 && this.#waiting.length > 0) this.#waiting.shift()?.();
    this.#since = this.#waiting.length > 0 ? now : undefined;
    if (this.#since !== undefined) this.#arm();
  }

  /** @param took the turn before, ms */
  #learn(took: number): void {
    const fewer = Math.max(1, Math.floor((this.#most * TURN_TIME) / took));
    this.#most = took > TURN_TIME ? fewer : Math.min(MOST_PER_TURN, this.#most + 1);
  }
}
