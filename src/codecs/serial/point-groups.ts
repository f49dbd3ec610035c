/**
 * Decoded frames become samples: one group of points, with a shape of its own, for each kind of frame. What no point asks
 * for gives nothing.
 */
import type { PointInfo, Sample, Shape, Value } from '../../core/point.ts';
import { storageOf } from '../../core/point.ts';
import { ABSENT, GOOD } from '../../core/reasons.ts';
import type { CounterMemory } from '../counter.ts';
import { fillTotals, shapeWithTotals, type Total, totalName, totalReader } from '../totals.ts';
import { BinaryDecoder } from './binary-decoder.ts';
import { NmeaDecoder } from './nmea.ts';
import { CsvDecoder, JsonDecoder, KeyValueDecoder, RegexDecoder, WholeDecoder } from './text-decoders.ts';
import type { DecodeConfig, Decoded, Decoder, PointConfig, TalkerConfig } from './types.ts';
import { isScaled, scaled, toReading } from './values.ts';

/** Where a point stands in the frame: `from`, or a field of its own name. */
export function sourceOf(name: string, point: PointConfig): string {
  return String(point.from ?? name);
}

/** The shape that a point belongs to: the sentence of NMEA, else ''. */
export function groupOf(decode: DecodeConfig, name: string, point: PointConfig): string {
  return decode.type === 'nmea' ? (sourceOf(name, point).split('.')[0] ?? '') : '';
}

/** A point as the rest of the gateway sees it. */
export function infoOf(name: string, point: PointConfig): PointInfo {
  const type = point.enum === undefined ? point.type : 'string';
  const storage = storageOf(type, isScaled(point));
  return { name, type, storage, unit: point.unit, writable: point.writable ?? false };
}

/** @throws SluiceError config-invalid for a pattern that is none */
export function createDecoder({ decode, points }: Pick<TalkerConfig, 'decode' | 'points'>): Decoder {
  const sources = Array.from(points, ([name, point]) => sourceOf(name, point));
  switch (decode.type) {
    case 'regex':
      return new RegexDecoder(decode);
    case 'csv':
      return new CsvDecoder(decode, sources);
    case 'json':
      return new JsonDecoder();
    case 'text':
      return new WholeDecoder();
    case 'key-value':
      return new KeyValueDecoder(decode, sources);
    case 'nmea':
      return new NmeaDecoder(sources.map((from) => from.split('.')[0] ?? ''));
    case 'binary':
      return new BinaryDecoder(decode);
  }
}

export interface GroupsConfig extends Pick<TalkerConfig, 'device' | 'decode' | 'points'> {
  /** Where the frames come from, where a device has several places: a counter of another place is another counter. */
  readonly place?: string | undefined;
}

interface Group {
  readonly shape: Shape;
  readonly points: readonly { readonly from: string; readonly config: PointConfig }[];
  readonly totals: readonly Total[];
}

export class PointGroups {
  readonly shapes: readonly Shape[];
  readonly #groups = new Map<string, Group>();

  constructor(config: GroupsConfig, counters: CounterMemory) {
    const members = Map.groupBy(config.points, ([name, point]) => groupOf(config.decode, name, point));
    for (const [group, points] of members)
      this.#groups.set(group, {
        shape: shapeOf(config.device, points),
        points: points.map(([name, point]) => ({ from: sourceOf(name, point), config: point })),
        totals: totalsOf(config, points, counters),
      });
    this.shapes = Array.from(this.#groups.values(), (group) => group.shape);
  }

  /**
   * @param at monotonic ms
   * @param doubt the reason for which good readings are uncertain; counters do not count them
   * @returns undefined: nothing that a point asks for
   */
  read(decoded: Decoded, at: number, doubt: number = GOOD): Sample | undefined {
    const group = decoded.kind === 'fields' ? this.#groups.get(decoded.group) : undefined;
    if (decoded.kind !== 'fields' || group === undefined) return undefined;
    const values = new Array<Value>(group.shape.points.length);
    const reasons = new Uint8Array(group.shape.points.length);
    for (const [i, { from, config }] of group.points.entries()) {
      const reading = toReading(decoded.get(from), config);
      values[i] = reading.value;
      reasons[i] = reading.reason === GOOD ? doubt : reading.reason;
    }
    if (group.points.every((_, i) => reasons[i] === ABSENT)) return undefined;
    fillTotals(group.totals, values, reasons, at);
    return { shape: group.shape, at, values, reasons: reasons.every((reason) => reason === GOOD) ? null : reasons };
  }

  /** What the frame has for the points, as text, to compare it with another. */
  raw(decoded: Decoded): string[] {
    const group = decoded.kind === 'fields' ? this.#groups.get(decoded.group) : undefined;
    if (decoded.kind !== 'fields' || group === undefined) return [];
    return group.points.map(({ from }) => String(decoded.get(from)));
  }
}

function shapeOf(device: string, points: readonly (readonly [string, PointConfig])[]): Shape {
  return shapeWithTotals(
    device,
    points.map(([name, point]) => ({ info: infoOf(name, point), counter: point.counter, report: point.report })),
  );
}

/** The totals of the points of a shape; they stand behind the points, in the same order. */
function totalsOf(
  { device, decode, place }: GroupsConfig,
  points: readonly (readonly [string, PointConfig])[],
  counters: CounterMemory,
): Total[] {
  return points
    .flatMap(([name, point], index) => {
      const { counter, type, scale } = point;
      if (counter === undefined) return [];
      const what = [decode.type, sourceOf(name, point), type, scale ?? 1, ...(place === undefined ? [] : [place])];
      const key = { device, point: name, total: totalName(name, counter), fingerprint: JSON.stringify(what) };
      const { modulus, maxPerSecond } = counter;
      const whole = infoOf(name, point).storage === 'integer64';
      const rules = { modulus: whole ? BigInt(modulus) : scaled(Number(modulus), point), maxPerSecond };
      return [{ index, read: totalReader(key, counters, () => rules) }];
    })
    .map((total, k) => ({ ...total, slot: points.length + k }));
}
