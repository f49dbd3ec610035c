import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { Lanes, MAX_RANGES } from '../../../src/store/delivery/lanes.ts';
import type { Lane } from '../../../src/store/files/lane-state.ts';

/** The lane of a number, read from the saved ranges. */
const laneOf = (lanes: Lanes, seq: number): Lane => lanes.state().ranges.findLast(([from]) => from <= seq)?.[1] ?? 'history';

test('a new forwarder takes what exists as history and what follows as data', () => {
  const lanes = Lanes.begin('oldest', 10);
  assert.deepEqual(lanes.span('history'), { from: 1, to: 9 });
  assert.deepEqual(lanes.span('data'), { from: 10, to: Number.POSITIVE_INFINITY });
  assert.equal(Lanes.begin('now', 10).span('history'), undefined);
});

test('lag moves only what is not fixed, and history never returns to data', () => {
  const lanes = Lanes.begin('now', 1);
  lanes.handOver(3);
  lanes.commitBegins(6);
  lanes.lag();
  assert.deepEqual(lanes.span('data'), { from: 1, to: 5 });
  assert.deepEqual(lanes.span('history'), { from: 6, to: Number.POSITIVE_INFINITY });
  lanes.resume(9);
  assert.deepEqual(
    [5, 6, 8, 9].map((s) => laneOf(lanes, s)),
    ['data', 'history', 'history', 'data'],
  );
  lanes.done('data', 5);
  assert.deepEqual(lanes.span('data'), { from: 9, to: Number.POSITIVE_INFINITY });
});

test('property: a fixed lane never changes, numbers keep one lane, state survives a restart', () => {
  const step = fc.oneof(
    fc.record({ op: fc.constant('append' as const), n: fc.integer({ min: 1, max: 5 }) }),
    fc.record({ op: fc.constantFrom('commit' as const, 'lag' as const, 'resume' as const, 'reload' as const, 'send' as const) }),
    fc.record({
      op: fc.constant('ack' as const),
      lane: fc.constantFrom<Lane>('data', 'history'),
      n: fc.integer({ min: 1, max: 4 }),
    }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
      let lanes = Lanes.begin('oldest', 1);
      let next = 1;
      let fixed = 0;
      const seen: Lane[] = [];
      for (const s of steps) {
        if (s.op === 'append') next += s.n;
        else if (s.op === 'commit') {
          lanes.commitBegins(next);
          fixed = next - 1;
        } else if (s.op === 'lag') lanes.lag();
        else if (s.op === 'resume') lanes.resume(next);
        else if (s.op === 'reload') {
          // What a restart brings back: everything was committed before.
          lanes = Lanes.load(JSON.parse(JSON.stringify(lanes.state())));
          lanes.commitBegins(next);
          fixed = next - 1;
        } else {
          const lane: Lane = s.op === 'ack' ? s.lane : 'data';
          const span = lanes.span(lane);
          if (span === undefined || span.from >= next) continue;
          const last = Math.min(span.to, next - 1, span.from + (s.op === 'ack' ? s.n : 2) - 1);
          if (lane === 'data') {
            lanes.handOver(last);
            fixed = Math.max(fixed, last);
          }
          if (s.op === 'ack') {
            for (let q = span.from; q <= last; q++)
              assert.equal(laneOf(lanes, q), lane, 'a batch covers no number of the other lane');
            lanes.done(lane, last);
          }
        }
        assert.ok(lanes.state().ranges.length <= MAX_RANGES);
        for (let q = 1; q <= fixed; q++) {
          if (!lanes.waits(q)) continue;
          seen[q] ??= laneOf(lanes, q);
          assert.equal(laneOf(lanes, q), seen[q], `lane of ${q} changed`);
        }
        for (let q = fixed + 1; q < next; q++) if (seen[q] === undefined && laneOf(lanes, q) === 'history') seen[q] = 'history';
      }
    }),
    { numRuns: 300 },
  );
});

test('property: what is owed again is history, whatever it was, and nothing else is lost', () => {
  const step = fc.oneof(
    fc.record({ op: fc.constant('append' as const), n: fc.integer({ min: 1, max: 5 }) }),
    fc.record({ op: fc.constantFrom('commit' as const, 'lag' as const, 'resume' as const) }),
    fc.record({
      op: fc.constantFrom('ack' as const, 'ack' as const, 'again' as const),
      lane: fc.constantFrom<Lane>('data', 'history'),
      n: fc.nat(6),
    }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const lanes = Lanes.begin('oldest', 1);
      let next = 1;
      let acked: { lane: Lane; first: number; last: number }[] = [];
      const owed = new Set<number>();
      const handed = new Set<number>();
      for (const s of steps) {
        if (s.op === 'append') for (let i = 0; i < s.n; i++) owed.add(next++);
        else if (s.op === 'commit') lanes.commitBegins(next);
        else if (s.op === 'lag') lanes.lag();
        else if (s.op === 'resume') lanes.resume(next);
        else if (s.op === 'ack') {
          const span = lanes.span(s.lane);
          if (span === undefined || span.from >= next) continue;
          const last = Math.min(span.to, next - 1, span.from + s.n);
          lanes.handOver(last, s.lane);
          lanes.done(s.lane, last);
          acked.push({ lane: s.lane, first: span.from, last });
          for (let seq = span.from; seq <= last; seq++) owed.delete(seq);
          for (let seq = span.from; seq <= last; seq++) handed.add(seq);
        } else if (s.op === 'again') {
          const one = acked[acked.length - 1 - (s.n % Math.max(1, acked.length))];
          if (one === undefined) continue;
          acked = acked.filter((a) => a !== one);
          lanes.again(one.first, one.last);
          for (let seq = one.first; seq <= one.last; seq++) {
            owed.add(seq);
            assert.equal(laneOf(lanes, seq), 'history');
          }
        }
        for (const seq of owed) assert.ok(lanes.waits(seq), `${seq} waits`);
        const spans = lanes.handedOver();
        for (const seq of handed)
          assert.ok(
            spans.some(({ from, to }) => from <= seq && seq <= to),
            `${seq} stays handed over`,
          );
        assert.ok(lanes.state().ranges.length <= MAX_RANGES);
      }
    }),
  );
});

test('what is owed again stays handed over, also where ranges are used up', () => {
  const lanes = Lanes.begin('now', 1);
  lanes.handOver(100);
  lanes.done('data', 100);
  lanes.again(50, 80);
  assert.deepEqual(lanes.span('history'), { from: 50, to: 80 });
  const numbers = (of: Lanes) =>
    of.handedOver().flatMap(({ from, to }) => Array.from({ length: to - from + 1 }, (_, i) => from + i));
  const all = Array.from({ length: 100 }, (_, i) => i + 1);
  assert.deepEqual(numbers(lanes), all);
  assert.deepEqual(numbers(Lanes.load(lanes.state())), all);
  const full = Lanes.begin('now', 1);
  for (let at = 1; full.state().ranges.length < MAX_RANGES - 2; at += 2) {
    full.handOver(at);
    full.lag();
    full.resume(at + 2);
  }
  const next = (full.state().ranges.at(-1)?.[0] ?? 0) + 10;
  full.handOver(next);
  const before = numbers(full);
  full.again(next - 5, next - 3);
  assert.equal(full.live, false, 'all from there on is history');
  const after = new Set(numbers(full));
  assert.deepEqual(
    before.filter((seq) => !after.has(seq)),
    [],
  );
  assert.equal(Math.max(...after), next);
});
