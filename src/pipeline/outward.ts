/** What a forwarder sees of the gateway, where classes of points are kept from it: no dialect can tell more than this. */
import type { LatestValue, LatestValues } from '../core/ports.ts';
import { type Classified, leaves, type Outward, roundTo, withoutNames, withoutWindows } from '../core/privacy.ts';
import type { SiteFacts } from '../core/site-facts.ts';
import { filteredInventory } from '../forwarders/mqtt/filter-keys.ts';

export interface Seen {
  readonly latest: LatestValues;
  readonly inventory: () => string;
  readonly site: SiteFacts;
}

export function seenBy(outward: Outward | undefined, all: Seen): Seen {
  if (outward === undefined) return all;
  // A latest value is a single reading.
  const single = withoutWindows(outward) as Outward;
  const step = (device: string, point: Classified): number | undefined => leaves(single, device, point);
  const shown = (value: LatestValue | undefined): LatestValue | undefined => {
    const of = value && step(value.device, { name: value.point, type: value.type });
    if (value === undefined || of === undefined) return undefined;
    return of === 0 || value.value === null ? value : { ...value, value: roundTo(value.value, of) };
  };
  const { latest, inventory, site } = all;
  return {
    latest: {
      get: (device, point) => shown(latest.get(device, point)),
      *all() {
        for (const value of latest.all()) {
          const own = shown(value);
          if (own !== undefined) yield own;
        }
      },
    },
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
