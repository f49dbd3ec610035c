/** When a live batch leaves: full, old enough, or followed by silence. With a clock that the test moves. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { SluiceError } from '../../../src/core/errors.ts';
import { Drain } from '../../../src/forwarders/drain.ts';
import type { DrainVisit } from '../../../src/forwarders/drain-sides.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';

const turn = () => new Promise((resolve) => setImmediate(resolve));

function drainBench(
  maxReadings: number,
  maxAge: number,
  pace: (batch: { lane: string }) => number = () => 0,
  visit?: DrainVisit,
  /** Milliseconds until a batch is answered. */
  answerAfter = 0,
) {
  const clock = new ManualClock();
  /** Times of readings that wait. */
  let waiting: number[] = [];
  const sent: { at: number; readings: number }[] = [];
  const unread: string[] = [];
  const history = { damaged: false, waits: false, later: false };
  const listeners = new Map<string, (n: number) => void>();
  let appended = 0;
  const log = {
    on: (event: string, run: (n: number) => void) => listeners.set(event, run),
    off: () => {},
    ordinal: 1,
    get next() {
      return appended + 1;
    },
  };
  const outlet = {
    waiting: () => ({ readings: waiting.length, oldest: waiting[0], newest: waiting.at(-1) }),
    pending: () => false,
    later: (lane: string) => lane === 'history' && history.later,
    next: async (lane: string, most: number) => {
      if (lane === 'history' && history.damaged) throw new SluiceError('log-read', 'history.db cannot be opened now');
      if (lane === 'history' ? !history.waits || history.later : waiting.length === 0) return undefined;
      history.waits &&= lane !== 'history';
      const readings = lane === 'history' ? 7 : Math.min(most, waiting.length);
      const first = appended - waiting.length + 1;
      if (lane === 'data') waiting = waiting.slice(readings);
      const last = first + readings - 1;
      return { lane, log: 1, boot: 'b1', first, last, records: readings, readings, messages: [], oldest: 0 };
    },
    ...{ notices: async () => [], offers: async () => [] },
    handOver: () => true,
    done: () => {},
  };
  /** The answers to the next batches; then all are taken. */
  const answers: ('accept' | 'keep')[] = [];
  const batch = async (): Promise<'accept' | 'keep'> => {
    if (answerAfter > 0) await new Promise<void>((resolve) => clock.after(answerAfter, resolve));
    return answers.shift() ?? 'accept';
  };
  const drain = new Drain(
    {
      ...{ maxAge, clock },
      maxReadings: () => maxReadings,
      log: log as unknown as ConstructorParameters<typeof Drain>[0]['log'],
      outlet: outlet as unknown as ConstructorParameters<typeof Drain>[0]['outlet'],
      hold: () => false,
      ...{ pace, visit },
      refused: () => {},
      unread: (of, error) => unread.push(`${of}: ${error?.message ?? 'well'}`),
      sent: () => {},
      delivered: (batch) => sent.push({ at: clock.monotonic(), readings: batch.readings }),
    },
    { batch, channel: () => undefined, notice: async () => 'accept' },
  );
  return {
    drain,
    sent,
    unread,
    history,
    answers,
    clock,
    add: (n: number) => {
      for (let i = 0; i < n; i++) waiting.push(clock.monotonic());
      appended += n;
      listeners.get('appended')?.(n);
    },
    /** Moves the clock in small steps, so that everybody gets a turn. */
    pass: async (ms: number) => {
      for (let i = 0; i < ms; i += 10) {
        await clock.advance(10);
        for (let k = 0; k < 4; k++) await turn();
      }
    },
  };
}

test('history that the dialect keeps is offered again right behind the births', async (t) => {
  for (const meanwhile of [false, true]) {
    const s = drainBench(10, 1000, undefined, undefined, 20);
    s.answers.push('keep');
    s.history.waits = true;
    const run = s.drain.run();
    t.after(async () => {
      s.drain.end();
      await s.pass(100);
      await run;
    });
    await s.pass(meanwhile ? 10 : 100);
    s.history.waits = true;
    s.drain.greeted();
    await s.pass(60);
    assert.deepEqual(
      s.sent.map(({ readings }) => readings),
      [7],
    );
  }
});

test('a full batch leaves at once, a partial one after silence or maxAge at the latest', async (t) => {
  const s = drainBench(10, 1000);
  const run = s.drain.run();
  t.after(async () => {
    s.drain.end();
    await run;
  });
  await s.pass(100);
  s.add(10);
  await s.pass(10);
  assert.deepEqual(
    s.sent.map((b) => b.readings),
    [10],
  );

  // Three readings and then nothing: a quarter of maxAge later they leave.
  const begun = s.clock.monotonic();
  s.add(3);
  await s.pass(1000);
  assert.equal(s.sent.length, 2);
  assert.ok((s.sent[1]?.at ?? 0) - begun <= 300, `left ${(s.sent[1]?.at ?? 0) - begun} ms after`);

  // A reading every 100 ms: no silence, so the first of them waits for maxAge and no longer.
  const steady = s.clock.monotonic();
  for (let i = 0; i < 12; i++) {
    if (s.sent.length === 2) s.add(1);
    await s.pass(100);
  }
  assert.ok(s.sent.length >= 3);
  const waited = (s.sent[2]?.at ?? 0) - steady;
  assert.ok(waited >= 900 && waited <= 1100, `left ${waited} ms after`);
});

test('what the log cannot give now is asked for again, and live readings do not wait for it', async (t) => {
  const s = drainBench(10, 1000);
  s.history.damaged = true;
  s.history.waits = true;
  const run = s.drain.run();
  t.after(async () => {
    s.drain.end();
    await run;
  });
  for (let i = 0; i < 3; i++) {
    s.add(10);
    await s.pass(1000);
  }
  assert.deepEqual(
    s.sent.map((b) => b.readings),
    [10, 10, 10],
  );
  assert.ok(s.unread.includes('history: history.db cannot be opened now'));
  assert.notEqual(s.unread.filter((words) => words.startsWith('history')).at(-1), 'history: well');
  s.history.damaged = false;
  await s.pass(2000);
  assert.deepEqual(
    s.sent.map((b) => b.readings),
    [10, 10, 10, 7],
  );
  assert.equal(s.unread.filter((words) => words.startsWith('history')).at(-1), 'history: well');
});

test('a batch of history waits for its turn, and live readings leave meanwhile', async () => {
  let asked = 0;
  const s = drainBench(10, 100, ({ lane }) => (lane === 'history' && ++asked < 4 ? 500 : 0));
  s.history.waits = true;
  const run = s.drain.run();
  s.add(10);
  await s.pass(1400);
  assert.deepEqual(s.sent, [{ at: 0, readings: 10 }]);
  await s.pass(200);
  assert.deepEqual(s.sent[1], { at: 1500, readings: 7 });
  assert.equal(asked, 4);
  s.drain.end();
  await run;
});

const visitBench = (admit: () => true | number = () => true) => {
  const said: string[] = [];
  const visit: DrainVisit = {
    ...{ alarmsOnly: false, admit, settled: () => {}, over: () => false, holds: () => false, passed: () => {} },
    unfinished: () => said.push('unfinished'),
    stuck: ({ readings }) => said.push(`stuck ${readings}`),
  };
  return { said, s: drainBench(10, 100, () => 0, visit) };
};

test('a visit waits for what the log cannot give yet, and it leaves then', async () => {
  const { s, said } = visitBench();
  s.history.waits = s.history.later = true;
  const run = s.drain.run();
  await s.pass(3000);
  assert.equal(s.sent.length, 0);
  s.history.later = false;
  await s.pass(4000);
  await run;
  assert.deepEqual([s.sent.map((b) => b.readings), said], [[7], []]);
});

test('a visit that the log cannot serve in time ends, and says so', async () => {
  for (const way of ['later', 'damaged'] as const) {
    const { s, said } = visitBench();
    s.history.waits = s.history[way] = true;
    const run = s.drain.run();
    await s.pass(15_000);
    await run;
    assert.deepEqual([s.sent, said], [[], ['unfinished']], way);
  }
});

test('a visit stays while something leaves beside it', async () => {
  for (const alarmsOnly of [false, true]) {
    let quiet = false;
    let looked = 0;
    const visit: DrainVisit = {
      ...{
        alarmsOnly,
        admit: () => true,
        settled: () => {},
        over: () => false,
        holds: () => false,
        passed: () => {},
        unfinished: () => {},
        stuck: () => {},
      },
      quiet: () => {
        looked++;
        return quiet;
      },
    };
    const s = drainBench(10, 100, () => 0, visit);
    let over = false;
    const run = s.drain.run().then(() => {
      over = true;
    });
    await s.pass(50_000);
    assert.deepEqual([over, looked > 10], [false, true]);
    quiet = true;
    await s.pass(3000);
    assert.equal(over, true);
    await run;
  }
});

test('a visit at which the smallest batch does not fit says so', async () => {
  const { s, said } = visitBench(() => 0);
  s.add(1);
  const run = s.drain.run();
  await s.pass(4000);
  await run;
  assert.deepEqual(said, ['stuck 1']);
});

test('a forwarder that ends does not wait for the turn of history', async () => {
  const s = drainBench(10, 100, ({ lane }) => (lane === 'history' ? 3_600_000 : 0));
  s.history.waits = true;
  const run = s.drain.run();
  await s.pass(100);
  s.drain.finish();
  await run;
  assert.deepEqual(s.sent, []);
});

test('a forwarder that finishes leaves readings that come later to the next connection', async () => {
  const s = drainBench(10, 1000, () => 0, undefined, 80);
  let over = false;
  const run = s.drain.run().then(() => {
    over = true;
  });
  // A reading each 50 ms, and an answer takes 80 ms: one always waits.
  for (let i = 0; i < 60 && !over; i++) {
    s.add(1);
    if (i === 10) s.drain.finish();
    await s.pass(50);
  }
  const atFinish = 11;
  const readings = s.sent.reduce((sum, batch) => sum + batch.readings, 0);
  assert.deepEqual([over, readings >= atFinish, readings < 20], [true, true, true], `${readings} readings left`);
  s.drain.end();
  await run;
});
