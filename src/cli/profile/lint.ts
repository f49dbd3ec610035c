/** Checks what a good profile has beyond being valid: sources, units, a reading of every point, no register read twice. */
import type { ModbusPoint } from '../../codecs/modbus-point.ts';
import { widthOf } from '../../codecs/modbus-point.ts';
import type { Fault, Path } from '../../config/fault.ts';
import type { ResolvedDevice } from '../../config/kinds.ts';
import type { ProfileCases } from '../../config/profile-case.ts';
import type { Profile } from '../../config/profiles.ts';
import { ucumDoubt, ucumFault } from '../../core/ucum.ts';
import { kinds } from '../../gateway/registry.ts';

/** Words by which a source shows that it is the maker's own or a standard. */
const FIRST_HAND = /manual|data ?sheet|specification|protocol|instruction|standard|说明书/i;

export function lintProfile(profile: Profile, device: ResolvedDevice, cases: ProfileCases | undefined): Fault[] {
  const faults: Fault[] = [];
  const at = (path: Path, message: string) => faults.push(profile.source.fault(path, message));
  const { sources } = profile.info;
  if (sources.length < 2 && !sources.some((source) => FIRST_HAND.test(source)))
    at(['sources'], "name two independent sources that agree, or the maker's manual");
  const kind = kinds.drivers.find(({ family }) => family === profile.family);
  const hasLine = kinds.drivers.some(({ family, line }) => family === profile.family && Object.keys(line.shape).length > 0);
  // SunSpec devices are on a network as a rule, and their serial line is set on the device.
  if (hasLine && profile.line.length === 0 && device.settings.sunspec === undefined)
    at([], 'say in `line` how the device is set when it is delivered: {baudRate: 9600, parity: none}');
  for (const [name, { unit }] of device.points) {
    const wrong = typeof unit === 'string' ? (ucumFault(unit) ?? ucumDoubt(unit, name)) : undefined;
    if (wrong !== undefined) at(['points', name, 'unit'], wrong);
  }
  for (const doubt of kind?.deviceWarnings?.(device, (path) => profile.source.written(path)) ?? []) at(doubt.path, doubt.message);
  for (const [one, other] of overlaps(device))
    at(['points', other], `${other} and ${one} are made of the same registers: leave one out, or correct an address`);
  if (cases === undefined) return faults;
  const seen = new Set(cases.cases.flatMap(({ readings }) => Object.keys(readings)));
  const derived = kind?.derivedPoints?.(device.points);
  const unseen = [...device.points.keys()].filter((name) => !seen.has(name));
  for (const name of unseen) at(['points', name], `no case has a reading of ${name}: add one, worked out from the documentation`);
  for (const name of seen)
    if (!device.points.has(name) && !derived?.has(name))
      at(['points'], `the case has readings of ${name}, which is not a point of this profile`);
  return faults;
}

/** Pairs of points that share a register without being parts of it (bits). */
function overlaps(device: ResolvedDevice): [string, string][] {
  const points = [...device.points].flatMap(([name, settings]) =>
    'table' in settings ? [{ name, ...(settings as unknown as Omit<ModbusPoint, 'name'>) }] : [],
  );
  return points.flatMap((one, i) =>
    points
      .slice(i + 1)
      .filter((other) => other.table === one.table && other.model === one.model && !areParts(one, other))
      .filter((other) => other.address < one.address + widthOf(one) && one.address < other.address + widthOf(other))
      .map((other): [string, string] => [one.name, other.name]),
  );
}

/** Different bits, or different bytes, of a register. */
function areParts(one: ModbusPoint, other: ModbusPoint): boolean {
  const [a, b] = [bitsOf(one), bitsOf(other)];
  if (a !== undefined && b !== undefined) return a.first >= b.first + b.count || b.first >= a.first + a.count;
  // A register may be read whole and by some of its bits as well.
  return a !== undefined || b !== undefined;
}

function bitsOf({ bit, bits, type, order }: ModbusPoint): { first: number; count: number } | undefined {
  if (bit !== undefined) return { first: bit, count: 1 };
  if (type === 'uint8' || type === 'int8') return { first: order === 'BA' ? 8 : 0, count: 8 };
  return bits;
}
