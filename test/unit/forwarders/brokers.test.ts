/** The order of several brokers of one forwarder, and the questions to the first one while the gateway is at another. */
import assert from 'node:assert/strict';
import { Duplex } from 'node:stream';
import test from 'node:test';
import fc from 'fast-check';
import { Brokers } from '../../../src/forwarders/mqtt/brokers.ts';
import { FirstBroker } from '../../../src/forwarders/mqtt/first-broker.ts';
import { mqttForwarderSchema } from '../../../src/forwarders/mqtt/schema.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';

test('a round tries each broker once and pauses; a good connection begins a new one', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 8 }), fc.array(fc.boolean(), { maxLength: 60 }), (size, ends) => {
      const urls = Array.from({ length: size }, (_, i) => `mqtt://b${i}`);
      const brokers = new Brokers(urls);
      let tried = 0;
      for (const good of ends) {
        assert.equal(brokers.url, urls[tried]);
        const pauses = brokers.ended(good);
        tried = good ? 0 : (tried + 1) % size;
        assert.equal(pauses, tried === 0, 'a pause stands before the first one alone');
      }
    }),
  );
});

test('questions to the first broker come ever more seldom until it was a good one again', () => {
  const brokers = new Brokers(['mqtt://a', 'mqtt://b']);
  brokers.ended(false);
  let now = 0;
  const minutes = () => {
    const wait = brokers.nextQuestion(now);
    now += wait;
    brokers.asked();
    return wait / 60_000;
  };
  assert.deepEqual([minutes(), minutes(), minutes(), minutes(), minutes()], [10, 20, 40, 60, 60]);
  brokers.goBack();
  brokers.ended(false);
  assert.equal(minutes(), 60, 'it took the connection and was no good');
  brokers.goBack();
  brokers.ended(true);
  assert.equal(minutes(), 10);
});

test('a question that is still to come keeps its time over connections to other brokers', () => {
  const MINUTE = 60_000;
  const brokers = new Brokers(['mqtt://a', 'mqtt://b']);
  brokers.ended(false);
  assert.equal(brokers.nextQuestion(0), 10 * MINUTE);
  assert.equal(brokers.nextQuestion(4 * MINUTE), 6 * MINUTE);
  assert.equal(brokers.nextQuestion(11 * MINUTE), 0, 'it is late');
  // A try of the first one was a question as well.
  brokers.ended(true);
  brokers.ended(false);
  assert.equal(brokers.nextQuestion(11 * MINUTE), 10 * MINUTE);
});

/** @param answers whether the first broker takes the connection, one after the other; undefined: it never says */
function asked(answers: (boolean | undefined)[]) {
  const clock = new ManualClock();
  const said: string[] = [];
  const brokers = new Brokers(['mqtt://a', 'mqtt://b'], 1000);
  brokers.ended(false);
  const first = new FirstBroker(clock, brokers, {
    open: (url, signal) => {
      said.push(url);
      const answer = answers.shift();
      if (answer === true) return Promise.resolve(new Duplex({ read() {}, write() {} }));
      if (answer === false) return Promise.reject(new Error('refused'));
      return new Promise((_, reject) => signal.addEventListener('abort', () => reject(new Error('given up'))));
    },
    answered: () => said.push('answered'),
    late: () => said.push('late'),
  });
  return { clock, first, said };
}

test('the first broker is asked until it answers, a question without an answer ends after 10 s', async () => {
  const s = asked([false, undefined, true]);
  await s.clock.advance(999);
  assert.deepEqual(s.said, []);
  await s.clock.advance(1);
  assert.deepEqual(s.said, ['mqtt://a']);
  await s.clock.advance(2000);
  await s.clock.advance(9999);
  await s.clock.advance(4000);
  assert.deepEqual(s.said, ['mqtt://a', 'mqtt://a'], 'the question goes on');
  await s.clock.advance(4000);
  assert.deepEqual(s.said, ['mqtt://a', 'mqtt://a', 'mqtt://a', 'answered']);
  assert.equal(s.first.answered, true);
  await s.clock.advance(10_000);
  assert.equal(s.said.at(-1), 'late', 'the work on the other broker has not ended');
});

test('a connection that ends takes its questions along', async () => {
  for (const at of [0, 1000]) {
    const s = asked([undefined]);
    await s.clock.advance(at);
    s.first.end();
    await s.clock.advance(100_000);
    assert.deepEqual(s.said, at === 0 ? [] : ['mqtt://a']);
    assert.equal(s.first.answered, false);
  }
  const answered = asked([true]);
  await answered.clock.advance(1000);
  answered.first.end();
  await answered.clock.advance(100_000);
  assert.deepEqual(answered.said, ['mqtt://a', 'answered'], 'its work ended in time');
});

test('a list of addresses is taken, up to eight, and one address alone as before', () => {
  const schema = mqttForwarderSchema([]);
  const parse = (url: unknown) => schema.safeParse({ url, format: 'json' }).error?.issues.filter((i) => i.path[0] === 'url');
  assert.deepEqual(parse('mqtt://a'), []);
  assert.deepEqual(parse(['mqtts://a', 'wss://b/mqtt']), []);
  for (const wrong of [[], 7, ['mqtt://a', 'http://b'], Array.from({ length: 9 }, (_, i) => `mqtt://b${i}`)])
    assert.ok((parse(wrong)?.length ?? 0) > 0, JSON.stringify(wrong));
});
