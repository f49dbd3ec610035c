/** Rules between `counter:` of a point and its other keys. */
import type { ModbusPoint } from '../../codecs/modbus-point.ts';
import { INTEGERS, pointInfo, totalName, totalType } from '../../codecs/modbus-point.ts';
import type { DriverKind } from '../../config/kinds.ts';
import type { PointSettings } from './schema.ts';

/** How long a name may be. */
const NAME_LENGTH = 64;

type Counter = NonNullable<ModbusPoint['counter']>;

export function* counterFaults(
  point: ModbusPoint,
  points: readonly ModbusPoint[],
): Generator<[key: keyof Counter | undefined, message: string]> {
  const { counter } = point;
  if (counter === undefined) return;
  const { storage } = pointInfo(point);
  if (storage !== 'number' && storage !== 'integer64') return yield [undefined, 'only numbers count'];
  if ((point.scale ?? 1) < 0) yield [undefined, 'a counter grows: its scale is above 0'];
  if ((point.offset ?? 0) !== 0) yield [undefined, 'a counter begins at 0: it has no offset'];
  yield* modulusFaults(point, counter);
  const total = totalName(point.name, counter);
  if (total.length > NAME_LENGTH) yield ['total', `${total} is too long for a name; give it one with total:`];
  const others = points.flatMap((p) => (p === point || p.counter === undefined ? [] : [totalName(p.name, p.counter)]));
  if (points.some((p) => p.name === total) || others.includes(total))
    yield ['total', `the device already has a point ${total}; give the cumulative value another name with total:`];
}

function* modulusFaults(point: ModbusPoint, counter: Counter): Generator<[key: keyof Counter, message: string]> {
  const modulus = Number(counter.modulus);
  if (!(modulus > 0)) yield ['modulus', 'a counter comes up to its modulus: it is above 0'];
  const most = capacity(point);
  if (most === undefined) return;
  if (!Number.isInteger(modulus)) yield ['modulus', `a ${point.type} counts whole raw numbers: so is its modulus`];
  else if (modulus > most) yield ['modulus', `a ${point.type} never comes so far: it holds less than ${most}`];
}

/** How many raw numbers from 0 on the registers can hold; undefined for a float. */
function capacity({ type, bits }: ModbusPoint): number | undefined {
  if (type === 'bcd16') return 10_000;
  if (type === 'bcd32') return 100_000_000;
  const integer = INTEGERS[type];
  if (integer === undefined) return undefined;
  const [size, signed] = integer;
  return 2 ** ((bits?.count ?? size) - (signed ? 1 : 0));
}

/** The cumulative points of a device, as far as rules need to know them. */
export const derivedPoints: NonNullable<DriverKind['derivedPoints']> = (points) =>
  new Map(
    [...points].flatMap(([name, settings]): [string, Record<string, unknown>][] => {
      const point: ModbusPoint = { name, ...(settings as unknown as PointSettings) };
      return point.counter === undefined ? [] : [[totalName(name, point.counter), { type: totalType(point) }]];
    }),
  );
