/** The other direction, for `sluice simulate`: what a talker says when its points have these values. */
import { SluiceError } from '../../core/errors.ts';
import type { Value } from '../../core/point.ts';
import { widthOf } from './binary-decoder.ts';
import { checksumPlace, payloadOffset } from './block-framer.ts';
import { CHECKSUMS } from './checksum.ts';
import { parseHex } from './hex.ts';
import { encodeNmea } from './nmea-encode.ts';
import { sourceOf } from './point-groups.ts';
import type { BinaryDecode, BinaryField, FrameConfig, PointConfig, TalkerConfig } from './types.ts';
import { isScaled, tidySum } from './values.ts';

const SPACE = 32;
const utf8 = new TextEncoder();

/**
 * Frames as they stand on the wire, in order: one, except for NMEA (one a sentence) and CSV with a header (two).
 * @param values by point name, in the point's unit; a point that is missing is left out of the frame where the format can
 * @param now wall time in milliseconds, for formats that contain the time
 * @throws SluiceError unsupported when the format cannot be spoken (a regular expression without `template`)
 */
export function encodeFrames(
  config: Omit<TalkerConfig, 'device'>,
  values: ReadonlyMap<string, Value>,
  now: number,
): Uint8Array[] {
  const { frame, decode } = config;
  const raw = new Map<string, Value>();
  for (const [name, point] of config.points) {
    const value = values.get(name);
    if (value !== undefined) raw.set(sourceOf(name, point), rawOf(value, point));
  }
  switch (decode.type) {
    case 'binary':
      return [wrap(frame, binaryBody(decode, startOf(frame).length, raw), startOf(frame).length, 0)];
    case 'nmea':
      return encodeNmea(raw, now).map((sentence) => wrapText(frame, sentence));
    case 'regex': {
      if (decode.template === undefined)
        throw new SluiceError(
          'unsupported',
          'a regular expression cannot be simulated: add `template:` to `decode`, for example "W={weight} kg"',
        );
      const text = decode.template.replaceAll(/\{(\w+)\}/g, (_, name: string) => String(raw.get(name) ?? ''));
      return [wrapText(frame, text)];
    }
    case 'csv':
      return csvLines(decode, raw).map((line) => wrapText(frame, line));
    case 'json':
      return [wrapText(frame, jsonText(raw))];
    case 'text':
      return [wrapText(frame, String(raw.values().next().value ?? ''))];
    case 'key-value': {
      const clean = (value: Value) => String(value).replaceAll(decode.separator ?? /[\s,;]+/g, '_');
      const pairs = Array.from(raw, ([key, value]) => `${key}${decode.assign}${clean(value)}`);
      return [wrapText(frame, pairs.join(decode.separator ?? ' '))];
    }
  }
}

/** What a device says for this value. */
export function rawOf(value: Value, point: PointConfig): Value {
  if (point.enum !== undefined) {
    const word = Object.entries(point.enum).find(([, label]) => label === value)?.[0];
    return word === undefined ? value : plainWord(word);
  }
  if (!isScaled(point) || (typeof value !== 'number' && typeof value !== 'bigint')) return value;
  const raw = rawNumber(Number(value), point);
  return point.type === 'int64' ? Math.round(raw) : raw;
}

/** The number before scale and offset, not rounded to a whole one. */
export function rawNumber(value: number, { scale = 1, offset = 0 }: PointConfig): number {
  return Number((tidySum(value, -offset) / scale).toPrecision(15));
}

/** A word of `enum` as JSON has it: `true` and `1` are written without quotes. */
function plainWord(word: string): Value {
  if (word === 'true' || word === 'false') return word === 'true';
  return /^-?\d{1,15}$/.test(word) ? Number(word) : word;
}

function csvLines(
  decode: { separator: string; columns?: readonly string[] | undefined; header: boolean },
  raw: ReadonlyMap<string, Value>,
): string[] {
  const quoted = (value: Value | undefined) => {
    const text = value === undefined ? '' : String(value);
    return text.includes(decode.separator) || text.includes('"') ? `"${text.replaceAll('"', '""')}"` : text;
  };
  const columns = decode.columns ?? (decode.header ? [...raw.keys()] : undefined);
  if (columns !== undefined) {
    const line = columns.map((name, i) => quoted(raw.get(name) ?? raw.get(String(i)))).join(decode.separator);
    return decode.header ? [columns.map(quoted).join(decode.separator), line] : [line];
  }
  const last = Math.max(-1, ...Array.from(raw.keys(), Number).filter(Number.isInteger));
  return [Array.from({ length: last + 1 }, (_, i) => quoted(raw.get(String(i)))).join(decode.separator)];
}

/** @param raw by dotted path */
export function jsonText(raw: ReadonlyMap<string, Value>): string {
  interface Tree {
    [key: string]: Tree | Value;
  }
  const root: Tree = {};
  for (const [from, value] of raw) {
    const keys = from.split('.');
    let node = root;
    for (const key of keys.slice(0, -1)) {
      const next = node[key];
      const branch: Tree = typeof next === 'object' ? next : {};
      node[key] = branch;
      node = branch;
    }
    node[keys.at(-1) as string] = value;
  }
  const text = (node: Tree | Value): string => {
    if (typeof node === 'object')
      return `{${Object.entries(node)
        .map(([k, v]) => `${JSON.stringify(k)}:${text(v)}`)
        .join(',')}}`;
    return typeof node === 'bigint' ? String(node) : JSON.stringify(node);
  };
  return text(root);
}

/** The bytes of the fields, from the end of the start bytes on. */
function binaryBody(decode: BinaryDecode, first: number, raw: ReadonlyMap<string, Value>): Uint8Array {
  const fields = Object.entries(decode.fields);
  const end = Math.max(first, ...fields.map(([, field]) => field.offset + widthOf(field)));
  const body = new Uint8Array(end);
  for (const [name, field] of fields) {
    const value = raw.get(name);
    if (value !== undefined) write(body, field, (field.endian ?? decode.endian) === 'little', value);
  }
  return body.subarray(first);
}

function write(body: Uint8Array, field: BinaryField, little: boolean, value: Value): void {
  const view = new DataView(body.buffer);
  const { offset } = field;
  const number = Number(value);
  const whole = Math.round(Number.isFinite(number) ? number : 0);
  switch (field.type) {
    case 'bool':
      if (number !== 0 && value !== 'false') body[offset] = (body[offset] as number) | (1 << (field.bit ?? 0));
      return;
    case 'uint8':
    case 'int8':
      view.setUint8(offset, whole);
      return;
    case 'uint16':
    case 'int16':
      view.setUint16(offset, whole, little);
      return;
    case 'uint32':
    case 'int32':
      view.setUint32(offset, whole, little);
      return;
    case 'uint64':
    case 'int64':
      view.setBigUint64(offset, typeof value === 'bigint' ? value : BigInt(whole), little);
      return;
    case 'float32':
      view.setFloat32(offset, number, little);
      return;
    case 'float64':
      view.setFloat64(offset, number, little);
      return;
    case 'string':
      utf8.encodeInto(String(value), body.subarray(offset, offset + widthOf(field)));
      return;
  }
}

function startOf(frame: FrameConfig): Uint8Array {
  return frame.type === 'line' ? new Uint8Array(0) : parseHex(frame.start ?? '');
}

/** Puts start, length, stop, checksum and terminator around a payload of text. */
function wrapText(frame: FrameConfig, text: string): Uint8Array {
  const payload = utf8.encode(text);
  if (frame.type !== 'line') return wrap(frame, payload, payloadOffset(startOf(frame).length, frame.length), SPACE);
  const start = frame.start === undefined || text.startsWith(frame.start) ? '' : frame.start;
  return Uint8Array.from([...utf8.encode(start), ...payload, ...utf8.encode(frame.terminator ?? '\r\n')]);
}

/** The same around bytes that stand at `first`; `pad` fills a frame of fixed length. */
function wrap(frame: FrameConfig, body: Uint8Array, first: number, pad: number): Uint8Array {
  if (frame.type === 'line') return Uint8Array.from([...body, ...utf8.encode(frame.terminator ?? '\r\n')]);
  const start = startOf(frame);
  const stop = parseHex(frame.type === 'bytes' ? (frame.stop ?? '') : '');
  const range = (frame.type === 'bytes' ? frame.checksum : undefined) ?? { type: 'none' as const, from: 0 };
  const checksum = CHECKSUMS[range.type];
  const total = typeof frame.length === 'number' ? frame.length : first + body.length + checksum.bytes + stop.length;
  const bytes = new Uint8Array(total).fill(pad);
  bytes.set(start);
  bytes.set(body.subarray(0, Math.max(0, total - first)), first);
  if (typeof frame.length === 'object') {
    const { offset, type, endian, add } = frame.length;
    const view = new DataView(bytes.buffer);
    if (type === 'uint8') view.setUint8(offset, total - add);
    else view.setUint16(offset, total - add, endian === 'little');
  }
  bytes.set(stop, total - stop.length);
  const place = checksumPlace(range, total, stop.length);
  if (place !== undefined) bytes.set(checksum.compute(bytes, place.from, place.end), place.at);
  return bytes;
}
