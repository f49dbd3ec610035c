import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { decodeBlock, decodeShapes, encodeBlock } from '../../../src/codecs/blocks.ts';
import { contentOf, ENTRY, type Entry, EntryWriter, readEntries } from '../../../src/codecs/rows.ts';
import { unseal } from '../../../src/codecs/sealed.ts';
import { hasValue, type LogRecord, type Shape } from '../../../src/core/point.ts';
import { ABSENT } from '../../../src/core/reasons.ts';
import { blocks, texts } from '../../oracles/random-records.ts';

/** The comparable part: absent values are not compared, and no reasons are the same as reasons that are all good. */
function telling(record: LogRecord) {
  const { shape, at, values, reasons } = record.sample;
  const kept = shape.points.map((_, i) => {
    const r = reasons?.[i] ?? 0;
    return hasValue(r) ? [r, values[i]] : [r];
  });
  return { seq: record.seq, shape: JSON.stringify(shape), at, kept };
}
const idsOf = (all: readonly Shape[]) => ({
  idOf: (shape: Shape) => all.indexOf(shape) + 1,
  shapeOf: (id: number) => all[id - 1],
});

test('a block gives back every record to the bit', () => {
  fc.assert(
    fc.property(blocks, ({ shapes: all, records }) => {
      const { idOf, shapeOf } = idsOf(all);
      // The strict deepEqual tells -0 from 0.
      assert.deepEqual(decodeBlock(encodeBlock(records, idOf), shapeOf).map(telling), records.map(telling));
    }),
    { numRuns: 1000 },
  );
});

test('a block that was cut is an error and never other data', () => {
  fc.assert(
    fc.property(blocks, fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), ({ shapes: all, records }, where) => {
      const { idOf, shapeOf } = idsOf(all);
      const whole = encodeBlock(records, idOf);
      assert.throws(() => decodeBlock(whole.subarray(0, Math.floor(where * whole.length)), shapeOf), Error);
    }),
    { numRuns: 500 },
  );
});

test('a block whose bytes changed is an error or whole records, and ends', () => {
  fc.assert(
    fc.property(blocks, fc.nat(), fc.integer({ min: 1, max: 255 }), ({ shapes: all, records }, where, mask) => {
      const { idOf, shapeOf } = idsOf(all);
      const bytes = Buffer.from(encodeBlock(records, idOf));
      const at = where % bytes.length;
      bytes[at] = (bytes[at] as number) ^ mask;
      let decoded: LogRecord[];
      try {
        decoded = decodeBlock(bytes, shapeOf);
      } catch (thrown) {
        assert.ok(thrown instanceof Error);
        return;
      }
      for (const r of decoded) assert.equal(r.sample.values.length, r.sample.shape.points.length);
    }),
    { numRuns: 1000 },
  );
});

test('a block of a shape that is not known, and nonsense, are refused', () => {
  const shape: Shape = { device: 'd', points: [{ name: 'p', type: 'int16', storage: 'number' }] };
  const records = [{ seq: 1, sample: { shape, at: 5, values: [1], reasons: null } }];
  const bytes = encodeBlock(records, () => 7);
  assert.throws(() => decodeBlock(bytes, () => undefined), /shape 7 is not known/);
  assert.throws(() => decodeBlock(Buffer.from('nonsense'), () => shape), Error);
});

test('of a block only what is asked for is read', () => {
  fc.assert(
    fc.property(blocks, fc.nat(), ({ shapes: all, records }, pick) => {
      const { idOf, shapeOf } = idsOf(all);
      const wanted = all[pick % all.length] as Shape;
      const decoded = decodeBlock(encodeBlock(records, idOf, 6), (id) => (id === idOf(wanted) ? shapeOf(id) : undefined), {
        has: (id) => id === idOf(wanted),
      });
      assert.deepEqual(decoded.map(telling), records.filter((r) => r.sample.shape === wanted).map(telling));
    }),
    { numRuns: 500 },
  );
});

test('one column alone is what it is among all, and nothing else is made for it', () => {
  fc.assert(
    fc.property(blocks, ({ shapes: all, records }) => {
      const blob = encodeBlock(records, (shape) => all.indexOf(shape));
      const parts = () => decodeShapes(blob, (id) => all[id]);
      for (const [g, whole] of parts().entries())
        for (const i of whole.shape.points.keys()) {
          const alone = parts()[g] as typeof whole;
          assert.deepEqual(alone.column(i), whole.column(i));
          assert.equal(alone.column(i), alone.column(i));
          assert.equal(alone.made, 1);
          const mine = records.filter((r) => r.sample.shape === whole.shape);
          const told = mine.map(({ sample }) => (hasValue(sample.reasons?.[i] ?? 0) ? sample.values[i] : 0));
          assert.deepEqual(alone.column(i), told);
        }
    }),
  );
});

test('version 1 of a block stays readable', () => {
  const pump: Shape = {
    device: 'pump',
    points: [
      { name: 'pressure', type: 'int16', storage: 'number' },
      { name: 'power', type: 'float32', storage: 'number' },
      { name: 'odd', type: 'float64', storage: 'number' },
      { name: 'energy', type: 'uint64', storage: 'integer64' },
      { name: 'on', type: 'bool', storage: 'boolean' },
      { name: 'state', type: 'string', storage: 'string' },
    ],
  };
  const meter: Shape = { device: 'meter', points: [{ name: 'l1', type: 'uint32', storage: 'number' }] };
  const all = [pump, meter];
  const { idOf, shapeOf } = idsOf(all);
  const records: LogRecord[] = [];
  for (let i = 0; i < 6; i++) {
    const values = [1.25 + i / 100, 229.98765 - i * i, 1 / (i + 3), 2n ** 63n + BigInt(i), i % 2 === 0, 'ok\u{e9}'];
    const reasons = i === 4 ? Uint8Array.from([1, 0, ABSENT, 128, 2, 0]) : null;
    records.push({ seq: 10 + 2 * i, sample: { shape: pump, at: 5000 + i * 1000 + (i % 2), values, reasons } });
    records.push({
      seq: 11 + 2 * i,
      sample: { shape: meter, at: 5003 + i * 1000, values: [4e9 + i * i * 777_777], reasons: null },
    });
  }
  const golden =
    'Y+RhYmTiYkQABiQwwY/tEv8FfmYGBgYQXs/IzyXICJIHE1CF/8F0A5hkgooxuQoKC4ksYOQzYmBiYmJRVlfX1AwNnXU+NDR05hmsxFVWSR5We7B2sFugBuGlIHay5GcfXomTYHBgdGDQ0NHR0wMA9Xu5whqAk+DoSBVzBbug3NZQAPeMRzUntW9UxNXqz7kgAAAAoOn98Q==';
  const content = (blob: Uint8Array) => {
    const { bytes, noise } = unseal(blob, 'block');
    return [bytes, noise].map((part) => Buffer.from(part.rest()).toString('hex'));
  };
  // Another deflate may give other bytes for the same content.
  assert.deepEqual(content(encodeBlock(records, idOf)), content(Buffer.from(golden, 'base64')));
  assert.deepEqual(decodeBlock(Buffer.from(golden, 'base64'), shapeOf).map(telling), records.map(telling));
});

function written(all: readonly Shape[], records: readonly LogRecord[]): { bytes: Uint8Array; ends: number[] } {
  const { idOf } = idsOf(all);
  const writer = new EntryWriter(64);
  const ends: number[] = [];
  all.forEach((shape) => {
    writer.shape(idOf(shape), contentOf(shape));
    ends.push(writer.length);
  });
  for (const { seq, sample } of records) {
    writer.record(seq, idOf(sample.shape), sample.at, sample);
    ends.push(writer.length);
  }
  return { bytes: writer.take(), ends };
}
const read = (bytes: Uint8Array): Entry[] => [...readEntries(bytes, new Map())];
const recordsOf = (entries: readonly Entry[]) => entries.flatMap((e) => (e.kind === 'record' ? [telling(e.record)] : []));

test('entries give back every record to the bit', () => {
  fc.assert(
    fc.property(blocks, ({ shapes: all, records }) => {
      const { bytes } = written(all, records);
      assert.deepEqual(recordsOf(read(bytes)), records.map(telling));
    }),
    { numRuns: 1000 },
  );
});

test('records that lie in entries become the block that they would become as objects', () => {
  fc.assert(
    fc.property(blocks, ({ shapes: all, records }) => {
      const { idOf } = idsOf(all);
      const kept = read(written(all, records).bytes).flatMap((e) => (e.kind === 'record' ? [e.record] : []));
      // A shape that is read is another object, under the same number.
      const ids = new Map(kept.map(({ sample }, i) => [sample.shape, idOf((records[i] as LogRecord).sample.shape)]));
      assert.deepEqual(
        encodeBlock(kept, (shape) => ids.get(shape) as number),
        encodeBlock(records, idOf),
      );
    }),
    { numRuns: 500 },
  );
});

test('the definition of a number that is known is passed over', () => {
  const named = (device: string): Shape => ({ device, points: [{ name: 'p', type: 'int16', storage: 'number' }] });
  const writer = new EntryWriter(64);
  writer.shape(7, contentOf(named('a')));
  writer.record(1, 7, 5, { shape: named('a'), at: 5, values: [1], reasons: null });
  writer.shape(7, contentOf(named('b')));
  writer.record(2, 7, 6, { shape: named('a'), at: 6, values: [2], reasons: null });
  const known = new Map<number, Shape>();
  const kept = [...readEntries(writer.take(), known)].flatMap((e) => (e.kind === 'record' ? [e.record] : []));
  assert.deepEqual(
    kept.map(({ sample }) => [sample.shape.device, sample.values]),
    [
      ['a', [1]],
      ['a', [2]],
    ],
  );
  assert.deepEqual([...known.keys()], [7]);
});

test('entries that were cut end quietly at the cut', () => {
  fc.assert(
    fc.property(blocks, fc.double({ min: 0, max: 1, noNaN: true }), ({ shapes: all, records }, where) => {
      const { bytes, ends } = written(all, records);
      const cut = Math.floor(where * bytes.length);
      const whole = ends.filter((end) => end <= cut).length;
      const entries = read(bytes.subarray(0, cut));
      assert.equal(entries.length, whole);
      assert.deepEqual(recordsOf(entries), records.slice(0, Math.max(0, whole - all.length)).map(telling));
    }),
    { numRuns: 500 },
  );
});

test('entries whose bytes changed, and garbage, end quietly', () => {
  fc.assert(
    fc.property(blocks, fc.nat(), fc.integer({ min: 1, max: 255 }), ({ shapes: all, records }, where, mask) => {
      const { bytes } = written(all, records);
      const at = where % bytes.length;
      bytes[at] = (bytes[at] as number) ^ mask;
      read(bytes);
    }),
    { numRuns: 1000 },
  );
  fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => void read(bytes)));
});

test('notices and states keep their content', () => {
  fc.assert(
    fc.property(fc.json(), texts, (body, key) => {
      const writer = new EntryWriter(16);
      const notice = { seq: 9, at: 5, kind: 'event' as const, key, json: body };
      writer.json(ENTRY.notice, notice);
      writer.json(ENTRY.state, { type: 'alarm', state: { key } });
      assert.deepEqual(read(writer.take()), [
        { kind: 'notice', notice },
        { kind: 'state', state: { type: 'alarm', state: { key } } },
      ]);
    }),
  );
});

test('the bytes that a writer gave away are its own no more', () => {
  const writer = new EntryWriter(16);
  writer.json(ENTRY.state, 'first');
  const first = writer.take();
  writer.json(ENTRY.state, 'second');
  assert.deepEqual(read(first), [{ kind: 'state', state: 'first' }]);
  assert.deepEqual(read(writer.since(0)), [{ kind: 'state', state: 'second' }]);
});
