/**
 * A way to devices that carries Modbus requests and knows which reply answers which: line-port.ts for serial lines (and
 * what stands in for one), mbap-tcp-port.ts and mbap-udp-port.ts for networks.
 *
 * - Every request that was sent ends exactly once: by `reply`, by `fault`, by `giveUp`, or with the port (`closed`).
 * - Only the one frame that answers a request is a reply; every other byte is late, skipped, or a fault.
 * - A port is opened once. When in doubt about its state it closes itself, and a new one is made.
 */
import type { Pdu } from '../../codecs/modbus-pdu.ts';
import type { SluiceError } from '../../core/errors.ts';

export interface Ask {
  readonly unitId: number;
  readonly pdu: Pdu;
}

/** `out`: a request; `in`: a frame that came, for any unit; `noise`: bytes that belong to none. Whole frames as they are on the wire. */
export type Way = 'out' | 'in' | 'noise';
/** @param at monotonic ms of the first byte written, or of the last one that came */
export type Tap = (way: Way, bytes: Uint8Array, at: number) => void;

export interface PortEvents {
  /** @param pdu a good reply or an exception. @param at monotonic ms at which its last byte arrived */
  reply(id: number, pdu: Uint8Array, at: number): void;
  /** A request on the wire has failed. */
  fault(id: number, error: SluiceError): void;
  /** The port is not open any more; `ours` when it closed itself in doubt. */
  closed(error: SluiceError, ours: boolean): void;
  /** A reply came after its time-out and was dropped. */
  late(unitId: number): void;
  /** Bytes that belong to no frame were skipped. */
  skipped(bytes: number): void;
  /** Sees every frame; undefined while nobody looks. */
  readonly tap?: Tap | undefined;
}

export interface ModbusPort {
  readonly isOpen: boolean;
  /** Longest time in milliseconds that a request and its reply need on the wire alone. */
  wireTime(ask: Ask): number;
  /** Monotonic time from which the next request may be sent. */
  readyAt(): number;
  open(done: (error?: Error | null) => void): void;
  close(done: () => void): void;
  /**
   * Monotonic time from which this may be asked, without a late reply to something else being taken for its answer.
   * @param again the late reply to the very same request may answer it: true, if a little old
   */
  heldUntil(ask: Ask, again: boolean): number;
  /**
   * @param id the caller's name for it, never used twice on one port
   * @param late for so long, in ms, its reply may come
   */
  send(id: number, ask: Ask, late: number): void;
  /** The time-out of the request has passed: what was it? Should the reply still come, the port drops it as late. */
  giveUp(id: number): SluiceError;
}

/** Makes a port that is not open yet. */
export type Dial = (events: PortEvents) => ModbusPort;
