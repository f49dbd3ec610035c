/** Payloads of format `columns` back to records: the other way of format-columns.ts. */
import { SluiceError } from '../core/errors.ts';
import { POINT_TYPES, type PointInfo, type PointType, type Shape, type Storage } from '../core/point.ts';
import { decodeBlock } from './blocks.ts';
import { type Batch, rangeOf } from './format.ts';
import { unseal } from './sealed.ts';
import { type Thinning, WINDOW_VALUES, type WindowValue } from './thinning.ts';

const STORAGES: readonly Storage[] = ['number', 'boolean', 'integer64', 'string'];
/** Names in a head are those of a configuration. */
const MAX_NAME = 256;
const ID = /^[a-z0-9]{1,32}$/;

/** @throws SluiceError bundle-refused: the bytes are none, or damaged */
export function readColumns(payload: Uint8Array, lane: Batch['lane']): Batch {
  try {
    return read(payload, lane);
  } catch (cause) {
    throw new SluiceError('bundle-refused', 'a payload of columns is damaged', { cause });
  }
}

function read(payload: Uint8Array, lane: Batch['lane']): Batch {
  const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
  if (view.getUint32(0) !== 0x534c4301) throw new Error('it is no payload of columns');
  const parts: Uint8Array[] = [];
  for (let at = 4; at < payload.length; ) {
    const length = view.getUint32(at, true);
    if (at + 4 + length > payload.length) throw new Error('it ends too early');
    parts.push(payload.subarray(at + 4, at + 4 + length));
    at += 4 + length;
  }
  const [first, ...blocks] = parts;
  if (first === undefined || blocks.length === 0) throw new Error('it has no block');
  const { bytes } = unseal(first, 'head');
  const head = JSON.parse(new TextDecoder().decode(bytes.rest())) as Record<string, unknown>;
  const { gateway, log, boot, inventory, sent, offset, clock } = head;
  const shapes = new Map((head.shapes as unknown[]).map((shape, place) => [idOf(shape, place), shapeOf(shape)]));
  const records = blocks.flatMap((block) => decodeBlock(block, (id) => shapes.get(id)));
  // A block of the log has the records of one shape.
  if (blocks.length > 1) records.sort((a, b) => a.seq - b.seq);
  if (records.length === 0) throw new Error('it has no record');
  const { first: lowest, last: highest } = rangeOf({ records });
  const range = { first: whole(head.first), last: whole(head.last) };
  if (range.first < 0 || range.first > lowest || range.last < highest) throw new Error('its range is not that of its records');
  const thinning = thinningOf(head);
  return {
    ...{ lane, gateway: name(gateway), log: id(log), boot: id(boot), inventory: whole(inventory) },
    ...{ sent: whole(sent), offset: whole(offset), estimated: clock === 'estimated', records },
    ...(range.first === lowest && range.last === highest ? {} : { range }),
    ...(head.filtered === true ? { filtered: true } : {}),
    ...(thinning === undefined ? {} : { thinning }),
  };
}

/** The head does not name the points of which the last reading stands. */
function thinningOf({ every, as }: Record<string, unknown>): Thinning | undefined {
  if (every === undefined && as === undefined) return undefined;
  if (!WINDOW_VALUES.includes(as as WindowValue) || whole(every) <= 0) throw new Error('its windows are damaged');
  return { every: every as number, as: as as WindowValue, last: [] };
}

function idOf(value: unknown, place: number): number {
  const { id = place } = value as { id?: unknown };
  return whole(id);
}
function shapeOf(value: unknown): Shape {
  const { device, points } = value as { device: unknown; points: unknown[] };
  return { device: name(device), points: points.map(pointOf) };
}
function pointOf(value: unknown): PointInfo {
  const [point, type, storage, unit] = value as unknown[];
  if (!POINT_TYPES.includes(type as PointType) || !STORAGES.includes(storage as Storage)) throw new Error('a type is not known');
  const info = { name: name(point), type: type as PointType, storage: storage as Storage };
  return unit === undefined ? info : { ...info, unit: name(unit) };
}
function name(value: unknown): string {
  if (typeof value !== 'string' || value.length > MAX_NAME) throw new Error('a name is not a text');
  return value;
}
/** The name of a log or a boot. It stands in texts as it is, so only these letters are taken. */
function id(value: unknown): string {
  if (typeof value !== 'string' || !ID.test(value)) throw new Error('the name of a log or a boot is damaged');
  return value;
}
function whole(value: unknown): number {
  if (!Number.isSafeInteger(value)) throw new Error('a number is not whole');
  return value as number;
}
