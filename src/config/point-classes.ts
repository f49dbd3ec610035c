/** The classes of the points of a configuration. */
import { classNow, type PointClasses, PRIVACY_CLASSES, type PrivacyClass } from '../core/privacy.ts';
import type { LoadedBus, LoadedDevice } from './devices.ts';

/** Points that follow from points that follow from points: so many steps are looked at. */
const DEEPEST = 16;

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
  // A point that follows from others says what they say, unless somebody says otherwise.
  for (let round = 0; round < DEEPEST; round++) {
    let more = false;
    for (const [name, { resolved }] of devices) {
      const inputs = resolved && buses.get(resolved.bus)?.kind?.pointInputs?.(resolved);
      for (const [point, from] of inputs ?? []) {
        if (classes[`${name}.${point}`] !== undefined || devices.get(name)?.privacy !== undefined) continue;
        const of = strictest(from.flatMap((input) => classOf(classes, input) ?? []));
        if (of === undefined) continue;
        classes[`${name}.${point}`] = of;
        more = true;
      }
    }
    if (!more) break;
  }
  return classes;
}

function classOf(classes: PointClasses, input: string): PrivacyClass | undefined {
  const dot = input.indexOf('.');
  return classNow(classes, input.slice(0, dot), input.slice(dot + 1));
}

/** The one that comes last in the table is the strictest. */
function strictest(all: readonly PrivacyClass[]): PrivacyClass | undefined {
  return PRIVACY_CLASSES.findLast((word) => all.includes(word));
}
