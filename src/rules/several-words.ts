/** What several points say, in one sentence. */
import type { Value } from '../core/point.ts';
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
  get words(): string {
    if (this.#value === undefined) return `${this.point} has no value`;
    return `${this.point} ${this.#fresh ? 'is' : 'was last'} ${amount({ value: this.#value, unit: this.unit })}`;
  }
}

/** `tank.level is 0.3 m and pump.running is true` */
export function sentenceOf(parts: readonly string[]): string {
  const named = parts.slice(0, MOST_NAMED);
  const rest = parts.length - named.length;
  if (rest > 0) return `${named.join(', ')} and ${rest} more`;
  const last = named.pop() ?? '';
  return named.length === 0 ? last : `${named.join(', ')} and ${last}`;
}
