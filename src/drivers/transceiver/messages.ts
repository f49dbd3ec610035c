/** What the thread of a transceiver and the main thread tell each other. */
import type { GpioLine } from '../../config/gpio-line.ts';
import type { Refusal } from './calls.ts';

export interface ThreadData {
  /** Descriptor of the open port. */
  readonly port: number;
  readonly gpio: GpioLine;
  /** Milliseconds of a character on the wire. */
  readonly character: number;
  /** Not 0: no send begins any more, and one that is under way ends. */
  readonly leaving: Int32Array;
}

export type ToThread = { readonly kind: 'send'; readonly bytes: Uint8Array } | { readonly kind: 'leave' };

export type FromThread =
  /** The line is taken. `held`: descriptors that the main thread closes where the thread ends without doing so. */
  | { readonly kind: 'ready'; readonly held: readonly number[] }
  | { readonly kind: 'sent'; readonly bytes: number }
  /** The thread holds nothing any more. */
  | { readonly kind: 'left' }
  | { readonly kind: 'refused'; readonly refusal: Refusal };
