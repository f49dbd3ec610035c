/** What is asked for from outside: writes, readings by hand, scans. First come, first served; writes before everything else. */
import { SluiceError } from '../../core/errors.ts';
import type { Device } from './device.ts';
import type { Ask, Tap } from './port.ts';

const MOST = 32;

export interface CallOptions {
  /** Goes before the polls and before other calls; refused at once for a device that is known to be silent. */
  readonly write?: boolean;
  /** Milliseconds; default: what the device needs. */
  readonly timeout?: number;
  /** The request in words, for the faults of the device. */
  readonly label?: string;
  /** A failure says nothing about the device (a scan). */
  readonly quiet?: boolean;
  /** Sees the frames from its sending to its end; where several requests are on the way, also those of others. */
  readonly tap?: Tap;
}

/** A good reply. */
export interface Answer {
  readonly pdu: Uint8Array;
  /** Monotonic ms of its last byte. */
  readonly at: number;
  /** From writing the request, ms. */
  readonly latency: number;
}

export interface Call {
  readonly ask: Ask;
  readonly device: Device | undefined;
  readonly options: CallOptions;
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: SluiceError) => void;
}

export class Calls {
  readonly #bus: string;
  #waiting: Call[] = [];
  #chosen: Call | undefined;
  /** The last turn was a call's: someone who asks all the time gets every second turn, not all of them. */
  #last = false;

  constructor(bus: string) {
    this.#bus = bus;
  }

  add(ask: Ask, device: Device | undefined, options: CallOptions): Promise<Answer> {
    if (this.#waiting.length >= MOST)
      return Promise.reject(
        new SluiceError('timeout', `${MOST} requests wait on ${this.#bus} already: try again later`, { data: { sent: false } }),
      );
    return new Promise((resolve, reject) => {
      this.#waiting.push({ ask, device, options, resolve, reject });
    });
  }

  /** Something is to be asked of it. */
  waitsFor(device: Device): boolean {
    return this.#waiting.some((call) => call.device === device);
  }

  failAll(error: SluiceError): void {
    for (const call of this.#waiting.splice(0)) call.reject(error);
  }

  /**
   * @param heldUntil monotonic ms from which it may be sent
   * @returns `write`: one goes before everything; `first`: before the polls; `last`: when no poll is due; or when to look again
   */
  next(now: number, heldUntil: (call: Call) => number): 'write' | 'first' | 'last' | number {
    let wake = Number.POSITIVE_INFINITY;
    this.#chosen = undefined;
    for (const call of this.#waiting) {
      const held = heldUntil(call);
      if (held > now) wake = Math.min(wake, held);
      else if (this.#chosen === undefined || (call.options.write === true && this.#chosen.options.write !== true))
        this.#chosen = call;
    }
    if (this.#chosen === undefined) return wake;
    if (this.#chosen.options.write === true) return 'write';
    return this.#last ? 'last' : 'first';
  }

  /** The one that `next` meant. */
  take(): Call | undefined {
    const call = this.#chosen;
    this.#waiting = this.#waiting.filter((c) => c !== call);
    this.#last = true;
    return call;
  }

  othersTurn(): void {
    this.#last = false;
  }
}
