/** How many readings the next batch may have: fewer after the broker refused one for its size, and slowly more again. */
import type { SluiceError } from '../../core/errors.ts';
import type { OutBatch } from '../../store/delivery/out.ts';

/** How much larger the next batch may be after one was acknowledged. */
const GROWTH = 1.1;

export class BatchSize {
  readonly #most: number;
  #size: number;
  /** At most so many: the broker took no more at once on this connection. */
  #ceiling = Number.POSITIVE_INFINITY;

  constructor(most: number) {
    this.#most = most;
    this.#size = most;
  }

  get readings(): number {
    return this.#size;
  }

  /** @returns false when the batch was as small as one can be */
  smaller({ readings, records }: OutBatch, { data }: SluiceError): boolean {
    if (readings <= 1 || records <= 1 || this.#size <= 1) return false;
    const fits = typeof data.bytes === 'number' && typeof data.limit === 'number' ? (0.8 * data.limit) / data.bytes : 0.5;
    this.#size = Math.max(1, Math.floor(Math.min(this.#size, readings) * Math.min(fits, 0.8)));
    if (typeof data.bytes === 'number') this.#ceiling = this.#size;
    return true;
  }

  /** Slowly up again: where the limit is the broker's, each try beyond it costs a connection. */
  acknowledged(): void {
    this.#size = Math.min(Math.ceil(this.#size * GROWTH), this.#most, this.#ceiling);
  }

  /** The connection is over. */
  over(): void {
    this.#ceiling = Number.POSITIVE_INFINITY;
  }
}
