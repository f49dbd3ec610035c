/**
 * Format `thingsboard`: telemetry of the gateway API of ThingsBoard, one message for each device of a batch. Golden files:
 * test/cases/formats/thingsboard; the page is docs/reference/formats/thingsboard.md.
 *
 * - The platform overwrites what has the same device, key and time: a repeat changes nothing.
 * - It fixes the type of a key by each value, so a number always has a decimal point.
 * - `to` is `up <device>` or `down <device>`: whether the batch has anything that the device said itself.
 */
import { hasValue, type LogRecord, type PointInfo, type Shape, type Value } from '../core/point.ts';
import { ABSENT, GOOD, qualityOf, reasonCode, reasonName } from '../core/reasons.ts';
import type { Batch, Encoded, PayloadFormat } from './format.ts';

const NOT_A_NUMBER = reasonCode('not-a-number');
/** A device of which nothing else comes is silent. */
const SILENT = [reasonCode('timeout'), reasonCode('disconnected')];

function valueText(value: Value, { storage }: PointInfo): string {
  switch (storage) {
    case 'boolean':
      return value ? 'true' : 'false';
    case 'number': {
      const text = Object.is(value, -0) ? '-0' : `${value}`;
      return /[.e]/.test(text) ? text : `${text}.0`;
    }
    // 64-bit integers are texts: some are more than a long of the platform.
    default:
      return JSON.stringify(`${value}`);
  }
}

/** Keys of a shape, ready to be pasted. */
class Keys {
  readonly #known = new Map<Shape, readonly string[]>();

  of(shape: Shape): readonly string[] {
    let keys = this.#known.get(shape);
    if (keys === undefined) {
      keys = shape.points.map(({ name }) => JSON.stringify(name).slice(1, -1));
      this.#known.set(shape, keys);
    }
    return keys;
  }
}

/** One entry of a device; undefined when the record has no reading. */
function entry(
  { sample }: LogRecord,
  keys: readonly string[],
  { offset, estimated }: Batch,
): { text: string; silent: boolean } | undefined {
  const { shape, values, reasons, at } = sample;
  const parts: string[] = [];
  let silent = true;
  for (let i = 0; i < keys.length; i++) {
    let reason = reasons === null ? GOOD : (reasons[i] as number);
    if (reason === ABSENT) continue;
    const value = values[i] as Value;
    if (hasValue(reason) && typeof value === 'number' && !Number.isFinite(value)) reason = NOT_A_NUMBER;
    if (!SILENT.includes(reason)) silent = false;
    const quality = qualityOf(reason);
    if (quality !== 'bad') parts.push(`"${keys[i]}":${valueText(value, shape.points[i] as PointInfo)}`);
    if (quality !== 'good') parts.push(`"${keys[i]}.${quality}":${JSON.stringify(reasonName(reason))}`);
  }
  if (parts.length === 0) return undefined;
  if (estimated) parts.push('"record.clock":"estimated"');
  return { text: `{"ts":${Math.round(at + offset)},"values":{${parts.join(',')}}}`, silent };
}

/** A message for each device that has a reading in the batch. */
export function thingsboardBatch(batch: Batch): Encoded[] {
  const devices = new Map<string, { entries: string[]; silent: boolean }>();
  const keys = new Keys();
  for (const record of batch.records) {
    const { shape } = record.sample;
    const made = entry(record, keys.of(shape), batch);
    if (made === undefined) continue;
    const device = devices.get(shape.device) ?? { entries: [], silent: true };
    device.entries.push(made.text);
    device.silent &&= made.silent;
    devices.set(shape.device, device);
  }
  return [...devices].map(([device, { entries, silent }]) => ({
    to: `${silent ? 'down' : 'up'} ${device}`,
    payload: `{${JSON.stringify(device)}:[${entries.join(',')}]}`,
  }));
}

export const thingsboard: PayloadFormat = { name: 'thingsboard', encode: thingsboardBatch };
