/**
 * Entries: what lies in the runtime directory and travels to the writer thread. One entry per append, written before
 * anybody learns the record's number. `kind u8, length u32 LE, body`; a body cut short by a kill ends the file.
 *
 * shape   u32 id, JSON {device, points}
 * record  f64 seq, u32 shape id, f64 at, u8 flags, [reasons n bytes], n × 8 bytes, [texts]
 * notice  JSON {seq, at, kind, key, json}
 * state   JSON of the caller (lanes and hand-over of one forwarder)
 */
import type { LogRecord, PointInfo, Sample, Shape, Value } from '../core/point.ts';
import { EntrySample } from './entry-sample.ts';

export const ENTRY = { shape: 1, record: 2, notice: 3, state: 4 } as const;
const HEAD = 5;
const RECORD_HEAD = 8 + 4 + 8 + 1;
const HAS_REASONS = 1;
const encoder = new TextEncoder();
/** A text keeps its byte order mark: what is kept is what was sent. */
const decoder = new TextDecoder('utf-8', { ignoreBOM: true });

export interface StoredNotice {
  readonly seq: number;
  /** Monotonic milliseconds of its boot. */
  readonly at: number;
  readonly kind: 'alarm' | 'event';
  readonly key: string;
  /** The message as topics carry it; fixed when the number is given. */
  readonly json: string;
}

/** A shape as JSON: what an entry and the file have of it. Two shapes with one content are the same shape. */
export function contentOf({ device, points }: Shape): string {
  return JSON.stringify({ device, points });
}

/** A growing buffer of entries. `take` hands the bytes over (transferable) and starts anew. */
export class EntryWriter {
  #bytes: Uint8Array<ArrayBuffer>;
  #view: DataView;
  #length = 0;

  constructor(capacity = 16 * 1024) {
    this.#bytes = new Uint8Array(capacity);
    this.#view = new DataView(this.#bytes.buffer);
  }

  get length(): number {
    return this.#length;
  }

  /** The bytes from `start` on; valid until the next call. */
  since(start: number): Uint8Array {
    return this.#bytes.subarray(start, this.#length);
  }

  take(): Uint8Array<ArrayBuffer> {
    const out = this.#bytes.subarray(0, this.#length);
    // A burst must not leave a large buffer behind for ever.
    const capacity = Math.min(Math.max(16 * 1024, this.#length), 256 * 1024);
    this.#bytes = new Uint8Array(capacity);
    this.#view = new DataView(this.#bytes.buffer);
    this.#length = 0;
    return out;
  }

  /** @param content as `contentOf` gives it */
  shape(id: number, content: string): void {
    const text = encoder.encode(content);
    const o = this.#open(ENTRY.shape, 4 + text.length);
    this.#view.setUint32(o, id, true);
    this.#bytes.set(text, o + 4);
  }

  json(kind: typeof ENTRY.notice | typeof ENTRY.state, value: unknown): void {
    const text = encoder.encode(JSON.stringify(value));
    // Opened first: it may exchange the buffer for a larger one.
    const o = this.#open(kind, text.length);
    this.#bytes.set(text, o);
  }

  /** @param at whole monotonic milliseconds: the time that is kept and never changes */
  record(seq: number, shapeId: number, at: number, sample: Sample): void {
    const { points } = sample.shape;
    const n = points.length;
    const texts = textsOf(sample);
    const textBytes = texts === undefined ? 0 : texts.reduce((sum, t) => sum + (t?.length ?? 0), 0);
    const reasonBytes = sample.reasons === null ? 0 : n;
    let o = this.#open(ENTRY.record, RECORD_HEAD + reasonBytes + n * 8 + textBytes);
    const view = this.#view;
    view.setFloat64(o, seq, true);
    view.setUint32(o + 8, shapeId, true);
    view.setFloat64(o + 12, at, true);
    view.setUint8(o + 20, reasonBytes > 0 ? HAS_REASONS : 0);
    o += RECORD_HEAD;
    if (sample.reasons !== null) {
      this.#bytes.set(sample.reasons, o);
      o += n;
    }
    const { values } = sample;
    if (texts === undefined) {
      for (let i = 0; i < n; i++) view.setFloat64(o + i * 8, Number(values[i]), true);
      return;
    }
    let textAt = o + n * 8;
    // By storage and not by value: where a reading is bad, anything may stand.
    for (let i = 0; i < n; i++) {
      const value = values[i];
      switch ((points[i] as PointInfo).storage) {
        case 'string': {
          const text = texts[i];
          view.setUint32(o + i * 8, text?.length ?? 0, true);
          if (text === undefined) break;
          this.#bytes.set(text, textAt);
          textAt += text.length;
          break;
        }
        case 'integer64':
          view.setBigInt64(o + i * 8, typeof value === 'bigint' ? BigInt.asIntN(64, value) : 0n, true);
          break;
        case 'boolean':
          view.setFloat64(o + i * 8, value ? 1 : 0, true);
          break;
        default:
          view.setFloat64(o + i * 8, Number(value), true);
      }
    }
  }

  #open(kind: number, bodyLength: number): number {
    const need = this.#length + HEAD + bodyLength;
    if (need > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(need, this.#bytes.length * 2));
      grown.set(this.#bytes.subarray(0, this.#length));
      this.#bytes = grown;
      this.#view = new DataView(grown.buffer);
    }
    const o = this.#length;
    this.#bytes[o] = kind;
    this.#view.setUint32(o + 1, bodyLength, true);
    this.#length = need;
    return o + HEAD;
  }
}

/** By point; undefined when every value fits a plain double slot: the common case, which takes the short way. */
function textsOf(sample: Sample): (Uint8Array | undefined)[] | undefined {
  const { points } = sample.shape;
  if (points.every((p) => p.storage === 'number')) return undefined;
  return points.map((p, i) => {
    const value = sample.values[i];
    return p.storage === 'string' && typeof value === 'string' ? encoder.encode(value) : undefined;
  });
}

export type Entry =
  | { readonly kind: 'shape'; readonly id: number; readonly shape: Shape }
  | { readonly kind: 'record'; readonly shapeId: number; readonly record: LogRecord }
  | { readonly kind: 'notice'; readonly notice: StoredNotice }
  | { readonly kind: 'state'; readonly state: unknown };

/**
 * Reads entries until the bytes end or make no sense (a write cut by a kill).
 * @param bytes not to be changed as long as records of them are used
 * @param shapes what earlier bytes defined; new definitions are added to it. A number means one shape: the definition of a
 * known number is passed over.
 */
export function* readEntries(bytes: Uint8Array, shapes: Map<number, Shape>): Generator<Entry> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let o = 0;
  while (o + HEAD <= bytes.length) {
    const end = o + HEAD + view.getUint32(o + 1, true);
    if (end > bytes.length) return;
    const entry = readEntry(bytes[o] as number, bytes, view, o + HEAD, end, shapes);
    if (entry === undefined) return;
    yield entry;
    o = end;
  }
}

/** undefined: it makes no sense. */
function readEntry(
  kind: number,
  bytes: Uint8Array,
  view: DataView,
  body: number,
  end: number,
  shapes: Map<number, Shape>,
): Entry | undefined {
  switch (kind) {
    case ENTRY.record: {
      if (end - body < RECORD_HEAD) return undefined;
      const shapeId = view.getUint32(body + 8, true);
      const shape = shapes.get(shapeId);
      const record = shape === undefined ? undefined : readRecord(bytes, view, body, end, shape);
      return record === undefined ? undefined : { kind: 'record', shapeId, record };
    }
    case ENTRY.shape: {
      if (end - body < 4) return undefined;
      const id = view.getUint32(body, true);
      const shape = shapes.get(id) ?? parse(bytes.subarray(body + 4, end));
      if (!isShape(shape)) return undefined;
      shapes.set(id, shape);
      return { kind: 'shape', id, shape };
    }
    case ENTRY.notice: {
      const notice = parse(bytes.subarray(body, end));
      return isNotice(notice) ? { kind: 'notice', notice } : undefined;
    }
    case ENTRY.state: {
      const state = parse(bytes.subarray(body, end));
      return state === undefined ? undefined : { kind: 'state', state };
    }
    default:
      return undefined;
  }
}

function parse(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(decoder.decode(bytes));
  } catch {
    return undefined;
  }
}
function isShape(value: unknown): value is Shape {
  if (typeof value !== 'object' || value === null) return false;
  const { device, points } = value as Partial<Shape>;
  return (
    typeof device === 'string' &&
    Array.isArray(points) &&
    points.every((p: Partial<PointInfo> | null) => typeof p?.name === 'string' && typeof p.storage === 'string')
  );
}
function isNotice(value: unknown): value is StoredNotice {
  if (typeof value !== 'object' || value === null) return false;
  const { seq, at, kind, key, json } = value as Partial<StoredNotice>;
  const texts = typeof key === 'string' && typeof json === 'string';
  return Number.isSafeInteger(seq) && typeof at === 'number' && (kind === 'alarm' || kind === 'event') && texts;
}

/** undefined when the lengths do not fit together. */
function readRecord(bytes: Uint8Array, view: DataView, body: number, end: number, shape: Shape): LogRecord | undefined {
  const n = shape.points.length;
  let o = body + RECORD_HEAD;
  const hasReasons = (view.getUint8(body + 20) & HAS_REASONS) !== 0;
  let textAt = o + (hasReasons ? n : 0) + n * 8;
  if (textAt > end) return undefined;
  const reasons = hasReasons ? bytes.slice(o, o + n) : null;
  if (hasReasons) o += n;
  const seq = view.getFloat64(body, true);
  const at = view.getFloat64(body + 12, true);
  if (!Number.isSafeInteger(seq) || !Number.isFinite(at)) return undefined;
  if (EntrySample.fits(shape)) return textAt === end ? { seq, sample: new EntrySample(shape, at, reasons, view, o) } : undefined;
  const values = new Array<Value>(n);
  for (let i = 0; i < n; i++) {
    const slot = o + i * 8;
    const point = shape.points[i] as PointInfo;
    switch (point.storage) {
      case 'string': {
        const to = textAt + view.getUint32(slot, true);
        if (to > end) return undefined;
        values[i] = decoder.decode(bytes.subarray(textAt, to));
        textAt = to;
        break;
      }
      case 'integer64': {
        const signed = view.getBigInt64(slot, true);
        values[i] = point.type === 'uint64' ? BigInt.asUintN(64, signed) : signed;
        break;
      }
      case 'boolean':
        values[i] = view.getFloat64(slot, true) !== 0;
        break;
      default:
        values[i] = view.getFloat64(slot, true);
    }
  }
  if (textAt !== end) return undefined;
  return { seq, sample: { shape, at, values, reasons } };
}
