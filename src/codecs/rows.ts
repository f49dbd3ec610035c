/**
 * Entries: what lies in the runtime directory and travels to the writer thread. One entry per append, written before
 * anybody learns the record's number. `kind u8, length u32 LE, body`; a body cut short by a kill ends the file.
 *
 * shape   u32 id, JSON {device, points}
 * record  f64 seq, u32 shape id, f64 at, u8 flags, [reasons n bytes], n × 8 bytes, [texts]
 * notice  JSON {seq, at, kind, key, json}
 * state   JSON of the caller (lanes and hand-over of one forwarder)
 */
import type { LogRecord, Sample, Shape, Value } from '../core/point.ts';

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

  shape(id: number, shape: Shape): void {
    const text = encoder.encode(JSON.stringify(shape));
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
    const textBytes = texts === undefined ? 0 : texts.reduce((sum, t) => sum + t.length, 0);
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
      for (let i = 0; i < n; i++) view.setFloat64(o + i * 8, values[i] as number, true);
      return;
    }
    let textAt = o + n * 8;
    let t = 0;
    for (let i = 0; i < n; i++) {
      const value = values[i];
      if (typeof value === 'string') {
        const text = texts[t++] as Uint8Array;
        view.setUint32(o + i * 8, text.length, true);
        this.#bytes.set(text, textAt);
        textAt += text.length;
      } else if (typeof value === 'bigint') view.setBigInt64(o + i * 8, BigInt.asIntN(64, value), true);
      else view.setFloat64(o + i * 8, Number(value), true);
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

/** undefined when every value fits a plain double slot: the common case, which takes the short way. */
function textsOf(sample: Sample): Uint8Array[] | undefined {
  const { points } = sample.shape;
  let plain = true;
  for (let i = 0; i < points.length; i++) {
    const storage = (points[i] as { storage: string }).storage;
    if (storage === 'string' || storage === 'integer64' || storage === 'boolean') {
      plain = false;
      break;
    }
  }
  if (plain) return undefined;
  const out: Uint8Array[] = [];
  for (const value of sample.values) if (typeof value === 'string') out.push(encoder.encode(value));
  return out;
}

export type Entry =
  | { readonly kind: 'shape'; readonly id: number; readonly shape: Shape }
  | { readonly kind: 'record'; readonly shapeId: number; readonly record: LogRecord }
  | { readonly kind: 'notice'; readonly notice: StoredNotice }
  | { readonly kind: 'state'; readonly state: unknown };

/**
 * Reads entries until the bytes end or make no sense (a write cut by a kill).
 * @param shapes what earlier bytes defined; new definitions are added to it
 */
export function* readEntries(bytes: Uint8Array, shapes: Map<number, Shape>): Generator<Entry> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let o = 0;
  while (o + HEAD <= bytes.length) {
    const kind = bytes[o];
    const length = view.getUint32(o + 1, true);
    const body = o + HEAD;
    const end = body + length;
    if (end > bytes.length) return;
    if (kind === ENTRY.record) {
      const shapeId = view.getUint32(body + 8, true);
      const shape = shapes.get(shapeId);
      if (shape !== undefined) yield { kind: 'record', shapeId, record: readRecord(bytes, view, body, shape) };
    } else if (kind === ENTRY.shape) {
      const id = view.getUint32(body, true);
      const shape = JSON.parse(decoder.decode(bytes.subarray(body + 4, end))) as Shape;
      shapes.set(id, shape);
      yield { kind: 'shape', id, shape };
    } else if (kind === ENTRY.notice)
      yield { kind: 'notice', notice: JSON.parse(decoder.decode(bytes.subarray(body, end))) as StoredNotice };
    else if (kind === ENTRY.state) yield { kind: 'state', state: JSON.parse(decoder.decode(bytes.subarray(body, end))) };
    else return;
    o = end;
  }
}

function readRecord(bytes: Uint8Array, view: DataView, body: number, shape: Shape): LogRecord {
  const n = shape.points.length;
  let o = body + RECORD_HEAD;
  let reasons: Uint8Array | null = null;
  if (view.getUint8(body + 20) & HAS_REASONS) {
    reasons = bytes.slice(o, o + n);
    o += n;
  }
  const values = new Array<Value>(n);
  let textAt = o + n * 8;
  for (let i = 0; i < n; i++) {
    const slot = o + i * 8;
    switch ((shape.points[i] as { storage: string }).storage) {
      case 'string': {
        // A bad reading holds a plain 0 in the slot, whose low word is 0 as well: an empty text.
        const length = view.getUint32(slot, true);
        values[i] = decoder.decode(bytes.subarray(textAt, textAt + length));
        textAt += length;
        break;
      }
      case 'integer64': {
        const signed = view.getBigInt64(slot, true);
        values[i] = (shape.points[i] as { type: string }).type === 'uint64' ? BigInt.asUintN(64, signed) : signed;
        break;
      }
      case 'boolean':
        values[i] = view.getFloat64(slot, true) !== 0;
        break;
      default:
        values[i] = view.getFloat64(slot, true);
    }
  }
  return { seq: view.getFloat64(body, true), sample: { shape, at: view.getFloat64(body + 12, true), values, reasons } };
}
