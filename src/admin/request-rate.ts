/**
 * How many requests each address may make: so many at once, and so many a second from then on. One network of IPv6 is one
 * address. When MAX_ADDRESSES are known, the one that is quiet for longest is forgotten. Pure: the time is passed in.
 */
import { placeOf } from '../core/peer-place.ts';
import { MAX_ADDRESSES, REQUESTS_AT_ONCE, REQUESTS_PER_SECOND } from './limits.ts';

interface Bucket {
  left: number;
  at: number;
}

export interface Rate {
  readonly atOnce: number;
  readonly perSecond: number;
}

export class RequestRate {
  readonly #rate: Rate;
  /** The one that asked last comes last. */
  readonly #buckets = new Map<string, Bucket>();

  constructor(rate: Rate = { atOnce: REQUESTS_AT_ONCE, perSecond: REQUESTS_PER_SECOND }) {
    this.#rate = rate;
  }

  get size(): number {
    return this.#buckets.size;
  }

  /** @param now monotonic, ms @returns whether it may be answered */
  takes(address: string | undefined, now: number): boolean {
    const { atOnce, perSecond } = this.#rate;
    const place = placeOf(address);
    const bucket = this.#buckets.get(place) ?? { left: atOnce, at: now };
    this.#buckets.delete(place);
    const [oldest] = this.#buckets.size >= MAX_ADDRESSES ? this.#buckets.keys() : [];
    if (oldest !== undefined) this.#buckets.delete(oldest);
    this.#buckets.set(place, bucket);
    bucket.left = Math.min(atOnce, bucket.left + ((now - bucket.at) / 1000) * perSecond);
    bucket.at = now;
    if (bucket.left < 1) return false;
    bucket.left--;
    return true;
  }
}
