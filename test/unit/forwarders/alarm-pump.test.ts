/**
 * The pump of alarms in the real drain loop, with the real queue, a log in memory and a clock that the test moves. A far side that takes
 * an alarm later holds back its topic and nothing else.
 */
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { SluiceError } from '../../../src/core/errors.ts';
import { Drain } from '../../../src/forwarders/drain.ts';
import type { Later, Outcome } from '../../../src/forwarders/drain-sides.ts';
import { Patience } from '../../../src/forwarders/mqtt/patience.ts';
import type { OfferAsk, OutNotice } from '../../../src/store/delivery/out.ts';
import { AlarmLog, CURRENT } from '../../fakes/alarm-log.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';

type Answer = Outcome | Later | SluiceError;
type DrainArguments = ConstructorParameters<typeof Drain>;

const RUNS = Number(process.env.SLUICE_PROPERTY_RUNS ?? 60);
const nameOf = ({ key, seq }: OutNotice): string => `${key}${seq}`;
const cut = () => new SluiceError('upstream-connect');

function bench(old: readonly string[] = []) {
  const clock = new ManualClock();
  const alarms = new AlarmLog(old);
  let appended = (_: number): void => {};
  const log = {
    on: (of: string, run: (n: number) => void) => {
      if (of === 'appended') appended = run;
    },
    off: () => {},
    next: 1,
  };
  const outlet = {
    ...{ waiting: () => ({ readings: 0 }), pending: () => false, next: async () => undefined, notices: async () => [] },
    offers: (_: 'alarm', ask: OfferAsk) => alarms.queue.offers(ask),
    noticeTaken: (notice: OutNotice) => alarms.queue.taken(notice),
  };
  /** What the far side has. */
  const had: OutNotice[] = [];
  const offers: string[] = [];
  const refused: string[] = [];
  const underWay = new Set<string>();
  const far = {
    after: (_: OutNotice): number => 20,
    answer: (_: OutNotice): Answer => 'accept',
    holds: false,
  };
  const notice = async (what: OutNotice): Promise<Outcome | Later> => {
    assert.ok(!underWay.has(what.key), `two of ${what.key} are under way`);
    underWay.add(what.key);
    offers.push(nameOf(what));
    await new Promise<void>((resolve) => clock.after(far.after(what), resolve));
    underWay.delete(what.key);
    const answer = far.answer(what);
    if (answer === 'accept') had.push(what);
    if (answer instanceof SluiceError) throw answer;
    return answer;
  };
  const connect = (held?: DrainArguments[0]['held']) => {
    const sides = {
      ...{ clock, log, outlet, maxAge: 1000, maxReadings: () => 100, hold: () => far.holds },
      ...{ unread: () => {}, sent: () => {}, delivered: () => {}, held },
      refused: (what: OutNotice) => refused.push(nameOf(what)),
    } as unknown as DrainArguments[0];
    const drain = new Drain(sides, {
      batch: async () => 'accept',
      channel: ({ key }) => (key === 'none' ? undefined : key),
      notice,
    });
    const state: { over: boolean; error: unknown } = { over: false, error: undefined };
    const run = drain
      .run()
      .catch((error: unknown) => {
        state.error = error;
      })
      .finally(() => {
        state.over = true;
      });
    return { drain, state, run };
  };
  return {
    ...{ clock, alarms, had, offers, refused, underWay, far, connect },
    names: () => had.map(nameOf),
    add: (...keys: string[]) => {
      for (const key of keys) {
        alarms.append(key);
        appended(0);
      }
    },
  };
}

/** The channel is kept as a forwarder does it. */
function keeps(s: ReturnType<typeof bench>, kept: (notice: OutNotice) => boolean): void {
  const patience = new Patience({ clock: s.clock, random: () => 0.5 });
  const keep = new SluiceError('upstream-busy', 'its quota is used up');
  s.far.answer = (notice) => patience.verdict(nameOf(notice), kept(notice) ? { keep } : 'accept', () => false);
}

test('one alarm that is taken later for ever: all others leave at once, each once and in order', async () => {
  const s = bench();
  keeps(s, ({ key }) => key === 'a');
  s.add('a', 'b', 'c', 'b', 'a');
  for (let i = 0; i < 40; i++) s.add('x', 'y');
  const { drain, run } = s.connect();
  await s.clock.advance(2000);
  assert.equal(s.had.length, 83);
  await s.clock.advance(3_600_000);
  // The pauses grow to half a minute.
  const tries = s.offers.filter((name) => name === 'a1').length;
  assert.ok(tries >= 100 && tries <= 260, `${tries} tries in an hour`);
  for (let i = 0; i < 20; i++) {
    s.add('b');
    await s.clock.advance(100);
    assert.equal(s.had.at(-1)?.key, 'b', 'a new one does not wait for the pause');
  }
  assert.equal(new Set(s.names()).size, s.had.length);
  assert.equal(s.offers.filter((name) => name !== 'a1').length, s.had.length, 'each was offered once');
  assert.equal(s.alarms.cursor(CURRENT), 0);
  s.far.answer = () => 'accept';
  await s.clock.advance(60_000);
  assert.deepEqual(s.names().slice(-2), ['a1', 'a7']);
  assert.equal(s.alarms.cursor(CURRENT), s.alarms.last[CURRENT]);
  drain.end();
  await run;
});

test('an answer that takes long delays no other topic', async () => {
  const s = bench();
  s.far.after = ({ key }) => (key === 'slow' ? 10_000 : 20);
  s.add('slow', 'b', 'b', 'b', 'c');
  const { drain, run } = s.connect();
  await s.clock.advance(200);
  assert.deepEqual(s.names(), ['b3', 'c7', 'b4', 'b6']);
  s.add('c');
  await s.clock.advance(30);
  assert.equal(s.had.at(-1)?.key, 'c');
  drain.end();
  await s.clock.advance(10_000);
  await run;
  assert.equal(s.had.at(-1)?.key, 'slow');
});

test('at most sixteen alarms are under way at once', async () => {
  const s = bench();
  s.far.after = () => 1000;
  for (let i = 0; i < 50; i++) s.add(`k${i}`);
  const { drain, run } = s.connect();
  await s.clock.advance(500);
  assert.equal(s.underWay.size, 16);
  await s.clock.advance(4000);
  assert.equal(s.had.length, 50);
  drain.end();
  await run;
});

test('a stop sends what is free and waits for no alarm that is taken later', async () => {
  const s = bench();
  keeps(s, ({ key }) => key === 'a');
  s.add('a', 'a');
  const { drain, state, run } = s.connect();
  await s.clock.advance(60_000);
  const tries = s.offers.length;
  for (let i = 0; i < 5; i++) s.add('b');
  drain.finish();
  await s.clock.advance(500);
  assert.deepEqual([state.over, s.had.length, s.offers.length], [true, 5, tries + 5]);
  await run;
  // Nothing is lost: the next connection has both.
  s.far.answer = () => 'accept';
  const next = s.connect();
  await s.clock.advance(100);
  assert.deepEqual(s.names().slice(5), ['a1', 'a3']);
  next.drain.end();
  await next.run;
});

test('a stop waits for what the dialect itself keeps, unless everything is held', async () => {
  for (const holds of [false, true]) {
    const s = bench();
    let born = false;
    s.far.answer = () => (born ? 'accept' : 'keep');
    s.add('a');
    const { drain, state, run } = s.connect();
    await s.clock.advance(1500);
    s.far.holds = holds;
    drain.finish();
    await s.clock.advance(2000);
    assert.equal(state.over, holds);
    born = true;
    await s.clock.advance(2000);
    assert.deepEqual([state.over, s.had.length], [true, holds ? 0 : 1]);
    await run;
  }
});

test('births free what the dialect keeps, and not what the far side takes later', async () => {
  const s = bench();
  let born = false;
  s.far.answer = ({ key }) => (key === 'b' ? { later: 700 } : born ? 'accept' : 'keep');
  s.add('a', 'b');
  const { drain, run } = s.connect();
  await s.clock.advance(100);
  born = true;
  drain.greeted();
  await s.clock.advance(30);
  assert.deepEqual([s.offers, s.names()], [['a1', 'b3', 'a1'], ['a1']]);
  drain.end();
  await run;
});

test('an alarm that is kept while births leave is offered again right behind them', async () => {
  const s = bench();
  let born = false;
  s.far.answer = () => (born ? 'accept' : 'keep');
  s.add('a');
  const { drain, run } = s.connect();
  await s.clock.advance(10);
  drain.greeted();
  await s.clock.advance(11);
  born = true;
  await s.clock.advance(30);
  assert.deepEqual([s.offers, s.names()], [['a1', 'a1'], ['a1']]);
  drain.end();
  await run;
});

test('what the dialect kept on one connection is offered at once on the next', async () => {
  const s = bench();
  const held = new Map();
  s.far.answer = ({ key }) => (key === 'b' ? { later: 10 } : 'keep');
  s.add('a', 'b');
  const first = s.connect(held);
  await s.clock.advance(25);
  first.drain.end();
  await first.run;
  s.far.answer = () => 'accept';
  const next = s.connect(held);
  await s.clock.advance(100);
  // The far side may have ended the connection for the other one.
  assert.deepEqual(s.names(), ['a1']);
  next.drain.end();
  await next.run;
});

test('messages of rules wait for alarms that leave, and for none that is taken later', async () => {
  const s = bench();
  keeps(s, ({ key }) => key === 'a');
  s.add('a');
  const { drain, run } = s.connect();
  let calm = 0;
  const ask = () => void drain.calm().then(() => calm++);
  ask();
  await s.clock.advance(10);
  assert.equal(calm, 0, 'it is under way');
  await s.clock.advance(20);
  assert.equal(calm, 1, 'it is kept');
  await s.clock.advance(100_000);
  s.add('b');
  ask();
  await s.clock.advance(10);
  assert.equal(calm, 1, 'another one is under way');
  await s.clock.advance(20);
  assert.equal(calm, 2);
  drain.end();
  await run;
});

test('on the next connection what was taken beyond the cursor is not offered again', async () => {
  const s = bench();
  let dead = false;
  s.far.answer = ({ key }) => (key === 'a' ? { later: 5000 } : dead ? cut() : 'accept');
  s.add('a', 'b', 'c', 'b');
  const first = s.connect();
  await s.clock.advance(100);
  assert.deepEqual(s.names(), ['b3', 'c4', 'b6']);
  dead = true;
  s.add('c', 'b');
  await s.clock.advance(100);
  await first.run;
  assert.equal((first.state.error as SluiceError).code, 'upstream-connect');
  dead = false;
  s.offers.length = 0;
  const second = s.connect();
  await s.clock.advance(100);
  assert.deepEqual(s.offers, ['a1', 'c7', 'b9']);
  second.drain.end();
  await second.run;
});

test('a far side that ends the connection for an alarm gets all others on the next ones', async () => {
  const s = bench();
  const held = new Map();
  const now = { dead: false };
  s.far.answer = ({ key }) => {
    if (now.dead) return cut();
    if (key !== 'a') return 'accept';
    now.dead = true;
    return { later: 1000 };
  };
  s.add('a', 'b', 'c', 'a');
  for (let i = 0; i < 60; i++) s.add(`k${i}`);
  for (let n = 0; n < 6; n++) {
    now.dead = false;
    const { drain, run, state } = s.connect(held);
    await s.clock.advance(5000);
    assert.ok(state.over || now.dead, 'it is offered once on each connection');
    drain.end();
    await s.clock.advance(100);
    await run;
    s.underWay.clear();
  }
  assert.deepEqual(new Set(s.had.map(({ key }) => key)).size, 62);
  assert.equal(s.had.length, 62);
  assert.ok(!s.names().some((name) => name.startsWith('a')));
});

test('an alarm that is refused for good is counted and passed, and so is one without a topic', async () => {
  const s = bench();
  s.far.answer = ({ key }) => (key === 'bad' ? { reject: new SluiceError('upstream-refused') } : { later: 1000 });
  s.add('a', 'bad', 'none', 'bad', 'none');
  const { drain, run } = s.connect();
  await s.clock.advance(500);
  assert.deepEqual(
    [s.refused, s.offers],
    [
      ['bad3', 'bad6'],
      ['a1', 'bad3', 'bad6'],
    ],
  );
  assert.equal(s.alarms.cursor(CURRENT), 0);
  s.far.answer = () => 'accept';
  await s.clock.advance(1000);
  assert.equal(s.alarms.cursor(CURRENT), 7);
  drain.end();
  await run;
});

test('what is in memory leaves while the file cannot be read, and the rest follows', async () => {
  const s = bench();
  s.add('a', 'b', 'b');
  for (let i = 0; i < 300; i++) s.add('c');
  s.alarms.commit();
  s.alarms.readable = false;
  keeps(s, ({ key }) => key === 'a');
  const { drain, run } = s.connect();
  await s.clock.advance(5000);
  assert.equal(s.had.length, 0);
  s.alarms.readable = true;
  await s.clock.advance(2000);
  assert.ok(s.had.length > 16);
  s.alarms.readable = false;
  s.add('d');
  await s.clock.advance(10_000);
  assert.ok(s.names().includes(`d${s.alarms.last[CURRENT]}`));
  s.alarms.readable = true;
  s.far.answer = () => 'accept';
  await s.clock.advance(120_000);
  assert.equal(s.alarms.cursor(CURRENT), s.alarms.last[CURRENT]);
  drain.end();
  await run;
});

test('a broker that takes each alarm at the second try gets each once, in order', async () => {
  const s = bench();
  const tried = new Set<string>();
  s.far.answer = (notice) => {
    if (tried.has(nameOf(notice))) return 'accept';
    tried.add(nameOf(notice));
    return { later: 10 };
  };
  for (let i = 0; i < 1000; i++) s.add(`k${i % 7}`);
  s.alarms.commit();
  const { drain, run } = s.connect();
  await s.clock.advance(120_000);
  assert.equal(s.had.length, 1000);
  for (let k = 0; k < 7; k++) {
    const seqs = s.had.filter(({ key }) => key === `k${k}`).map(({ seq }) => seq);
    assert.deepEqual(
      seqs,
      seqs.toSorted((x, y) => x - y),
    );
  }
  drain.end();
  await run;
});

const key = fc.constantFrom('a', 'b', 'c', 'd');
const answer = fc.constantFrom(
  'yes' as const,
  'yes' as const,
  'yes' as const,
  'later' as const,
  'keep' as const,
  'no' as const,
  'cut' as const,
);

test('random answers over connections and restarts: all arrive in order, none twice', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(key, { maxLength: 20 }),
      fc.array(fc.tuple(fc.array(key, { maxLength: 6 }), fc.array(answer, { minLength: 1, maxLength: 8 }), fc.nat(7)), {
        maxLength: 25,
      }),
      async (old, rounds) => {
        const s = bench(old);
        const refused = new Set<number>();
        const had = new Set<number>();
        const marks = new Map<string, number>();
        /** These may come again. */
        const excused = new Set<number>();
        const faults: string[] = [];
        const idOf = (notice: OutNotice) => notice.log * 1e6 + notice.seq;
        let script: readonly (typeof answer extends fc.Arbitrary<infer T> ? T : never)[] = ['yes'];
        let turn = 0;
        s.far.answer = (notice) => {
          const id = idOf(notice);
          const how = script[turn++ % script.length] ?? 'yes';
          if (how === 'later') return { later: 300 };
          if (how === 'keep') return 'keep';
          // For good: also when it comes again.
          if (refused.has(id) || (how === 'no' && !had.has(id))) {
            refused.add(id);
            return { reject: new SluiceError('upstream-refused') };
          }
          if (had.has(id) && !excused.has(id)) faults.push(`${nameOf(notice)} comes twice`);
          // The far side has it, and nobody here knows.
          if (how === 'cut') excused.add(id);
          else excused.delete(id);
          const mark = marks.get(notice.key) ?? 0;
          if (!had.has(id) && id < mark) faults.push(`${nameOf(notice)} comes after ${mark}`);
          marks.set(notice.key, Math.max(mark, id));
          had.add(id);
          return how === 'cut' ? cut() : 'accept';
        };
        let link = s.connect();
        for (const [keys, answers, then] of rounds) {
          s.add(...keys);
          script = answers;
          await s.clock.advance(150);
          if (then === 1) s.alarms.commit();
          if (then === 2) {
            link.drain.end();
            await s.clock.advance(100);
            await link.run;
            s.underWay.clear();
            // A restart: what was taken beyond what was committed comes again.
            for (const id of had) excused.add(id);
            s.alarms.start();
          }
          if (link.state.over || then === 3) {
            link.drain.end();
            await s.clock.advance(100);
            await link.run;
            s.underWay.clear();
            link = s.connect();
          }
        }
        script = ['yes'];
        for (let i = 0; i < 3; i++) {
          await s.clock.advance(2000);
          if (link.state.over) {
            s.underWay.clear();
            link = s.connect();
          }
        }
        const missing = s.alarms.rows.filter((row) => !had.has(idOf(row)) && !refused.has(idOf(row)));
        assert.deepEqual([missing.map(nameOf), faults], [[], []]);
        link.drain.end();
        await link.run;
      },
    ),
    { numRuns: RUNS },
  );
});
