/**
 * The content of every Modbus frame on every transport: function code and data (MODBUS Application Protocol
 * V1.1b3, sections 4.1, 6.1 to 6.6, 6.11, 6.12, 6.21 and 7). Pure: a request becomes bytes, and with them the form of the
 * one reply that answers it, so that a reply is checked while it arrives and nothing else is ever taken for it.
 */
import { SluiceError } from '../core/errors.ts';
import type { Table } from './modbus-point.ts';
import { isBitTable } from './modbus-point.ts';

export type ModbusRequest =
  | { readonly kind: 'read'; readonly table: Table; readonly start: number; readonly count: number }
  | {
      readonly kind: 'write';
      readonly table: 'holding' | 'coil';
      readonly start: number;
      /** Registers 0..65535, or 0 and 1. */
      readonly values: readonly number[];
      /** One value with the function for many, for devices that know no other. */
      readonly multiple?: boolean;
    }
  /** Device identification: 1 basic, 2 regular, 3 extended, 4 one object. */
  | { readonly kind: 'identify'; readonly code: 1 | 2 | 3 | 4; readonly object: number };

export const READ_FUNCTION: Readonly<Record<Table, number>> = { coil: 1, discrete: 2, holding: 3, input: 4 };
export const WRITE_FUNCTION = { coil: 5, register: 6, coils: 15, registers: 16 } as const;
/** Encapsulated interface transport, and what of it device identification is (section 6.21). */
export const IDENTIFY = 43;
export const MEI_IDENTIFICATION = 14;
/** A PDU has at most 253 bytes (section 4.1). */
export const MAX_PDU = 253;
/** The most that one request may carry (sections 6.1 to 6.4, 6.11, 6.12). */
export const MOST = { read: { bits: 2000, registers: 125 }, write: { bits: 1968, registers: 123 } } as const;

/** A request as it goes out, and the form of its reply. */
export interface Pdu {
  readonly bytes: Uint8Array;
  readonly expected: Expected;
}

export interface Expected {
  /** Function of the request. */
  readonly code: number;
  /** With these bytes the right reply begins. */
  readonly head: Uint8Array;
  /** Bytes of the whole reply PDU; undefined where the reply itself says it (device identification). */
  readonly length: number | undefined;
}

/** @throws SluiceError `request-invalid`: more than the protocol carries, past the last address, or no such value */
export function encodeRequest(request: ModbusRequest): Pdu {
  switch (request.kind) {
    case 'read':
      return encodeRead(request);
    case 'write':
      return encodeWrite(request);
    case 'identify':
      return {
        bytes: Uint8Array.of(IDENTIFY, MEI_IDENTIFICATION, request.code, request.object),
        expected: { code: IDENTIFY, head: Uint8Array.of(IDENTIFY, MEI_IDENTIFICATION, request.code), length: undefined },
      };
  }
}

function assertRange(table: Table, start: number, count: number, verb: 'read' | 'write'): void {
  const most = isBitTable(table) ? MOST[verb].bits : MOST[verb].registers;
  if (!(count >= 1 && count <= most))
    throw new SluiceError('request-invalid', `a request ${verb}s 1 to ${most} of ${table}, not ${count}`);
  if (!(start >= 0 && start + count <= 65536)) throw new SluiceError('request-invalid', `${table} ends at address 65535`);
}

function encodeRead({ table, start, count }: { table: Table; start: number; count: number }): Pdu {
  assertRange(table, start, count, 'read');
  const code = READ_FUNCTION[table];
  const bytes = isBitTable(table) ? Math.ceil(count / 8) : count * 2;
  return {
    bytes: Uint8Array.of(code, start >> 8, start & 255, count >> 8, count & 255),
    expected: { code, head: Uint8Array.of(code, bytes), length: 2 + bytes },
  };
}

function encodeWrite({ table, start, values, multiple }: Extract<ModbusRequest, { kind: 'write' }>): Pdu {
  assertRange(table, start, values.length, 'write');
  const coils = table === 'coil';
  const most = coils ? 1 : 65535;
  const wrong = values.find((v) => !(Number.isInteger(v) && v >= 0 && v <= most));
  if (wrong !== undefined) throw new SluiceError('request-invalid', `${wrong} is not 0 to ${most}, which a ${table} can hold`);
  const [first = 0] = values;
  if (values.length === 1 && multiple !== true) {
    const value = coils ? first * 0xff00 : first;
    const bytes = Uint8Array.of(
      coils ? WRITE_FUNCTION.coil : WRITE_FUNCTION.register,
      start >> 8,
      start & 255,
      value >> 8,
      value & 255,
    );
    // The reply is the request again.
    return { bytes, expected: { code: bytes[0] as number, head: bytes, length: bytes.length } };
  }
  const data = coils ? packBits(values) : packWords(values);
  const count = values.length;
  const head = Uint8Array.of(
    coils ? WRITE_FUNCTION.coils : WRITE_FUNCTION.registers,
    start >> 8,
    start & 255,
    count >> 8,
    count & 255,
  );
  return {
    bytes: Uint8Array.of(...head, data.length, ...data),
    expected: { code: head[0] as number, head, length: head.length },
  };
}

/** Bits as they stand in a frame: the first is the lowest of the first byte. */
export function packBits(values: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(Math.ceil(values.length / 8));
  for (const [i, value] of values.entries()) if (value !== 0) bytes[i >> 3] = (bytes[i >> 3] as number) | (1 << (i & 7));
  return bytes;
}

/** Registers as they stand in a frame: high byte first. */
export function packWords(values: readonly number[]): Uint8Array {
  return Uint8Array.from(values.flatMap((value) => [value >> 8, value & 255]));
}

/** A good reply may be one of these: 'no' (it is not the one), 'more' (so far it is), or its length in bytes. */
export type Fit = 'no' | 'more' | number;

/**
 * Whether the reply to `expected` stands at `at`, as far as bytes are there. An exception to its function fits as well.
 * Reads no byte behind `end`.
 */
export function fitReply(bytes: Uint8Array, at: number, end: number, expected: Expected): Fit {
  const have = end - at;
  if (have <= 0) return 'more';
  if (bytes[at] === (expected.code | 0x80)) return have >= 2 ? 2 : 'more';
  const { head, length } = expected;
  for (let i = 0; i < head.length && i < have; i++) if (bytes[at + i] !== head[i]) return 'no';
  if (length !== undefined) return have >= length ? length : 'more';
  return fitIdentification(bytes, at, end);
}

/** 2B 0E code conformity more next count, then (id, length, value) `count` times (section 6.21). */
function fitIdentification(bytes: Uint8Array, at: number, end: number): Fit {
  if (end - at < 7) return 'more';
  let next = at + 7;
  for (let object = 0; object < (bytes[at + 6] as number); object++) {
    if (next + 2 > end) return 'more';
    next += 2 + (bytes[next + 1] as number);
    if (next - at > MAX_PDU) return 'no';
  }
  return next <= end ? next - at : 'more';
}

/** The length that the PDU of any reply says it has, also of a reply to another master; undefined while that is not known. */
export function lengthOfReply(bytes: Uint8Array, at: number, end: number): number | undefined {
  const code = bytes[at];
  if (code === undefined || at >= end) return undefined;
  if (code & 0x80) return 2;
  if (code >= 1 && code <= 4) return at + 1 < end ? 2 + (bytes[at + 1] as number) : undefined;
  if (
    code === WRITE_FUNCTION.coil ||
    code === WRITE_FUNCTION.register ||
    code === WRITE_FUNCTION.coils ||
    code === WRITE_FUNCTION.registers
  )
    return 5;
  if (code === IDENTIFY) {
    const fit = fitIdentification(bytes, at, end);
    return typeof fit === 'number' ? fit : undefined;
  }
  return at + 1 < end ? 2 + (bytes[at + 1] as number) : undefined;
}

/** @returns the exception code of a reply, which may be 0 although no standard knows it; undefined for a good one */
export function exceptionOf(pdu: Uint8Array): number | undefined {
  return (pdu[0] as number) & 0x80 ? pdu[1] : undefined;
}

/** The bytes behind the byte count of the reply to a read. */
export function payloadOf(pdu: Uint8Array): Uint8Array {
  return pdu.subarray(2);
}

export interface Identification {
  /** By object id: 0 vendor, 1 product code, 2 revision, 3 vendor URL, 4 product name, 5 model, 6 application; raw bytes. */
  readonly objects: ReadonlyMap<number, Uint8Array>;
  /** Object to ask for next; undefined when all were given. */
  readonly next: number | undefined;
}

/** The content of a reply that `fitReply` accepted. */
export function decodeIdentification(pdu: Uint8Array): Identification {
  const objects = new Map<number, Uint8Array>();
  let at = 7;
  for (let i = 0; i < (pdu[6] as number); i++) {
    const length = pdu[at + 1] as number;
    objects.set(pdu[at] as number, pdu.slice(at + 2, at + 2 + length));
    at += 2 + length;
  }
  return { objects, next: pdu[4] === 0xff ? pdu[5] : undefined };
}
