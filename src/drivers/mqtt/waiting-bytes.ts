/**
 * The bytes that wait of all devices of the bus, WAITING_BYTES at most. A device with more than its part gives way: the one that
 * holds most loses its oldest message, so that a flood over many topics costs the other devices nothing.
 */
import { WAITING_BYTES } from './limits.ts';

export interface Holder {
  /** Gives up its oldest message, with `release`. It is asked only while it holds some. */
  giveWay(): void;
}

export class WaitingBytes {
  readonly #most: number;
  /** Only those that hold some; at most one for each device. */
  readonly #held = new Map<Holder, number>();
  #all = 0;

  constructor(most: number = WAITING_BYTES) {
    this.#most = most;
  }

  /** Bytes of all devices. */
  get bytes(): number {
    return this.#all;
  }

  hold(holder: Holder, bytes: number): void {
    this.#add(holder, bytes);
    while (this.#all > this.#most) {
      const before = this.#all;
      this.#greatest()?.giveWay();
      if (this.#all >= before) return;
    }
  }

  release(holder: Holder, bytes: number): void {
    this.#add(holder, -bytes);
  }

  #add(holder: Holder, bytes: number): void {
    const held = (this.#held.get(holder) ?? 0) + bytes;
    this.#all += bytes;
    if (held > 0) this.#held.set(holder, held);
    else this.#held.delete(holder);
  }

  #greatest(): Holder | undefined {
    let found: Holder | undefined;
    let most = 0;
    for (const [holder, held] of this.#held) {
      if (held <= most) continue;
      found = holder;
      most = held;
    }
    return found;
  }
}
