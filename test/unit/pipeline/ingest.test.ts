import assert from 'node:assert/strict';
import test from 'node:test';
import type { LogRecord, Sample, Shape } from '../../../src/core/point.ts';
import type { LiveSink } from '../../../src/core/ports.ts';
import { ABSENT } from '../../../src/core/reasons.ts';
import { Ingest } from '../../../src/pipeline/ingest.ts';
import { Latest } from '../../../src/pipeline/latest.ts';
import { RecordParts } from '../../../src/pipeline/record-parts.ts';
import { RuleEngine } from '../../../src/rules/engine.ts';
import type { Log } from '../../../src/store/log.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';
import { resolveRules } from '../../harness/rule-case.ts';

const point = (name: string) => ({ name, type: 'float64', storage: 'number' }) as const;
const plain: Shape = { device: 'a', points: [point('x')] };
const limited: Shape = { device: 'b', points: [point('x'), point('y')], report: [{ change: 5 }, { atLeast: 60_000 }] };

function bench(parts?: RecordParts) {
  const appended: Sample[] = [];
  const seen: (readonly [Sample, LogRecord | undefined])[] = [];
  const alarms: unknown[] = [];
  const observed: unknown[] = [];
  const numbers = { left: 100 };
  const log = {
    append: (sample: Sample) => {
      if (numbers.left-- <= 0) return undefined;
      appended.push(sample);
      return { seq: appended.length, sample };
    },
    saveState: () => {},
    notice: (kind: string, key: string) => ({ kind, key, seq: 0, json: '{}' }),
  };
  const clock = new ManualClock();
  const latest = new Latest(() => 0);
  latest.setShapes([plain, limited]);
  const rules = new RuleEngine({
    rules: resolveRules({ high: { point: 'b.x', above: 8 }, trial: { point: 'b.x', above: 8, observe: true } }),
    start: { at: 0, wall: 0, wallKnown: true },
    shapes: [plain, limited],
  });
  const ingest = new Ingest({
    ...{ log: log as unknown as Log, clock, latest, rules, parts },
    offset: () => 0,
    clockKnown: () => true,
    onAlarm: (t) => alarms.push(t.value),
    onObserved: (t) => observed.push(t.value),
  });
  const sink: LiveSink = { sample: (sample, record) => seen.push([sample, record]), notice: () => {}, inventory: () => {} };
  ingest.add(sink);
  const read = (shape: Shape, at: number, ...values: number[]): Sample => {
    const sample: Sample = { shape, at, values, reasons: null };
    ingest.sample(sample);
    return sample;
  };
  return { ingest, appended, seen, alarms, observed, numbers, latest, read };
}

test('without report: the very sample is logged and told', () => {
  const b = bench();
  const samples = [b.read(plain, 1, 4), b.read(plain, 2, 4)];
  assert.deepEqual(b.appended, samples);
  assert.ok(b.appended.every((sample, i) => sample === samples[i]));
  assert.deepEqual({ ...b.ingest.counts, events: 0 }, { ...b.ingest.counts, records: 2, readings: 2, unkept: 0, unreported: 0 });
});

test('report: stands before the log alone: rules, latest values and sinks see every sample', () => {
  const b = bench();
  b.read(limited, 1, 4, 1);
  b.read(limited, 2, 8.5, 1);
  b.read(limited, 3, 9, 1);
  b.read(limited, 4, 9, 2);
  assert.deepEqual(
    b.appended.map((s) => [s.at, ...s.values.map((v, i) => (s.reasons?.[i] === ABSENT ? '-' : v))]),
    [
      [1, 4, 1],
      [3, 9, '-'],
      [4, '-', 2],
    ],
  );
  assert.deepEqual(b.alarms, [8.5]);
  assert.deepEqual(b.observed, [8.5]);
  assert.equal(b.latest.get('b', 'x')?.value, 9);
  assert.deepEqual(
    b.seen.map(([sample, record]) => [sample.at, sample.reasons, record?.seq]),
    [
      [1, null, 1],
      [2, null, undefined],
      [3, null, 2],
      [4, null, 3],
    ],
  );
  const { records, readings, unreported } = b.ingest.counts;
  assert.deepEqual({ records, readings, unreported }, { records: 3, readings: 4, unreported: 4 });
});

test('what the log gave no number is still told, and does not count as kept', () => {
  const b = bench();
  b.numbers.left = 1;
  b.read(limited, 1, 4, 1);
  b.read(limited, 2, 20, 1);
  b.numbers.left = 1;
  b.read(limited, 3, 20, 1);
  assert.deepEqual(
    b.appended.map((s) => [s.at, ...s.values]),
    [
      [1, 4, 1],
      [3, 20, 1],
    ],
  );
  assert.equal(b.appended[1]?.reasons, null, 'all of it: nothing is known to be kept');
  assert.deepEqual(
    b.seen.map(([, record]) => record?.seq),
    [1, undefined, 2],
  );
  assert.equal(b.ingest.counts.unkept, 1);
});

test('report: a sample of which one record had no number does not count as kept', () => {
  const b = bench(new RecordParts({ points: { 'b.y': 'household' }, keep: { household: 3_600_000 } }));
  b.numbers.left = 1;
  b.read(limited, 1, 4, 1);
  b.numbers.left = 10;
  b.read(limited, 2, 4, 1);
  b.read(limited, 3, 4, 1);
  assert.deepEqual(
    b.appended.map((s) => [s.at, ...s.shape.points.map(({ name }) => name), ...s.values]),
    [
      [1, 'x', 4],
      [2, 'x', 4],
      [2, 'y', 1],
    ],
  );
  assert.equal(b.ingest.counts.unkept, 1);
});
