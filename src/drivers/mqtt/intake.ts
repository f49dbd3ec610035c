/**
 * How much a device may send. What is too much waits, the newest message of each topic, and is left out where a newer one
 * comes: a flood costs its own device some messages, and nobody else anything.
 * A stop gives the messages that wait: their devices have the acknowledgements.
 * Bounds: MESSAGES_AT_ONCE and MESSAGES_PER_SECOND of each device, ALL_AT_ONCE and ALL_PER_SECOND of all, WAITING_TOPICS of each
 * device, WAITING_BYTES of all.
 */
import type { Clock } from '../../core/clock.ts';
import type { DeviceMessage } from '../../core/device-topics.ts';
import type { Duty } from '../../core/duty.ts';
import * as limits from './limits.ts';
import type { Holder, WaitingBytes } from './waiting-bytes.ts';

/** Until the next message of a device may be taken, ms. */
const PAUSE = 1000 / limits.MESSAGES_PER_SECOND;

/** So many at once, and so many more a second. */
export class Allowance {
  readonly #clock: Clock;
  readonly #most: number;
  readonly #perSecond: number;
  #left: number;
  #at: number;

  constructor(clock: Clock, most: number, perSecond: number) {
    this.#clock = clock;
    this.#most = most;
    this.#perSecond = perSecond;
    this.#left = most;
    this.#at = clock.monotonic();
  }

  get has(): boolean {
    const now = this.#clock.monotonic();
    this.#left = Math.min(this.#most, this.#left + ((now - this.#at) / 1000) * this.#perSecond);
    this.#at = now;
    return this.#left >= 1;
  }

  take(): void {
    this.#left--;
  }
}

export interface IntakeOptions {
  readonly clock: Clock;
  /** The allowance of all devices together. */
  readonly all: Allowance;
  /** The bytes that wait of all devices together. */
  readonly waiting: WaitingBytes;
  readonly give: (message: DeviceMessage) => void;
  /** A message was left out. */
  readonly leftOut: () => void;
}

export class Intake implements Holder {
  readonly #o: IntakeOptions;
  readonly #own: Allowance;
  readonly #waiting = new Map<string, DeviceMessage>();
  #cancel: (() => void) | undefined;
  #nextAt = Number.POSITIVE_INFINITY;

  constructor(options: IntakeOptions) {
    this.#o = options;
    this.#own = new Allowance(options.clock, limits.MESSAGES_AT_ONCE, limits.MESSAGES_PER_SECOND);
  }

  take(message: DeviceMessage): void {
    if (this.#waiting.size === 0 && this.#may()) this.#o.give(message);
    else this.#wait(message);
  }

  duty(device: string): Duty {
    return {
      name: `the messages of the device ${device}`,
      due: this.#waiting.size > 0 ? this.#nextAt : Number.POSITIVE_INFINITY,
    };
  }

  stop(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    for (const message of [...this.#waiting.values()]) {
      this.#remove(message);
      this.#o.give(message);
    }
  }

  giveWay(): void {
    for (const oldest of this.#waiting.values().take(1)) {
      this.#remove(oldest);
      this.#o.leftOut();
    }
  }

  #may(): boolean {
    const { all } = this.#o;
    if (!this.#own.has || !all.has) return false;
    this.#own.take();
    all.take();
    return true;
  }

  #wait(message: DeviceMessage): void {
    const { topic, payload } = message;
    const before = this.#waiting.get(topic);
    if (before !== undefined) this.#o.leftOut();
    // What the broker had kept is older than what came since.
    if (before !== undefined && message.retained) return;
    if (before !== undefined) this.#remove(before);
    this.#waiting.set(topic, { ...message, payload: Uint8Array.from(payload) });
    if (this.#waiting.size > limits.WAITING_TOPICS) this.giveWay();
    this.#o.waiting.hold(this, sizeOf(message));
    if (this.#cancel === undefined) this.#wake();
  }

  #wake(): void {
    const { clock } = this.#o;
    this.#nextAt = clock.monotonic() + PAUSE;
    this.#cancel = clock.after(PAUSE, () => this.#next());
  }

  #next(): void {
    this.#cancel = undefined;
    for (const message of this.#waiting.values()) {
      if (!this.#may()) break;
      this.#remove(message);
      this.#o.give(message);
    }
    if (this.#waiting.size > 0) this.#wake();
  }

  #remove(message: DeviceMessage): void {
    if (this.#waiting.delete(message.topic)) this.#o.waiting.release(this, sizeOf(message));
  }
}

/** A character of a topic counts as one byte. */
function sizeOf({ topic, payload }: DeviceMessage): number {
  return topic.length + payload.length;
}
