/** Two real Mosquittos for one forwarder: it moves to the second, comes back to the first, and one cursor counts for both. */
import assert from 'node:assert/strict';
import path from 'node:path';
import test from 'node:test';
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
  const folder = scratch(t, 'brokers');
  // Before the folder goes.
  let close = async () => {};
  t.after(() => close());
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
  const again = await Subscriber.start(t, first.port, ['sluice/#']);
  if (again === undefined) return;
  await at(first.url);
  await five(first, again, 0);
  // It left the second one with a goodbye, and not as one that was lost.
  const last = atSecond.messages().findLast((message) => message.topic.endsWith('/status'));
  const left: unknown = JSON.parse(last?.payload ?? '{}');
  assert.deepEqual(left, { v: 1, online: false, reason: 'stopped' });
  assert.deepEqual(
    consumer.records().map((record) => record.values.n),
    Array.from({ length: 15 }, (_, i) => i),
  );
  assert.deepEqual(consumer.judge(), []);
});

test('a broker that takes connections and acknowledges nothing is left for the next one', async (t) => {
  const first = await Mosquitto.start(t);
  const second = await Mosquitto.start(t);
  if (first === undefined || second === undefined) return;
  const proxy = new DropProxy(first.port);
  await proxy.start();
  t.after(() => proxy.stop());
  proxy.holdPubacks(/\/(data|history)$/);
  const folder = scratch(t, 'unanswered');
  let close = async () => {};
  t.after(() => close());
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
  const subscriber = await Subscriber.start(t, second.port, ['sluice/#']);
  if (subscriber === undefined) return;
  upstream.start();
  await waitFor('a connection to the first broker', () => upstream.connected && upstream.status().url === proxy.url);
  const before = proxy.counts.publishes;
  for (let n = 0; n < 5; n++) assert.ok(log.append({ shape, at: clock.monotonic(), values: [n], reasons: null }));
  await waitFor('readings at the first broker', () => proxy.counts.publishes > before);
  // Longer than an acknowledgement may take, and than a good connection lasts.
  await clock.skip(16_000);
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
