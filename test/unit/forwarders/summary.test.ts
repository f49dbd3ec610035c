/** Summaries under a budget: against sums of all readings, within the room, from a log of the test. */
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { Summaries } from '../../../src/forwarders/mqtt/budget/summaries.ts';
import { HOUR, MOST_HOURS, oneStepWithin, type SummaryCell, summaryWithin } from '../../../src/forwarders/mqtt/budget/summary.ts';
import { PastClasses } from '../../../src/pipeline/past-classes.ts';
import { Described } from '../../oracles/described.ts';

const FROM = 1_795_572_000_000;
interface Text {
  readonly from: number;
  readonly to: number;
  readonly step: number;
  readonly clock?: string;
  readonly points: Record<string, ([number, number, number, number] | null)[]>;
}

const cell = fc.option(
  fc.array(fc.integer({ min: -1000, max: 1000 }), { minLength: 1, maxLength: 20 }).map((values) => ({ values })),
  { nil: undefined },
);

function cellOf(values: readonly number[]): SummaryCell {
  return {
    ...{ count: values.length, min: Math.min(...values), max: Math.max(...values) },
    mean: values.reduce((sum, v) => sum + v, 0) / values.length,
  };
}

test('a summary says what the readings of each step say, in the finest steps that fit', () => {
  const points = fc.array(fc.array(cell, { minLength: 1, maxLength: 40 }), { minLength: 1, maxLength: 6 });
  fc.assert(
    fc.property(points, fc.integer({ min: 100, max: 6000 }), (all, bytes) => {
      const hours = Math.max(...all.map((cells) => cells.length));
      const of = {
        ...{ gateway: 'g1', from: FROM, to: FROM + hours * HOUR, estimated: false },
        points: all.map((cells, i) => ({
          name: `d.p${i}`,
          hours: Array.from({ length: hours }, (_, h) => cells[h] && cellOf(cells[h].values)),
        })),
      };
      const json = summaryWithin(of, bytes);
      if (json === undefined) return;
      assert.ok(Buffer.byteLength(json) <= bytes);
      const made = JSON.parse(json) as Text;
      new Described().holds('summary', json, 'a summary');
      const width = made.step / HOUR;
      for (const [i, cells] of all.entries()) {
        const row = made.points[`d.p${i}`];
        const values = cells.flatMap((c) => c?.values ?? []);
        if (row === undefined) {
          assert.equal(values.length, 0);
          continue;
        }
        assert.equal(row.length, Math.ceil(hours / width));
        for (const [k, step] of row.entries()) {
          const inside = cells.slice(k * width, (k + 1) * width).flatMap((c) => c?.values ?? []);
          if (step === null) assert.equal(inside.length, 0);
          else {
            const wanted = cellOf(inside);
            assert.deepEqual([step[0], step[1], step[3]], [wanted.count, wanted.min, wanted.max]);
            assert.ok(Math.abs(step[2] - wanted.mean) <= 1e-5 * Math.max(1, Math.abs(wanted.mean)), `${step[2]} ${wanted.mean}`);
          }
        }
      }
      // One step finer does not fit.
      const finer = [1, 2, 3, 6, 12, 24, 48].filter((w) => w < width);
      if (finer.length > 0) {
        const unbounded = summaryWithin(of, Number.POSITIVE_INFINITY) as string;
        assert.ok(Buffer.byteLength(unbounded) > bytes, 'the finest would have fitted');
      }
    }),
  );
});

test('a summary that does not fit in one step is left out', () => {
  const of = {
    ...{ gateway: 'g1', from: FROM, to: FROM + HOUR, estimated: false },
    points: [{ name: 'd.p', hours: [cellOf([1])] }],
  };
  assert.equal(summaryWithin(of, 20), undefined);
  assert.equal(oneStepWithin(of, 20), undefined);
  assert.equal(oneStepWithin(of, 200), summaryWithin(of, 200));
  assert.equal(summaryWithin({ ...of, points: [] }, 10_000), undefined);
});

type Side = ConstructorParameters<typeof Summaries>[0];

function behind(special: { saved?: unknown; unsent?: number } & Partial<Pick<Side, 'wanted' | 'classesBefore'>> = {}) {
  const state = { now: FROM + 30 * 60_000, known: true, unsent: special.unsent ?? 10_000, saved: special.saved, asked: 0 };
  const summaries = new Summaries({
    ...{ gateway: 'g1', forwarder: 'cloud' },
    log: {
      options: { commitEvery: 10_000 },
      unsent: async () => ({ readings: state.unsent, exact: true }),
      keeper: {
        query: async ({ from, to }: { from: number; to: number }) => {
          state.asked++;
          const buckets = [];
          for (let time = Math.ceil(from / HOUR) * HOUR; time < to; time += HOUR)
            buckets.push({ time, min: 1, max: 3, mean: 2, count: 4, bad: 0, estimated: false });
          return { id: 1, found: { unit: undefined, type: 'uint16' as const, width: HOUR, readings: [], buckets } };
        },
      },
    } as unknown as Side['log'],
    inventory: () => JSON.stringify({ v: 1, devices: { d: { points: { p: {}, q: {} } }, e: { points: { p: {} } } } }),
    wanted: special.wanted ?? (() => ({ devices: ['d'] })),
    classesBefore: special.classesBefore,
    now: () => state.now,
    known: () => state.known,
    delivered: () => ({ bytes: 0, readings: 0 }),
    memory: {
      load: () => state.saved,
      save: (saved: unknown) => {
        state.saved = saved;
      },
    },
  });
  return { state, summaries };
}

test('each hour is summed up once, and hours whose readings left are not', async () => {
  const { state, summaries } = behind();
  assert.equal(await summaries.make(8000), undefined, 'nothing is behind');
  state.now += 5 * HOUR;
  const made = await summaries.make(8000);
  assert.ok(made);
  const text = JSON.parse(made.message.payload as string) as Text;
  assert.deepEqual([text.from, text.to, text.step], [FROM, FROM + 5 * HOUR, HOUR]);
  assert.deepEqual(Object.keys(text.points), ['d.p', 'd.q'], 'the filter holds');
  assert.deepEqual([made.message.topic, made.message.qos, made.message.retain], ['sluice/g1/summary', 1, false]);
  // It did not leave: the same again. Then it leaves.
  assert.equal((await summaries.make(8000))?.to, made.to);
  summaries.cover(made.to);
  assert.deepEqual(state.saved, { covered: FROM + 5 * HOUR });
  assert.equal(await summaries.make(8000), undefined);
  state.now += 2 * HOUR;
  summaries.cover(state.now);
  assert.equal(await summaries.make(8000), undefined, 'all readings left');
  const again = behind({ saved: state.saved });
  again.state.now = state.now + 3 * HOUR;
  const next = JSON.parse((await again.summaries.make(8000))?.message.payload as string) as Text;
  assert.equal(next.from, FROM + 7 * HOUR, 'a restart goes on where it was');
});

test('a reload makes the new summaries first, and they go on where the old ones ended', async () => {
  const { state, summaries } = behind();
  state.now += 2 * HOUR;
  const after = behind({ saved: { covered: FROM } });
  summaries.cover(state.now);
  after.state.saved = state.saved;
  after.state.now = state.now + 3 * HOUR;
  const { from } = JSON.parse((await after.summaries.make(8000))?.message.payload as string) as Text;
  assert.equal(from, FROM + 2 * HOUR);
});

test('no summary is made where all readings fit, or no limit is set', async () => {
  const { state, summaries } = behind({ unsent: 100 });
  state.now += 9 * HOUR;
  assert.equal(await summaries.make(8000), undefined);
  state.unsent = 1e6;
  assert.equal(await summaries.make(Number.POSITIVE_INFINITY), undefined);
  assert.equal(await summaries.make(300), undefined);
  assert.equal(state.asked, 0);
});

test('damaged memory, a clock that goes back and a year behind do no harm', async () => {
  for (const saved of [null, 'x', { covered: 'x' }, { covered: Number.NaN }, { covered: 1e300 }, { covered: -1e300 }]) {
    const { state, summaries } = behind({ saved });
    state.now += 2 * HOUR;
    const made = await summaries.make(8000);
    if (made === undefined) continue;
    const { from, to, step, points } = JSON.parse(made.message.payload as string) as Text;
    assert.ok(to - from <= MOST_HOURS * HOUR && step >= HOUR && (points['d.p']?.length ?? 0) <= MOST_HOURS);
  }
  const { state, summaries } = behind();
  state.now -= 1000 * HOUR;
  assert.equal(await summaries.make(8000), undefined);
  state.now += 2 * HOUR;
  assert.ok(await summaries.make(8000), 'it goes on from the earlier time');
});

test('a start without a known clock makes no hour twice that was summed up before', async () => {
  const before = behind();
  before.state.now += 5 * HOUR;
  before.summaries.cover(before.state.now);
  let { saved } = before.state;
  for (const wall of [0, FROM - 100 * HOUR]) {
    const unknown = behind({ saved });
    Object.assign(unknown.state, { known: false, now: wall + 30 * 60_000 });
    unknown.state.now += 2 * HOUR;
    // A visit that had no room for all, and one at which everything left.
    await unknown.summaries.make(8000);
    unknown.summaries.cover(unknown.state.now);
    assert.equal(await unknown.summaries.make(8000), undefined);
    unknown.state.now += 2 * HOUR;
    assert.equal((await unknown.summaries.make(8000))?.to, wall + 4 * HOUR, 'without a clock it goes on by what there is');
    ({ saved } = unknown.state);
  }
  const known = behind({ saved });
  known.state.now = before.state.now + 3 * HOUR;
  const { from, to } = JSON.parse((await known.summaries.make(8000))?.message.payload as string) as Text;
  assert.deepEqual([from, to], [FROM + 5 * HOUR, FROM + 8 * HOUR]);
});

test('a point whose readings were taken under a class that is closed is in no summary', async () => {
  const past = new PastClasses();
  const privatePoint = { name: 'p', type: 'float64', storage: 'number', privacy: 'health' } as const;
  past.logged([
    [1, { device: 'd', points: [privatePoint] }],
    [2, { device: 'd', points: [{ name: 'p', type: 'float64', storage: 'number' }] }],
  ]);
  past.configured({ 'e.*': 'location', 'e.q': 'technical' });
  past.configured({});
  const outward = { closed: ['health'], windowed: [], round: { location: 1 }, points: {} } as const;
  const { state, summaries } = behind({ wanted: () => ({ outward }), classesBefore: past.of });
  state.now += 5 * HOUR;
  const text = JSON.parse((await summaries.make(8000))?.message.payload as string) as Text;
  assert.deepEqual(Object.keys(text.points), ['d.q']);
  assert.deepEqual([...past.of('e', 'q')], ['technical']);
});
