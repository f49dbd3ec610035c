/** The inventory of sensing: what is measured, how private it is, why, how long it is kept, and where it goes with which precision. */
import type { GatewayConfig } from '../../config/kinds.ts';
import { type ClassUpstream, type ForwarderPrivacy, filterWants, outwardOf } from '../../config/privacy.ts';
import { classNow, leaves, PRIVACY_CLASSES, type PrivacyClass } from '../../core/privacy.ts';
import { formatDuration } from '../../core/units.ts';
import { kinds } from '../../gateway/registry.ts';

export interface SensedPoint {
  /** `device.point`; `device.*` for points that come while the gateway runs. */
  readonly point: string;
  readonly unit?: string | undefined;
  /** Rules that look at it. */
  readonly rules: readonly string[];
  /** Points that are computed from it. */
  readonly feeds: readonly string[];
}

export interface Destination {
  readonly forwarder: string;
  readonly to: string;
  readonly purpose?: string | undefined;
  readonly points: readonly string[];
  readonly precision: string;
}

export interface SensedClass {
  readonly class: PrivacyClass;
  readonly points: readonly SensedPoint[];
  /** Milliseconds; absent: as long as everything else. */
  readonly keep?: number | undefined;
  readonly upstream: string;
  readonly destinations: readonly Destination[];
}

export interface Sensing {
  readonly gateway: string;
  /** Milliseconds that every reading is kept at most. */
  readonly maxAge: number;
  readonly classes: readonly SensedClass[];
  /** Ways that stay on the site; they have every reading. */
  readonly local: readonly string[];
}

interface Known {
  readonly device: string;
  readonly name: string;
  readonly type: string;
  readonly unit: string | undefined;
  readonly class: PrivacyClass;
}

export function sensingOf(config: GatewayConfig): Sensing {
  const { privacy, gateway, buffer } = config;
  const points = pointsOf(config);
  const feeds = feedsOf(config);
  const classes = PRIVACY_CLASSES.flatMap((word): SensedClass[] => {
    const own = points.filter((point) => point.class === word);
    if (own.length === 0) return [];
    const keep = privacy?.keep[word];
    return [
      {
        class: word,
        points: own.map(({ device, name, unit }) => ({
          point: `${device}.${name}`,
          ...(unit === undefined ? {} : { unit }),
          rules: rulesOn(config, `${device}.${name}`),
          feeds: feeds.get(`${device}.${name}`) ?? [],
        })),
        ...(keep === undefined || keep >= buffer.maxAge ? {} : { keep }),
        upstream: upstreamWords(privacy?.upstream[word]),
        destinations: destinationsOf(config, own),
      },
    ];
  });
  return { gateway: gateway.id, maxAge: buffer.maxAge, classes, local: localWays(config) };
}

function pointsOf({ devices, buses, privacy }: GatewayConfig): Known[] {
  return [...devices.values()].flatMap((device) => {
    const kind = kinds.drivers.find(({ protocol }) => protocol === buses.get(device.bus)?.protocol);
    const of = (name: string, settings: Readonly<Record<string, unknown>>): Known => ({
      ...{ device: device.name, name, type: typeOf(settings) },
      unit: typeof settings.unit === 'string' ? settings.unit : undefined,
      class: classNow(privacy?.points ?? {}, device.name, name) ?? 'technical',
    });
    const known = Array.from(device.points, ([name, settings]) => of(name, settings));
    const more = Array.from(kind?.derivedPoints?.(device.points) ?? [], ([name, settings]) => of(name, settings));
    return [...known, ...more, ...(kind?.growing?.(device.settings) === true ? [of('*', {})] : [])];
  });
}

function typeOf({ type, enum: labels, bit }: Readonly<Record<string, unknown>>): string {
  if (labels !== undefined) return 'string';
  return bit === undefined ? String(type) : 'bool';
}

function rulesOn({ rules }: GatewayConfig, point: string): string[] {
  return [...rules.values()].flatMap(({ name, device, point: first, inputs = [] }) =>
    [`${device}.${first}`, ...inputs].includes(point) ? [name] : [],
  );
}

/** The points that are computed from a point, by its name. */
function feedsOf({ devices, buses }: GatewayConfig): Map<string, string[]> {
  const feeds = new Map<string, string[]>();
  for (const device of devices.values()) {
    const kind = kinds.drivers.find(({ protocol }) => protocol === buses.get(device.bus)?.protocol);
    for (const [point, inputs] of kind?.pointInputs?.(device) ?? [])
      for (const input of new Set(inputs)) feeds.set(input, [...(feeds.get(input) ?? []), `${device.name}.${point}`]);
  }
  return feeds;
}

function upstreamWords(rule: ClassUpstream | undefined): string {
  if (rule === undefined) return 'as it was read';
  if (rule === 'never') return 'never';
  return [
    ...(rule.aggregate === undefined ? [] : [`means of ${formatDuration(rule.aggregate)} or more`]),
    ...(rule.round === undefined ? [] : [`rounded to ${rule.round}`]),
  ].join(', ');
}

function destinationsOf({ forwarders, privacy }: GatewayConfig, points: readonly Known[]): Destination[] {
  return [...forwarders.values()].flatMap(({ name, type, settings }) => {
    const own = settings as ForwarderPrivacy;
    const outward = outwardOf(privacy, own);
    const steps = new Map<string, number>();
    for (const { device, name: point, type: of } of points) {
      const step = outward === undefined ? 0 : leaves(outward, device, { name: point, type: of });
      if (filterWants(own.filter, device, point) && step !== undefined) steps.set(`${device}.${point}`, step);
    }
    if (steps.size === 0) return [];
    const step = Math.max(...steps.values());
    const { every, as = 'mean' } = own.filter ?? {};
    const precision = [
      every === undefined ? 'every reading' : `${as === 'mean' ? 'means' : `the ${as} value`} of ${formatDuration(every)}`,
      ...(step > 0 ? [`rounded to ${step}`] : []),
    ].join(', ');
    const to = kinds.forwarders.find((kind) => kind.type === type)?.destination(settings) ?? type;
    const purpose = own.purpose === undefined ? {} : { purpose: own.purpose };
    return [{ forwarder: name, to: [to].flat().join(' or '), ...purpose, points: [...steps.keys()], precision }];
  });
}

function localWays({ broker, dashboard, nodeRed }: GatewayConfig): string[] {
  const at = (listen: readonly { readonly host: string; readonly port: number }[]): string =>
    listen.map(({ host, port }) => `${host}:${port}`).join(', ');
  return [
    'the log, and exports of it on this board',
    ...(broker === undefined ? [] : [`the embedded broker on ${at(broker.listen)}`]),
    ...(dashboard === undefined ? [] : [`the status page and the HTTP interface on ${at(dashboard.listen)}`]),
    ...(nodeRed?.enabled === true ? ['flows of Node-RED, which may send readings anywhere'] : []),
  ];
}
