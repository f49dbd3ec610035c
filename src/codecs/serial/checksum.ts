/** Checksums of serial frames. `bytes` of each kind is how long it is on the wire; most significant byte first but for the CRC. */
export const CHECKSUM_KINDS = ['none', 'sum8', 'sum8-complement', 'sum8-negated', 'xor8', 'sum16be', 'crc16-modbus'] as const;
export type ChecksumKind = (typeof CHECKSUM_KINDS)[number];

export interface Checksum {
  readonly bytes: number;
  /** Over `data[from]` up to and without `data[end]`. */
  compute(data: Uint8Array, from: number, end: number): Uint8Array;
}

function sum(data: Uint8Array, from: number, end: number): number {
  let total = 0;
  for (let i = from; i < end; i++) total += data[i] as number;
  return total;
}

/** CRC-16 of "Modbus over serial line", 6.2.2: polynomial 0xA001 reflected, initial value 0xFFFF, low byte first on the wire. */
export function crc16(data: Uint8Array, from: number, end: number): number {
  let crc = 0xffff;
  for (let i = from; i < end; i++) {
    crc ^= data[i] as number;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xa001 : crc >>> 1;
  }
  return crc;
}

export const CHECKSUMS: Readonly<Record<ChecksumKind, Checksum>> = {
  none: { bytes: 0, compute: () => new Uint8Array(0) },
  sum8: { bytes: 1, compute: (data, from, end) => Uint8Array.of(sum(data, from, end) & 0xff) },
  'sum8-complement': { bytes: 1, compute: (data, from, end) => Uint8Array.of(~sum(data, from, end) & 0xff) },
  'sum8-negated': { bytes: 1, compute: (data, from, end) => Uint8Array.of(-sum(data, from, end) & 0xff) },
  xor8: {
    bytes: 1,
    compute(data, from, end) {
      let value = 0;
      for (let i = from; i < end; i++) value ^= data[i] as number;
      return Uint8Array.of(value);
    },
  },
  sum16be: {
    bytes: 2,
    compute(data, from, end) {
      const total = sum(data, from, end) & 0xffff;
      return Uint8Array.of(total >> 8, total & 0xff);
    },
  },
  'crc16-modbus': {
    bytes: 2,
    compute(data, from, end) {
      const crc = crc16(data, from, end);
      return Uint8Array.of(crc & 0xff, crc >> 8);
    },
  },
};
