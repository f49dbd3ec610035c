/**
 * Format `sparkplug-b`: metrics of Sparkplug B 3.0, one message for each device of a batch. The page is
 * docs/reference/formats/sparkplug-b.md; golden files: test/cases/formats/sparkplug-b.
 *
 * - A payload here is the metrics of a DDATA without its head. The dialect puts the time and the number of the message in front,
 *   and writes the aliases of its births over the places that stand here: LEAST_ALIAS plus the index of the point in `to`. All
 *   aliases have three bytes, so nothing moves.
 * - `to` is `up` or `down` (as in format-thingsboard.ts), the device, and each point with the type that its values have here:
 *   `up pump pressure:9 running:11`. A number that its type cannot have (a scaled one) is a Double.
 */
import { hasValue, type LogRecord, type PointInfo, type Shape, type Value } from '../core/point.ts';
import { ABSENT, GOOD, qualityOf, reasonCode, reasonName } from '../core/reasons.ts';
import type { Batch, Encoded, PayloadFormat } from './format.ts';
import { ProtoWriter } from './protobuf.ts';
import {
  ALIAS_TAG,
  DATA_TYPES,
  type DataType,
  HISTORICAL_TAG,
  METRIC_TAG,
  NULL_TAG,
  type Properties,
  QUALITY,
  TIMESTAMP_TAG,
  writeProperties,
  writeValue,
  writtenTypeOf,
} from './sparkplug.ts';

/** The lowest number of three bytes, and the first that has four. */
export const LEAST_ALIAS = 2 ** 14;
export const ALIASES_END = 2 ** 21;

const NOT_A_NUMBER = reasonCode('not-a-number');
const RETAINED = reasonCode('retained');
/** A device of which nothing else comes is silent. */
const SILENT = [reasonCode('timeout'), reasonCode('disconnected')];

/** What a reading that is not good carries beside its value. */
export function qualityOfReason(reason: number): Properties {
  if (reason === GOOD) return [];
  return [
    ['Quality', reason === RETAINED ? QUALITY.stale : QUALITY.bad],
    ['reason', reasonName(reason)],
  ];
}

interface Name {
  readonly index: number;
  readonly type: DataType;
}

/** The message of one device as it grows. */
class DeviceMetrics {
  readonly #names = new Map<string, Name>();
  readonly #shapes = new Map<Shape, readonly Name[]>();
  readonly #out = new ProtoWriter(1024);
  silent = true;

  namesOf(shape: Shape): readonly Name[] {
    let names = this.#shapes.get(shape);
    if (names === undefined) {
      names = shape.points.map((point) => this.#name(point));
      this.#shapes.set(shape, names);
    }
    return names;
  }
  /** Two shapes of one name are two configurations, in which its type may differ. */
  #name(point: PointInfo): Name {
    const type = writtenTypeOf(point);
    const key = `${point.name}:${type}`;
    const name = this.#names.get(key) ?? { index: this.#names.size, type };
    this.#names.set(key, name);
    return name;
  }

  add(metric: Uint8Array): void {
    this.#out.byte(METRIC_TAG).varint(metric.length).raw(metric);
  }
  get empty(): boolean {
    return this.#out.length === 0;
  }
  message(device: string): Encoded {
    return { to: [this.silent ? 'down' : 'up', device, ...this.#names.keys()].join(' '), payload: this.#out.take() };
  }
}

function addRecord({ sample }: LogRecord, of: DeviceMetrics, { lane, offset, estimated }: Batch, scratch: ProtoWriter): void {
  const { shape, values, reasons, at } = sample;
  const names = of.namesOf(shape);
  const time = Math.max(0, Math.round(at + offset));
  for (let i = 0; i < names.length; i++) {
    let reason = reasons === null ? GOOD : (reasons[i] as number);
    if (reason === ABSENT) continue;
    const value = values[i] as Value;
    if (hasValue(reason) && typeof value === 'number' && !Number.isFinite(value)) reason = NOT_A_NUMBER;
    if (!SILENT.includes(reason)) of.silent = false;
    const { index, type } = names[i] as Name;
    scratch
      .clear()
      .byte(ALIAS_TAG)
      .varint(LEAST_ALIAS + index);
    scratch.byte(TIMESTAMP_TAG).varint(time);
    if (lane === 'history') scratch.byte(HISTORICAL_TAG).byte(1);
    if (qualityOf(reason) === 'bad') scratch.byte(NULL_TAG).byte(1);
    else writeWidened(scratch, value, type);
    const properties = qualityOfReason(reason);
    if (estimated) writeProperties(scratch, [...properties, ['clock', 'estimated']]);
    else if (properties.length > 0) writeProperties(scratch, properties);
    of.add(scratch.written);
  }
}

function writeWidened(out: ProtoWriter, value: Value, type: DataType): void {
  if (writeValue(out, value, type) || (typeof value === 'number' && writeValue(out, value, DATA_TYPES.Double))) return;
  writeValue(out, value, DATA_TYPES.String);
}

/** A message for each device that has a reading in the batch. */
export function sparkplugBatch(batch: Batch): Encoded[] {
  const devices = new Map<string, DeviceMetrics>();
  const scratch = new ProtoWriter(128);
  for (const record of batch.records) {
    const { device } = record.sample.shape;
    let metrics = devices.get(device);
    if (metrics === undefined) {
      metrics = new DeviceMetrics();
      devices.set(device, metrics);
    }
    addRecord(record, metrics, batch, scratch);
  }
  return [...devices].flatMap(([device, metrics]) => (metrics.empty ? [] : [metrics.message(device)]));
}

export const sparkplugB: PayloadFormat = { name: 'sparkplug-b', encode: sparkplugBatch };
