/** What a forwarder names of the rest of the configuration: names that do not exist are faults. */
import type { LoadedBus, LoadedDevice } from './devices.ts';
import { hint } from './suggest.ts';

export interface TargetContext {
  /** Absent: the section could not be read, so nothing in it can be called missing. */
  readonly devices: ReadonlyMap<string, LoadedDevice> | undefined;
  readonly buses: ReadonlyMap<string, LoadedBus>;
}

/** @param target `device`, `device.point`, `device.*` or `*.point` @returns what is wrong, in words; undefined where it exists, or may exist */
export function targetFault(target: string, { devices, buses }: TargetContext): string | undefined {
  if (devices === undefined) return undefined;
  const [name = '', point = '*'] = target.split('.');
  const pointsOf = ({ points }: LoadedDevice): string[] => [...(points?.keys() ?? [])];
  // Its points are not all known: a fault hides them, or they come with time.
  const open = ({ points, resolved }: LoadedDevice): boolean =>
    points === undefined || resolved === undefined || buses.get(resolved.bus)?.kind?.growing?.(resolved.settings) === true;
  if (name === '*') {
    const all = new Set([...devices.values()].flatMap(pointsOf));
    if (all.has(point) || [...devices.values()].some(open)) return undefined;
    return `no device has a point ${point}${hint(point, all)}`;
  }
  const device = devices.get(name);
  if (device === undefined) return `there is no device ${name}${hint(name, devices.keys())}`;
  if (point === '*' || open(device) || pointsOf(device).includes(point)) return undefined;
  return `${name} has no point ${point}${hint(point, pointsOf(device))}`;
}
