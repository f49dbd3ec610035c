/** Checksums of Modbus frames on serial lines (MODBUS over Serial Line V1.02, sections 2.5.1.2 and 2.5.2.2). */

const CRC = new Uint16Array(256).map((_, byte) => {
  let crc = byte;
  for (let i = 0; i < 8; i++) crc = crc & 1 ? (crc >> 1) ^ 0xa001 : crc >> 1;
  return crc;
});

/** CRC-16/MODBUS; stands low byte first at the end of an RTU frame. */
export function crc16(bytes: Uint8Array, start = 0, end = bytes.length): number {
  let crc = 0xffff;
  for (let i = start; i < end; i++) crc = (crc >> 8) ^ (CRC[(crc ^ (bytes[i] as number)) & 0xff] as number);
  return crc;
}

/** Two's complement of the sum of the bytes, before they are written in hexadecimal; the last byte of an ASCII frame. */
export function lrc8(bytes: Uint8Array): number {
  let sum = 0;
  for (const byte of bytes) sum += byte;
  return -sum & 0xff;
}
