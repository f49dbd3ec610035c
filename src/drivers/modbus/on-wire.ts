/** The wire of a bus: requests under way, the pauses that the line and the devices want, and the listeners. */
import type { Clock } from '../../core/clock.ts';
import type { SluiceError } from '../../core/errors.ts';
import type { Device } from './device.ts';
import type { Link } from './link.ts';
import type { Ask, PortEvents, Tap } from './port.ts';

/** A request on the wire may end by itself when the bus is stopped; then the port is closed under it. */
const STOP_REQUEST = 1000;
const STOP_PORT = 1500;

export interface OnWireOptions {
  readonly clock: Clock;
  /** Upper bound of the wait for a line that is never silent, ms. */
  readonly timeout: number;
  /** Makes the link; gets what it calls when its state has changed. */
  readonly link: (changed: () => void, events: Pick<PortEvents, 'late' | 'skipped' | 'tap'>) => Link;
}

export interface Sending {
  readonly ask: Ask;
  readonly device: Device | undefined;
  /** Milliseconds to wait for the reply, the time of its bytes not counted. */
  readonly timeout: number;
  /** The longest that was ever waited for such a reply, ms. */
  readonly most: number;
}

export class OnWire {
  readonly link: Link;
  underWay = 0;
  /** Monotonic time at which a request last left or ended. */
  turnedAt = Number.NEGATIVE_INFINITY;
  /**
   * Monotonic time by which the next request leaves at the latest: this one ends, no late reply of it can come any more, the line was
   * waited for, and its device had its pause.
   */
  turnBy = Number.NEGATIVE_INFINITY;
  readonly #options: OnWireOptions;
  readonly #taps = new Map<Tap, () => void>();
  /** The device whose turn it is or was: noise is counted for it. */
  #current: Device | undefined;
  /** When the line could have fallen silent first, if nothing had come meanwhile. */
  #noisySince: number | undefined;
  /** The last device on the wire wants a pause, ms. */
  #pausedUntil = Number.NEGATIVE_INFINITY;
  #idle: (() => void) | undefined;

  /** @param late a reply of this unit came too late */
  constructor(options: OnWireOptions, changed: () => void, late: (unitId: number) => void) {
    this.#options = options;
    const taps = this.#taps;
    const tap: Tap = (way, bytes, at) => {
      for (const each of taps.keys()) each(way, bytes, at);
    };
    this.link = options.link(changed, {
      late,
      skipped: (bytes) => {
        if (this.#current) this.#current.counters.skippedBytes += bytes;
      },
      get tap() {
        return taps.size > 0 ? tap : undefined;
      },
    });
  }

  /** Every frame from now on, until the returned function is called; `ended` reports that the bus was stopped. */
  capture(tap: Tap, ended: () => void = () => {}): () => void {
    this.#taps.set(tap, ended);
    return () => this.#taps.delete(tap);
  }

  /** Milliseconds until something may be sent. A line that never falls silent is not waited for longer than for a reply. */
  wait(now: number): number {
    if (this.#pausedUntil > now) return this.#pausedUntil - now;
    const wait = (this.link.client?.port.readyAt() ?? now) - now;
    this.#noisySince ??= now + Math.max(wait, 0);
    return now - this.#noisySince < this.#options.timeout ? wait : 0;
  }

  /** @param done gets the time of the last byte, or of the end of the waiting */
  send(
    { ask, device, timeout, most }: Sending,
    done: (error: SluiceError | null, pdu: Uint8Array, at: number) => void,
    after: () => void,
  ): void {
    this.#noisySince = undefined;
    this.#current = device;
    this.underWay++;
    this.turnedAt = this.#options.clock.monotonic();
    if (device) {
      device.underWay++;
      device.counters.requests++;
    }
    // However short the patience has become: a reply may come late by as much as it was ever waited for.
    const late = 2 * (Math.max(most, timeout) + this.timeOf(ask));
    const rest = this.#options.timeout + (device?.patience.turnaround ?? 0);
    this.turnBy = Math.max(this.turnBy, this.turnedAt + timeout + this.timeOf(ask) + late + rest);
    this.link.client?.send(ask, timeout, late, (error, pdu, at) => {
      this.underWay--;
      this.turnedAt = this.#options.clock.monotonic();
      if (device) {
        device.underWay--;
        if (device.patience.turnaround > 0) this.#pausedUntil = at + device.patience.turnaround;
      }
      // A refusal is an answer: the wire is well.
      if (error === null || error.code === 'exception') this.link.proven();
      done(error, pdu, at);
      if (this.underWay === 0) this.#idle?.();
      after();
    });
  }

  /** Milliseconds that the bytes of a request and its reply take on the wire. */
  timeOf(ask: Ask): number {
    return this.link.client?.port.wireTime(ask) ?? 0;
  }

  /** Lets what is under way end, then closes the port. */
  async stop(): Promise<void> {
    if (this.underWay > 0) await this.#within(STOP_REQUEST, (done) => (this.#idle = done));
    await this.#within(STOP_PORT, (done) => this.link.stop(done));
    for (const ended of this.#taps.values()) ended();
    this.#taps.clear();
  }

  #within(ms: number, act: (done: () => void) => void): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.#options.clock.after(ms, resolve);
      act(() => {
        cancel();
        resolve();
      });
    });
  }
}
