/**
 * Requests from outside: safe values, writes, readings by hand, scans. Equals are served in order of arrival.
 * Safe values go before everything: first those for devices that answer, then the others, then what reads them back.
 */
import { SluiceError } from '../../core/errors.ts';
import { gaveWay } from '../write-queue.ts';
import type { Device } from './device.ts';
import type { Ask, Tap } from './port.ts';

/** Calls that wait. Safe values are not among them: of these at most one waits for each point that has one. */
const MOST = 32;

export interface CallOptions {
  /** Goes before the polls and before other calls; refused at once for a device that is known to be silent. */
  readonly write?: boolean;
  /** Part of a write of a safe value: goes before everything else. */
  readonly safe?: 'change' | 'check';
  /** While it waits, an abort takes it out of the queue: it was not sent. */
  readonly signal?: AbortSignal;
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

/** The lowest goes first. */
const RANK = { safe: 0, safeOfSilent: 1, safeCheck: 2, write: 3, other: 4 } as const;

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
    if (options.safe === undefined && this.#waiting.filter((call) => call.options.safe === undefined).length >= MOST)
      return Promise.reject(
        new SluiceError('timeout', `${MOST} requests wait on ${this.#bus} already: try again later`, { data: { sent: false } }),
      );
    return new Promise((resolve, reject) => {
      const call = { ask, device, options, resolve, reject };
      this.#waiting.push(call);
      options.signal?.addEventListener('abort', () => this.#remove(call), { once: true });
    });
  }

  #remove(call: Call): void {
    if (!this.#waiting.includes(call)) return;
    this.#waiting = this.#waiting.filter((c) => c !== call);
    call.reject(gaveWay());
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
   * @param onlySafe the others wait
   * @returns `write`: one goes before everything; `first`: before the polls; `last`: when no poll is due; or when to look again
   */
  next(now: number, heldUntil: (call: Call) => number, onlySafe = false): 'write' | 'first' | 'last' | number {
    let wake = Number.POSITIVE_INFINITY;
    let best: number | undefined;
    this.#chosen = undefined;
    for (const call of this.#waiting) {
      if (onlySafe && call.options.safe === undefined) continue;
      const held = heldUntil(call);
      const rank = rankOf(call);
      if (held > now) wake = Math.min(wake, held);
      else if (best === undefined || rank < best) {
        best = rank;
        this.#chosen = call;
      }
    }
    if (best === undefined) return wake;
    if (best <= RANK.write) return 'write';
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

function rankOf({ options: { safe, write }, device }: Call): number {
  if (safe === 'check') return RANK.safeCheck;
  if (safe === 'change') return device?.state === 'answering' ? RANK.safe : RANK.safeOfSilent;
  return write === true ? RANK.write : RANK.other;
}
