import type { PrivacyClass } from '../core/privacy.ts';
import { ucumDoubt, ucumFault } from '../core/ucum.ts';
import type { Place, Section } from './checker.ts';
import { check, checkPart, isSection, placeOf } from './checker.ts';
import type { Fault, Path } from './fault.ts';
import type { Around, DriverKind, Kinds, ResolvedBus, ResolvedDevice } from './kinds.ts';
import type { Layer } from './layers.ts';
import { mergeLayers } from './layers.ts';
import type { Profile, ProfileLibrary } from './profiles.ts';
import { NAME, nameFault } from './schema-parts.ts';
import { deviceKeys } from './sections.ts';
import { hint, nearest } from './suggest.ts';
import type { YamlSource } from './yaml-source.ts';
import { found, IN_QUOTES, quote } from './zod-words.ts';

export interface LoadedBus {
  /** Known as soon as the protocol is; the rest of the bus may still have faults. */
  readonly kind?: DriverKind;
  readonly resolved?: ResolvedBus;
}

export interface DeviceContext {
  readonly source: YamlSource;
  readonly kinds: Kinds;
  readonly library: ProfileLibrary;
  /** Absent: the section could not be read, so no bus can be called missing. */
  readonly buses: ReadonlyMap<string, LoadedBus> | undefined;
  readonly around: Around;
  readonly report: (fault: Fault) => void;
  readonly warn: (fault: Fault) => void;
}

export interface LoadedDevice {
  /** Absent when the device has a fault. */
  readonly resolved?: ResolvedDevice;
  /** The points by name; absent when a fault hides them. A point that has a fault itself is undefined. */
  readonly points?: ReadonlyMap<string, Section | undefined>;
  /** Classes that are written at points, and the one of the device. */
  readonly classes?: ReadonlyMap<string, PrivacyClass>;
  readonly privacy?: PrivacyClass | undefined;
}

/** Takes the devices in the order written; sees what two of them must not share. */
export class DeviceResolver {
  readonly #in: DeviceContext;
  readonly #devices = new Map<string, LoadedDevice>();
  readonly #addresses = new Map<string, string>();

  constructor(context: DeviceContext) {
    this.#in = context;
  }

  add(name: string, written: unknown): void {
    const { source, report } = this.#in;
    const at: Path = ['devices', name];
    this.#devices.set(name, {});
    if (!isSection(written)) {
      report(source.fault(at, `write a section with bus: and the other keys of the device; this is ${found(written)}`));
      return;
    }
    const misspelt = this.#misspelt(written, at);
    const bus = misspelt.keys.has('bus') ? undefined : this.#bus(written.bus, at);
    const profile = this.#profile(written.profile, at);
    const kind = bus?.kind;
    if (kind === undefined) return;
    if (profile === 'broken' || misspelt.keys.size > 0) {
      this.#checkOwn(Object.fromEntries(Object.entries(written).filter(([key]) => !misspelt.names.has(key))), kind, at);
      return;
    }
    if (profile !== undefined && profile.family !== kind.family) {
      const fits = this.#in.kinds.drivers.filter((k) => k.family === profile.family).map((k) => k.protocol);
      const text = `the profile ${profile.name} (${profile.title}) is for ${profile.family} devices, but the bus speaks ${kind.protocol}; put the device on a bus with ${fits.join(' or ')}`;
      report(source.fault([...at, 'profile'], text));
      return;
    }
    this.#resolve(name, written, kind, profile);
  }

  finish(): ReadonlyMap<string, LoadedDevice> {
    return this.#devices;
  }

  /** `profle: x`: the key is reported, and nothing that hangs on it is called missing. */
  #misspelt(written: Section, at: Path): { keys: Set<string>; names: Set<string> } {
    const { source, report, kinds } = this.#in;
    const own = ['bus', 'profile', 'points', 'privacy'];
    const found = { keys: new Set<string>(), names: new Set<string>() };
    for (const key of Object.keys(written)) {
      const meant =
        own.includes(key) || kinds.drivers.some(({ device }) => Object.hasOwn(device.shape, key)) ? undefined : nearest(key, own);
      if (meant === undefined || meant in written) continue;
      report(source.fault([...at, key], `"${key}" is not a key of this section; did you mean "${meant}"?`, 'key'));
      found.keys.add(meant);
      found.names.add(key);
    }
    return found;
  }

  #bus(written: unknown, at: Path): LoadedBus | undefined {
    const { source, report, buses } = this.#in;
    const where = [...at, 'bus'];
    if (written === undefined)
      report(source.fault(where, 'this key is missing; write the name of the bus that the device is on'));
    else if (typeof written !== 'string') report(source.fault(where, nameWords('bus', written, source.written(where))));
    else if (buses !== undefined) {
      const bus = buses.get(written);
      if (bus === undefined) report(source.fault(where, `there is no bus ${quote(written)}${hint(written, buses.keys())}`));
      return bus;
    }
    return undefined;
  }

  #profile(written: unknown, at: Path): Profile | 'broken' | undefined {
    const { source, report, library } = this.#in;
    if (written === undefined) return undefined;
    if (typeof written !== 'string') {
      const where = [...at, 'profile'];
      report(source.fault(where, nameWords('profile', written, source.written(where))));
      return 'broken';
    }
    const result = library.get(written);
    if ('profile' in result) return result.profile;
    if ('missing' in result) report(source.fault([...at, 'profile'], result.missing));
    return 'broken';
  }

  /** What can be said of a device without its profile. */
  #checkOwn(written: Section, kind: DriverKind, at: Path): void {
    const { source, report } = this.#in;
    const { bus: _, profile: __, privacy: ___, points, ...own } = written;
    checkPart(kind.device, own, placeOf(source, at), report);
    if (points !== undefined && !isSection(points)) report(noPoints(source, [...at, 'points'], points));
    else
      for (const [name, value] of Object.entries(points ?? {})) {
        const where = [...at, 'points', name];
        // Nothing takes a point of the profile away.
        if (value !== null && !wrongPoint(source, where, name, value, report))
          checkPart(kind.point, value, placeOf(source, where), report);
      }
  }

  #resolve(name: string, written: Section, kind: DriverKind, profile: Profile | undefined): void {
    const { source } = this.#in;
    const at: Path = ['devices', name];
    const { bus, profile: _, points: changes, privacy: ofDevice, ...own } = written;
    let sound = true;
    const report = (fault: Fault): void => {
      sound = false;
      this.#in.report(fault);
    };
    const merged = mergeLayers([...(profile?.device ?? []), { source, path: at, value: own }]);
    const foreign = this.#foreignKeys(own, kind);
    if (foreign !== undefined) {
      report(
        source.fault(
          [...at, 'bus'],
          `${foreign.keys.join(' and ')} belong to a device on a bus with protocol ${foreign.protocol}, but the bus ${String(bus)} has ${kind.protocol}; name another bus`,
        ),
      );
      return;
    }
    const settings = check(kind.device, merged.value, merged.place, (fault) => report(misplaced(fault, written, kind)));
    const broken = new Set<string>();
    const layers = this.#points(changes, profile, [...at, 'points'], { report, broken });
    if (layers.size === 0 && sound && (settings === undefined || kind.growing?.(settings) !== true)) {
      report(source.fault([...at, 'points'], 'the device has no points; write points: or name a profile:'));
    }
    const privacy = check(deviceKeys.privacy, ofDevice, placeOf(source, [...at, 'privacy']), report);
    const classes = new Map<string, PrivacyClass>();
    const points = new Map<string, Section>();
    const known = new Map<string, Section | undefined>();
    const merges = new Map<string, ReturnType<typeof mergeLayers>>();
    for (const [point, written] of layers) {
      const merge = mergeLayers(written);
      merges.set(point, merge);
      const checked = check(kind.point, merge.value, merge.place, report);
      // No driver reads it, and a bus need not start again for it.
      const { privacy: ofPoint, ...output } = checked ?? {};
      if (ofPoint !== undefined) classes.set(point, ofPoint as PrivacyClass);
      known.set(point, checked && output);
      if (checked !== undefined) points.set(point, output);
      if (typeof output.unit === 'string') this.#warnOfUnit(point, output.unit, merge.place);
    }
    for (const point of broken) known.set(point, undefined);
    for (const [point, derived] of kind.derivedPoints?.(points) ?? []) if (!known.has(point)) known.set(point, derived);
    if (profile !== undefined) this.#warnOfLine(profile, String(bus), written, at);
    // Points that cannot be read at all: nobody knows which there are.
    const hidden = changes !== undefined && !isSection(changes);
    const loaded = { ...(hidden ? {} : { points: known }), classes, privacy };
    this.#devices.set(name, loaded);
    if (settings === undefined) return;
    const resolved: ResolvedDevice = {
      name,
      bus: String(bus),
      profile: profile?.name,
      made: profile && { vendor: profile.info.vendor, model: profile.info.model },
      settings,
      points,
    };
    if (kind.beside === undefined) this.#address(resolved, kind, at, report);
    const before = sound;
    // A path of the device leads to the layer that wrote it.
    const placed = (path: Path): { place: Place; path: Path } => {
      const merge = path[0] === 'points' ? merges.get(String(path[1])) : undefined;
      return merge === undefined ? { place: merged.place, path } : { place: merge.place, path: path.slice(2) };
    };
    const others = [...this.#devices.values()].flatMap((other) => other.resolved ?? []).filter((other) => other.bus === bus);
    const faults = kind.checkDevice?.(resolved, this.#in.around) ?? [];
    for (const wrong of [...faults, ...(faults.length > 0 ? [] : (kind.beside?.(resolved, others) ?? []))]) {
      // When other faults exist, only faults of single sound points are certain.
      if (!before && wrong.path[0] !== 'points') continue;
      const { place, path } = placed(wrong.path);
      report(place.fault(path, wrong.message));
    }
    const inFile = (at: Path) => {
      const { place, path } = placed(at);
      return place.written(path);
    };
    for (const doubt of kind.deviceWarnings?.(resolved, inFile) ?? []) {
      const { place, path } = placed(doubt.path);
      this.#in.warn(place.fault(path, doubt.message));
    }
    if (sound) this.#devices.set(name, { ...loaded, resolved });
  }

  /** @param broken gets the points that are no section, or have no name that a point may have */
  #points(
    changes: unknown,
    profile: Profile | undefined,
    at: Path,
    { report, broken }: { readonly report: (fault: Fault) => void; readonly broken: Set<string> },
  ): Map<string, Layer[]> {
    const { source } = this.#in;
    const defaults = profile?.defaults ?? [];
    const layers = new Map<string, Layer[]>([...(profile?.points ?? [])].map(([name, own]) => [name, [...defaults, ...own]]));
    if (changes === undefined) return layers;
    if (!isSection(changes)) {
      report(noPoints(source, at, changes));
      return layers;
    }
    for (const [name, value] of Object.entries(changes)) {
      const where = [...at, name];
      const inherited = layers.get(name);
      if (value === null && inherited !== undefined) layers.delete(name);
      else if (value === null && profile !== undefined) {
        report(
          source.fault(
            where,
            `the profile ${profile.name} has no point of this name to remove${hint(name, profile.points.keys(), 20)}`,
            'key',
          ),
        );
      } else if (wrongPoint(source, where, name, value, report)) broken.add(name);
      else layers.set(name, [...(inherited ?? defaults), { source, path: where, value: value as Section }]);
    }
    return layers;
  }

  #address(device: ResolvedDevice, kind: DriverKind, at: Path, report: (fault: Fault) => void): void {
    const address = kind.address?.(device.settings);
    const key = `${device.bus}\n${address ?? ''}`;
    const other = this.#addresses.get(key);
    if (other === undefined) this.#addresses.set(key, device.name);
    else if (address === undefined) {
      report(
        this.#in.source.fault(
          [...at, 'bus'],
          `the device ${other} is already on ${device.bus}; a ${kind.protocol} bus has one device; give this device its own bus`,
        ),
      );
    } else {
      // Where the address stands depends on the driver; `unit` is its name in every Modbus protocol.
      report(
        this.#in.source.fault(
          [...at, 'unit'],
          `the device ${other} on ${device.bus} already has the address ${address}; every device on a bus needs its own`,
        ),
      );
    }
  }

  /** Keys that no device of this family has, and every one of which a device of another family has. */
  #foreignKeys(own: Section, kind: DriverKind): { keys: string[]; protocol: string } | undefined {
    const unknown = Object.keys(own).filter((key) => !Object.hasOwn(kind.device.shape, key));
    const other = this.#in.kinds.drivers.find(
      ({ family, device }) =>
        family !== kind.family && unknown.length > 1 && unknown.every((key) => Object.hasOwn(device.shape, key)),
    );
    return other && { keys: unknown, protocol: other.protocol };
  }

  #warnOfUnit(point: string, unit: string, place: Place): void {
    const doubt = ucumFault(unit) ?? ucumDoubt(unit, point);
    if (doubt !== undefined) this.#in.warn(place.fault(['unit'], doubt));
  }

  #warnOfLine(profile: Profile, bus: string, written: Section, at: Path): void {
    const settings = this.#in.buses?.get(bus)?.resolved?.settings;
    if (settings === undefined || profile.line.length === 0) return;
    const { value } = mergeLayers(profile.line);
    for (const [key, factory] of Object.entries(value)) {
      const set = settings[key];
      if (set === undefined || set === factory) continue;
      const text = `${profile.title}: its ${key} is ${String(factory)} when it is delivered, but the bus ${bus} has ${String(set)}; make sure that the device is set to ${String(set)}`;
      this.#in.warn(this.#in.source.fault([...at, 'profile' in written ? 'profile' : 'bus'], text));
    }
  }
}

/** `bus: 01` may be the name, and YAML reads a number. */
function nameWords(what: string, value: unknown, written: string | undefined): string {
  return typeof value === 'object' || written === undefined
    ? `write the name of a ${what}; this is ${found(value)}`
    : `${IN_QUOTES}"${written}"`;
}

/** A key that stands a level too high or too low. */
function misplaced(fault: Fault, written: Section, kind: DriverKind): Fault {
  const key = /^"([^"]*)" is not a key of this section/.exec(fault.message)?.[1];
  if (key === undefined || !(key in written)) return fault;
  const say = (message: string) => ({ ...fault, message });
  if (Object.hasOwn(kind.point.shape, key))
    return say(`"${key}" is a key of a point; write it under points and the name of the point`);
  if (Object.hasOwn(kind.bus.shape, key)) return say(`"${key}" is a key of the bus; write it under buses`);
  const isPoint = isSection(written[key]) && !/did you mean/.test(fault.message);
  return isPoint ? say(`"${key}" is not a key of a device; if it is a point, write it under points`) : fault;
}

function noPoints(source: YamlSource, at: Path, written: unknown): Fault {
  return source.fault(
    at,
    `write a section: each point indented under points, its keys under the point; this is ${found(written)}`,
  );
}

/** Reports a point whose name or form is wrong. */
function wrongPoint(source: YamlSource, where: Path, name: string, written: unknown, report: (fault: Fault) => void): boolean {
  if (!NAME.test(name) || name.length > 64) report(source.fault(where, nameFault(name), 'key'));
  else if (!isSection(written))
    report(
      source.fault(where, `a point is a section: the keys of the point, indented under its name; this is ${found(written)}`),
    );
  else return false;
  return true;
}
