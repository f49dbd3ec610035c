/**
 * The port that modbus-serial's client writes to, in our own two kinds (tcp-port.ts, rtu-port.ts). docs/decisions/modbus-ports.md
 * says why the library's ports are not used.
 *
 * - A port carries one request at a time. Only the one frame that answers it reaches the client ('data'); every other
 *   byte is dropped, counted or a fault.
 * - A port is opened once. When in doubt about its state it closes itself, and a new one is made.
 */
import type { EventEmitter } from 'node:events';
import type { SluiceError } from '../../core/errors.ts';

export interface PortEvents {
  /** The request on the wire has failed. */
  fault(error: SluiceError): void;
  /** The port is not open any more; `ours` when it closed itself in doubt. */
  closed(error: SluiceError, ours: boolean): void;
  /** A reply came after its time-out and was dropped. */
  late(unit: number): void;
  /** Bytes that belong to no frame were skipped. */
  skipped(bytes: number): void;
}

/** What modbus-serial asks of a port, and what we need besides. */
export interface ModbusPort extends EventEmitter {
  readonly isOpen: boolean;
  /** Monotonic time at which the last byte of the reply arrived. */
  readonly arrivedAt: number;
  /** Longest time in milliseconds that a request and its reply of so many bytes need on the wire alone. */
  wireTime(replyBytes: number): number;
  /** Monotonic time from which the next request may be written. */
  readyAt(): number;
  open(done: (error?: Error | null) => void): void;
  close(done: () => void): void;
  /** A whole serial frame, with checksum. */
  write(frame: Buffer): void;
  /**
   * The time-out of the request has passed: what was it? The port takes care that the reply, should it still come,
   * answers nothing else: until `until` (monotonic) it knows it as late.
   */
  giveUp(until: number): SluiceError;
}

/** Makes a port that is not open yet. */
export type Dial = (events: PortEvents) => ModbusPort;
