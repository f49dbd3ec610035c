/** The header of Modbus on networks: transaction, protocol 0, length, unit (MODBUS Messaging on TCP/IP V1.0b, section 3.1.3). */
import type { Expected } from '../../codecs/modbus-pdu.ts';
import { fitReply, MAX_PDU } from '../../codecs/modbus-pdu.ts';

export const HEADER = 6;
/** Unit and PDU, as the header counts them. */
export const MAX_LENGTH = 1 + MAX_PDU;

export function encodeAdu(transaction: number, unitId: number, pdu: Uint8Array): Buffer {
  const out = Buffer.allocUnsafe(HEADER + 1 + pdu.length);
  out.writeUInt16BE(transaction, 0);
  out.writeUInt16BE(0, 2);
  out.writeUInt16BE(1 + pdu.length, 4);
  out[HEADER] = unitId;
  out.set(pdu, HEADER + 1);
  return out;
}

/** A word about bytes that belong to no reply. */
export function wrongHeader(bytes: Buffer): string | undefined {
  if (bytes.length >= 4 && bytes.readUInt16BE(2) !== 0) return 'the reply is not Modbus (protocol id is not 0)';
  const length = bytes.length >= HEADER ? bytes.readUInt16BE(4) : undefined;
  if (length !== undefined && (length < 3 || length > MAX_LENGTH)) return `the reply says it is ${length} bytes long`;
  return undefined;
}

/** The first thing in the bytes so far that the one right reply does not have. */
export function wrongReply(bytes: Buffer, unitId: number, expected: Expected): string | undefined {
  if (bytes.length < HEADER) return undefined;
  const length = bytes.readUInt16BE(4) - 1;
  if (expected.length !== undefined && length !== 2 && length !== expected.length)
    return `the reply says it is ${length + 1} bytes long, ${expected.length + 1} are right`;
  if (bytes.length > HEADER && bytes[HEADER] !== unitId) return `unit ${bytes[HEADER]} answered, unit ${unitId} was asked`;
  const end = Math.min(bytes.length, HEADER + 1 + length);
  const fit = fitReply(bytes, HEADER + 1, end, expected);
  if (fit === 'no') {
    const code = bytes[HEADER + 1] as number;
    return (code & 0x7f) === expected.code
      ? `the reply to function ${expected.code} is about something else`
      : `the reply is to function ${code & 0x7f}, function ${expected.code} was asked`;
  }
  const whole = end === HEADER + 1 + length;
  if (fit === 'more' ? whole : fit !== length) return 'the reply has another length than it says';
  return undefined;
}
