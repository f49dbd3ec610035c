/** What a forwarder sees of the gateway, where classes of points are kept from it: no dialect can tell more than this. */
import type { LatestValue, LatestValues } from '../core/ports.ts';
import { leaves, type Outward, roundTo, withoutNames, withoutWindows } from '../core/privacy.ts';
import type { SiteFacts } from '../core/site-facts.ts';
import { filteredInventory } from '../forwarders/mqtt/filter-keys.ts';
import { coarser, type HeldValues } from './held-values.ts';

export interface Seen {
  readonly latest: LatestValues;
  readonly inventory: () => string;
  readonly site: SiteFacts;
}

/** @param held what an earlier configuration kept from it */
export function seenBy(outward: Outward | undefined, all: Seen, held: Pick<HeldValues, 'stepOf'>): Seen {
  // A latest value is a single reading.
  const single = withoutWindows(outward);
  const shown = (value: LatestValue | undefined): LatestValue | undefined => {
    if (value === undefined) return undefined;
    const { device, point: name, type, privacy } = value;
    const of = coarser(single === undefined ? 0 : leaves(single, device, { name, type, privacy }), held.stepOf(value));
    if (of === undefined) return undefined;
    return of === 0 || value.value === null ? value : { ...value, value: roundTo(value.value, of) };
  };
  const { inventory, site } = all;
  const latest: LatestValues = {
    get: (device, point) => shown(all.latest.get(device, point)),
    *all() {
      for (const value of all.latest.all()) {
        const own = shown(value);
        if (own !== undefined) yield own;
      }
    },
  };
  if (outward === undefined) return { latest, inventory, site };
  return {
    latest,
    inventory: () => filteredInventory({ outward }, inventory()),
    site: {
      ...{ made: (device) => site.made(device), rules: () => site.rules() },
      alarms: () => Array.from(site.alarms(), (alarm) => ({ ...alarm, json: withoutNames(outward, alarm.json) })),
      counters: () => site.counters?.() ?? [],
      point: (device, point) => {
        const facts = site.point(device, point);
        const of = leaves(outward, device, { name: point, type: '' });
        // A rounded number is not the one on the wire.
        return facts === undefined || of === undefined ? undefined : of === 0 ? facts : { ...facts, plain: undefined };
      },
    },
  };
}
