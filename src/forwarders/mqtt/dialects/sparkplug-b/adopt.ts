/**
 * Writes the metrics of a payload (format-sparkplug-b.ts) as the births of this connection have them: their aliases over the places
 * in it, their types where they differ, and `is_historical` where a value is older than what the host was given. Almost every metric
 * is copied, with three bytes changed.
 */
import { LEAST_ALIAS } from '../../../../codecs/format-sparkplug-b.ts';
import { ProtoWriter, protoFields } from '../../../../codecs/protobuf.ts';
import {
  DATA_TYPES,
  type DataType,
  HISTORICAL_TAG,
  METRIC_TAG,
  NULL_TAG,
  TIMESTAMP_TAG,
  valueTag,
  writeValue,
} from '../../../../codecs/sparkplug.ts';
import { heardOf, heardValue } from '../../../../codecs/sparkplug-heard.ts';
import type { Value } from '../../../../core/point.ts';
import type { Slot } from './metrics.ts';

/** Where a point of `to` goes: undefined where there was no space for it. */
export interface Place {
  readonly slot: Slot | undefined;
  /** Its type in the payload. */
  readonly written: DataType;
}

export interface Adopted {
  /** The newest time of a metric that is not historical; UTC ms. */
  readonly newest: number;
  readonly leftOut: number;
}

/** More than any metric of our own has. */
const MOST_FIELDS = 16;

/**
 * Appends the metrics to a payload.
 * @param since what is older is historical; UTC ms
 * @param misfit called for a value that the type of its birth cannot have; it is left out
 */
export function adopt(
  out: ProtoWriter,
  body: Uint8Array,
  places: readonly Place[],
  since: number,
  misfit: (slot: Slot, number: boolean) => void,
): Adopted {
  const scratch = new ProtoWriter(64);
  let [newest, leftOut] = [since, 0];
  let at = 0;
  const varint = (): number => {
    let [value, factor] = [0, 1];
    for (;;) {
      const byte = body[at++] as number;
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) return value;
      factor *= 128;
    }
  };
  while (at < body.length) {
    at++;
    const length = varint();
    const end = at + length;
    const begin = at;
    at++;
    const place = places[varint() - LEAST_ALIAS];
    const alias = at;
    at++;
    const time = varint();
    const late = body[at] === HISTORICAL_TAG;
    if (late) at += 2;
    const historical = late || time < newest;
    const slot = place?.slot;
    if (slot === undefined) leftOut++;
    else {
      const tag = body[at];
      const same = tag === NULL_TAG || (place?.written === slot.type && tag === valueTag(slot.type));
      if (same && historical === late) {
        out
          .byte(METRIC_TAG)
          .varint(length)
          .byte(body[begin] as number);
        out.varint(slot.alias).raw(body.subarray(alias, end));
      } else {
        scratch
          .clear()
          .byte(body[begin] as number)
          .varint(slot.alias)
          .byte(TIMESTAMP_TAG)
          .varint(time);
        if (historical) scratch.byte(HISTORICAL_TAG).byte(1);
        if (same) scratch.raw(body.subarray(at, end));
        else if (!convert(scratch, body.subarray(begin, end), place?.written ?? slot.type, slot, misfit)) {
          leftOut++;
          at = end;
          continue;
        }
        out.byte(METRIC_TAG).varint(scratch.length).raw(scratch.written);
      }
      if (!historical) newest = time;
    }
    at = end;
  }
  return { newest, leftOut };
}

function convert(
  out: ProtoWriter,
  metric: Uint8Array,
  written: DataType,
  slot: Slot,
  misfit: (slot: Slot, number: boolean) => void,
): boolean {
  const value = valueIn(metric, written);
  if (value === undefined || !writeValue(out, value, slot.type)) {
    misfit(slot, typeof value !== 'string');
    return false;
  }
  for (const field of protoFields(metric, MOST_FIELDS)) if (field.field === 9 && field.wire === 2) out.bytes(9, field.bytes);
  return true;
}

/** The value as it was before it was written: whole numbers by the type of their point, all others as they are. */
function valueIn(metric: Uint8Array, written: DataType): Value | undefined {
  const heard = heardOf(metric);
  const { value } = heard;
  if (value === undefined) return undefined;
  if ('number' in value) return value.number;
  if ('boolean' in value) return value.boolean;
  if ('text' in value) return value.text;
  return heardValue(heard, written === DATA_TYPES.Double ? DATA_TYPES.Int64 : written);
}

/** What `to` of the payload format says. */
export function partsOf(to: string): { device: string; up: boolean; points: { point: string; type: Slot['type'] }[] } {
  const [state, device = '', ...names] = to.split(' ');
  const points = names.map((name) => {
    const [point = '', type] = name.split(':');
    return { point, type: Number(type) as Slot['type'] };
  });
  return { device, up: state === 'up', points };
}
