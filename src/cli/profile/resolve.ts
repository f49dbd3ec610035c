/** A profile as a gateway would use it: on a bus that is set as the device leaves the factory. */
import path from 'node:path';
import type { Fault } from '../../config/fault.ts';
import type { ResolvedDevice } from '../../config/kinds.ts';
import { mergeLayers } from '../../config/layers.ts';
import { loadConfigText } from '../../config/load.ts';
import type { Profile } from '../../config/profiles.ts';
import { ProfileLibrary, profileName } from '../../config/profiles.ts';
import { DRIVERS, kinds } from '../../gateway/registry.ts';

export interface ResolvedProfile {
  /** Absent when a fault hides it. */
  readonly profile?: Profile | undefined;
  /** Line settings as delivered. */
  readonly line: Readonly<Record<string, unknown>>;
  readonly device?: ResolvedDevice | undefined;
  readonly faults: readonly Fault[];
  /** Why there is no such profile at all. */
  readonly missing?: string | undefined;
}

/** @param target the name of a profile of the folders, or the file of one. Never throws. */
export function resolveProfile(target: string, dirs: readonly string[]): ResolvedProfile {
  const files = target.endsWith('.yaml') ? [target] : [];
  const name = profileName(target);
  const library = new ProfileLibrary(dirs, kinds, files);
  const found = library.get(name);
  if ('missing' in found) {
    const { missing } = found;
    return { line: {}, missing, faults: [{ file: target, line: 1, column: 1, path: '', message: missing }] };
  }
  if ('broken' in found) return { line: {}, faults: library.faults };
  const { profile } = found;
  const line = profile.line.length === 0 ? {} : mergeLayers(profile.line).value;
  // A driver of the family that knows lines: every profile fits one.
  const driver = DRIVERS.find((kind) => kind.family === profile.family && 'baudRate' in kind.bus.shape);
  const mqtt = profile.family === 'mqtt';
  const bus = mqtt ? { protocol: 'mqtt' } : { protocol: driver?.protocol, port: '/dev/ttyUSB0', ...line };
  // Everybody gives a device the topic that it has.
  const device = { bus: 'b', profile: name, ...(mqtt ? { topic: 'device' } : {}) };
  const text = JSON.stringify({ gateway: { id: 'g' }, broker: {}, buses: { b: bus }, devices: { d: device } });
  const { config, faults } = loadConfigText(text, path.join(path.dirname(profile.file), 'site.yaml'), kinds, {
    profileDirs: dirs,
    profileFiles: files,
  });
  return { profile, line, device: config?.devices.get('d'), faults };
}
