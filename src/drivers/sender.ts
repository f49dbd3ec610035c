/** Devices that send by themselves, over MQTT or from flows: whether one is silent, whether it sends too much, and its counters. */
import type { Clock } from '../core/clock.ts';
import type { Duty } from '../core/duty.ts';
import type { DeviceCounters } from '../core/ports.ts';

/** Without anything left out for this long, a flood is over; ms. */
export const FLOOD_OVER = 60_000;

/** Calls back once when nothing was heard for `after`, and again only after the device spoke. */
export class SilenceWatch {
  readonly #o: { readonly clock: Clock; readonly after: number; readonly fell: (now: number) => void };
  #running = false;
  #silent = false;
  #heardAt = 0;
  #cancel: (() => void) | undefined;
  #looksAt = Number.POSITIVE_INFINITY;

  /** @param options `after` in ms */
  constructor(options: { readonly clock: Clock; readonly after: number; readonly fell: (now: number) => void }) {
    this.#o = options;
  }

  duty(device: string): Duty {
    return { name: `the watch on the device ${device}`, due: this.#looksAt };
  }

  get silent(): boolean {
    return this.#silent;
  }

  start(): void {
    this.#running = true;
    this.heard(this.#o.clock.monotonic());
  }

  stop(): void {
    this.#running = false;
    this.#looksAt = Number.POSITIVE_INFINITY;
    this.#cancel?.();
    this.#cancel = undefined;
  }

  /** A sign of life; it ends no silence. @param at monotonic ms */
  heard(at: number): void {
    this.#heardAt = at;
    this.#look();
  }

  /** The device itself sent something. @returns whether that ends a silence. `heard` follows. */
  speaks(): boolean {
    const silent = this.#silent;
    this.#silent = false;
    return silent;
  }

  /** It is known to be silent, before its time is over. */
  mute(): void {
    this.#silent = true;
  }

  #look(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    this.#looksAt = Number.POSITIVE_INFINITY;
    if (this.#silent || !this.#running) return;
    const { clock, after, fell } = this.#o;
    const now = clock.monotonic();
    const left = this.#heardAt + after - now;
    if (left > 0) {
      this.#looksAt = now + left;
      this.#cancel = clock.after(left, () => this.#look());
      return;
    }
    this.#silent = true;
    fell(now);
  }
}

/** Counts what a device sent and the gateway left out; `began` is called once for each flood. */
export class LeftOut {
  count = 0;
  #last = Number.NEGATIVE_INFINITY;
  readonly #began: () => void;

  constructor(began: () => void) {
    this.#began = began;
  }

  /** @param now monotonic ms */
  add(now: number): void {
    this.count++;
    const isNew = !this.isFlood(now);
    this.#last = now;
    if (isNew) this.#began();
  }

  isFlood(now: number): boolean {
    return now - this.#last < FLOOD_OVER;
  }
}

type SenderCounts = Pick<DeviceCounters, 'replies' | 'timeouts' | 'badReplies' | 'repeats'> & { readonly leftOut: number };

/** A device that nobody asks has no requests and no latency. */
export function senderCounters({ replies, timeouts, badReplies, repeats, leftOut }: SenderCounts): DeviceCounters {
  return {
    ...{ requests: 0, replies, timeouts, exceptions: 0, crcErrors: 0, badReplies, lateReplies: 0, skippedBytes: 0 },
    ...(repeats === undefined ? {} : { repeats }),
    ...{ leftOut, latencyLast: 0, latencyMax: 0, latencySum: 0 },
  };
}
