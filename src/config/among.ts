/** Rules between devices of all buses: what a driver can only say when every device is known. */
import type { LoadedBus, LoadedDevice } from './devices.ts';
import type { Fault } from './fault.ts';
import type { Kinds, KnownPoint, ResolvedDevice } from './kinds.ts';
import { storageOfPoint } from './rules.ts';
import { hint } from './suggest.ts';
import type { YamlSource } from './yaml-source.ts';
import { quote } from './zod-words.ts';

interface AmongContext {
  readonly source: YamlSource;
  readonly kinds: Kinds;
  readonly buses: ReadonlyMap<string, LoadedBus>;
  readonly report: (fault: Fault) => void;
}

export function checkAmong(devices: ReadonlyMap<string, LoadedDevice>, { source, kinds, buses, report }: AmongContext): void {
  for (const kind of kinds.drivers) {
    if (kind.checkAmong === undefined) continue;
    const own: ResolvedDevice[] = [];
    for (const { resolved } of devices.values())
      if (resolved !== undefined && buses.get(resolved.bus)?.kind === kind) own.push(resolved);
    if (own.length === 0) continue;
    const find = (device: string, point: string) => knownPoint(devices, device, point);
    for (const { device, path, message } of kind.checkAmong(own, find))
      report(source.fault(['devices', device, ...path], message));
  }
}

function knownPoint(devices: ReadonlyMap<string, LoadedDevice>, device: string, point: string): KnownPoint {
  const loaded = devices.get(device);
  if (loaded === undefined) return { missing: `there is no device ${quote(device)}${hint(device, devices.keys())}` };
  if (loaded.points === undefined) return { hidden: true };
  if (!loaded.points.has(point))
    return { missing: `the device ${device} has no point ${quote(point)}${hint(point, loaded.points.keys(), 20)}` };
  const settings = loaded.points.get(point);
  if (settings === undefined) return { hidden: true };
  const { unit } = settings;
  return { storage: storageOfPoint(settings), unit: typeof unit === 'string' ? unit : undefined };
}
