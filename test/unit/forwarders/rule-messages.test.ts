/** Messages of rules at their forwarder: when they leave, what a broker's answer means, and that each has exactly one outcome. */
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { SluiceError } from '../../../src/core/errors.ts';
import type { MessageOutcome } from '../../../src/core/rule-message.ts';
import type { OutMessage } from '../../../src/forwarders/mqtt/dialect.ts';
import type { Delivered } from '../../../src/forwarders/mqtt/patience.ts';
import { type MessageWay, RuleMessages } from '../../../src/forwarders/mqtt/rule-messages.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';

const lost = new SluiceError('upstream-connect', 'the connection to the broker was lost');
const busy = (reason: number) =>
  new SluiceError('upstream-busy', `the broker refuses a message: code ${reason}`, { data: { reason } });

function bench() {
  const clock = new ManualClock();
  const messages = new RuleMessages(clock, 'g1');
  const sent: OutMessage[] = [];
  const answers: ((answer: Delivered | SluiceError) => void)[] = [];
  const state = { calm: true, admits: true };
  let calmed: (() => void)[] = [];
  const way = (): MessageWay => ({
    deliver: (message) => {
      sent.push(message);
      return new Promise((resolve, reject) =>
        answers.push((answer) => (answer instanceof SluiceError ? reject(answer) : resolve(answer))),
      );
    },
    calm: async () => {
      if (!state.calm) await new Promise<void>((resolve) => calmed.push(resolve));
    },
    admit: () => state.admits,
    settled: () => {},
  });
  const outcomes: MessageOutcome[] = [];
  const offer = (payload: string, within = 10_000, wanted?: () => boolean) =>
    void messages
      .deliver({ topic: 'action/dry/call', payload, due: clock.monotonic() + within, wanted })
      .then((outcome) => outcomes.push(outcome));
  const calmDown = () => {
    state.calm = true;
    for (const resolve of calmed) resolve();
    calmed = [];
  };
  return {
    clock,
    messages,
    sent,
    answers,
    state,
    way,
    outcomes,
    offer,
    calmDown,
    told: () => outcomes.map(({ result }) => result),
  };
}

test('a message waits for a connection, and its answer decides', async () => {
  const b = bench();
  b.offer('help');
  await b.clock.advance(9000);
  assert.deepEqual(b.sent, []);
  b.messages.begin(b.way());
  await b.clock.advance(0);
  assert.deepEqual(b.sent, [{ topic: 'sluice/g1/action/dry/call', payload: 'help', qos: 1, retain: false }]);
  await b.clock.advance(60_000);
  assert.deepEqual(b.told(), [], 'the answer decides about one that is under way');
  b.answers[0]?.('accept');
  await b.clock.advance(0);
  assert.deepEqual(b.told(), ['acknowledged']);
});

test('a message without a connection expires, and does not leave on a later one', async () => {
  const b = bench();
  b.offer('help');
  await b.clock.advance(10_000);
  assert.deepEqual(b.outcomes, [{ result: 'expired', why: undefined }]);
  b.messages.begin(b.way());
  await b.clock.advance(60_000);
  assert.deepEqual(b.sent, []);
});

test('it stays behind alarms, and expires behind them', async () => {
  const b = bench();
  b.state.calm = false;
  b.messages.begin(b.way());
  b.offer('first');
  b.offer('second', 1000);
  await b.clock.advance(2000);
  assert.deepEqual(b.sent, []);
  b.calmDown();
  await b.clock.advance(0);
  assert.deepEqual(
    b.sent.map(({ payload }) => payload),
    ['first'],
  );
  assert.deepEqual(b.told(), ['expired']);
});

test('an answer that no wait changes is final, another one is asked for again', async () => {
  const b = bench();
  b.messages.begin(b.way());
  b.offer('acl', 60_000);
  await b.clock.advance(0);
  b.answers[0]?.({ keep: busy(135) });
  await b.clock.advance(0);
  assert.deepEqual(b.told(), ['refused']);
  b.offer('large', 60_000);
  await b.clock.advance(0);
  b.answers[1]?.({ keep: new SluiceError('upstream-too-large', 'too large') });
  b.offer('topic', 60_000);
  await b.clock.advance(0);
  b.answers[2]?.({ reject: new SluiceError('upstream-refused', 'topic name invalid') });
  await b.clock.advance(0);
  assert.deepEqual(b.told(), ['refused', 'refused', 'refused']);
  b.offer('quota', 60_000);
  await b.clock.advance(0);
  for (let i = 3; i < 5; i++) {
    b.answers[i]?.({ keep: busy(151) });
    await b.clock.advance(3000);
  }
  b.answers[5]?.('accept');
  await b.clock.advance(0);
  assert.equal(b.told()[3], 'acknowledged');
});

test('a broker that stays busy: it expires with the reason', async () => {
  const b = bench();
  b.messages.begin(b.way());
  b.offer('quota', 5000);
  let answered = 0;
  for (let i = 0; i < 9; i++) {
    await b.clock.advance(700);
    while (answered < b.answers.length) b.answers[answered++]?.({ keep: busy(151) });
  }
  assert.ok(answered > 1);
  await b.clock.advance(5000);
  assert.deepEqual(b.outcomes, [{ result: 'expired', why: 'the broker refuses a message: code 151' }]);
});

test('a connection that breaks: again on the next one, and after three of them refused', async () => {
  const b = bench();
  b.offer('help', 600_000);
  for (let i = 0; i < 3; i++) {
    assert.deepEqual(b.told(), []);
    b.messages.begin(b.way());
    await b.clock.advance(0);
    assert.equal(b.sent.length, i + 1);
    b.answers[i]?.(lost);
    await b.clock.advance(10_000);
    assert.equal(b.sent.length, i + 1, 'nothing leaves on a connection that is over');
  }
  const [outcome] = b.outcomes;
  assert.ok(outcome?.result === 'refused');
  assert.match(outcome.error.message, /ended 3 times before the broker acknowledged it: the connection to the broker was lost/);
});

test('one message that ends each connection takes no other one along', async () => {
  const b = bench();
  const innocents = ['one', 'two', 'three'];
  for (const payload of ['one', 'poison', 'two', 'three']) b.offer(payload, 600_000);
  let connections = 0;
  for (let answered = 0; b.outcomes.length < 4 && connections < 10; connections++) {
    b.messages.begin(b.way());
    await b.clock.advance(0);
    for (let broken = false; !broken && answered < b.sent.length; ) {
      broken = b.sent.slice(answered).some(({ payload }) => payload === 'poison');
      // The first answer that is not there ends the connection for all of them.
      while (answered < b.sent.length) b.answers[answered++]?.(broken ? lost : 'accept');
      await b.clock.advance(0);
    }
  }
  assert.deepEqual(b.told().toSorted(), ['acknowledged', 'acknowledged', 'acknowledged', 'refused']);
  assert.ok(connections <= 4, String(connections));
  for (const innocent of innocents) assert.ok(b.sent.some(({ payload }) => payload === innocent));
});

test('a message that the broker does not take now is worth no visit of its own', async () => {
  const b = bench();
  b.offer('quota', 600_000);
  assert.deepEqual(b.messages.waiting, [5]);
  b.messages.begin(b.way());
  await b.clock.advance(0);
  b.answers[0]?.({ keep: busy(151) });
  await b.clock.advance(0);
  await b.messages.rest();
  await b.clock.advance(120_000);
  assert.deepEqual(b.messages.waiting, []);
  // On a connection that is made for something else it leaves.
  b.messages.begin(b.way());
  await b.clock.advance(0);
  b.answers[1]?.('accept');
  await b.clock.advance(0);
  assert.deepEqual(b.told(), ['acknowledged']);
});

test('one that did not fit into the budget of a visit is worth another one', async () => {
  const b = bench();
  b.state.admits = false;
  b.offer('help', 600_000);
  b.messages.begin(b.way());
  await b.clock.advance(0);
  await b.messages.rest();
  await b.clock.advance(120_000);
  assert.deepEqual(b.messages.waiting, [4]);
});

test('messages are quiet when none is under way and none was for a second', async () => {
  const b = bench();
  assert.equal(b.messages.quiet, true);
  b.messages.begin(b.way());
  b.offer('help');
  await b.clock.advance(5000);
  assert.equal(b.messages.quiet, false);
  b.answers[0]?.('accept');
  await b.clock.advance(999);
  assert.equal(b.messages.quiet, false);
  await b.clock.advance(1);
  assert.equal(b.messages.quiet, true);
});

test('a message that nobody wants any more does not leave', async () => {
  const b = bench();
  let wanted = true;
  b.offer('gone', 600_000, () => wanted);
  wanted = false;
  assert.deepEqual(b.messages.waiting, []);
  b.messages.begin(b.way());
  await b.clock.advance(0);
  assert.deepEqual([b.sent, b.told()], [[], ['lost']]);
  // Also where it waits behind alarms.
  b.state.calm = false;
  wanted = true;
  b.offer('gone', 600_000, () => wanted);
  await b.clock.advance(0);
  wanted = false;
  b.calmDown();
  await b.clock.advance(0);
  assert.deepEqual([b.sent, b.told()], [[], ['lost', 'lost']]);
});

test('without place in a budget it waits, and leaves when there is place', async () => {
  const b = bench();
  b.state.admits = false;
  b.messages.begin(b.way());
  b.offer('help', 60_000);
  await b.clock.advance(5000);
  assert.deepEqual(b.sent, []);
  b.state.admits = true;
  await b.clock.advance(30_000);
  assert.equal(b.sent.length, 1);
  b.answers[0]?.('accept');
  await b.clock.advance(0);
  assert.deepEqual(b.told(), ['acknowledged']);
});

test('a forwarder that ends loses what waits, and not what is answered until then', async () => {
  const b = bench();
  b.messages.begin(b.way());
  b.offer('under way');
  b.offer('never answered');
  await b.clock.advance(0);
  b.state.calm = false;
  b.offer('waits');
  b.messages.stop();
  b.calmDown();
  b.offer('late');
  b.answers[0]?.('accept');
  await b.clock.advance(0);
  b.messages.over();
  await b.clock.advance(0);
  assert.deepEqual(b.told().toSorted(), ['acknowledged', 'lost', 'lost', 'lost']);
});

test('random walks: one outcome each, none after its time without an answer, at most 32 here', async () => {
  const step = fc.oneof(
    { weight: 4, arbitrary: fc.record({ offer: fc.integer({ min: 1, max: 20_000 }) }) },
    { weight: 2, arbitrary: fc.record({ pass: fc.integer({ min: 1, max: 9000 }) }) },
    { weight: 3, arbitrary: fc.record({ answer: fc.constantFrom('accept', 'busy', 'acl', 'lost'), which: fc.nat(9) }) },
    { weight: 1, arbitrary: fc.constantFrom('begin' as const, 'rest' as const, 'storm' as const, 'calm' as const) },
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 50 }), async (steps) => {
      const b = bench();
      let offered = 0;
      const open = (i: number) => b.answers[i];
      for (const what of steps) {
        if (what === 'begin') b.messages.begin(b.way());
        else if (what === 'rest') void b.messages.rest();
        else if (what === 'storm') b.state.calm = false;
        else if (what === 'calm') b.calmDown();
        else if ('offer' in what) b.offer(String(offered++), what.offer);
        else if ('pass' in what) await b.clock.advance(what.pass);
        else {
          const answer = { accept: 'accept', busy: { keep: busy(151) }, acl: { keep: busy(135) }, lost }[what.answer];
          open(what.which)?.(answer as Delivered);
        }
        await b.clock.advance(0);
        assert.ok(b.messages.waiting.length <= 32);
        assert.ok(b.outcomes.length <= offered);
      }
      b.messages.stop();
      b.calmDown();
      for (const answer of b.answers) answer(lost);
      await b.clock.advance(0);
      b.messages.over();
      await b.clock.advance(0);
      assert.equal(b.outcomes.length, offered);
      for (const { payload } of b.sent) assert.match(String(payload), /^\d+$/);
    }),
    { numRuns: 150 },
  );
});

test('rest and drained resolve when nothing is under way', async () => {
  const b = bench();
  b.messages.begin(b.way());
  b.offer('help');
  await b.clock.advance(0);
  let rested = false;
  void b.messages.drained().then(() => {
    rested = true;
  });
  await b.clock.advance(1000);
  assert.equal(rested, false);
  b.answers[0]?.('accept');
  await b.clock.advance(0);
  assert.equal(rested, true);
  await b.messages.rest();
});
