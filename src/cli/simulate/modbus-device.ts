/** One simulated Modbus device: its points as registers and bits, and the reply to a read. */
import { encodePoint } from '../../codecs/modbus-encode.ts';
import type { ModbusPoint, Table } from '../../codecs/modbus-point.ts';
import { isBitTable, widthOf } from '../../codecs/modbus-point.ts';
import { layChain, placePoint } from '../../codecs/sunspec.ts';
import type { ResolvedDevice } from '../../config/kinds.ts';
import type { Value } from '../../core/point.ts';
import type { DeviceSettings } from '../../drivers/modbus/schema.ts';
import { modelWishes } from '../../drivers/modbus/sunspec.ts';

/** MODBUS Application Protocol V1.1b3, section 7. */
const ILLEGAL_FUNCTION = 1;
const ILLEGAL_ADDRESS = 2;
const ILLEGAL_VALUE = 3;
const TABLES: Readonly<Record<number, Table>> = { 1: 'coil', 2: 'discrete', 3: 'holding', 4: 'input' };

/** The value of a point now. */
export type ValueNow = (device: string, point: string) => Value;

interface Limits {
  readonly maxRegisters: number;
  readonly maxBits: number;
  readonly maxGap?: number;
  readonly gaps?: readonly { readonly table: string; readonly from: number; readonly to: number }[];
}

export class ModbusDevice {
  readonly name: string;
  readonly unit: number;
  /** At the addresses where they are served. */
  readonly points: readonly ModbusPoint[];
  /** Marker and heads of the models of a SunSpec device, by holding register. */
  readonly #heads: ReadonlyMap<number, number>;
  readonly #limits: Limits;
  readonly #valueNow: ValueNow;
  readonly #existing = new Map<Table, ReadonlySet<number>>();

  constructor(device: ResolvedDevice, valueNow: ValueNow) {
    const { unit, limits } = device.settings as { unit: number; limits?: Limits };
    this.name = device.name;
    this.unit = unit;
    const points = Array.from(device.points, ([name, point]) => ({ ...(point as Omit<ModbusPoint, 'name'>), name }));
    const wishes = modelWishes(device.settings as DeviceSettings);
    const { chosen, words } = layChain(wishes, points);
    this.points = points.flatMap((point) => placePoint(point, chosen) ?? []);
    this.#heads = wishes.length === 0 ? new Map() : words;
    this.#limits = limits ?? { maxRegisters: 125, maxBits: 2000 };
    this.#valueNow = valueNow;
    for (const table of Object.values(TABLES)) this.#existing.set(table, this.#addressesOf(table));
  }

  /** Addresses of points, and the holes between them that the configuration lets be read along. */
  #addressesOf(table: Table): ReadonlySet<number> {
    const addresses = new Set<number>();
    for (const point of this.points)
      if (point.table === table) for (let i = 0; i < widthOf(point); i++) addresses.add(point.address + i);
    // Models have no holes.
    const heads = table === 'holding' ? [...this.#heads.keys()] : [];
    for (let i = Math.min(...heads); i <= Math.max(...heads); i++) addresses.add(i);
    const { maxGap = Number.POSITIVE_INFINITY, gaps = [] } = this.#limits;
    const widest = isBitTable(table) ? maxGap * 16 : maxGap;
    const isForbidden = (a: number) => gaps.some((gap) => gap.table === table && a >= gap.from && a <= gap.to);
    let before: number | undefined;
    for (const address of [...addresses].sort((a, b) => a - b)) {
      if (before !== undefined && address - before - 1 <= widest)
        for (let hole = before + 1; hole < address; hole++) if (!isForbidden(hole)) addresses.add(hole);
      before = address;
    }
    return addresses;
  }

  /** @param pdu function code and data. @returns the reply, without unit and checksum; an exception where there is no such thing */
  answer(pdu: Uint8Array): Uint8Array {
    const code = pdu[0] ?? 0;
    const table = TABLES[code];
    if (table === undefined) return exceptionReply(code, ILLEGAL_FUNCTION);
    const [, startHigh = 0, startLow = 0, countHigh = 0, countLow = 0] = pdu;
    const start = (startHigh << 8) | startLow;
    const count = (countHigh << 8) | countLow;
    const bits = isBitTable(table);
    const most = bits ? this.#limits.maxBits : this.#limits.maxRegisters;
    if (pdu.length !== 5 || count < 1 || count > most) return exceptionReply(code, ILLEGAL_VALUE);
    const existing = this.#existing.get(table);
    for (let i = 0; i < count; i++) if (!existing?.has(start + i)) return exceptionReply(code, ILLEGAL_ADDRESS);
    const words = this.#words(table, start, count);
    const data = bits ? packBits(words) : packWords(words);
    return Uint8Array.from([code, data.length, ...data]);
  }

  #words(table: Table, start: number, count: number): number[] {
    const words = Array.from({ length: count }, (_, i) => (table === 'holding' ? (this.#heads.get(start + i) ?? 0) : 0));
    for (const point of this.points) {
      const at = point.address - start;
      const width = widthOf(point);
      if (point.table !== table || at + width <= 0 || at >= count) continue;
      // A bit keeps what the other bits of its register are.
      const current = Array.from({ length: width }, (_, i) => words[at + i] ?? 0);
      const factor = point.scaleFactor === undefined ? undefined : Number(this.#valueNow(this.name, point.scaleFactor));
      const encoded = encodePoint(point, this.#valueNow(this.name, point.name), current, factor);
      for (const [i, word] of encoded.entries()) if (at + i >= 0 && at + i < count) words[at + i] = word;
    }
    return words;
  }
}

export function exceptionReply(code: number, exception: number): Uint8Array {
  return Uint8Array.of(code | 0x80, exception);
}

export function packWords(words: readonly number[]): Uint8Array {
  const data = new Uint8Array(words.length * 2);
  for (const [i, word] of words.entries()) {
    data[2 * i] = word >> 8;
    data[2 * i + 1] = word & 255;
  }
  return data;
}

export function packBits(bits: readonly number[]): Uint8Array {
  const data = new Uint8Array(Math.ceil(bits.length / 8));
  for (const [i, bit] of bits.entries()) if (bit !== 0) data[i >> 3] = (data[i >> 3] as number) | (1 << (i & 7));
  return data;
}
