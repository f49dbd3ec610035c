/** What the configuration of a device comes to: which topics it has, and what is read from each. Pure. */
import { sourceOf } from '../../codecs/serial/point-groups.ts';
import type { DecodeConfig, PointConfig } from '../../codecs/serial/types.ts';
import type { ResolvedDevice } from '../../config/kinds.ts';
import type { MqttDeviceSettings, MqttPointSettings } from './schema.ts';

export type WriteSettings = NonNullable<MqttPointSettings['write']>;

/** Points that come in the same messages. */
export interface Source {
  readonly filters: readonly string[];
  readonly decode: DecodeConfig;
  readonly points: ReadonlyMap<string, PointConfig>;
}

export interface Availability {
  readonly topic: string;
  readonly from: string;
  readonly online: string;
  readonly offline: string;
}

/** A point that may be written. */
export interface Writable {
  readonly point: PointConfig;
  /** Where it stands in a JSON message. */
  readonly from: string;
  readonly json: boolean;
  readonly write: WriteSettings;
}

export interface MqttPlan {
  readonly device: string;
  readonly sources: readonly Source[];
  readonly availability: readonly Availability[];
  readonly writable: ReadonlyMap<string, Writable>;
  /** Topics of which other clients are the readers. */
  readonly written: ReadonlySet<string>;
}

/** `{topic}` stands for the topic of the device. */
export function inTopic(written: string, topic: string): string {
  return written.replaceAll('{topic}', topic);
}

export function filtersOf(point: MqttPointSettings, { topic }: Pick<MqttDeviceSettings, 'topic'>): string[] {
  return [point.topic].flat().map((written) => inTopic(written, topic));
}

export function availabilityOf({ availability, topic }: MqttDeviceSettings): Availability[] {
  return (availability === undefined ? [] : [availability].flat()).map((one) => ({
    ...{ from: one.from, online: one.online.toLowerCase(), offline: one.offline.toLowerCase() },
    topic: inTopic(one.topic, topic),
  }));
}

export function planOf(device: ResolvedDevice): MqttPlan {
  const settings = device.settings as MqttDeviceSettings;
  const points = device.points as ReadonlyMap<string, MqttPointSettings>;
  const groups = Map.groupBy(points, ([, point]) =>
    JSON.stringify([filtersOf(point, settings), point.decode ?? settings.decode]),
  );
  const sources = Array.from(groups.values(), (members): Source => {
    const [, first] = members[0] as [string, MqttPointSettings];
    return {
      filters: filtersOf(first, settings),
      decode: first.decode ?? settings.decode,
      points: new Map(members.map(([name, point]) => [name, configOf(point)])),
    };
  });
  const writable = new Map<string, Writable>();
  for (const [name, point] of points) {
    if (point.write === undefined) continue;
    const write = { ...point.write, topic: inTopic(point.write.topic, settings.topic) };
    const json = (point.decode ?? settings.decode).type === 'json';
    writable.set(name, { point: configOf(point), from: sourceOf(name, point), json, write });
  }
  const written = new Set(Array.from(writable.values(), ({ write }) => write.topic));
  return { device: device.name, sources, availability: availabilityOf(settings), writable, written };
}

function configOf(point: MqttPointSettings): PointConfig {
  return { ...point, writable: point.write !== undefined };
}
