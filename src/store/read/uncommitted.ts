/**
 * The entries that no file has yet, for an export: as columns, in the order of the log. At most PART records are decoded at
 * once, since all of them may be more than the memory of the thread.
 */
import { decodeShapes, encodeBlock, type ShapeColumns } from '../../codecs/blocks.ts';
import { readEntries } from '../../codecs/rows.ts';
import type { LogRecord, Shape } from '../../core/point.ts';
import type { Uncommitted } from './requests.ts';

const PART = 500;

/** The records with a number above `after`, ascending in each part. */
export function* tailColumns(tail: Uncommitted, after: number): Generator<readonly ShapeColumns[]> {
  for (const entries of tail.entries) {
    const shapes = new Map<number, Shape>();
    const ids = new Map<Shape, number>();
    let part: LogRecord[] = [];
    for (const entry of readEntries(entries, shapes)) {
      if (entry.kind !== 'record' || entry.record.seq <= after) continue;
      ids.set(entry.record.sample.shape, entry.shapeId);
      if (part.push(entry.record) < PART) continue;
      yield columnsOf(part, ids, shapes);
      part = [];
    }
    if (part.length > 0) yield columnsOf(part, ids, shapes);
  }
}

function columnsOf(
  records: readonly LogRecord[],
  ids: ReadonlyMap<Shape, number>,
  shapes: ReadonlyMap<number, Shape>,
): readonly ShapeColumns[] {
  // As the writer would make it, so that a reading looks the same before its commit and after it.
  const block = encodeBlock(records, (shape) => ids.get(shape) ?? 0);
  return decodeShapes(block, (id) => shapes.get(id), undefined);
}

/** The shapes of its records; records themselves are not decoded for it. */
export function tailShapes(tail: Uncommitted): Shape[] {
  const all = new Map<number, Shape>();
  for (const entries of tail.entries) {
    const shapes = new Map<number, Shape>();
    for (const entry of readEntries(entries, shapes)) if (entry.kind === 'shape') all.set(entry.id, entry.shape);
  }
  return [...all.values()];
}
