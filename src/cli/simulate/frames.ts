/** How requests come in and replies go out, on each kind of wire: the other side of the driver's framing. */
import { crc16 } from '../../codecs/modbus-checksums.ts';
import { IDENTIFY, WRITE_FUNCTION } from '../../codecs/modbus-pdu.ts';
import { ascii, decodeAscii, rtu } from '../../drivers/modbus/framing.ts';
import { encodeAdu, HEADER, MAX_LENGTH } from '../../drivers/modbus/mbap.ts';

export interface Request {
  readonly unitId: number;
  readonly pdu: Uint8Array;
  /** Which request it is, where frames say so. */
  readonly transaction: number;
}

/** A request and what stands behind it; undefined: more is needed; `broken`: there is no way back into step. */
export type Next = { readonly request: Request; readonly rest: Buffer } | undefined | 'broken';

export interface Frames {
  next(bytes: Buffer): Next;
  encode(request: Request, pdu: Uint8Array): Buffer;
}

const found = (unitId: number, pdu: Uint8Array, rest: Buffer, transaction = 0): Next => ({
  request: { unitId, pdu: Uint8Array.from(pdu), transaction },
  rest,
});

export const mbapFrames: Frames = {
  next(bytes) {
    if (bytes.length <= HEADER) return undefined;
    const length = bytes.readUInt16BE(4);
    if (bytes.readUInt16BE(2) !== 0 || length < 2 || length > MAX_LENGTH) return 'broken';
    const end = HEADER + length;
    if (bytes.length < end) return undefined;
    return found(bytes[HEADER] as number, bytes.subarray(HEADER + 1, end), bytes.subarray(end), bytes.readUInt16BE(0));
  },
  encode: ({ unitId, transaction }, pdu) => encodeAdu(transaction, unitId, pdu),
};

export const rtuFrames: Frames = {
  /** Skips what is no request: replies of others, noise. */
  next(bytes) {
    for (let at = 0; at < bytes.length; at++) {
      const length = requestLength(bytes, at);
      if (length === undefined || at + length > bytes.length) continue;
      const end = at + length;
      if (crc16(bytes, at, end - 2) !== bytes.readUInt16LE(end - 2)) continue;
      return found(bytes[at] as number, bytes.subarray(at + 1, end - 2), bytes.subarray(end));
    }
    return undefined;
  },
  encode: ({ unitId }, pdu) => Buffer.from(rtu.encode(unitId, pdu)),
};

/** Unit, function, data and checksum; undefined: no request that we know begins here, or not enough of it is there to tell. */
function requestLength(bytes: Buffer, at: number): number | undefined {
  const code = bytes[at + 1];
  if (code === undefined) return undefined;
  if (code >= 1 && code <= 6) return 8;
  if (code === IDENTIFY) return 7;
  if (code === WRITE_FUNCTION.coils || code === WRITE_FUNCTION.registers) {
    const count = bytes[at + 6];
    return count === undefined ? undefined : 9 + count;
  }
  return undefined;
}

export const asciiFrames: Frames = {
  next(bytes) {
    for (let from = 0; ; ) {
      const end = bytes.indexOf(0x0a, from);
      if (end < 0) return undefined;
      const start = bytes.lastIndexOf(0x3a, end);
      const frame = start < from ? undefined : decodeAscii(bytes.subarray(start, end + 1));
      from = end + 1;
      if (frame !== undefined) return found(frame[0] as number, frame.subarray(1), bytes.subarray(from));
    }
  },
  encode: ({ unitId }, pdu) => Buffer.from(ascii.encode(unitId, pdu)),
};
