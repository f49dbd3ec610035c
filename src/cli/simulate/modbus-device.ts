/** One simulated Modbus device: its points as registers and bits, and the reply to a request. */
import { encodePoint } from '../../codecs/modbus-encode.ts';
import {
  IDENTIFY,
  MEI_IDENTIFICATION,
  MOST,
  packBits,
  packWords,
  READ_FUNCTION,
  WRITE_FUNCTION,
} from '../../codecs/modbus-pdu.ts';
import type { ModbusPoint, Table } from '../../codecs/modbus-point.ts';
import { isBitTable, TABLES, widthOf } from '../../codecs/modbus-point.ts';
import { layChain, placePoint } from '../../codecs/sunspec.ts';
import type { ResolvedDevice } from '../../config/kinds.ts';
import type { Value } from '../../core/point.ts';
import type { DeviceSettings } from '../../drivers/modbus/schema.ts';
import { modelWishes } from '../../drivers/modbus/sunspec.ts';

/** MODBUS Application Protocol V1.1b3, section 7. */
const ILLEGAL_FUNCTION = 1;
const ILLEGAL_ADDRESS = 2;
const ILLEGAL_VALUE = 3;

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
  readonly unitId: number;
  /** At the addresses where they are served. */
  readonly points: readonly ModbusPoint[];
  /** Marker and heads of the models of a SunSpec device, by holding register. */
  readonly #heads: ReadonlyMap<number, number>;
  readonly #limits: Limits;
  readonly #identity: readonly string[];
  readonly #valueNow: ValueNow;
  /** Addresses of points, and those that may be read along. */
  readonly #readable = new Map<Table, ReadonlySet<number>>();
  readonly #writable = new Map<Table, ReadonlySet<number>>();
  /** Registers that a master wrote, which hide what the point would show; at most one word for each register of a point. */
  readonly #written = new Map<string, number>();

  constructor(device: ResolvedDevice, valueNow: ValueNow) {
    const { unit: unitId, limits } = device.settings as { unit: number; limits?: Limits };
    this.name = device.name;
    this.unitId = unitId;
    const points = Array.from(device.points, ([name, point]) => ({ ...(point as Omit<ModbusPoint, 'name'>), name }));
    const wishes = modelWishes(device.settings as DeviceSettings);
    const { chosen, words } = layChain(wishes, points);
    this.points = points.flatMap((point) => placePoint(point, chosen) ?? []);
    this.#heads = wishes.length === 0 ? new Map() : words;
    this.#limits = limits ?? { maxRegisters: 125, maxBits: 2000 };
    const { vendor, model } = device.made ?? { vendor: 'Sluice', model: 'simulated device' };
    this.#identity = [vendor, model, '0'];
    this.#valueNow = valueNow;
    for (const table of TABLES) {
      const own = new Set<number>();
      for (const point of this.points) if (point.table === table) for (const address of addressesOf(point)) own.add(address);
      this.#writable.set(table, own);
      this.#readable.set(table, this.#withHoles(own, table));
    }
  }

  /** Points, models (which have no holes), and the holes between points that the configuration lets be read along. */
  #withHoles(own: ReadonlySet<number>, table: Table): ReadonlySet<number> {
    const addresses = new Set(own);
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

  /** A point shows again what it would without a write. */
  forget(name: string): void {
    for (const point of this.points)
      if (point.name === name) for (const address of addressesOf(point)) this.#written.delete(`${point.table} ${address}`);
  }

  /** @param pdu function code and data. @returns the reply, without unit and checksum; an exception where there is no such thing */
  answer(pdu: Uint8Array): Uint8Array {
    const code = pdu[0] ?? 0;
    const table = TABLES.find((one) => READ_FUNCTION[one] === code);
    if (table !== undefined) return this.#read(code, table, pdu);
    switch (code) {
      case WRITE_FUNCTION.coil:
      case WRITE_FUNCTION.register:
        return this.#writeOne(code, pdu);
      case WRITE_FUNCTION.coils:
      case WRITE_FUNCTION.registers:
        return this.#writeMany(code, pdu);
      case IDENTIFY:
        return this.#identify(code, pdu);
      default:
        return exceptionReply(code, ILLEGAL_FUNCTION);
    }
  }

  #read(code: number, table: Table, pdu: Uint8Array): Uint8Array {
    const [start, count] = [wordAt(pdu, 1), wordAt(pdu, 3)];
    const bits = isBitTable(table);
    const most = bits ? this.#limits.maxBits : this.#limits.maxRegisters;
    if (pdu.length !== 5 || count < 1 || count > most) return exceptionReply(code, ILLEGAL_VALUE);
    if (!within(this.#readable.get(table), start, count)) return exceptionReply(code, ILLEGAL_ADDRESS);
    const words = this.#words(table, start, count);
    const data = bits ? packBits(words) : packWords(words);
    return Uint8Array.from([code, data.length, ...data]);
  }

  #writeOne(code: number, pdu: Uint8Array): Uint8Array {
    const [address, value] = [wordAt(pdu, 1), wordAt(pdu, 3)];
    const coil = code === WRITE_FUNCTION.coil;
    if (pdu.length !== 5 || (coil && value !== 0 && value !== 0xff00)) return exceptionReply(code, ILLEGAL_VALUE);
    if (!this.#hold(coil ? 'coil' : 'holding', address, [coil ? value >> 15 : value]))
      return exceptionReply(code, ILLEGAL_ADDRESS);
    return Uint8Array.from(pdu);
  }

  #writeMany(code: number, pdu: Uint8Array): Uint8Array {
    const [start, count, bytes = 0] = [wordAt(pdu, 1), wordAt(pdu, 3), pdu[5]];
    const coils = code === WRITE_FUNCTION.coils;
    const right = coils ? Math.ceil(count / 8) : count * 2;
    const most = coils ? MOST.write.bits : MOST.write.registers;
    if (count < 1 || count > most || bytes !== right || pdu.length !== 6 + bytes) return exceptionReply(code, ILLEGAL_VALUE);
    const values = Array.from({ length: count }, (_, i) =>
      coils ? ((pdu[6 + (i >> 3)] ?? 0) >> (i & 7)) & 1 : wordAt(pdu, 6 + 2 * i),
    );
    if (!this.#hold(coils ? 'coil' : 'holding', start, values)) return exceptionReply(code, ILLEGAL_ADDRESS);
    return Uint8Array.from(pdu.subarray(0, 5));
  }

  #hold(table: Table, start: number, values: readonly number[]): boolean {
    if (!within(this.#writable.get(table), start, values.length)) return false;
    for (const [i, value] of values.entries()) this.#written.set(`${table} ${start + i}`, value);
    return true;
  }

  /** Basic identification: vendor, product, revision (section 6.21). */
  #identify(code: number, pdu: Uint8Array): Uint8Array {
    const [, mei, read = 0, object = 0] = pdu;
    if (pdu.length !== 4 || mei !== MEI_IDENTIFICATION) return exceptionReply(code, ILLEGAL_FUNCTION);
    if (read < 1 || read > 4) return exceptionReply(code, ILLEGAL_VALUE);
    const one = read === 4;
    if (one && object >= this.#identity.length) return exceptionReply(code, ILLEGAL_ADDRESS);
    // Asked from an object on that it does not have, a device begins anew.
    const first = object < this.#identity.length ? object : 0;
    const objects = this.#identity.slice(first, one ? first + 1 : undefined).flatMap((text, i) => {
      const bytes = new TextEncoder().encode(text).subarray(0, 64);
      return [first + i, bytes.length, ...bytes];
    });
    const count = one ? 1 : this.#identity.length - first;
    const conformity = 0x81; // basic, by stream and one by one
    return Uint8Array.from([code, MEI_IDENTIFICATION, read, conformity, 0, 0, count, ...objects]);
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
    return words.map((word, i) => this.#written.get(`${table} ${start + i}`) ?? word);
  }
}

export function exceptionReply(code: number, exception: number): Uint8Array {
  return Uint8Array.of(code | 0x80, exception);
}

function addressesOf(point: ModbusPoint): number[] {
  return Array.from({ length: widthOf(point) }, (_, i) => point.address + i);
}

function wordAt(pdu: Uint8Array, at: number): number {
  return ((pdu[at] ?? 0) << 8) | (pdu[at + 1] ?? 0);
}

function within(addresses: ReadonlySet<number> | undefined, start: number, count: number): boolean {
  for (let i = 0; i < count; i++) if (addresses?.has(start + i) !== true) return false;
  return true;
}
