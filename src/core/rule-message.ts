/** A message of a rule on its way to a forwarder, and how that way ended. */
import type { SluiceError } from './errors.ts';

export interface RuleMessage {
  /** Below the root of the gateway: `action/<rule>/<topic>`. */
  readonly topic: string;
  readonly payload: string;
  /** Monotonic ms from which on it does not leave any more. */
  readonly due: number;
  /** Asked before it leaves; absent: it is wanted. */
  readonly wanted?: (() => boolean) | undefined;
}

export type MessageOutcome =
  /** The broker has it for good. */
  | { readonly result: 'acknowledged' }
  /** It will not be taken, and why. */
  | { readonly result: 'refused'; readonly error: SluiceError }
  /** Its time passed before the broker had it. `why`: what kept it last, where that is known. */
  | { readonly result: 'expired'; readonly why?: string | undefined }
  /** It did not leave: its forwarder ended first or is not there yet, the gateway stops, or it is not wanted any more. */
  | { readonly result: 'lost' };
