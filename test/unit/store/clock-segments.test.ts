import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import type { ClockSegment } from '../../../src/store/files/layout.ts';
import { changedFrom, joined, layOver, MAX_SEGMENTS, mappingAt, within } from '../../../src/store/time/clock-segments.ts';

const same = (a: ClockSegment | undefined, b: { offset: number; estimated: boolean } | undefined) =>
  assert.deepEqual([a?.offset, a?.estimated], [b?.offset, b?.estimated]);

test('a new mapping holds for what was not handed over, before and after and in between', () => {
  const old = [{ fromSeq: 0, offset: 1, estimated: true }];
  const { segments, coarse } = layOver(
    old,
    [
      { from: 5, to: 7 },
      { from: 10, to: 10 },
    ],
    0,
    { offset: 9, estimated: false },
  );
  assert.equal(coarse, false);
  assert.deepEqual(
    segments.map((s) => [s.fromSeq, s.offset, s.estimated]),
    [
      [0, 9, false],
      [5, 1, true],
      [8, 9, false],
      [10, 1, true],
      [11, 9, false],
    ],
  );
  assert.equal(changedFrom(old, segments), 0);
  assert.equal(changedFrom(segments, segments), Number.POSITIVE_INFINITY);
});

test('property: each number has the mapping of its hand-over, or else the newest', () => {
  const op = fc.oneof(
    fc.record({ op: fc.constant('hand' as const), from: fc.nat({ max: 60 }), n: fc.integer({ min: 1, max: 9 }) }),
    fc.record({ op: fc.constant('map' as const), offset: fc.nat({ max: 5 }), estimated: fc.boolean() }),
  );
  fc.assert(
    fc.property(fc.array(op, { maxLength: 60 }), (ops) => {
      let segments: readonly ClockSegment[] = layOver([], [], 0, { offset: 0, estimated: true }).segments;
      const fixed = new Map<number, ClockSegment>();
      let newest = { offset: 0, estimated: true };
      const spans: { from: number; to: number }[] = [];
      for (const o of ops) {
        if (o.op === 'hand') {
          spans.push({ from: o.from, to: o.from + o.n - 1 });
          for (let q = o.from; q < o.from + o.n; q++) if (!fixed.has(q)) fixed.set(q, mappingAt(segments, q) as ClockSegment);
        } else {
          newest = { offset: o.offset, estimated: o.estimated };
          const before = segments;
          segments = layOver(segments, within(joined(spans), 0, 1000), -1, newest).segments;
          const from = changedFrom(before, segments);
          for (let q = 0; q < from && q < 100; q++) same(mappingAt(segments, q), mappingAt(before, q));
        }
        for (let q = 0; q < 80; q++) same(mappingAt(segments, q), fixed.get(q) ?? newest);
        assert.equal(segments[0]?.fromSeq, 0);
        for (const [i, s] of segments.entries()) assert.ok(i === 0 || s.fromSeq > (segments[i - 1] as ClockSegment).fromSeq);
      }
    }),
    { numRuns: 300 },
  );
});

test('a restless clock: the list is bounded, delivered spans are joined, others keep time', () => {
  let segments: readonly ClockSegment[] = [];
  const kept = new Map<number, ClockSegment>();
  for (let i = 0; i < 2000; i++) {
    const handed = i === 0 ? [] : [{ from: 0, to: i * 10 }];
    segments = layOver(segments, handed, (i - 20) * 10, { offset: 1000 * (i % 7), estimated: false }).segments;
    assert.ok(segments.length < MAX_SEGMENTS);
    for (let q = Math.max(1, i - 19) * 10; q <= i * 10; q += 10) same(mappingAt(segments, q), kept.get(q));
    same(segments.at(-1), { offset: 1000 * (i % 7), estimated: false });
    kept.set((i + 1) * 10, segments.at(-1) as ClockSegment);
  }
});

test('where nothing is delivered and there is no room, it goes on as before and says so', () => {
  let segments: readonly ClockSegment[] = [];
  for (let i = 0; i < 400; i++) {
    const handed = i === 0 ? [] : [{ from: 0, to: i * 10 }];
    const before = segments;
    const { segments: next, coarse } = layOver(segments, handed, -1, { offset: 1000 * (i + 1), estimated: false });
    assert.ok(next.length <= MAX_SEGMENTS);
    for (let q = 0; q <= i * 10; q += 7) same(mappingAt(next, q), mappingAt(before, q) ?? next[0]);
    assert.equal(coarse, i >= MAX_SEGMENTS - 1, `round ${i}`);
    if (coarse) assert.equal(next.at(-1)?.estimated, true, 'what has another time than it should is marked');
    segments = next;
  }
  assert.equal(segments.length, MAX_SEGMENTS);
});
