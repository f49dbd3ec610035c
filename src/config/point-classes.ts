/** The classes of the points of a configuration. */
import { classNow, type PointClasses, PRIVACY_CLASSES, type PrivacyClass } from '../core/privacy.ts';
import type { LoadedBus, LoadedDevice } from './devices.ts';
import type { ConfiguredPoint } from './privacy.ts';
import { typeOf } from './privacy-warnings.ts';

/** The class of each point: its own, that of the point it follows from, that of its kind, that of its device. */
export function classesOf(
  devices: ReadonlyMap<string, LoadedDevice>,
  buses: ReadonlyMap<string, LoadedBus>,
): Record<string, PrivacyClass> {
  const classes: Record<string, PrivacyClass> = {};
  for (const [name, { resolved, points, classes: own, privacy }] of devices) {
    if (privacy !== undefined) classes[`${name}.*`] = privacy;
    const kind = resolved && buses.get(resolved.bus)?.kind;
    for (const [point, settings] of points ?? []) {
      if (resolved === undefined || settings === undefined) continue;
      const source = typeof settings.of === 'string' ? settings.of : point;
      const of = own?.get(source) ?? kind?.privacyOf?.(resolved, source, resolved.points.get(source) ?? settings);
      if (of !== undefined) classes[`${name}.${point}`] = of;
    }
  }
  inherit(classes, inputsOf(devices, buses));
  return classes;
}

/** Every point that has no fault; `*` for those that come while the gateway runs. */
export function* pointsOf(
  devices: ReadonlyMap<string, LoadedDevice>,
  buses: ReadonlyMap<string, LoadedBus>,
): Generator<ConfiguredPoint> {
  for (const [device, { resolved, points }] of devices) {
    for (const [name, settings] of points ?? []) if (settings !== undefined) yield { device, name, type: typeOf(settings) };
    if (resolved !== undefined && buses.get(resolved.bus)?.kind?.growing?.(resolved.settings) === true)
      yield { device, name: '*', type: '' };
  }
}

/** Points that follow from others and have no class of their own, with what they follow from. */
function inputsOf(
  devices: ReadonlyMap<string, LoadedDevice>,
  buses: ReadonlyMap<string, LoadedBus>,
): Map<string, readonly string[]> {
  const all = new Map<string, readonly string[]>();
  for (const [name, { resolved, privacy }] of devices) {
    const inputs = privacy === undefined && resolved && buses.get(resolved.bus)?.kind?.pointInputs?.(resolved);
    for (const [point, from] of inputs || []) all.set(`${name}.${point}`, from);
  }
  return all;
}

/**
 * A point that follows from others has the strictest of their classes, unless somebody says otherwise. A class only becomes stricter
 * here and comes along a chain in which no point stands twice, so there are at most as many rounds as points.
 */
export function inherit(classes: Record<string, PrivacyClass>, inputs: ReadonlyMap<string, readonly string[]>): void {
  const heirs = [...inputs].filter(([point]) => classes[point] === undefined);
  for (let round = 0; round <= heirs.length; round++) {
    let more = false;
    for (const [point, from] of heirs) {
      const of = strictest(from.flatMap((input) => classOf(classes, input) ?? []));
      if (of === undefined || of === classes[point]) continue;
      classes[point] = of;
      more = true;
    }
    if (!more) return;
  }
}

function classOf(classes: PointClasses, input: string): PrivacyClass | undefined {
  const dot = input.indexOf('.');
  return classNow(classes, input.slice(0, dot), input.slice(dot + 1));
}

/** The one that comes last in the table is the strictest. */
function strictest(all: readonly PrivacyClass[]): PrivacyClass | undefined {
  return PRIVACY_CLASSES.findLast((word) => all.includes(word));
}
