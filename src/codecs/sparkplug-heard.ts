/** Metrics of Sparkplug B that come from outside: commands. Every length and count is bounded. */
import type { Value } from '../core/point.ts';
import { type ProtoField, protoFields, WIRE } from './protobuf.ts';
import { BOUNDS, DATA_TYPES, METRIC, PAYLOAD } from './sparkplug.ts';

/** A metric that came from outside, its value as it was written. */
export interface Heard {
  readonly name?: string;
  readonly alias?: bigint;
  readonly datatype?: number;
  readonly isNull: boolean;
  readonly value?:
    | { readonly int: bigint }
    | { readonly number: number }
    | { readonly boolean: boolean }
    | { readonly text: string };
}

/** Metrics of one payload. */
export const MOST_HEARD = 256;
/** Fields of one metric; more than the specification has. */
const MOST_FIELDS = 64;
/** Letters of a name or a value. */
const LONGEST_TEXT = 1024;
const decoder = new TextDecoder('utf-8', { fatal: true });

/** @throws RangeError, TypeError: it is no payload, or a larger one than this gateway reads */
export function hear(payload: Uint8Array): Heard[] {
  const metrics: Heard[] = [];
  for (const field of protoFields(payload, MOST_HEARD + MOST_FIELDS)) {
    if (field.field !== PAYLOAD.metrics) continue;
    if (metrics.length >= MOST_HEARD) throw new RangeError(`it has more than ${MOST_HEARD} metrics`);
    metrics.push(heardOf(bytesOf(field)));
  }
  return metrics;
}

/** One metric, without the head of its field. @throws as `hear` */
export function heardOf(metric: Uint8Array): Heard {
  const heard: { -readonly [K in keyof Heard]: Heard[K] } = { isNull: false };
  for (const field of protoFields(metric, MOST_FIELDS)) {
    switch (field.field) {
      case METRIC.name:
        heard.name = textOf(field);
        break;
      case METRIC.alias:
        heard.alias = bitsOf(field);
        break;
      case METRIC.datatype:
        heard.datatype = Number(bitsOf(field) & 0xffffffffn);
        break;
      case METRIC.null:
        heard.isNull = bitsOf(field) !== 0n;
        break;
      case METRIC.int:
        heard.value = { int: bitsOf(field) & 0xffffffffn };
        break;
      case METRIC.long:
        heard.value = { int: bitsOf(field) };
        break;
      case METRIC.float:
        heard.value = { number: viewOf(field, WIRE.fixed32).getFloat32(0, true) };
        break;
      case METRIC.double:
        heard.value = { number: viewOf(field, WIRE.fixed64).getFloat64(0, true) };
        break;
      case METRIC.boolean:
        heard.value = { boolean: bitsOf(field) !== 0n };
        break;
      case METRIC.string:
        heard.value = { text: textOf(field) };
        break;
    }
  }
  return heard;
}

function bitsOf(field: ProtoField): bigint {
  if (field.wire !== WIRE.varint) throw new RangeError(`the field ${field.field} is no number`);
  return field.bits;
}
function bytesOf(field: ProtoField): Uint8Array {
  if (field.wire !== WIRE.bytes) throw new RangeError(`the field ${field.field} is no message`);
  return field.bytes;
}
function textOf(field: ProtoField): string {
  const bytes = bytesOf(field);
  if (bytes.length > LONGEST_TEXT) throw new RangeError(`a text has more than ${LONGEST_TEXT} bytes`);
  return decoder.decode(bytes);
}
function viewOf(field: ProtoField, wire: number): DataView {
  if (field.wire === WIRE.varint || field.wire !== wire) throw new RangeError(`the field ${field.field} has another length`);
  return new DataView(field.bytes.buffer, field.bytes.byteOffset, field.bytes.length);
}

/**
 * The value of a metric, by its type. Whole numbers beyond 2^53 are bigints.
 * @returns undefined where there is none that fits the type
 */
export function heardValue({ isNull, value }: Heard, type: number): Value | undefined {
  if (isNull || value === undefined) return undefined;
  if ('boolean' in value) return type === DATA_TYPES.Boolean ? value.boolean : undefined;
  if ('text' in value) return type === DATA_TYPES.String || type === DATA_TYPES.Text ? value.text : undefined;
  if ('number' in value)
    return (type === DATA_TYPES.Float || type === DATA_TYPES.Double) && Number.isFinite(value.number) ? value.number : undefined;
  const { int } = value;
  switch (type) {
    case DATA_TYPES.Int8:
    case DATA_TYPES.Int16:
    case DATA_TYPES.Int32: {
      const number = Number(BigInt.asIntN(32, int));
      const [low, high] = BOUNDS[type] as readonly [number, number];
      return number >= low && number <= high ? number : undefined;
    }
    case DATA_TYPES.UInt8:
    case DATA_TYPES.UInt16:
    case DATA_TYPES.UInt32:
      return int <= BigInt((BOUNDS[type] as readonly [number, number])[1]) ? Number(int) : undefined;
    case DATA_TYPES.Int64:
      return BigInt.asIntN(64, int);
    case DATA_TYPES.UInt64:
      return int;
    case DATA_TYPES.DateTime:
      return int <= 253_402_300_799_999n ? new Date(Number(int)).toISOString() : undefined;
    default:
      return undefined;
  }
}
