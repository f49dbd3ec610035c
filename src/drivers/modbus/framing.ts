/**
 * How a PDU becomes a frame on a serial line, and how frames are found in what comes: RTU and ASCII (MODBUS over Serial
 * Line V1.02, section 2.5). Pure. Noise may stand anywhere, and a frame may come in any number of chunks.
 */

import { crc16, lrc8 } from '../../codecs/modbus-checksums.ts';
import { type Expected, fitReply, lengthOfReply } from '../../codecs/modbus-pdu.ts';

/** A reply that may come. */
export interface Awaited {
  readonly unitId: number;
  readonly expected: Expected;
}

export type Found =
  /** A sound frame: bytes of the chunk, unit and PDU; `fits` says which of those awaited it answers, -1 none. */
  | { readonly kind: 'frame'; readonly start: number; readonly end: number; readonly pdu: Uint8Array; readonly fits: number }
  /** All of the first awaited reply stands at the front, and is damaged: waiting will not mend it. */
  | { readonly kind: 'damaged' }
  | { readonly kind: 'more' };

export interface Framing {
  /** Bytes of a frame that carries so many. */
  size(pduLength: number): number;
  encode(unitId: number, pdu: Uint8Array): Uint8Array;
  /**
   * The first frame that answers one of those awaited, or that comes from the unit of the first of them.
   * @param awaited the request on the wire first, then those given up
   * @param from look no further back than here
   */
  find(bytes: Buffer, from: number, awaited: readonly Awaited[], asking: boolean): Found;
  /** Whether everything that is there is one sound frame of some unit: it answers another master. */
  foreign(bytes: Buffer): number | undefined;
  /** Fewer bytes than this are noise, not a damaged reply. */
  readonly least: number;
}

const UNIT = 1;
const CRC = 2;

export const rtu: Framing = {
  least: 5,
  size: (pduLength) => UNIT + pduLength + CRC,
  encode(unitId, pdu) {
    const frame = new Uint8Array(UNIT + pdu.length + CRC);
    frame[0] = unitId;
    frame.set(pdu, UNIT);
    const crc = crc16(frame, 0, UNIT + pdu.length);
    frame[UNIT + pdu.length] = crc & 255;
    frame[UNIT + pdu.length + 1] = crc >> 8;
    return frame;
  },
  find(bytes, from, awaited, asking) {
    const have = bytes.length;
    for (let start = from; start + UNIT + 2 + CRC <= have; start++) {
      const at = start + UNIT;
      let waits = false;
      let broken = false;
      for (let i = 0; i < awaited.length; i++) {
        const { unitId, expected } = awaited[i] as Awaited;
        if (bytes[start] !== unitId) continue;
        const fit = fitReply(bytes, at, have, expected);
        if (fit === 'no') continue;
        if (fit === 'more' || at + fit + CRC > have) waits = true;
        else if (sound(bytes, start, at + fit))
          return { kind: 'frame', start, end: at + fit + CRC, pdu: Uint8Array.from(bytes.subarray(at, at + fit)), fits: i };
        else if (i === 0) broken = true;
      }
      if (waits) return { kind: 'more' };
      const length = lengthOfReply(bytes, at, have);
      const ours = asking && bytes[start] === awaited[0]?.unitId;
      if (ours && length !== undefined && at + length + CRC <= have && sound(bytes, start, at + length))
        return { kind: 'frame', start, end: at + length + CRC, pdu: Uint8Array.from(bytes.subarray(at, at + length)), fits: -1 };
      if (broken && asking && start === 0) return { kind: 'damaged' };
    }
    return { kind: 'more' };
  },
  foreign(bytes) {
    const length = lengthOfReply(bytes, UNIT, bytes.length);
    const whole = length !== undefined && bytes.length >= UNIT + length + CRC && sound(bytes, 0, UNIT + length);
    return whole ? bytes[0] : undefined;
  },
};

function sound(bytes: Buffer, start: number, end: number): boolean {
  return crc16(bytes, start, end) === ((bytes[end] as number) | ((bytes[end + 1] as number) << 8));
}

const COLON = 0x3a;
const CR = 0x0d;
const LF = 0x0a;
/** Colon, two digits each of unit and checksum, CR, LF. */
const AROUND = 7;

export const ascii: Framing = {
  least: 9,
  size: (pduLength) => AROUND + 2 * pduLength,
  encode(unitId, pdu) {
    const body = Buffer.from([unitId, ...pdu]);
    const text = Buffer.concat([body, Buffer.from([lrc8(body)])])
      .toString('hex')
      .toUpperCase();
    return Buffer.from(`:${text}\r\n`, 'latin1');
  },
  find(bytes, from, awaited, asking) {
    for (let at = from; ; ) {
      // A colon begins a frame wherever it stands (section 2.5.2.1); what was before it is noise.
      const end = bytes.indexOf(LF, at);
      if (end < 0) return { kind: 'more' };
      const start = bytes.lastIndexOf(COLON, end);
      at = end + 1;
      if (start < from) continue;
      const frame = decodeAscii(bytes.subarray(start, end + 1));
      if (frame === undefined) {
        if (asking && beginsAs(bytes, start, awaited[0])) return { kind: 'damaged' };
        continue;
      }
      const pdu = frame.subarray(1);
      const fits = awaited.findIndex(
        ({ unitId, expected }) => frame[0] === unitId && fitReply(pdu, 0, pdu.length, expected) === pdu.length,
      );
      if (fits >= 0 || (asking && frame[0] === awaited[0]?.unitId)) return { kind: 'frame', start, end: end + 1, pdu, fits };
    }
  },
  foreign(bytes) {
    const end = bytes.indexOf(LF);
    const start = end < 0 ? -1 : bytes.lastIndexOf(COLON, end);
    return start < 0 ? undefined : decodeAscii(bytes.subarray(start, end + 1))?.[0];
  },
};

/** Unit and function are those of the reply (or of an exception to it): the rest of the line belongs to it. */
function beginsAs(bytes: Buffer, start: number, awaited: Awaited | undefined): boolean {
  const head = bytes.toString('latin1', start + 1, start + 5).toUpperCase();
  const hex = (byte: number) => byte.toString(16).padStart(2, '0').toUpperCase();
  if (awaited === undefined) return false;
  const { unitId, expected } = awaited;
  return head === hex(unitId) + hex(expected.code) || head === hex(unitId) + hex(expected.code | 0x80);
}

/** @param line from its colon to its LF. @returns unit and PDU; undefined where it is no sound frame */
export function decodeAscii(line: Uint8Array): Uint8Array | undefined {
  const end = line.length - (line.at(-2) === CR ? 2 : 1);
  const text = Buffer.from(line.buffer, line.byteOffset + 1, end - 1).toString('latin1');
  if (text.length < 6 || text.length % 2 === 1 || !/^[0-9A-Fa-f]+$/.test(text)) return undefined;
  const bytes = Uint8Array.from(Buffer.from(text, 'hex'));
  const body = bytes.subarray(0, -1);
  return lrc8(body) === bytes.at(-1) ? body : undefined;
}
