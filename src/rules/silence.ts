/** Since when a point has given no value, for conditions that wait for that. */
import { FIRST_READING_GRACE, resave } from './delay.ts';

export class Silence {
  readonly #start: number;
  #since: number;

  /**
   * @param start monotonic time at which the rule starts
   * @param before ms of silence that an earlier run listened to: the time in between proves nothing about the device
   */
  constructor(start: number, before: number) {
    this.#start = start;
    this.#since = start - before;
  }

  heard(at: number): void {
    // A reading that came late proves nothing of the time behind it.
    this.#since = Math.max(this.#since, at);
  }

  /** When it has lasted for `length` ms. */
  due(length: number): number {
    const due = this.#since + length;
    return this.#since < this.#start ? Math.max(due, this.#start + Math.min(length, FIRST_READING_GRACE)) : due;
  }

  /** How long it lasts, as it is saved: what lies within a few polls is none, so that polls cost no writes. @param length as above */
  savedAt(at: number, length: number): number {
    const silent = at - this.#since;
    return silent >= resave(length) ? silent : 0;
  }
}
