/**
 * Payloads of Sparkplug B 3.0 as this gateway says them: metrics and their types. Field numbers and types are those of the
 * specification (chapter 6). What it hears is in sparkplug-heard.ts.
 */
import type { PointInfo, PointType, Value } from '../core/point.ts';
import { ProtoWriter, WIRE } from './protobuf.ts';

export const DATA_TYPES = {
  Int8: 1,
  Int16: 2,
  Int32: 3,
  Int64: 4,
  UInt8: 5,
  UInt16: 6,
  UInt32: 7,
  UInt64: 8,
  Float: 9,
  Double: 10,
  Boolean: 11,
  String: 12,
  DateTime: 13,
  Text: 14,
} as const;
export type DataType = (typeof DATA_TYPES)[keyof typeof DATA_TYPES];

export const PAYLOAD = { timestamp: 1, metrics: 2, seq: 3 } as const;
export const METRIC = {
  name: 1,
  alias: 2,
  timestamp: 3,
  datatype: 4,
  historical: 5,
  null: 7,
  properties: 9,
  int: 10,
  long: 11,
  float: 12,
  double: 13,
  boolean: 14,
  string: 15,
} as const;
/** What every metric of a payload begins with. */
export const METRIC_TAG = (PAYLOAD.metrics << 3) | WIRE.bytes;
export const ALIAS_TAG = METRIC.alias << 3;
export const TIMESTAMP_TAG = METRIC.timestamp << 3;
export const HISTORICAL_TAG = METRIC.historical << 3;
export const NULL_TAG = METRIC.null << 3;

/** The codes of the property `Quality`. */
export const QUALITY = { bad: 0, stale: 500 } as const;

export interface Metric {
  readonly name?: string;
  readonly alias?: number;
  /** UTC ms. */
  readonly timestamp: number;
  /** In births. */
  readonly datatype?: DataType;
  readonly historical?: boolean;
  /** Encoded, with its tag; undefined: null. */
  readonly value: Uint8Array | undefined;
  readonly properties?: Properties;
}
/** Whole numbers are Int32, texts String. */
export type Properties = readonly (readonly [name: string, value: number | string])[];

/** The type of a value as it stands on the wire of the device, with nothing scaled. */
const PLAIN: Readonly<Record<PointType, DataType>> = {
  bool: DATA_TYPES.Boolean,
  int8: DATA_TYPES.Int8,
  uint8: DATA_TYPES.UInt8,
  int16: DATA_TYPES.Int16,
  uint16: DATA_TYPES.UInt16,
  int32: DATA_TYPES.Int32,
  uint32: DATA_TYPES.UInt32,
  int64: DATA_TYPES.Int64,
  uint64: DATA_TYPES.UInt64,
  float16: DATA_TYPES.Float,
  float32: DATA_TYPES.Float,
  float64: DATA_TYPES.Double,
  bcd16: DATA_TYPES.UInt16,
  bcd32: DATA_TYPES.UInt32,
  string: DATA_TYPES.String,
  datetime: DATA_TYPES.DateTime,
};
const NUMBERS: ReadonlySet<DataType> = new Set(Object.values(DATA_TYPES).filter((type) => type <= DATA_TYPES.Double));

/** @param plain whether the number is the one on the wire: nothing scales or shifts it */
export function dataTypeOf(type: PointType, plain: boolean): DataType {
  const own = PLAIN[type];
  return plain || !NUMBERS.has(own) ? own : DATA_TYPES.Double;
}

/** The type that the value of a record is written with before it is known what its birth says. */
export function writtenTypeOf({ type, storage }: Pick<PointInfo, 'type' | 'storage'>): DataType {
  switch (storage) {
    case 'boolean':
      return DATA_TYPES.Boolean;
    case 'integer64':
      return PLAIN[type];
    case 'string':
      return type === 'datetime' ? DATA_TYPES.DateTime : DATA_TYPES.String;
    default:
      return type === 'int64' || type === 'uint64' ? DATA_TYPES.Double : PLAIN[type];
  }
}

export const BOUNDS: Partial<Record<DataType, readonly [low: number, high: number]>> = {
  [DATA_TYPES.Int8]: [-(2 ** 7), 2 ** 7 - 1],
  [DATA_TYPES.Int16]: [-(2 ** 15), 2 ** 15 - 1],
  [DATA_TYPES.Int32]: [-(2 ** 31), 2 ** 31 - 1],
  [DATA_TYPES.UInt8]: [0, 2 ** 8 - 1],
  [DATA_TYPES.UInt16]: [0, 2 ** 16 - 1],
  [DATA_TYPES.UInt32]: [0, 2 ** 32 - 1],
};
/** DateTime is written as text where there is no such time. */
const ISO = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,3})?Z?$/;

/**
 * Appends the value to a metric.
 * @returns false where the type cannot have that value; nothing is written then
 */
export function writeValue(out: ProtoWriter, value: Value, type: DataType): boolean {
  switch (type) {
    case DATA_TYPES.Int64:
    case DATA_TYPES.UInt64: {
      const whole = wholeOf(value);
      const [low, high] = type === DATA_TYPES.Int64 ? [-(2n ** 63n), 2n ** 63n - 1n] : [0n, 2n ** 64n - 1n];
      if (whole === undefined || whole < low || whole > high) return false;
      out.tag(METRIC.long, WIRE.varint).bigVarint(whole);
      return true;
    }
    case DATA_TYPES.Float:
      // A double would be rounded.
      if (typeof value !== 'number' || !Object.is(Math.fround(value), value)) return false;
      out.float(METRIC.float, value);
      return true;
    case DATA_TYPES.Double: {
      const number = typeof value === 'bigint' ? exactly(value) : typeof value === 'boolean' ? Number(value) : value;
      if (typeof number !== 'number') return false;
      out.double(METRIC.double, number);
      return true;
    }
    case DATA_TYPES.Boolean:
      if (typeof value !== 'boolean') return false;
      out.flag(METRIC.boolean, value);
      return true;
    case DATA_TYPES.DateTime: {
      const ms =
        typeof value === 'string' && ISO.test(value) ? Date.parse(value.endsWith('Z') ? value : `${value}Z`) : Number.NaN;
      if (!(ms >= 0)) return false;
      out.uint(METRIC.long, ms);
      return true;
    }
    case DATA_TYPES.String:
    case DATA_TYPES.Text:
      out.text(METRIC.string, String(value));
      return true;
    default: {
      const [low, high] = BOUNDS[type] as readonly [number, number];
      const number = typeof value === 'bigint' ? Number(value) : typeof value === 'boolean' ? Number(value) : value;
      if (typeof number !== 'number' || !Number.isInteger(number) || Object.is(number, -0) || number < low || number > high)
        return false;
      out.uint(METRIC.int, number < 0 ? number + 2 ** 32 : number);
      return true;
    }
  }
}
function wholeOf(value: Value): bigint | undefined {
  if (typeof value === 'bigint') return value;
  return typeof value === 'number' && Number.isSafeInteger(value) ? BigInt(value) : undefined;
}
function exactly(value: bigint): number | undefined {
  const number = Number(value);
  return BigInt(number) === value ? number : undefined;
}

/** The first byte of a value of that type. */
export function valueTag(type: DataType): number {
  switch (type) {
    case DATA_TYPES.Int64:
    case DATA_TYPES.UInt64:
    case DATA_TYPES.DateTime:
      return METRIC.long << 3;
    case DATA_TYPES.Float:
      return (METRIC.float << 3) | WIRE.fixed32;
    case DATA_TYPES.Double:
      return (METRIC.double << 3) | WIRE.fixed64;
    case DATA_TYPES.Boolean:
      return METRIC.boolean << 3;
    case DATA_TYPES.String:
    case DATA_TYPES.Text:
      return (METRIC.string << 3) | WIRE.bytes;
    default:
      return METRIC.int << 3;
  }
}

/** The end of a metric behind its value. */
export function writeProperties(out: ProtoWriter, properties: Properties): void {
  const set = new ProtoWriter(64);
  const value = new ProtoWriter(32);
  for (const [name] of properties) set.text(1, name);
  for (const [, given] of properties) {
    value.clear();
    if (typeof given === 'number') value.uint(1, DATA_TYPES.Int32).uint(3, given);
    else value.uint(1, DATA_TYPES.String).text(8, given);
    set.bytes(2, value.written);
  }
  out.bytes(METRIC.properties, set.written);
}

/** Appends a metric to a payload. @param scratch is overwritten */
export function writeMetric(out: ProtoWriter, scratch: ProtoWriter, metric: Metric): void {
  const { name, alias, timestamp, datatype, historical, value, properties = [] } = metric;
  scratch.clear();
  if (name !== undefined) scratch.text(METRIC.name, name);
  if (alias !== undefined) scratch.uint(METRIC.alias, alias);
  scratch.uint(METRIC.timestamp, timestamp);
  if (datatype !== undefined) scratch.uint(METRIC.datatype, datatype);
  if (historical === true) scratch.flag(METRIC.historical, true);
  if (value === undefined) scratch.flag(METRIC.null, true);
  else scratch.raw(value);
  if (properties.length > 0) writeProperties(scratch, properties);
  out.bytes(PAYLOAD.metrics, scratch.written);
}

/** The head of a payload. @param timestamp UTC ms @param seq absent in NDEATH */
export function writeHead(out: ProtoWriter, timestamp: number | undefined, seq: number | undefined): void {
  if (timestamp !== undefined) out.uint(PAYLOAD.timestamp, timestamp);
  if (seq !== undefined) out.uint(PAYLOAD.seq, seq);
}
