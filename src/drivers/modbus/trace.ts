/** One request by hand with the frames that it made on the wire, for whoever has to see what really went over it. */
import type { ModbusRequest } from '../../codecs/modbus-pdu.ts';
import { SluiceError } from '../../core/errors.ts';
import type { ModbusBus } from './bus.ts';
import type { CallOptions } from './calls.ts';
import type { Way } from './port.ts';

export interface Frame {
  readonly way: Way;
  readonly bytes: Uint8Array;
  /** Monotonic ms. */
  readonly at: number;
}

export interface Trace {
  /** Of this request: it, its answer, and all noise from the request before to its end. */
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

/** @throws SluiceError when nothing could be sent: `bus-closed`, `request-invalid`, or too many wait */
export async function trace(
  bus: ModbusBus,
  unit: number,
  request: ModbusRequest,
  options: Omit<CallOptions, 'tap' | 'write'>,
  now: () => number,
): Promise<Trace> {
  const seen: Frame[] = [];
  const tap = (way: Way, bytes: Uint8Array, at: number) => void seen.push({ way, bytes: Uint8Array.from(bytes), at });
  try {
    const { pdu, at, latency } = await bus.exchange(unit, request, { ...options, tap });
    return { frames: ownFrames(seen, bus.serial), pdu, at, latency };
  } catch (thrown) {
    if (!(thrown instanceof SluiceError) || seen.length === 0) throw thrown;
    const frames = ownFrames(seen, bus.serial);
    const sent = frames.find((f) => f.way === 'out');
    const answer = frames.findLast((f) => f.way === 'in');
    const latency = thrown.code === 'exception' && sent && answer ? answer.at - sent.at : undefined;
    return { frames, at: answer?.at ?? now(), latency, error: thrown };
  }
}

/** On a network the transaction id (the first two bytes) tells ours from those of others on the way. */
function ownFrames(seen: readonly Frame[], serial: boolean): Frame[] {
  const own = seen.find((f) => f.way === 'out');
  if (own === undefined) return [];
  const ours = (f: Frame) =>
    f.way === 'out' ? f === own : serial || f.way === 'noise' || (f.bytes[0] === own.bytes[0] && f.bytes[1] === own.bytes[1]);
  return seen.filter(ours);
}
