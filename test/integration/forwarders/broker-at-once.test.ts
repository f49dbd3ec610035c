/** Alarms of the embedded broker leave in the turn that made them, and overtake nothing of the same client. */
import assert from 'node:assert/strict';
import { Socket } from 'node:net';
import test, { type TestContext } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import fc from 'fast-check';
import mqtt from 'mqtt';
import { MOST_AT_ONCE } from '../../../src/forwarders/broker/at-once.ts';
import { openAccess } from '../../fakes/open-access.ts';
import { BrokerBench, Raw, ROOT } from '../../harness/embedded-broker.ts';
import { Peek } from '../../harness/mqtt-peek.ts';
import { waitFor } from '../../harness/wait-for.ts';

const SUBACK = 0x90;

function alarm({ broker }: BrokerBench, words: string, seq = 1): void {
  broker.notice({ kind: 'alarm', key: 'hot', seq, json: `{"message":"${words}"}`, unnumbered: true });
}

async function subscriber(t: TestContext, { port }: BrokerBench, filter: string, qos: number, id = `q${qos}`): Promise<Raw> {
  const raw = await Raw.open(t, port);
  assert.equal(await raw.connect(id), 0);
  raw.subscribe([`${ROOT}/${filter}`], qos);
  await waitFor('the SUBACK', () => raw.bytes[4] === SUBACK);
  return raw;
}

/** Notes when the bytes of alarms are given to the kernel. */
function noting(t: TestContext, order: string[]): void {
  const { write } = Socket.prototype;
  t.mock.method(Socket.prototype, 'write', function (this: Socket, ...args: Parameters<typeof write>) {
    if (Buffer.from(args[0] as Uint8Array).includes(`${ROOT}/alarm/`)) order.push('alarm');
    return write.apply(this, args);
  });
}

test('an alarm is given to the kernel in the turn that made it, for QoS 0 and 1', async (t) => {
  const bench = new BrokerBench(t);
  await bench.start();
  const clients = [await subscriber(t, bench, 'alarm/#', 0), await subscriber(t, bench, 'alarm/#', 1)];
  const order: string[] = [];
  noting(t, order);
  for (const words of ['one', 'two']) {
    setImmediate(() => order.push('next turn'));
    alarm(bench, words);
    await nextTurn();
  }
  assert.deepEqual(order, ['alarm', 'alarm', 'next turn', 'alarm', 'alarm', 'next turn']);
  for (const { bytes } of clients) assert.ok(bytes.length > 0);
  await waitFor('both alarms at both', () => clients.every(({ bytes }) => bytes.includes('"two"') && bytes.includes('"one"')));
});

test('of many clients so many get an alarm in its turn, and the others in the next one', async (t) => {
  const bench = new BrokerBench(t);
  await bench.start();
  const clients: Raw[] = [];
  for (let i = 0; i < MOST_AT_ONCE + 2; i++) clients.push(await subscriber(t, bench, 'alarm/#', 0, `c${i}`));
  const order: string[] = [];
  noting(t, order);
  for (let turn = 0; turn < 2; turn++) {
    order.length = 0;
    setImmediate(() => order.push('next turn'));
    alarm(bench, 'one');
    await nextTurn();
    await nextTurn();
    assert.deepEqual([order.indexOf('next turn'), order.length], [MOST_AT_ONCE, clients.length + 1]);
    for (let i = 0; i < 3; i++) await nextTurn();
  }
});

test('an alarm behind another message of its client leaves in the next turn, behind that', async (t) => {
  const bench = new BrokerBench(t);
  await bench.start();
  const client = await subscriber(t, bench, '#', 1);
  await waitFor('the retained messages', () => client.bytes.includes(`${ROOT}/status`));
  for (let i = 0; i < 4; i++) await nextTurn();
  const order: string[] = [];
  noting(t, order);
  bench.broker.act('action/first', 'first');
  alarm(bench, 'second');
  setImmediate(() => setImmediate(() => order.push('two turns later')));
  for (let i = 0; i < 3; i++) await nextTurn();
  assert.deepEqual(order, ['alarm', 'two turns later']);
  await waitFor('both', () => client.bytes.includes('second'));
  assert.ok(client.bytes.indexOf('action/first') < client.bytes.indexOf('second'));
});

test('each client gets alarms, events and messages of rules in the order they were made', async (t) => {
  const bench = new BrokerBench(t, { access: openAccess('plant/#') });
  await bench.start();
  const raw = await subscriber(t, bench, '#', 0);
  const peek = await Peek.start(t, bench.port, `${ROOT}/#`);
  const session = mqtt.connect({ protocol: 'mqtt', host: '127.0.0.1', port: bench.port, clientId: 'kept', clean: false });
  t.after(() => session.end(true));
  const kept: string[] = [];
  session.on('message', (_, payload) => kept.push(payload.toString()));
  await session.subscribeAsync(`${ROOT}/#`, { qos: 1 });
  const numbers = (texts: readonly string[]): number[] =>
    texts.flatMap((text) => Array.from(text.matchAll(/#(\d+);/g), (m) => Number(m[1])));
  let made = 0;
  const acts = {
    alarm: () => alarm(bench, `#${++made};`, made),
    event: () => bench.broker.notice({ kind: 'event', key: 'e', seq: made, json: `{"message":"#${++made};"}`, unnumbered: true }),
    act: () => bench.broker.act('action/x', `#${++made};`),
    turn: () => nextTurn(),
    tick: () => Promise.resolve(),
  };
  const act = fc.constantFrom(...(Object.keys(acts) as (keyof typeof acts)[]));
  await fc.assert(
    fc.asyncProperty(fc.array(act, { maxLength: 30 }), async (chosen) => {
      const first = made + 1;
      for (const one of [...chosen, 'event' as const]) await acts[one]();
      const expected = Array.from({ length: made - first + 1 }, (_, i) => first + i);
      const got = (): number[][] =>
        [[raw.bytes.toString()], peek.messages.map((m) => m.text), kept].map((texts) => numbers(texts).filter((n) => n >= first));
      await waitFor(
        () => `all of ${expected}: ${JSON.stringify(got())}`,
        () => got().every((one) => one.length >= expected.length),
        { every: 1 },
      );
      assert.deepEqual(got(), [expected, expected, expected]);
    }),
    { numRuns: 40 },
  );
});
