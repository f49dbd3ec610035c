/** A message of a rule on its way to a forwarder, and how that way ended. */
import type { SluiceError } from './errors.ts';

export interface RuleMessage {
  /** Below the root of the gateway: `action/<rule>/<topic>`. */
  readonly topic: string;
  readonly payload: string;
  /** Monotonic ms from which on it does not leave any more. */
  readonly due: number;
}

export type MessageOutcome =
  /** The broker has it for good. */
  | { readonly result: 'acknowledged' }
  /** It will not be taken, and why. */
  | { readonly result: 'refused'; readonly error: SluiceError }
  /** Its time passed before the broker had it. `why`: what kept it last, where that is known. */
  | { readonly result: 'expired'; readonly why?: string | undefined }
  /** The forwarder ended first: a reload exchanged it, or the gateway stops. */
  | { readonly result: 'lost' };
