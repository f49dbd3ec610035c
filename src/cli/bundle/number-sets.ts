/** Sets of numbers by name. Numbers of a log that lie near each other share memory. */
import { SluiceError } from '../../core/errors.ts';

/** Numbers of one entry: the bits of a small integer. */
const BITS = 30;
/** Entries of all sets together: about 200 MB. */
const MOST = 4_000_000;

export class NumberSets {
  readonly #sets = new Map<string, Map<number, number>>();
  readonly #most: number;
  #entries = 0;

  constructor(most: number = MOST) {
    this.#most = most;
  }

  /** @returns whether it is new @throws SluiceError unsupported: there are too many */
  add(name: string, n: number): boolean {
    let set = this.#sets.get(name);
    if (set === undefined) {
      set = new Map();
      this.#sets.set(name, set);
    }
    const place = Math.floor(n / BITS);
    const bit = 1 << (n % BITS);
    const bits = set.get(place);
    if (bits === undefined && ++this.#entries > this.#most)
      throw new SluiceError('unsupported', 'the target has too many readings for a table; use a database as the target');
    if (bits !== undefined && (bits & bit) !== 0) return false;
    set.set(place, (bits ?? 0) | bit);
    return true;
  }
}
