/** Grants of flows that grant nothing: what they name is not there. The gateway starts all the same, so these are warnings. */
import type { LoadedBus, LoadedDevice } from './devices.ts';
import type { Fault, Path } from './fault.ts';
import type { NodeRedConfig } from './node-red.ts';
import { hint } from './suggest.ts';
import type { YamlSource } from './yaml-source.ts';

export interface GrantContext {
  readonly source: YamlSource;
  /** Absent: the section could not be read, so nothing in it can be called missing. */
  readonly devices: ReadonlyMap<string, LoadedDevice> | undefined;
  readonly buses: ReadonlyMap<string, LoadedBus>;
  /** Names of all rules that are written; absent as above. */
  readonly rules: readonly string[] | undefined;
  readonly warn: (fault: Fault) => void;
}

export function warnOfUnknownGrants(grants: NodeRedConfig['grants'], context: GrantContext): void {
  const { source, rules, warn } = context;
  const at: Path = ['nodeRed', 'grants'];
  for (const [i, written] of (grants.write ?? []).entries()) {
    const unknown = unknownTarget(written, context);
    if (unknown !== undefined) warn(source.fault([...at, 'write', i], unknown));
  }
  if (rules === undefined) return;
  for (const key of ['acknowledge', 'shelve', 'reset', 'outOfService'] as const)
    for (const [i, rule] of (grants[key] ?? []).entries())
      if (rule !== '*' && !rules.includes(rule))
        warn(source.fault([...at, key, i], `there is no rule ${rule}, so this grants nothing${hint(rule, rules)}`));
}

/** @returns what is wrong, in words; undefined where the target exists, or may exist */
function unknownTarget(written: string, { devices, buses }: GrantContext): string | undefined {
  const [name = '', point = ''] = written.split('.');
  if (written === '*' || devices === undefined) return undefined;
  const device = devices.get(name);
  const all = [...devices].flatMap(([other, { points }]) => [...(points?.keys() ?? [])].map((one) => `${other}.${one}`));
  if (device === undefined)
    return point === '*'
      ? `there is no device ${name}, so this grants nothing${hint(name, devices.keys())}`
      : `there is no point ${written}, so this grants nothing${hint(written, all)}`;
  // The faults of a device are reported with the device.
  const { resolved, points } = device;
  if (point === '*' || points === undefined || resolved === undefined || points.has(point)) return undefined;
  if (buses.get(resolved.bus)?.kind?.growing?.(resolved.settings) === true) return undefined;
  return `there is no point ${written}, so this grants nothing${hint(written, all)}`;
}
