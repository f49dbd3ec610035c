/** Rules between the keys of a device and its points, that a schema cannot say. */
import type { ModbusPoint } from '../../codecs/modbus-point.ts';
import {
  DATETIME_LENGTHS,
  isBitTable,
  isScaled,
  ordersOf,
  pointInfo,
  SENTINEL_TYPES,
  widthOf,
} from '../../codecs/modbus-point.ts';
import type { Around, ResolvedDevice } from '../../config/kinds.ts';
import { reportFaults } from '../../config/report.ts';
import { hint } from '../../config/suggest.ts';
import { counterFaults } from '../counter.ts';
import { writeFaults } from './check-write.ts';
import { countedPoint } from './counted.ts';
import type { DeviceSettings, PointSettings } from './schema.ts';
import { modelFaults } from './sunspec.ts';

export interface Fault {
  readonly path: readonly (string | number)[];
  readonly message: string;
}

/** Points of a device as codec and planner take them, in the order written. */
export function pointsOf(device: ResolvedDevice): (PointSettings & { readonly name: string })[] {
  const marks = (device.settings as unknown as DeviceSettings).invalid ?? {};
  return [...device.points].map(([name, settings]) => {
    // The config room has parsed each point by the schema of this room.
    const point = { name, ...(settings as unknown as PointSettings) };
    const type = SENTINEL_TYPES.find((t) => t === point.type);
    const invalid = point.invalid ?? (type === undefined || !canBeMarked(point) ? undefined : marks[type]);
    return invalid === undefined ? point : { ...point, invalid };
  });
}

const NO_NUMBER: readonly string[] = ['bool', 'string', 'datetime'];
const FLOATS: readonly string[] = ['float16', 'float32', 'float64'];
const WHOLE = 'raw values of this type are whole numbers; write those above 2^53 in quotes';
const isWhole = (raw: number | string) => typeof raw === 'string' || Number.isSafeInteger(raw);

/** Whether its value is a number, as the rest of the gateway sees it. */
function isNumber(point: ModbusPoint): boolean {
  const { storage } = pointInfo(point);
  return storage === 'number' || storage === 'integer64';
}

/** Whether there are raw numbers that can mean "no value": a time has one only where it is one number (Unix seconds). */
function canBeMarked(point: ModbusPoint): boolean {
  if (isBitTable(point.table) || point.type === 'string') return false;
  if (point.type === 'datetime') return widthOf(point) === 2;
  return point.type !== 'bool' || point.bit !== undefined;
}

/** @param serial a serial line has no unit 0 (broadcast) and no 255 */
export function checkDevice(device: ResolvedDevice, serial: boolean, around?: Around): Fault[] {
  const settings = device.settings as unknown as DeviceSettings;
  const { unit: unitId, limits } = settings;
  const faults: Fault[] = [];
  if (unitId > 247 && (serial || unitId !== 255))
    faults.push({ path: ['unit'], message: `write a unit from 1 to 247${serial ? '' : '; 255 means the TCP device itself'}` });
  if (unitId === 0 && serial)
    faults.push({ path: ['unit'], message: 'unit 0 is broadcast, and no device answers it; write a unit from 1 to 247' });
  for (const [i, { from, to }] of (limits.gaps ?? []).entries())
    if (from > to)
      faults.push({ path: ['limits', 'gaps', i, 'to'], message: `the last address (${to}) is before the first (${from})` });
  const gaps = settings.sunspec === undefined ? limits.gaps : undefined;
  if (gaps === undefined)
    for (const i of (limits.gaps ?? []).keys())
      faults.push({
        path: ['limits', 'gaps', i],
        message: 'the places of SunSpec models are not known before the device is read; write limits.maxGap: 0 instead of gaps',
      });
  for (const [type, marks] of Object.entries(settings.invalid ?? {}))
    if (!FLOATS.includes(type) && !marks.every(isWhole)) faults.push({ path: ['invalid', type], message: WHOLE });
  const points = pointsOf(device);
  for (const point of points) {
    const end = point.address + widthOf(point);
    const gap = gaps?.find((g) => g.table === point.table && g.from < end && g.to >= point.address);
    if (gap !== undefined) {
      const message = `this point is in limits.gaps (${gap.table} ${gap.from} to ${gap.to}), which is never read`;
      faults.push({ path: ['points', point.name, 'address'], message });
    }
    for (const [key, message] of [
      ...faultsOf(point, limits.maxRegisters),
      ...factorFaults(point, points),
      ...modelFaults(point, settings),
    ])
      faults.push({ path: ['points', point.name, key], message });
    for (const [key, message] of counterFaults(countedPoint(point), points.map(countedPoint)))
      faults.push({ path: ['points', point.name, 'counter', ...(key === undefined ? [] : [key])], message });
    for (const [key, message] of reportFaults(point.report, isNumber(point)))
      faults.push({ path: ['points', point.name, 'report', ...(key === undefined ? [] : [key])], message });
    for (const [keys, message] of writeFaults(point, isNumber(point), around))
      faults.push({ path: ['points', point.name, 'write', ...keys], message });
  }
  return faults;
}

function* factorFaults(p: ModbusPoint, points: readonly ModbusPoint[]): Generator<[key: keyof ModbusPoint, message: string]> {
  if (p.scaleFactor === undefined) return;
  const factor = points.find((point) => point.name === p.scaleFactor);
  const names = points.filter((point) => point.type === 'int16' && point !== p).map((point) => point.name);
  if (factor === undefined) yield ['scaleFactor', `the device has no point ${p.scaleFactor}${hint(p.scaleFactor, names, 8)}`];
  else if (factor.type !== 'int16' || isScaled(factor) || factor.enum || factor.bits || factor.bit !== undefined)
    yield ['scaleFactor', `${factor.name} must be a plain int16, without scale, offset, enum and bits`];
}

function* faultsOf(p: ModbusPoint, maxRegisters: number): Generator<[key: keyof ModbusPoint, message: string]> {
  const bits = isBitTable(p.table);
  const numeric = !NO_NUMBER.includes(p.type) && p.bit === undefined;
  if (bits && p.type !== 'bool') yield ['type', `a ${p.table} is one bit: its type is bool`];
  if (bits && p.order !== undefined) yield ['order', `a ${p.table} is one bit and has no byte order`];
  if (bits && p.bit !== undefined) yield ['bit', `a ${p.table} is one bit already`];
  const size = widthOf(p) * 16;
  if (p.bit !== undefined && !['bool', 'int16', 'uint16', 'int32', 'uint32'].includes(p.type))
    yield ['bit', `bit needs a register of 16 or 32 bits (type uint16 or uint32), not ${p.type}`];
  else if (p.bit !== undefined && !bits && p.bit >= size) yield ['bit', `${p.type} has the bits 0 to ${size - 1}`];
  if (p.bits && p.bit !== undefined) yield ['bits', 'write either bit (one bit) or bits (several)'];
  if (p.bits && (bits || !['int16', 'uint16', 'int32', 'uint32'].includes(p.type)))
    yield ['bits', `bits need a register of 16 or 32 bits (type uint16 or uint32), not ${bits ? `a ${p.table}` : p.type}`];
  else if (p.bits && p.bits.first + p.bits.count > size) yield ['bits', `${p.type} has the bits 0 to ${size - 1}`];

  if (p.type === 'string' && p.length === undefined)
    yield ['length', 'a string needs its length in registers (two characters each)'];
  if (p.type === 'datetime' && p.length !== undefined && !DATETIME_LENGTHS.some((n) => n === p.length))
    yield ['length', `a datetime has ${DATETIME_LENGTHS.join(', ')} registers, not ${p.length}`];
  if (p.type !== 'string' && p.type !== 'datetime' && p.length !== undefined)
    yield ['length', `${p.type} has a fixed length; remove length`];
  const width = widthOf(p);
  if (p.address + width > 65536)
    yield ['address', `${p.type} takes ${width} registers from ${p.address}, past the last one (65535)`];
  if (!bits && width > maxRegisters)
    yield ['length', `the device answers at most ${maxRegisters} registers at once, this takes ${width}`];
  const orders = ordersOf(p);
  if (!bits && p.order !== undefined && !orders.includes(p.order))
    yield ['order', `${p.type} has order ${orders.join(', ')}, not ${p.order}`];

  if (p.scale === 0) yield ['scale', 'a scale of 0 makes every value the same'];
  for (const key of ['scale', 'offset', 'scaleFactor'] as const)
    if (!numeric && isScaled(p) && p[key] !== undefined) yield [key, `only numbers have ${key}`];
  if (!numeric && p.range) yield ['range', 'only numbers have a range'];
  if (p.invalid?.length && !canBeMarked(p)) yield ['invalid', `a ${p.type} has no raw number that could be invalid`];
  else if (!FLOATS.includes(p.type) && p.invalid?.some((raw) => !isWhole(raw))) yield ['invalid', WHOLE];
  if (p.range?.min !== undefined && p.range.max !== undefined && p.range.min > p.range.max) yield ['range', 'min is above max'];
  if (p.enum && (p.type === 'string' || p.type === 'datetime' || FLOATS.includes(p.type) || /64$/.test(p.type)))
    yield ['enum', `labels need whole numbers of up to 32 bits, not ${p.type}`];
  if (p.enum && (isScaled(p) || p.range))
    yield ['enum', 'labels stand for raw numbers; remove scale, offset, scaleFactor and range'];
}
