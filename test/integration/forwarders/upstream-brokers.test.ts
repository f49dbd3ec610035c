/** Two real Mosquittos for one forwarder: it moves to the second, comes back to the first, and one cursor counts for both. */
import assert from 'node:assert/strict';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import { systemClock } from '../../../src/core/clock.ts';
import { jsonDialect } from '../../../src/forwarders/mqtt/dialects/json/dialect.ts';
import { LogForwarder } from '../../../src/forwarders/mqtt/log-forwarder.ts';
import { mqttForwarderSchema } from '../../../src/forwarders/mqtt/schema.ts';
import { Log } from '../../../src/store/log.ts';
import { forwarderContext } from '../../fakes/forwarder-context.ts';
import { SkipClock } from '../../fakes/skip-clock.ts';
import { DropProxy } from '../../harness/drop-proxy.ts';
import { scratch } from '../../harness/scratch.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { Consumer } from '../../oracles/consumer.ts';
import { Mosquitto, Subscriber } from '../../peers/mosquitto.ts';

const shape = { device: 'd', points: [{ name: 'n', type: 'uint32', storage: 'number' }] } as const;

test('a forwarder fails over to the next broker and goes back to the first, with one cursor', async (t) => {
  const first = await Mosquitto.start(t);
  const second = await Mosquitto.start(t);
  if (first === undefined || second === undefined) return;
  // Before the folder goes: what is said first to be done afterwards is done first.
  let close = async () => {};
  t.after(() => close());
  const folder = scratch(t, 'brokers');
  const log = await Log.open({
    ...{ stateDir: path.join(folder, 'state'), runtimeDir: path.join(folder, 'run'), clock: systemClock },
    ...{ maxSize: 64e6, maxAge: 1e12, commitEvery: 50 },
  });
  log.setClock(Date.now() - Math.round(systemClock.monotonic()), false);
  log.setInventory('{}');
  const urls = [first.url, second.url];
  const upstream = new LogForwarder({
    ...forwarderContext(log, { random: () => 1 }),
    ...{ name: 'cloud', dialect: jsonDialect, backAfter: 200 },
    settings: mqttForwarderSchema([jsonDialect]).parse({ url: urls, batch: { maxAge: '20ms' } }) as never,
  });
  close = async () => {
    await upstream.stop(0);
    await log.close(10_000);
  };
  const consumer = new Consumer();
  let n = 0;
  /** Sends five readings, and waits for them at that broker. */
  const five = async (broker: Mosquitto, subscriber: Subscriber, from: number) => {
    for (let i = 0; i < 5; i++) assert.ok(log.append({ shape, at: systemClock.monotonic(), values: [n++], reasons: null }));
    await waitFor(
      () => `five readings at ${broker.url}; ${JSON.stringify(upstream.status())}`,
      () => new Consumer().feedAll(subscriber.messages().slice(from)).records().length >= 5,
    );
    consumer.feedAll(subscriber.messages().slice(from));
  };
  const at = (url: string) => waitFor(`a connection to ${url}`, () => upstream.connected && upstream.status().url === url);

  const atFirst = await Subscriber.start(t, first.port, ['sluice/#']);
  const atSecond = await Subscriber.start(t, second.port, ['sluice/#']);
  if (atFirst === undefined || atSecond === undefined) return;
  upstream.start();
  await at(first.url);
  await five(first, atFirst, 0);
  await first.stop();
  await at(second.url);
  await five(second, atSecond, 0);
  await first.start();
  // With a session of its own: the other one comes back as well, and two clients of one name take it from each other.
  const again = await Subscriber.start(t, first.port, ['sluice/#'], { id: 'again' });
  if (again === undefined) return;
  await at(first.url);
  await five(first, again, 0);
  // It left the second one with a goodbye, and not as one that was lost.
  const last = () => atSecond.messages().findLast((message) => message.topic.endsWith('/status'))?.payload ?? '{}';
  await waitFor('its last words at the second one', () => (JSON.parse(last()) as { online?: boolean }).online === false);
  assert.deepEqual(JSON.parse(last()), { v: 1, online: false, reason: 'stopped' });
  assert.deepEqual(
    consumer.records().map((record) => record.values.n),
    Array.from({ length: 15 }, (_, i) => i),
  );
  assert.deepEqual(consumer.judge(), []);
});

/** A forwarder with two brokers, the first of them behind a proxy, and a clock that jumps. */
async function behindProxy(t: TestContext) {
  const first = await Mosquitto.start(t);
  const second = await Mosquitto.start(t);
  if (first === undefined || second === undefined) return undefined;
  const proxy = new DropProxy(first.port);
  await proxy.start();
  t.after(() => proxy.stop());
  let close = async () => {};
  t.after(() => close());
  const folder = scratch(t, 'unanswered');
  const clock = new SkipClock(Date.now());
  const log = await Log.open({
    ...{ stateDir: path.join(folder, 'state'), runtimeDir: path.join(folder, 'run'), clock },
    ...{ maxSize: 64e6, maxAge: 1e12, commitEvery: 50 },
  });
  log.setClock(Date.now() - Math.round(clock.monotonic()), false);
  log.setInventory('{}');
  const upstream = new LogForwarder({
    ...forwarderContext(log, { clock }),
    ...{ name: 'cloud', dialect: jsonDialect },
    settings: mqttForwarderSchema([jsonDialect]).parse({ url: [proxy.url, second.url], batch: { maxAge: '20ms' } }) as never,
  });
  close = async () => {
    await upstream.stop(0);
    await log.close(10_000);
  };
  return { second, proxy, clock, log, upstream };
}
/** Longer than an acknowledgement may take, and than a good connection lasts. */
const LATE = 16_000;

test('a broker that takes connections and acknowledges nothing is left after two of them', async (t) => {
  const b = await behindProxy(t);
  const subscriber = b && (await Subscriber.start(t, b.second.port, ['sluice/#']));
  if (b === undefined || subscriber === undefined) return;
  const { proxy, upstream, clock, log, second } = b;
  proxy.holdPubacks(/\/(data|history)$/);
  upstream.start();
  await waitFor('a connection to the first broker', () => upstream.connected && upstream.status().url === proxy.url);
  let before = proxy.counts.publishes;
  for (let n = 0; n < 5; n++) assert.ok(log.append({ shape, at: clock.monotonic(), values: [n], reasons: null }));
  await waitFor('readings at the first broker', () => proxy.counts.publishes > before);
  before = proxy.counts.publishes;
  await clock.skip(LATE);
  await waitFor('another connection to it', () => upstream.connected && upstream.status().counters.connects === 2);
  assert.equal(upstream.status().url, proxy.url);
  // Beside what a connection begins with, which was acknowledged.
  await waitFor('the readings there again', () => upstream.status().counters.retries > 0 && proxy.counts.publishes > before + 1);
  await clock.skip(LATE);
  const consumer = new Consumer();
  await waitFor(
    () => `five readings at the second broker; ${JSON.stringify(upstream.status())}`,
    () => new Consumer().feedAll(subscriber.messages()).records().length >= 5,
  );
  consumer.feedAll(subscriber.messages());
  assert.deepEqual(
    consumer.records().map(({ values }) => values.n),
    [0, 1, 2, 3, 4],
  );
  assert.deepEqual(consumer.judge(), []);
  assert.equal(upstream.status().url, second.url);
});

for (const what of ['alarms', 'messages of rules'] as const)
  test(`a broker that acknowledged ${what} is not left for one without an answer`, async (t) => {
    const b = await behindProxy(t);
    if (b === undefined) return;
    const { proxy, upstream, clock, log } = b;
    let n = 0;
    const send = (): void => {
      n++;
      if (what === 'alarms') log.notice('alarm', 'dry', clock.monotonic(), { v: 1, alarm: 'dry', state: 'active', n });
      else void upstream.deliver({ topic: 'action/dry/call', payload: String(n), due: Number.MAX_SAFE_INTEGER });
    };
    const passed = async (kind: 'publishes' | 'pubacks', from: number) =>
      waitFor(`${kind} of ${what}`, () => proxy.counts[kind] > from);
    const connected = (connects: number) =>
      waitFor('a connection', () => upstream.connected && upstream.status().counters.connects === connects);
    upstream.start();
    await connected(1);
    for (let round = 1; round <= 2; round++) {
      const answers = proxy.counts.pubacks;
      send();
      await passed('pubacks', answers);
      proxy.holdPubacks(/\/(alarm|action)\//);
      const { publishes } = proxy.counts;
      send();
      await passed('publishes', publishes);
      await clock.skip(LATE);
      proxy.holdPubacks(undefined);
      await connected(round + 1);
      assert.equal(upstream.status().url, proxy.url);
    }
  });
