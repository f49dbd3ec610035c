/** When the measurement of a fleet counts a record as missing: a queue of a node may still have it. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { compared, type Held, heldWords, MOST_RETURNS, NOTHING, ofNats, ofRabbit } from '../../../bench/lib/fleet-queues.ts';

/** A platform that lacks some records, and what a connection brings of them each time. */
function bench(missing: number, brings: number, held: (missing: number) => Held | undefined) {
  const did: string[] = [];
  return {
    did,
    run: () =>
      compared<{ readonly lost: number }>({
        verdict: async () => ({ lost: missing }),
        complete: ({ lost }) => lost === 0,
        quiet: async () => void did.push('quiet'),
        held: async () => {
          did.push('asked');
          return held(missing);
        },
        back: async () => {
          did.push('back');
          missing = Math.max(0, missing - brings);
        },
      }),
  };
}

test('a record that a node still has is not missing before the platform connected again', async () => {
  const b = bench(818, 818, (missing) => ({ ready: missing - 1, underWay: 1 }));
  const { first, last, returns, held } = await b.run();
  assert.deepEqual([first.lost, last.lost, returns, held], [818, 0, 1, [{ ready: 817, underWay: 1 }]]);
  assert.deepEqual(b.did, ['quiet', 'asked', 'back', 'quiet']);
});

test('what no node has is missing at once, and a stuck session ends the wait', async () => {
  const gone = bench(5, 5, () => NOTHING);
  assert.deepEqual(await gone.run(), { first: { lost: 5 }, last: { lost: 5 }, returns: 0, held: [NOTHING] });
  const stuck = bench(5, 0, () => ({ ready: 4, underWay: 1 }));
  const { last, returns, held } = await stuck.run();
  assert.deepEqual(
    [last.lost, returns, held.length],
    [5, MOST_RETURNS, MOST_RETURNS + 1],
    'the last answer says that they are there',
  );
  assert.equal(heldWords(held.slice(0, 2)), '4 + 1; 4 + 1');
});

test('silent nodes get one more connection, and a complete run asks nobody', async () => {
  const silent = bench(5, 0, () => undefined);
  assert.deepEqual([(await silent.run()).returns, silent.did], [1, ['quiet', 'asked', 'back', 'quiet', 'asked']]);
  const whole = bench(0, 0, () => undefined);
  assert.deepEqual([heldWords((await whole.run()).held), whole.did], ['not asked', ['quiet']]);
});

test('of the queues of RabbitMQ those of one session count', () => {
  const queue = (name: string, ready: number | '', underWay: number | '') => ({
    name,
    ...{ messages_ready: ready, messages_unacknowledged: underWay },
  });
  const other = queue('mqtt-subscription-platform2qos1', 7, 7);
  const text = (...queues: object[]) => JSON.stringify(queues);
  assert.deepEqual(ofRabbit(text(other, queue('mqtt-subscription-platformqos1', 8, 1)), 'platform'), { ready: 8, underWay: 1 });
  assert.deepEqual(ofRabbit(text(other), 'platform'), NOTHING, 'it has none any more');
  assert.equal(ofRabbit(text(queue('mqtt-subscription-platformqos1', '', '')), 'platform'), undefined, 'it has no leader now');
});

test('of the consumers of NATS the leader of each knows what it has', () => {
  const consumer = (name: string, subject: string, leader: string | undefined, pending: number) => ({
    ...{ name, config: { filter_subject: subject }, ...(leader === undefined ? {} : { cluster: { leader } }) },
    ...{ num_pending: pending, num_ack_pending: 1 },
  });
  const page = (...consumers: object[]) =>
    JSON.stringify({ account_details: [{ stream_detail: [{ name: '$MQTT_msgs', consumer_detail: consumers }] }] });
  const data = (leader: string | undefined, pending: number) => consumer('a', '$MQTT.msgs.sluice.*.data', leader, pending);
  const history = (leader: string, pending: number) => consumer('b', '$MQTT.msgs.sluice.*.history', leader, pending);
  const foreign = consumer('c', '$MQTT.msgs.probe.order', 'n1', 50);
  const pages = new Map([
    ['n1', page(data('n1', 3), history('n2', 99), foreign)],
    ['n2', page(data('n1', 99), history('n2', 4))],
  ]);
  assert.deepEqual(ofNats(pages), { ready: 7, underWay: 2 });
  pages.delete('n2');
  assert.equal(ofNats(pages), undefined, 'the leader of one did not answer');
  assert.deepEqual(ofNats(new Map([['n1', page(data(undefined, 3))]])), { ready: 3, underWay: 1 }, 'a node alone');
  assert.deepEqual(ofNats(new Map([['n1', page()]])), NOTHING);
});
