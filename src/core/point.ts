import type { PrivacyClass } from './privacy.ts';
import type { ReasonName } from './reasons.ts';
import { ABSENT, GOOD, reasonCode } from './reasons.ts';

/** Modbus point types of the contract; serial points use `float64`, `int64`, `bool` and `string`. */
export const POINT_TYPES = [
  'bool',
  'int8',
  'uint8',
  'int16',
  'uint16',
  'int32',
  'uint32',
  'int64',
  'uint64',
  'float16',
  'float32',
  'float64',
  'bcd16',
  'bcd32',
  'string',
  'datetime',
] as const;
export type PointType = (typeof POINT_TYPES)[number];

/** number, except: bool -> boolean, string/datetime -> string, int64/uint64 without scale -> bigint. */
export type Value = number | bigint | boolean | string;

/** How values of a point are held: `integer64` is a bigint, everything scaled is a `number`. */
export type Storage = 'number' | 'boolean' | 'integer64' | 'string';

export interface PointInfo {
  readonly name: string;
  readonly type: PointType;
  readonly storage: Storage;
  /** UCUM code, for example `Cel`, `kW.h`. */
  readonly unit?: string | undefined;
  readonly writable?: boolean | undefined;
  /** The class under which readings of a record were taken. Absent: technical. Drivers leave it out; it is set where records are made. */
  readonly privacy?: PrivacyClass | undefined;
}

/** The `report:` of a point. src/pipeline/report.ts explains it. */
export interface Report {
  /** In the unit of the point. */
  readonly change?: number | undefined;
  /** In percent of the magnitude of the last value kept. */
  readonly percent?: number | undefined;
  /** Milliseconds. */
  readonly atLeast?: number | undefined;
  readonly atMost?: number | undefined;
}

/**
 * The points that one device reports at one time, in their order. A Modbus device has one shape per read request, a
 * serial talker one per kind of frame. The object's identity is stable while the configuration of its device is.
 */
export interface Shape {
  readonly device: string;
  readonly points: readonly PointInfo[];
  /**
   * The rule for keeping each point: a number is the index of the point together with which it is kept. Absent where all
   * is kept. It says nothing about the readings, so it is no part of what the log keeps of a shape.
   */
  readonly report?: readonly (Report | number | undefined)[] | undefined;
}

/** One reply or frame, decoded. `values[i]` and `reasons[i]` belong to `shape.points[i]`. */
export interface Sample {
  readonly shape: Shape;
  /** Monotonic milliseconds (Clock.monotonic) when the last byte of the reply arrived. */
  readonly at: number;
  /** Same length as the shape; what stands where the reason is bad or absent does not matter (use 0). */
  readonly values: readonly Value[];
  /** null when all are good; else one number a point: GOOD, ABSENT, or a code of REASONS. */
  readonly reasons: Uint8Array | null;
  /** It repeats how the last request ended: the device rests, and no request was sent for this sample. */
  readonly unasked?: true;
}

/** A record of the log: a sample under its sequence number. */
export interface LogRecord {
  readonly seq: number;
  readonly sample: Sample;
}

/** A sample in which every point is bad for one reason: what a time-out or a damaged reply becomes. */
export function badSample(shape: Shape, at: number, reason: ReasonName): Sample {
  const n = shape.points.length;
  return { shape, at, values: new Array<number>(n).fill(0), reasons: new Uint8Array(n).fill(reasonCode(reason)) };
}

export function reasonAt(sample: Sample, index: number): number {
  return sample.reasons === null ? GOOD : (sample.reasons[index] ?? ABSENT);
}

/** As JSON may carry it: points of type int64 and uint64 are texts, scaled ones too, since others would round them. */
export function plainValue(value: Value, type: PointType | undefined): string | number | boolean {
  return typeof value === 'bigint' || ((type === 'int64' || type === 'uint64') && typeof value === 'number')
    ? String(value)
    : value;
}

/** How many readings a sample has: points that it leaves out are none. */
export function readingCount({ shape, reasons }: Sample): number {
  if (reasons === null) return shape.points.length;
  let count = 0;
  for (const reason of reasons) if (reason !== ABSENT) count++;
  return count;
}

/** True where the record carries a value (good or uncertain). */
export function hasValue(reason: number): boolean {
  return reason === GOOD || (reason >= 128 && reason !== ABSENT);
}

export function storageOf(type: PointType, scaled: boolean): Storage {
  switch (type) {
    case 'bool':
      return 'boolean';
    case 'string':
    case 'datetime':
      return 'string';
    case 'int64':
    case 'uint64':
      return scaled ? 'number' : 'integer64';
    default:
      return 'number';
  }
}
