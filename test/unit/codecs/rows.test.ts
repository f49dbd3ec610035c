import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { contentOf, ENTRY, type Entry, EntryWriter, readEntries, type StoredNotice } from '../../../src/codecs/rows.ts';
import type { Sample, Shape } from '../../../src/core/point.ts';

const shape: Shape = {
  device: 'd',
  points: Array.from({ length: 20 }, (_, i) => ({ name: `p${i}`, type: 'float64', storage: 'number' })),
};
const sample = (at: number): Sample => ({ shape, at, values: shape.points.map((_, i) => at + i / 10), reasons: null });
/** The values of a record are read when they are asked for. */
function plain(entry: Entry): Entry {
  if (entry.kind !== 'record') return entry;
  const { seq, sample } = entry.record;
  const { at, values, reasons } = sample;
  return { ...entry, record: { seq, sample: { shape: sample.shape, at, values, reasons } } };
}
const notice = (seq: number, length: number): StoredNotice => ({
  seq,
  at: seq,
  kind: 'event',
  key: 'k',
  json: 'x'.repeat(length),
});

test('entries of every kind come back whole, wherever the buffer has to grow', () => {
  fc.assert(
    fc.property(
      fc.array(fc.record({ kind: fc.constantFrom('record', 'notice', 'state'), length: fc.nat(3000) }), { maxLength: 60 }),
      fc.integer({ min: 1, max: 4096 }),
      (items, capacity) => {
        const writer = new EntryWriter(capacity);
        const expected: Entry[] = [{ kind: 'shape', id: 7, shape }];
        writer.shape(7, contentOf(shape));
        items.forEach(({ kind, length }, seq) => {
          if (kind === 'record') {
            writer.record(seq, 7, seq, sample(seq));
            expected.push({ kind, shapeId: 7, record: { seq, sample: sample(seq) } });
          } else if (kind === 'notice') {
            writer.json(ENTRY.notice, notice(seq, length));
            expected.push({ kind, notice: notice(seq, length) });
          } else {
            writer.json(ENTRY.state, { seq, text: 'y'.repeat(length) });
            expected.push({ kind: 'state', state: { seq, text: 'y'.repeat(length) } });
          }
        });
        assert.deepEqual([...readEntries(writer.take(), new Map())].map(plain), expected);
      },
    ),
  );
});
