/**
 * Checksums of serial frames: the table of all kinds. Names and parameters of the CRCs are those of the RevEng catalogue,
 * whose check value (over the text 123456789) a test holds each kind to.
 */
import { crc16 } from '../modbus-checksums.ts';

export const CHECKSUM_KINDS = [
  'none',
  'sum8',
  'sum8-complement',
  'sum8-negated',
  'xor8',
  'sum16be',
  'sum16le',
  'fletcher16',
  'crc8',
  'crc8-maxim',
  'crc16-modbus',
  'crc16-ccitt',
  'crc16-xmodem',
] as const;
export type ChecksumKind = (typeof CHECKSUM_KINDS)[number];

export interface Checksum {
  /** Bytes on the wire. */
  readonly bytes: number;
  /** For the reference page. */
  readonly says: string;
  /** The checksum of `data[from]` up to and without `data[end]`, as it stands on the wire. */
  compute(data: Uint8Array, from: number, end: number): Uint8Array;
}

function sum(data: Uint8Array, from: number, end: number): number {
  let total = 0;
  for (let i = from; i < end; i++) total += data[i] as number;
  return total;
}

/** Least significant bit first: each byte, and the polynomial with its bits in that order. */
function reflected(data: Uint8Array, from: number, end: number, polynomial: number, initial: number): number {
  let crc = initial;
  for (let i = from; i < end; i++) {
    crc ^= data[i] as number;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ polynomial : crc >>> 1;
  }
  return crc;
}

/** Most significant bit first. @param width 8 or 16 bits */
function straight(data: Uint8Array, from: number, end: number, width: 8 | 16, polynomial: number, initial: number): number {
  const top = 1 << (width - 1);
  const mask = 2 * top - 1;
  let crc = initial;
  for (let i = from; i < end; i++) {
    crc ^= (data[i] as number) << (width - 8);
    for (let bit = 0; bit < 8; bit++) crc = (crc & top ? (crc << 1) ^ polynomial : crc << 1) & mask;
  }
  return crc;
}

function fletcher(data: Uint8Array, from: number, end: number): number {
  let low = 0;
  let high = 0;
  for (let i = from; i < end; i++) {
    low = (low + (data[i] as number)) % 255;
    high = (high + low) % 255;
  }
  return (high << 8) | low;
}

const big = (value: number) => Uint8Array.of((value >> 8) & 0xff, value & 0xff);
const little = (value: number) => Uint8Array.of(value & 0xff, (value >> 8) & 0xff);

export const CHECKSUMS: Readonly<Record<ChecksumKind, Checksum>> = {
  none: { bytes: 0, says: 'no checksum', compute: () => new Uint8Array(0) },
  sum8: {
    bytes: 1,
    says: 'low byte of the sum of the bytes',
    compute: (data, from, end) => Uint8Array.of(sum(data, from, end)),
  },
  'sum8-complement': {
    bytes: 1,
    says: 'the same, inverted (255 - sum)',
    compute: (data, from, end) => Uint8Array.of(~sum(data, from, end)),
  },
  'sum8-negated': {
    bytes: 1,
    says: "the same, negated (256 - sum, the two's complement); Winsen MH-Z19",
    compute: (data, from, end) => Uint8Array.of(-sum(data, from, end)),
  },
  xor8: {
    bytes: 1,
    says: 'exclusive-or of the bytes',
    compute: (data, from, end) => Uint8Array.of(data.subarray(from, end).reduce((value, byte) => value ^ byte, 0)),
  },
  sum16be: {
    bytes: 2,
    says: '16 bits of the sum, high byte first; Plantower',
    compute: (data, from, end) => big(sum(data, from, end)),
  },
  sum16le: { bytes: 2, says: 'the same, low byte first', compute: (data, from, end) => little(sum(data, from, end)) },
  fletcher16: {
    bytes: 2,
    says: 'Fletcher-16 (modulo 255), the sum of sums first',
    compute: (data, from, end) => big(fletcher(data, from, end)),
  },
  crc8: {
    bytes: 1,
    says: 'CRC-8/SMBUS: polynomial 0x07, initial value 0',
    compute: (data, from, end) => Uint8Array.of(straight(data, from, end, 8, 0x07, 0)),
  },
  'crc8-maxim': {
    bytes: 1,
    says: 'CRC-8/MAXIM-DOW (Dallas, 1-Wire): polynomial 0x31 reflected, initial value 0',
    compute: (data, from, end) => Uint8Array.of(reflected(data, from, end, 0x8c, 0)),
  },
  'crc16-modbus': {
    bytes: 2,
    says: 'CRC-16/MODBUS, low byte first',
    compute: (data, from, end) => little(crc16(data, from, end)),
  },
  'crc16-ccitt': {
    bytes: 2,
    says: 'CRC-16/IBM-3740 ("CCITT-FALSE"): polynomial 0x1021, initial value 0xFFFF, high byte first',
    compute: (data, from, end) => big(straight(data, from, end, 16, 0x1021, 0xffff)),
  },
  'crc16-xmodem': {
    bytes: 2,
    says: 'CRC-16/XMODEM: polynomial 0x1021, initial value 0, high byte first',
    compute: (data, from, end) => big(straight(data, from, end, 16, 0x1021, 0)),
  },
};
