/** What is seen on the wire of a bus, and a request by hand there. */
import type { SluiceError } from './errors.ts';

/** Bytes on the wire; `noise` belongs to no frame. `at` is monotonic, ms: of the first byte that went out, of the last one that came in. */
export interface Frame {
  readonly way: 'out' | 'in' | 'noise';
  readonly bytes: Uint8Array;
  readonly at: number;
}
export type FrameListener = (way: Frame['way'], bytes: Uint8Array, at: number) => void;

/** A request by hand that changes nothing: functions 1 to 4 and 43/14 of Modbus. A driver refuses what it does not know. */
export type LookRequest =
  | {
      readonly kind: 'read';
      readonly table: 'coil' | 'discrete' | 'holding' | 'input';
      readonly start: number;
      readonly count: number;
    }
  | { readonly kind: 'identify'; readonly code: 1 | 2 | 3 | 4; readonly object: number };

export interface LookOptions {
  /** Milliseconds; default: what the device needs. */
  readonly timeout?: number;
  /** A failure says nothing about the device (a scan). */
  readonly quiet?: boolean;
}

/** The result of a request by hand, with the frames that it made on the wire. */
export interface Looked {
  /** The frames of this request: it, its answer, and all noise since the request before. */
  readonly frames: readonly Frame[];
  /** The PDU of a good reply. */
  readonly pdu?: Uint8Array | undefined;
  /** From writing the request to the last byte of its answer, exceptions included, ms. */
  readonly latency?: number | undefined;
  /** Monotonic ms at which it ended. */
  readonly at: number;
  /** `timeout`, `crc`, `bad-reply`, or `exception` with its number in `data.exception`. */
  readonly error?: SluiceError | undefined;
}
