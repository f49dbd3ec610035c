/** Looking at the wire of a running gateway: requests by hand, and every frame as it passes. Nothing here can write. */
import type { ModbusRequest } from '../codecs/modbus-pdu.ts';
import type { Principal } from '../core/commands.ts';

/** Functions 1 to 4 and 43/14. */
export type LookRequest = Exclude<ModbusRequest, { kind: 'write' }>;

export interface ExchangeQuery {
  readonly bus: string;
  /** 0 to 255. */
  readonly unit: number;
  readonly request: LookRequest;
  /** Milliseconds, the time of the bytes on a serial wire not counted; absent: what the device or bus has. */
  readonly timeout?: number | undefined;
  /** A failure says nothing about a device (a scan): it is not counted for it. */
  readonly quiet?: boolean | undefined;
}

/** `out`: the request; `in`: the answer; `noise`: bytes that belong to none. For a serial instrument `in` is whatever came, up to a silence. */
export interface WireFrame {
  readonly way: 'out' | 'in' | 'noise';
  /** UTC ms with fractions: of the first byte that went out, of the last one that came in. */
  readonly time: number;
  /** Hexadecimal, the whole frame as it was on the wire. */
  readonly bytes: string;
}

export interface ExchangeReply {
  /** UTC ms at which it ended. */
  readonly time: number;
  readonly frames: readonly WireFrame[];
  /** From writing the request to the last byte of the answer, ms; null without an answer. */
  readonly latency: number | null;
  /** Function and data of a good reply, hexadecimal; null without one. */
  readonly pdu: string | null;
  /** Why there is no good reply. */
  readonly error: {
    readonly code: string;
    readonly message: string;
    /** The Modbus exception, where the device answered with one. */
    readonly exception?: number | undefined;
  } | null;
}

/** First line of a capture. */
export interface CaptureHead {
  readonly type: 'capture';
  readonly v: 1;
  readonly gateway: string;
  readonly bus: string;
  readonly protocol: string;
  /** The settings of the bus, as configured. */
  readonly settings: Readonly<Record<string, unknown>>;
  /** `unit` of a Modbus device. */
  readonly devices: Readonly<Record<string, { readonly unit?: number }>>;
  /** UTC ms. */
  readonly started: number;
  /** Whether the clock was known then; otherwise times are what the board believed. */
  readonly clock: 'known' | 'estimated';
}

export interface Capture {
  readonly head: CaptureHead;
  stop(): void;
}

export interface WireTarget {
  /** Rejects with a SluiceError when nothing was sent: `forbidden`, `not-found`, `bus-closed`, `request-invalid`. */
  exchange(query: ExchangeQuery, by: Principal): Promise<ExchangeReply>;
  /**
   * Every frame of a bus until the capture is stopped; `ended` is called when the bus was stopped or made anew (a reload).
   * Both return at once. @throws SluiceError forbidden, not-found
   */
  capture(bus: string, listener: (frame: WireFrame) => void, ended: () => void, by: Principal): Capture;
}
