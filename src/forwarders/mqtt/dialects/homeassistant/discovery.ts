/** The discovery messages of a site: one for each device, and one for the gateway itself. */
import type { SiteFacts } from '../../../../core/site-facts.ts';
import { VERSION } from '../../../../core/version.ts';
import { type Component, componentOf, type Platform, type PointOf } from './component.ts';
import type { Places } from './places.ts';

/** Devices that are announced, and components of each. */
export const MOST_DEVICES = 1000;
export const MOST_COMPONENTS = 500;

export interface Announced {
  readonly device: string;
  /** By the key under `cmps`. */
  readonly platforms: ReadonlyMap<string, Platform>;
  readonly points: ReadonlyMap<string, Component>;
  /** @param gone components that are to be removed */
  config(gone?: ReadonlyMap<string, Platform>): string;
}

export interface Announcement {
  readonly devices: ReadonlyMap<string, Announced>;
  /** Rules with a place in one of the devices. */
  readonly rules: ReadonlySet<string>;
  /** Points and rules that found no place. */
  readonly leftOut: number;
}

interface Inventory {
  readonly devices?: Readonly<Record<string, { readonly profile?: string; readonly points?: Readonly<Record<string, PointOf>> }>>;
}

export interface SiteOf {
  readonly inventory: () => string;
  readonly site: SiteFacts;
  readonly mayWrite: (device: string, point: string) => boolean;
}

/** Each component says it: older releases of Home Assistant take it of a device, and give it to none of its components. */
const QOS = 1;
const ORIGIN = { name: 'Sluice', sw_version: VERSION };

export function announcement({ inventory, site, mayWrite }: SiteOf, at: Places): Announcement {
  const devices = new Map<string, Announced>();
  const placed = new Set<string>();
  const rulesOf = Map.groupBy(site.rules(), ({ device }) => device);
  let leftOut = 0;
  for (const [device, { profile, points = {} }] of Object.entries((JSON.parse(inventory()) as Inventory).devices ?? {})) {
    const rules = (rulesOf.get(device) ?? []).map(({ name }) => name);
    const named = Object.entries(points);
    const left = devices.size < MOST_DEVICES ? MOST_COMPONENTS : 0;
    // Alarms first: there are fewer of them.
    const fitting = rules.slice(0, left);
    const shown = named.slice(0, left - fitting.length);
    leftOut += rules.length + named.length - fitting.length - shown.length;
    if (fitting.length + shown.length === 0) continue;
    for (const rule of fitting) placed.add(rule);
    const components = shown.map(
      ([point, of]) => [point, componentOf(of, site.point(device, point), mayWrite(device, point))] as const,
    );
    devices.set(device, announced(device, { components, rules: fitting, model: site.made(device), profile }, at));
  }
  return { devices, rules: placed, leftOut };
}

interface Parts {
  readonly components: readonly (readonly [string, Component])[];
  readonly rules: readonly string[];
  readonly model: ReturnType<SiteFacts['made']>;
  readonly profile: string | undefined;
}

function announced(device: string, { components, rules, model, profile }: Parts, at: Places): Announced {
  const cmps: Record<string, Readonly<Record<string, unknown>>> = {};
  const platforms = new Map<string, Platform>();
  for (const [point, { platform, keys }] of components) {
    platforms.set(point, platform);
    cmps[point] = {
      ...{ p: platform, name: point, unique_id: at.pointId(device, point), ...keys },
      ...{ value_template: `{{ value_json['${point}'] }}`, qos: QOS },
      ...(platform === 'sensor' || platform === 'binary_sensor' ? {} : { command_topic: at.set(device, point) }),
    };
  }
  for (const rule of rules) {
    platforms.set(alarmKey(rule), 'binary_sensor');
    cmps[alarmKey(rule)] = {
      ...{ p: 'binary_sensor', name: rule, unique_id: at.alarmId(rule), device_class: 'problem' },
      ...{ state_topic: at.alarm(rule), value_template: '{{ value_json.on }}', json_attributes_topic: at.alarm(rule) },
      qos: QOS,
      // The alarm of a silent device is known.
      availability: [{ topic: at.status }],
    };
  }
  const shared = {
    dev: {
      ...{ identifiers: [at.deviceId(device)], name: device, via_device: at.ownId },
      ...(model === undefined
        ? profile === undefined
          ? {}
          : { model: profile }
        : { manufacturer: model.vendor, model: model.model }),
    },
    o: ORIGIN,
    state_topic: at.state(device),
    ...{ availability: [{ topic: at.status }, { topic: at.available(device) }], availability_mode: 'all' },
  };
  return {
    ...{ device, platforms, points: new Map(components) },
    config: (gone) => {
      const stubs = [...(gone ?? [])].map(([key, p]) => [key, { p }]);
      // A component that becomes another one goes first.
      return JSON.stringify({ ...shared, cmps: { ...cmps, ...Object.fromEntries(stubs) } });
    },
  };
}

/** No name of a point has a large letter. */
const ALARM = 'ALARM-';
const alarmKey = (rule: string): string => `${ALARM}${rule}`;
/** Rules whose alarms have these keys of components. */
export const rulesAmong = (keys: Iterable<string>): string[] =>
  [...keys].filter((key) => key.startsWith(ALARM)).map((key) => key.slice(ALARM.length));

/** The gateway itself: whether it is connected. */
export function ownConfig(at: Places): string {
  return JSON.stringify({
    dev: { identifiers: [at.ownId], name: at.ownId, model: 'Sluice', sw_version: VERSION },
    o: ORIGIN,
    cmps: {
      connected: {
        ...{ p: 'binary_sensor', name: 'connected', unique_id: `${at.ownId}.CONNECTED`, device_class: 'connectivity' },
        ...{ state_topic: at.status, payload_on: 'online', payload_off: 'offline', qos: QOS },
      },
    },
  });
}
