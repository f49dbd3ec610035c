/**
 * Sends on a line with one pair of wires for both directions: line active, bytes, line inactive. It blocks, so it belongs into a
 * thread of its own. Invariants:
 *
 * - The line is active inside of `send` only. When `send` returns or throws, the line is inactive, or is given back to the kernel.
 * - The release waits for both: the time that the bytes take at the baud rate, and the word of the driver that its transmitter is empty.
 *   A driver that gives bytes to its chip late may say "empty" too early, and the time alone knows nothing of a pause.
 * - `tcdrain` is not used. It has no limit of time, and it looks at the transmitter once in one or two ticks of the kernel: up to 8 ms
 *   at 250 ticks a second (uart_wait_until_sent of drivers/tty/serial/serial_core.c).
 * - Every wait ends: after twice the time of the bytes and STUCK ms the bytes are thrown away.
 */
import type { GpioLine } from '../../config/gpio-line.ts';
import { CallRefused, type Descriptor, type Refusal, refusalOf, type TransceiverCalls } from './calls.ts';

/** So long before the end the thread stops sleeping and looks all the time, ms: a sleep ends up to a fraction of this too late. */
export const SPIN = 0.3;
/** So long after the end it still looks all the time, ms; then with pauses. */
const SPIN_AFTER = 2;
const PAUSE = 0.2;
/** A driver that says nothing of its transmitter (USB adapters) passes bytes on within a frame of USB or two, ms. */
export const UNSEEN = 2;
/** ms */
export const STUCK = 100;

export interface HalfDuplexOptions {
  readonly calls: TransceiverCalls;
  /** A port that is open. It stays the caller's. */
  readonly port: Descriptor;
  readonly gpio: GpioLine;
  /** Milliseconds of a character on the wire. */
  readonly character: number;
}

export class HalfDuplex {
  readonly #calls: TransceiverCalls;
  readonly #character: number;
  #port: Descriptor | undefined;
  #line: Descriptor | undefined;

  /** @throws CallRefused or an error of the system; nothing is held then */
  constructor({ calls, port, gpio, character }: HalfDuplexOptions) {
    this.#calls = calls;
    this.#character = character;
    try {
      // The line first: with it the transceiver listens, whatever was before.
      this.#line = calls.takeLine(gpio);
      this.#port = attempt('copy', () => calls.copyPort(port));
    } catch (thrown) {
      this.close();
      throw thrown;
    }
  }

  /** The descriptors that it holds. */
  get held(): readonly Descriptor[] {
    return [this.#line, this.#port].filter((one) => one !== undefined);
  }

  /** @throws CallRefused: everything is closed then */
  send(bytes: Uint8Array): void {
    const [line, port] = [this.#line, this.#port];
    if (line === undefined || port === undefined || bytes.length === 0) return;
    try {
      try {
        attempt('set', () => this.#calls.setLine(line, true));
        this.#transmit(port, bytes);
      } finally {
        attempt('set', () => this.#calls.setLine(line, false));
      }
    } catch (thrown) {
      this.close();
      throw thrown;
    }
  }

  /** Never throws. The kernel takes the line back. */
  close(): void {
    const [line, port] = [this.#line, this.#port];
    this.#line = undefined;
    this.#port = undefined;
    if (line !== undefined) {
      quietly(() => this.#calls.setLine(line, false));
      quietly(() => this.#calls.close(line));
    }
    if (port !== undefined) quietly(() => this.#calls.close(port));
  }

  #transmit(port: Descriptor, bytes: Uint8Array): void {
    const { now, sleep } = this.#calls;
    const wire = bytes.length * this.#character;
    let [start, end] = [now(), Number.POSITIVE_INFINITY];
    try {
      for (let taken = 0; ; ) {
        if (taken < bytes.length) {
          taken += attempt('write', () => this.#calls.write(port, bytes.subarray(taken)));
          // Read after the call, which may begin late: the bytes are never on the wire for longer than this says.
          if (taken > 0 && end === Number.POSITIVE_INFINITY) {
            start = now();
            end = start + wire;
          }
        }
        const at = now();
        if (taken === bytes.length && at >= end && this.#isOut(port, at - end)) return;
        if (at - start >= 2 * wire + STUCK) throw new CallRefused({ call: 'stuck', bytes: bytes.length, waited: at - start });
        const pause = taken < bytes.length || at > end + SPIN_AFTER ? PAUSE : end - at - SPIN;
        if (pause > 0 && !sleep(pause)) {
          quietly(() => this.#calls.drop(port));
          return;
        }
      }
    } catch (thrown) {
      // What comes out after the release would damage what others say.
      quietly(() => this.#calls.drop(port));
      throw thrown;
    }
  }

  /** @param over ms since the bytes have had their time */
  #isOut(port: Descriptor, over: number): boolean {
    return attempt('wait', () => {
      if (this.#calls.waiting(port) > 0) return false;
      return this.#calls.isEmpty(port) ?? over >= UNSEEN;
    });
  }
}

function attempt<T>(call: Refusal['call'], of: () => T): T {
  try {
    return of();
  } catch (thrown) {
    throw new CallRefused(refusalOf(thrown, call));
  }
}

function quietly(call: () => void): void {
  try {
    call();
  } catch {
    // Closing goes on.
  }
}
