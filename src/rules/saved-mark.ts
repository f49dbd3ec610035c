/** The state of a rule as the log has it, so that only a change that a restart would lose is saved again. */
import { resave, resaveEnd } from './delay.ts';

export class SavedMark {
  #touched = false;
  #key: string;
  #time: number;
  #silence: number;

  /**
   * @param key what of the state changes at once, as words
   * @param time monotonic
   * @param silence ms that were saved
   */
  constructor(key: string, time: number, silence: number) {
    this.#key = key;
    this.#time = time;
    this.#silence = silence;
  }

  /** The state may be another one now. */
  changed(): void {
    this.#touched = true;
  }
  /** It must be saved even if it looks as it was saved last. */
  touch(): void {
    this.#key = '';
    this.#touched = true;
  }
  /** It is on its way to the log. */
  saved(at: number, key: string, silence: number): void {
    this.#touched = false;
    this.#key = key;
    this.#time = at;
    this.#silence = silence;
  }

  /**
   * Whether a restart would lose something now.
   * @param delay length of the delay that runs, ms
   * @param left of the shelving or the time out of service, ms. Without a clock its end comes by the time that the gateway runs
   * @param silence undefined: nothing waits for it
   * @param memory it grew, and is saved this often, ms; undefined: it did not
   */
  outdated(
    at: number,
    key: () => string,
    delay: number | undefined,
    left: number,
    silence: { readonly silent: number; readonly due: number } | undefined,
    memory: number | undefined,
  ): boolean {
    if (this.#touched && key() !== this.#key) return true;
    this.#touched = false;
    if (delay !== undefined && at - this.#time >= resave(delay)) return true;
    if (at - this.#time >= resaveEnd(left)) return true;
    if (memory !== undefined && at - this.#time >= memory) return true;
    if (silence === undefined) return false;
    return silence.silent < this.#silence || silence.silent >= this.#silence + resave(silence.due);
  }
}
