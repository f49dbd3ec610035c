/** What several points say, in one sentence. */

import type { Value } from '../core/point.ts';
import { listed, phrase, type Sentence } from '../core/sentence.ts';
import { amount } from './words.ts';

/** Points that a message names; it says how many more there are. */
const MOST_NAMED = 4;

/** What a message knows of a point. */
export class Known {
  readonly point: string;
  unit: string | undefined;
  #value: Value | undefined;
  #fresh = false;

  constructor(point: string) {
    this.point = point;
  }

  /** @param value undefined: a bad reading; the value before it is still the last one */
  take(value: Value | undefined): void {
    this.#fresh = value !== undefined;
    if (value !== undefined) this.#value = value;
  }

  /** `tank.level is 0.3 m` */
  get words(): Sentence {
    const { point } = this;
    if (this.#value === undefined) return phrase('no-value', { point });
    return phrase(this.#fresh ? 'is' : 'was', { point, value: amount({ value: this.#value, unit: this.unit }) });
  }
}

/** `tank.level is 0.3 m and pump.running is true` */
export function sentenceOf(parts: readonly Sentence[]): Sentence {
  const named = parts.slice(0, MOST_NAMED);
  return listed(named, parts.length - named.length);
}
