/** A Modbus point as its schema gives it: its place, the order of its bytes, the meaning of its number. */
import type { PointInfo, PointType, Report, Shape, Value } from '../core/point.ts';
import { POINT_TYPES, storageOf } from '../core/point.ts';
import { type CounterSettings, shapeWithTotals } from './totals.ts';

export const TABLES = ['holding', 'input', 'coil', 'discrete'] as const;
export type Table = (typeof TABLES)[number];
/** A is the most significant byte; the letters stand in the order of the wire. */
export const ORDERS = ['AB', 'BA', 'ABCD', 'CDAB', 'BADC', 'DCBA'] as const;
export type Order = (typeof ORDERS)[number];

export interface ModbusPoint {
  readonly name: string;
  readonly table: Table;
  /** 0-based register or bit; with `model` counted from the first register of that SunSpec model (0 is its number, 1 its length). */
  readonly address: number;
  /** A role of `sunspec` of the device. */
  readonly model?: string | undefined;
  readonly type: PointType;
  readonly order?: Order | undefined;
  /** Registers of a string (1..125) or of a datetime (2, 3, 4 or 6). */
  readonly length?: number | undefined;
  /** 0 is the least significant bit; makes a bool of a register of 16 or 32 bits. */
  readonly bit?: number | undefined;
  /** The number that `count` bits of a register of 16 or 32 bits are, from bit `first` up; signed where the type is. */
  readonly bits?: { readonly first: number; readonly count: number } | undefined;
  readonly scale?: number | undefined;
  readonly offset?: number | undefined;
  /** Another point of the device, an int16: the value is multiplied by ten to the power of it. */
  readonly scaleFactor?: string | undefined;
  /** UCUM code. */
  readonly unit?: string | undefined;
  /** Raw number -> label. */
  readonly enum?: Readonly<Record<string, string>> | undefined;
  /** Raw numbers that mean "no value"; a signed type may be given by its bit pattern (0x8000). */
  readonly invalid?: readonly (number | string)[] | undefined;
  /** Bounds of the value (after scale and offset). */
  readonly range?: { readonly min?: number | undefined; readonly max?: number | undefined } | undefined;
  /** A counter that starts again at 0; its cumulative value is another point of the device. */
  readonly counter?: CounterSettings | undefined;
  readonly report?: Report | undefined;
  readonly write?:
    | {
        /** Bounds of the value, in its unit. */
        readonly min?: number | undefined;
        readonly max?: number | undefined;
        /** Milliseconds between two writes. */
        readonly every: number;
        /** false: the point never shows the value written to it. */
        readonly readBack: boolean;
        readonly safe?: SafeRule | undefined;
      }
    | undefined;
}

/** The fail-safe value of a point. */
export interface SafeRule {
  readonly value: Value;
  readonly onStop: boolean;
  /** Milliseconds without any upstream; undefined: upstream does not matter. */
  readonly offline?: number | undefined;
}

/** Registers of each type; a string has its `length`, a datetime 2, 3, 4 or 6. */
const REGISTERS: Readonly<Record<Exclude<PointType, 'string' | 'datetime'>, number>> = {
  bool: 1,
  int8: 1,
  uint8: 1,
  int16: 1,
  uint16: 1,
  float16: 1,
  bcd16: 1,
  int32: 2,
  uint32: 2,
  float32: 2,
  bcd32: 2,
  int64: 4,
  uint64: 4,
  float64: 4,
};

export const DATETIME_LENGTHS = [2, 3, 4, 6] as const;

export function isBitTable(table: Table): boolean {
  return table === 'coil' || table === 'discrete';
}

/** How many addresses a point covers: bits of a coil or discrete table, else registers. */
export function widthOf(point: Pick<ModbusPoint, 'table' | 'type' | 'length'>): number {
  if (isBitTable(point.table)) return 1;
  switch (point.type) {
    case 'string':
      return point.length ?? 1;
    case 'datetime':
      return point.length ?? 2;
    default:
      return REGISTERS[point.type];
  }
}

/** The byte orders that fit a type; the first is the default. Empty where a point is a single bit of a bit table. */
export function ordersOf(point: Pick<ModbusPoint, 'table' | 'type' | 'length'>): readonly Order[] {
  if (isBitTable(point.table)) return [];
  const words = point.type === 'string' || (point.type === 'datetime' && widthOf(point) !== 2) ? 1 : widthOf(point);
  return words === 1 ? ['AB', 'BA'] : ['ABCD', 'CDAB', 'BADC', 'DCBA'];
}

/** Types that a raw number may mark as having no value: of a device all points of such a type may share their marks. */
export const SENTINEL_TYPES = POINT_TYPES.filter((type) => type !== 'bool' && type !== 'string');

/** Bits and signedness of the integer types. */
export const INTEGERS: Readonly<Partial<Record<PointType, readonly [bits: number, signed: boolean]>>> = {
  int8: [8, true],
  uint8: [8, false],
  int16: [16, true],
  uint16: [16, false],
  int32: [32, true],
  uint32: [32, false],
  int64: [64, true],
  uint64: [64, false],
};

/** Whether other points may lie in the same registers, so that writing it needs to know what they hold. */
export function sharesRegisters(point: ModbusPoint): boolean {
  if (isBitTable(point.table)) return false;
  return point.bit !== undefined || point.bits !== undefined || point.type === 'int8' || point.type === 'uint8';
}

export function isScaled(point: ModbusPoint): boolean {
  return (point.scale ?? 1) !== 1 || (point.offset ?? 0) !== 0 || point.scaleFactor !== undefined;
}

/**
 * A point as the rest of the gateway sees it. A `bit` is a bool whatever its register is; an `enum` gives its label, so
 * it is a string.
 */
export function pointInfo(point: ModbusPoint): PointInfo {
  const type: PointType = point.enum ? 'string' : point.bit === undefined ? point.type : 'bool';
  const info = { name: point.name, type, storage: storageOf(type, isScaled(point)), unit: point.unit };
  return { ...info, writable: point.write !== undefined };
}

/** The shape of a request that reads these points; behind them the cumulative values of the counters among them. */
export function shapeOf(device: string, points: readonly ModbusPoint[]): Shape {
  return shapeWithTotals(
    device,
    points.map((point) => ({ info: pointInfo(point), counter: point.counter, report: point.report })),
  );
}
