/**
 * Format `columns`: the records of a batch as one block (codecs/blocks), as compact as the log keeps them, behind a head that
 * names devices and points. docs/reference/formats/columns.md describes every byte; examples/decode-columns has decoders.
 *
 *   "SLC" 01 | u32 LE length of the head | the head, sealed (codecs/sealed): JSON | u32 LE length of a block | the block | …
 */
import { hasValue, type LogRecord, type PointInfo, reasonAt, type Shape } from '../core/point.ts';
import { reasonCode } from '../core/reasons.ts';
import { encodeBlock, encodeRows } from './blocks.ts';
import { doubleOf } from './entry-sample.ts';
import { type Batch, type Encoded, type PackedBatch, type PayloadFormat, rangeOf } from './format.ts';
import { seal } from './sealed.ts';
import type { WindowValue } from './thinning.ts';

const MAGIC = Uint8Array.of(0x53, 0x4c, 0x43, 1);
/** As hours of history have it: 9 gains 3 % for five times the work. */
const LEVEL = 6;
const NOT_A_NUMBER = reasonCode('not-a-number');
const NO_NOISE = new Uint8Array(0);

/** A point in the head: name, type, storage, unit. */
export type HeadPoint = readonly [name: string, type: string, storage: string, unit?: string];

/** The head of a payload. */
export interface ColumnsHead {
  readonly v: 1;
  readonly gateway: string;
  readonly log: string;
  readonly boot: string;
  readonly inventory: number;
  readonly first: number;
  readonly last: number;
  /** UTC milliseconds. */
  readonly sent: number;
  /** UTC milliseconds = time in the block + offset. */
  readonly offset: number;
  readonly clock?: 'estimated';
  readonly filtered?: true;
  /** Width of the windows of time that its values are of, milliseconds, and how they were made. */
  readonly every?: number;
  readonly as?: WindowValue;
  /** A block names a shape by its `id`, and where the list has none by its place in it. */
  readonly shapes: readonly { readonly device: string; readonly points: readonly HeadPoint[]; readonly id?: number }[];
}

/** The only message of a batch. */
export function columnsBatch(whole: Batch): Uint8Array {
  const { records: taken, ...batch } = whole;
  const records = taken.map(finite);
  const places = new Map<Shape, number>();
  for (const { sample } of records) if (!places.has(sample.shape)) places.set(sample.shape, places.size);
  const block = encodeBlock(records, (shape) => places.get(shape) as number, LEVEL);
  return framed(headOf({ ...batch, range: rangeOf(whole) }, [...places.keys()].map(headShape)), [block]);
}

/** @param shapes the JSON of each */
function headOf(batch: PackedBatch, shapes: readonly string[]): Uint8Array {
  const { estimated, filtered, thinning } = batch;
  const head: Omit<ColumnsHead, 'shapes'> = {
    v: 1,
    ...{ gateway: batch.gateway, log: batch.log, boot: batch.boot, inventory: batch.inventory },
    ...{ first: batch.range.first, last: batch.range.last },
    ...{ sent: batch.sent, offset: batch.offset },
    ...(estimated ? { clock: 'estimated' as const } : {}),
    ...(filtered === true ? { filtered } : {}),
    ...(thinning === undefined ? {} : { every: thinning.every, as: thinning.as }),
  };
  return seal(Buffer.from(`${JSON.stringify(head).slice(0, -1)},"shapes":[${shapes.join()}]}`), NO_NOISE, LEVEL);
}

const messages = (payload: Uint8Array): readonly Encoded[] => [{ to: '', payload }];

/** A NaN that a decoder let through is a bad reading, as in every other format. */
function finite(record: LogRecord): LogRecord {
  const { sample } = record;
  const { points } = sample.shape;
  let reasons: Uint8Array | undefined;
  for (let i = 0; i < points.length; i++) {
    if (points[i]?.storage !== 'number' || Number.isFinite(doubleOf(sample, i)) || !hasValue(reasonAt(sample, i))) continue;
    reasons ??= sample.reasons?.slice() ?? new Uint8Array(points.length);
    reasons[i] = NOT_A_NUMBER;
  }
  return reasons === undefined ? record : { ...record, sample: { ...sample, values: sample.values, reasons } };
}

/** Batch after batch has the same shapes, and their texts are most of a small one's work. */
const known = new WeakMap<Shape, string>();
function headShape(shape: Shape): string {
  let json = known.get(shape);
  if (json === undefined) {
    const { device, points } = shape;
    json = JSON.stringify({ device, points: points.map(headPoint) });
    known.set(shape, json);
  }
  return json;
}
const withId = (shape: Shape, id: number): string => `${headShape(shape).slice(0, -1)},"id":${id}}`;
function headPoint({ name, type, storage, unit }: PointInfo): HeadPoint {
  return unit === undefined ? [name, type, storage] : [name, type, storage, unit];
}

/** In memory of its own, which may change hands. */
function framed(head: Uint8Array, blocks: readonly Uint8Array[]): Uint8Array {
  const parts = [head, ...blocks];
  const all = new Uint8Array(MAGIC.length + parts.reduce((sum, part) => sum + 4 + part.length, 0));
  const view = new DataView(all.buffer);
  all.set(MAGIC);
  let at = MAGIC.length;
  for (const part of parts) {
    view.setUint32(at, part.length, true);
    all.set(part, at + 4);
    at += 4 + part.length;
  }
  return all;
}

export const columns: PayloadFormat = {
  name: 'columns',
  encode: (batch) => messages(columnsBatch(batch)),
  packed: {
    stored: (batch, shapes, blocks) =>
      messages(
        framed(
          headOf(
            batch,
            [...shapes].map(([id, shape]) => withId(shape, id)),
          ),
          blocks,
        ),
      ),
    rows(batch, rows) {
      const ids = rows.groups.map((_, i) => i);
      const shapes = rows.groups.map(({ shape }) => headShape(shape));
      return messages(framed(headOf(batch, shapes), [encodeRows(rows, ids, LEVEL)]));
    },
  },
};
