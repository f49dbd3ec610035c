/**
 * How much a device may send. What is too much waits, the newest message of each topic, and is left out where a newer one
 * comes: a flood costs its own device some messages, and nobody else anything.
 * Bounds: MESSAGES_AT_ONCE and MESSAGES_PER_SECOND of each device, ALL_AT_ONCE and ALL_PER_SECOND of all, WAITING_TOPICS.
 */
import type { Clock } from '../../core/clock.ts';
import type { DeviceMessage } from '../../core/device-topics.ts';
import * as limits from './limits.ts';

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
  /** Of all devices together. */
  readonly all: Allowance;
  readonly give: (message: DeviceMessage) => void;
  /** A message was left out. */
  readonly leftOut: () => void;
}

export class Intake {
  readonly #o: IntakeOptions;
  readonly #own: Allowance;
  readonly #waiting = new Map<string, DeviceMessage>();
  #cancel: (() => void) | undefined;

  constructor(options: IntakeOptions) {
    this.#o = options;
    this.#own = new Allowance(options.clock, limits.MESSAGES_AT_ONCE, limits.MESSAGES_PER_SECOND);
  }

  take(message: DeviceMessage): void {
    if (this.#waiting.size === 0 && this.#may()) this.#o.give(message);
    else this.#wait(message);
  }

  stop(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    this.#waiting.clear();
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
    this.#waiting.delete(topic);
    this.#waiting.set(topic, { ...message, payload: Uint8Array.from(payload) });
    if (this.#waiting.size > limits.WAITING_TOPICS)
      for (const oldest of this.#waiting.keys().take(1)) {
        this.#waiting.delete(oldest);
        this.#o.leftOut();
      }
    this.#cancel ??= this.#o.clock.after(1000 / limits.MESSAGES_PER_SECOND, () => this.#next());
  }

  #next(): void {
    this.#cancel = undefined;
    for (const [topic, message] of this.#waiting) {
      if (!this.#may()) break;
      this.#waiting.delete(topic);
      this.#o.give(message);
    }
    if (this.#waiting.size > 0) this.#cancel = this.#o.clock.after(1000 / limits.MESSAGES_PER_SECOND, () => this.#next());
  }
}
