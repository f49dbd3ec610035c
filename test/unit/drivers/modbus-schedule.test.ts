/** The parts of the scheduler, each alone: what is next, what a silent device may cost, how long to wait, what is too much. */
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { encodeRequest } from '../../../src/codecs/modbus-pdu.ts';
import { SluiceError } from '../../../src/core/errors.ts';
import { Latency } from '../../../src/drivers/latency.ts';
import { type Answer, type CallOptions, Calls } from '../../../src/drivers/modbus/calls.ts';
import type { Device } from '../../../src/drivers/modbus/device.ts';
import { beginTurn, type Job, Jobs, type NewJob } from '../../../src/drivers/modbus/jobs.ts';
import { Load, WINDOW } from '../../../src/drivers/modbus/load.ts';
import { offsetOf } from '../../../src/drivers/modbus/polled-device.ts';
import { LONGEST, ProbeBudget, Rest, SHARE, UNANSWERED } from '../../../src/drivers/modbus/silence.ts';
import { mostApart } from '../../oracles/equal-turns.ts';

const pdu = encodeRequest({ kind: 'read', table: 'holding', start: 0, count: 1 });
const newJob = (interval: number, offset: number): NewJob => ({
  device: {} as Device,
  request: { table: 'holding', start: 0, count: 1, points: [] } as unknown as NewJob['request'],
  pdu,
  shape: { device: 'd', points: [] },
  decode: () => {
    throw new Error('nobody decodes here');
  },
  interval,
  offset,
});

/** A wire that takes its time for each job, until the end; calls back with what was served when. */
function play(jobs: Jobs, cost: (job: Job) => number, until: number, served: (job: Job, at: number, missed: number) => void) {
  jobs.start(0);
  let now = 0;
  while (now <= until) {
    const next = jobs.next(now, () => Number.NEGATIVE_INFINITY);
    if (typeof next === 'number') {
      now = next;
      continue;
    }
    jobs.sent(next, now);
    const at = now;
    now += cost(next);
    served(next, at, jobs.done(next, now));
  }
}

const plans = fc.array(
  fc.record({ interval: fc.integer({ min: 10, max: 2000 }), offset: fc.nat(99), cost: fc.integer({ min: 1, max: 60 }) }),
  {
    minLength: 1,
    maxLength: 8,
  },
);

test('jobs: served plus left out is what was due; without overload each keeps its raster', () => {
  fc.assert(
    fc.property(plans, (plan) => {
      const jobs = new Jobs(plan.map(({ interval, offset }) => newJob(interval, (offset / 100) * interval)));
      const of = new Map(
        jobs.all.map((job, i) => [job, { ...(plan[i] as (typeof plan)[number]), served: 0, missed: 0, first: 0 }]),
      );
      const end = 20_000;
      play(
        jobs,
        (job) => (of.get(job) as { cost: number }).cost,
        end,
        (job, at, missed) => {
          const mine = of.get(job) as { served: number; missed: number; first: number };
          if (mine.served++ === 0) mine.first = at;
          mine.missed += missed;
          const raster = (job.due - job.offset - job.leftOut) / job.interval;
          assert.ok(Math.abs(raster - Math.round(raster)) < 1e-6);
          assert.ok(job.due >= at - 1e-6);
        },
      );
      for (const [job, { served, missed, first }] of of) {
        // The turn at the start is one more, unless it is so late that it is the one of its place.
        const due = 1 + (job.due - job.offset) / job.interval + (first < job.offset ? 1 : 0);
        assert.ok(Math.abs(served + missed - due) <= 2, `${served} served, ${missed} missed, ${due} due`);
      }
    }),
    { numRuns: 100 },
  );
});

test('jobs: a slow start moves no job from its place', () => {
  const jobs = new Jobs([0, 2, 4, 6].map((offset) => newJob(1000, offset)));
  const turns = new Map<Job, number[]>(jobs.all.map((job) => [job, []]));
  const costOf = (job: Job) => ((turns.get(job) as number[]).length === 0 ? 60 : 0.5);
  play(jobs, costOf, 3500, (job, at, missed) => {
    (turns.get(job) as number[]).push(at);
    assert.equal(missed, 0);
  });
  assert.deepEqual(
    [...turns.values()],
    [
      [0, 1000, 2000, 3000],
      [60, 1002, 2002, 3002],
      [120, 1004, 2004, 3004],
      [180, 1006, 2006, 3006],
    ],
  );
});

test('jobs: after one stall each goes back to its place, with no poll less than was counted', () => {
  const jobs = new Jobs([0, 0, 0].map(() => newJob(1000, 0)));
  const turns = new Map<Job, number[]>(jobs.all.map((job) => [job, []]));
  const missed = new Map<Job, number>();
  // Once the wire takes 1.5 s for each of three turns that were due together.
  const costOf = (job: Job) => ((turns.get(job) as number[]).length === 2 ? 1500 : 1);
  play(jobs, costOf, 100_000, (job, at, left) => {
    (turns.get(job) as number[]).push(at);
    missed.set(job, (missed.get(job) ?? 0) + left);
  });
  for (const [job, at] of turns) {
    const last = at.at(-1) as number;
    assert.ok(last % 1000 <= 2, `the last turn at ${last}`);
    assert.equal(at.length + (missed.get(job) as number), 1 + Math.floor(last / 1000));
  }
});

test('jobs: what is due within a millisecond goes along, and no turn moves for it', () => {
  const jobs = new Jobs([0, 0.6, 1.5].map((offset) => newJob(1000, offset)));
  const turns = jobs.all.map((): number[] => []);
  play(
    jobs,
    () => 0,
    2500,
    (job, at) => void turns[jobs.all.indexOf(job)]?.push(at),
  );
  assert.deepEqual(turns, [
    [0, 1000, 2000],
    [0, 0, 1000, 2000],
    [0, 1.5, 1001.5, 2001.5],
  ]);
});

/** Requests with a few intervals, each with its place in it and its times, some of which are long. */
const mixes = fc
  .record({
    intervals: fc.array(fc.integer({ min: 10, max: 2000 }), { minLength: 1, maxLength: 3 }),
    longest: fc.constantFrom(60, 300, 3000),
  })
  .chain(({ intervals, longest }) =>
    fc.array(
      fc.record({
        interval: fc.constantFrom(...intervals),
        place: fc.oneof(fc.constant(0), fc.double({ min: 0, max: 0.999, noNaN: true })),
        costs: fc.array(fc.integer({ min: 1, max: longest }), { minLength: 1, maxLength: 12 }),
      }),
      { minLength: 2, maxLength: 9 },
    ),
  );

function turnsOf(mix: readonly { interval: number; place: number; costs: readonly number[] }[], alarmed: readonly number[] = []) {
  const jobs = new Jobs(mix.map(({ interval, place }) => newJob(interval, place * interval)));
  for (const i of alarmed) (jobs.all[i] as Job).urgent = true;
  const turns = new Map<Job, number[]>(jobs.all.map((job) => [job, []]));
  const costOf = (job: Job) => {
    const { costs } = mix[jobs.all.indexOf(job)] as (typeof mix)[number];
    return costs[((turns.get(job) as number[]).length + 1) % costs.length] as number;
  };
  const end = Math.max(...mix.map(({ interval }) => interval)) * 40;
  play(jobs, costOf, end, (job, at) => void (turns.get(job) as number[]).push(at));
  return turns;
}

test('jobs: in any ten turns all with one interval get the same, give or take one', () => {
  fc.assert(
    fc.property(mixes, (mix) => {
      const turns = turnsOf(mix);
      for (const peers of Map.groupBy(turns.keys(), ({ interval }) => interval).values())
        assert.ok(
          mostApart(
            peers.map((job) => turns.get(job) as number[]),
            10,
          ) <= 1,
        );
    }),
    { numRuns: 500 },
  );
});

test('jobs: beside one in alarm that takes every second turn, the others still get the same', () => {
  fc.assert(
    fc.property(mixes, (mix) => {
      const turns = turnsOf(mix, [0]);
      const [, ...others] = turns.keys();
      for (const peers of Map.groupBy(others, ({ interval }) => interval).values())
        assert.ok(
          mostApart(
            peers.map((job) => turns.get(job) as number[]),
            10,
          ) <= 1,
        );
    }),
    { numRuns: 200 },
  );
});

test('jobs: four of 0.3 s each second, one after the other, get the same; the wire never rests', () => {
  // As a network has them, and as a serial line.
  for (const place of [0.002, 0.25]) {
    const turns = turnsOf([0, 1, 2, 3].map((i) => ({ interval: 1000, place: i * place, costs: [300] })));
    assert.deepEqual(
      [...turns.values()].map((all) => all.filter((at) => at < 39_600).length),
      [33, 33, 33, 33],
    );
  }
});

test('jobs: a long turn of another interval, always at the same place, takes as much from each', () => {
  const five = [0, 0.25, 0.5, 0.75].map((place) => ({ interval: 1000, place, costs: [50] }));
  const turns = turnsOf([...five, { interval: 5000, place: 0.18, costs: [2300] }]);
  const counts = [...turns.values()].slice(0, 4).map((all) => all.length);
  assert.ok(Math.max(...counts) - Math.min(...counts) <= 1, counts.join(' '));
});

test('jobs: a turn begins up to one interval late; what is later than that is left out', () => {
  assert.deepEqual(beginTurn(1000, 100, 1000), { leftOut: 0, next: 1100 });
  assert.deepEqual(beginTurn(1000, 100, 1100), { leftOut: 0, next: 1100 });
  assert.deepEqual(beginTurn(1000, 100, 1130), { leftOut: 30, next: 1130 });
  assert.deepEqual(beginTurn(1000, 100, 1530), { leftOut: 430, next: 1530 });
});

test('jobs: where the wire carries all, all are served in time; the offsets keep them apart', () => {
  const jobs = new Jobs(Array.from({ length: 10 }, (_, i) => newJob(1000, i * 100)));
  const late: number[] = [];
  play(
    jobs,
    () => 40,
    60_000,
    (job, at, missed) => {
      assert.equal(missed, 0);
      if (at > 1000) late.push(at - (job.due - job.interval));
    },
  );
  assert.equal(Math.max(...late), 0, 'none waits for another one');
});

test('offsets: spread over the interval on a serial line, none on a network', () => {
  const of = (serial: boolean, n: number, interval: number) =>
    Array.from({ length: n }, (_, index) => offsetOf(interval, { index, of: n }, { serial, label: '' }));
  assert.deepEqual(of(true, 4, 1000), [0, 250, 500, 750]);
  assert.deepEqual(of(false, 4, 1000), [0, 0, 0, 0]);
});

test('jobs: fair: of equal ones that are too many each gets as much as the other', () => {
  fc.assert(
    fc.property(fc.integer({ min: 2, max: 12 }), fc.integer({ min: 5, max: 50 }), (n, interval) => {
      const jobs = new Jobs(Array.from({ length: n }, () => newJob(interval, 0)));
      const counts = new Map<Job, number>(jobs.all.map((job) => [job, 0]));
      play(
        jobs,
        () => interval,
        interval * n * 20,
        (job) => void counts.set(job, (counts.get(job) ?? 0) + 1),
      );
      assert.ok(Math.max(...counts.values()) - Math.min(...counts.values()) <= 1);
    }),
    { numRuns: 50 },
  );
});

test('jobs: urgent ones go first, never twice in a row while others wait; nobody starves', () => {
  fc.assert(
    fc.property(fc.array(fc.boolean(), { minLength: 2, maxLength: 8 }), (urgent) => {
      const jobs = new Jobs(urgent.map(() => newJob(10, 0)));
      for (const [i, job] of jobs.all.entries()) job.urgent = urgent[i] as boolean;
      const order: boolean[] = [];
      const counts = new Map<Job, number>(jobs.all.map((job) => [job, 0]));
      play(
        jobs,
        () => 10,
        4000,
        (job) => {
          order.push(job.urgent);
          counts.set(job, (counts.get(job) ?? 0) + 1);
        },
      );
      if (!urgent.includes(true) || !urgent.includes(false)) return;
      for (let i = 2; i + 1 < order.length; i++) assert.ok(!(order[i] && order[i + 1]), 'every second turn is for the others');
      assert.ok(Math.min(...counts.values()) > 0);
      assert.ok(order.filter(Boolean).length >= order.length / 2 - 2, 'and every other one for the urgent');
    }),
    { numRuns: 50 },
  );
});

test('silence: rests begin after two unanswered requests, double up to a cap, end with a reply', () => {
  const rest = new Rest();
  let now = 0;
  rest.unanswered(now, UNANSWERED);
  assert.equal(rest.silent, false);
  const lengths: number[] = [];
  for (let i = 0; i < 10; i++) {
    rest.unanswered(now, UNANSWERED);
    assert.equal(rest.silent, true);
    lengths.push(rest.until - now);
    now = rest.until;
  }
  assert.deepEqual(lengths, [1000, 2000, 4000, 8000, 16_000, 32_000, LONGEST, LONGEST, LONGEST, LONGEST]);
  rest.answered();
  assert.equal(rest.silent, false);
  rest.unanswered(now, UNANSWERED);
  assert.equal(rest.silent, false, 'it begins anew');
  rest.unanswered(now, UNANSWERED);
  assert.equal(rest.until, now + 1000);
});

test('silence: probes take at most their share of the time and what was saved of it', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.integer({ min: 1, max: 2000 }), fc.integer({ min: 10, max: 3000 })), { maxLength: 300 }),
      (asked) => {
        const budget = new ProbeBudget(0);
        let now = 0;
        let spent = 0;
        for (const [wait, cost] of asked) {
          now += wait;
          if (!budget.allows(now, cost)) continue;
          budget.spend(cost);
          spent += cost;
          now += cost;
          assert.ok(spent <= SHARE * now + 5000);
        }
      },
    ),
  );
});

test('silence: a probe is allowed in the end, however expensive', () => {
  const budget = new ProbeBudget(0);
  assert.equal(budget.allows(0, 60_000), false);
  assert.equal(budget.allows(60_000 / SHARE - 1, 60_000), false);
  assert.equal(budget.allows(60_000 / SHARE, 60_000), true);
});

test('latency: the time-out follows four replies within its bounds; time-outs double it', () => {
  const latency = new Latency();
  for (let i = 0; i < 3; i++) latency.answered(10, 0);
  assert.equal(latency.timeout(1000), 1000, 'too little is known');
  latency.answered(10, 0);
  assert.equal(latency.timeout(1000), 500, 'never less than what a busy board takes');
  latency.answered(220, 20);
  assert.equal(latency.timeout(3000), 800, 'four times the slowest, without its bytes');
  latency.timedOut();
  assert.equal(latency.timeout(3000), 1600);
  for (let i = 0; i < 40; i++) latency.timedOut();
  assert.equal(latency.timeout(1000), 1000, 'the bound that somebody wrote');
  latency.answered(10, 0);
  assert.equal(latency.timeout(3000), 800);
  for (let i = 0; i < 16; i++) latency.answered(150, 0);
  assert.equal(latency.timeout(3000), 600, 'what is long ago is forgotten');
  assert.deepEqual(latency.report, {
    latencyLast: 150,
    latencyMax: 220,
    latencySum: 3 * 10 + 10 + 220 + 10 + 16 * 150,
    latencyP95: 150,
  });
});

test('load: an overload is reported when it begins and when it ends, by whole windows', () => {
  const load = new Load(0);
  const window = (n: number, due: number, missed: number) => {
    load.used(10_000);
    load.polled(due, missed);
    return load.look(n * WINDOW);
  };
  assert.equal(load.look(WINDOW - 1), undefined);
  assert.equal(window(1, 100, 2), undefined, 'two in a hundred are no overload');
  assert.equal(window(2, 100, 3), 'begins');
  assert.deepEqual(load.report, { busy: 1 / 3, due: 100, missed: 3 });
  assert.equal(window(3, 100, 50), undefined, 'told already');
  assert.equal(load.overloaded, true);
  assert.equal(window(4, 100, 0), 'ends');
  assert.equal(window(5, 0, 0), undefined);
  assert.equal(load.overloaded, false);
});

test('calls: writes first, others in order and every second turn; at most 32 wait', async () => {
  const calls = new Calls('field');
  const ask = (unit: number) => ({ unitId: unit, pdu });
  const free = () => Number.NEGATIVE_INFINITY;
  assert.equal(calls.next(0, free), Number.POSITIVE_INFINITY);
  const answers: Promise<Answer>[] = [calls.add(ask(1), undefined, {}), calls.add(ask(2), undefined, {})];
  answers.push(calls.add(ask(3), undefined, { write: true }));
  for (const answer of answers) answer.catch(() => {});
  assert.equal(calls.next(0, free), 'write');
  assert.equal(calls.take()?.ask.unitId, 3);
  assert.equal(calls.next(0, free), 'last', 'the polls get the next turn');
  calls.othersTurn();
  assert.equal(calls.next(0, free), 'first');
  assert.equal(calls.take()?.ask.unitId, 1);
  calls.othersTurn();
  // One that may not be sent yet holds nobody up.
  assert.equal(
    calls.next(5, () => 70),
    70,
  );
  const more = Array.from({ length: 31 }, (_, i) => calls.add(ask(10 + i), undefined, {}));
  for (const answer of more) answer.catch(() => {});
  await assert.rejects(calls.add(ask(99), undefined, {}), { code: 'timeout' });
  calls.failAll(new SluiceError('bus-closed'));
  await assert.rejects(more[30] as Promise<Answer>, { code: 'bus-closed' });
  assert.equal(calls.next(0, free), Number.POSITIVE_INFINITY);
});

test('calls: a full queue takes safe values, before writes, and alone where asked for', () => {
  const calls = new Calls('field');
  const free = () => Number.NEGATIVE_INFINITY;
  const add = (unit: number, options: CallOptions) => void calls.add({ unitId: unit, pdu }, undefined, options).catch(() => {});
  for (let unit = 1; unit <= 32; unit++) add(unit, { write: unit === 1 });
  for (let unit = 101; unit <= 164; unit++) add(unit, { write: true, safe: unit % 2 === 0 ? 'check' : 'change' });
  const order: number[] = [];
  while (calls.next(0, free, true) === 'write') order.push(calls.take()?.ask.unitId ?? 0);
  const odd = Array.from({ length: 32 }, (_, i) => 101 + 2 * i);
  assert.deepEqual(order, [...odd, ...odd.map((unit) => unit + 1)], 'what changes goes before what looks');
  assert.equal(calls.next(0, free, true), Number.POSITIVE_INFINITY, 'the others wait');
  assert.equal(calls.next(0, free), 'write');
  assert.equal(calls.take()?.ask.unitId, 1);
});

test('calls: what is taken back while it waits is not sent, and says so', async () => {
  const calls = new Calls('field');
  const back = new AbortController();
  const answer = calls.add({ unitId: 1, pdu }, undefined, { write: true, signal: back.signal });
  back.abort();
  await assert.rejects(answer, (error: SluiceError) => error.data.sent === false);
  assert.equal(
    calls.next(0, () => Number.NEGATIVE_INFINITY),
    Number.POSITIVE_INFINITY,
  );
});
