/** Modbus frames as far as reads need them (MODBUS Application Protocol V1.1b3, sections 6.1 to 6.4 and 7). */
import type { Table } from '../../codecs/modbus-point.ts';
import { isBitTable } from '../../codecs/modbus-point.ts';
import { SluiceError } from '../../core/errors.ts';

export const FUNCTION: Readonly<Record<Table, number>> = { coil: 1, discrete: 2, holding: 3, input: 4 };

/** A read on the wire and the reply that alone answers it. */
export interface Expected {
  readonly unit: number;
  readonly code: number;
  /** Data bytes of a good reply. */
  readonly bytes: number;
}

/** From a request frame (unit, function, address, count) as modbus-serial hands it to its port. */
export function expectedOf(frame: Uint8Array): Expected {
  const [unit = 0, code = 0] = frame;
  const count = ((frame[4] ?? 0) << 8) | (frame[5] ?? 0);
  return { unit, code, bytes: code <= 2 ? Math.ceil(count / 8) : count * 2 };
}

/** @throws SluiceError `request-invalid`: more than 125 registers or 2,000 bits, or past the last address */
export function assertReadable(request: { table: Table; start: number; count: number }): void {
  const most = isBitTable(request.table) ? 2000 : 125;
  if (!(request.count >= 1 && request.count <= most))
    throw new SluiceError('request-invalid', `a request reads 1 to ${most} of ${request.table}, not ${request.count}`);
  if (!(request.start >= 0 && request.start + request.count <= 65536))
    throw new SluiceError('request-invalid', `${request.table} ends at address 65535`);
}

const CRC = new Uint16Array(256).map((_, byte) => {
  let crc = byte;
  for (let i = 0; i < 8; i++) crc = crc & 1 ? (crc >> 1) ^ 0xa001 : crc >> 1;
  return crc;
});

/** CRC-16/MODBUS; stands low byte first at the end of a serial frame. */
export function crc16(bytes: Uint8Array, start = 0, end = bytes.length): number {
  let crc = 0xffff;
  for (let i = start; i < end; i++) crc = (crc >> 8) ^ (CRC[(crc ^ (bytes[i] as number)) & 0xff] as number);
  return crc;
}
