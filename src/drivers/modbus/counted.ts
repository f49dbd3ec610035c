/** Modbus points as the rules of counters see them. */
import { INTEGERS, type ModbusPoint, pointInfo } from '../../codecs/modbus-point.ts';
import type { DriverKind } from '../../config/kinds.ts';
import { type CountedPoint, totalsOf } from '../counter.ts';
import type { PointSettings } from './schema.ts';

export function countedPoint(point: ModbusPoint): CountedPoint {
  const { scale, offset, counter, type } = point;
  return { info: pointInfo(point), scale, offset, counter, capacity: capacityOf(point), holder: type };
}

/** How many raw numbers from 0 on the registers can hold; undefined for a float. */
function capacityOf({ type, bits }: ModbusPoint): number | undefined {
  if (type === 'bcd16') return 10_000;
  if (type === 'bcd32') return 100_000_000;
  const integer = INTEGERS[type];
  if (integer === undefined) return undefined;
  const [size, signed] = integer;
  return 2 ** ((bits?.count ?? size) - (signed ? 1 : 0));
}

export const derivedPoints: NonNullable<DriverKind['derivedPoints']> = (points) =>
  totalsOf(Array.from(points, ([name, settings]) => countedPoint({ name, ...(settings as unknown as PointSettings) })));
