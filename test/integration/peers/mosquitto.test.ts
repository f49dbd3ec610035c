import assert from 'node:assert/strict';
import test from 'node:test';
import mqtt from 'mqtt';
import { DropProxy } from '../../harness/drop-proxy.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { Mosquitto, Subscriber } from '../../peers/mosquitto.ts';

/** A client as the forwarder makes it: no reconnection of the library's own. */
const client = (port: number) =>
  mqtt.connectAsync(`mqtt://127.0.0.1:${port}`, { reconnectPeriod: 0, clean: true, connectTimeout: 30_000 }, false);

test('a subscriber with a session gets what was published while it and the broker were away', async (t) => {
  const broker = await Mosquitto.start(t, { persistence: true });
  const subscriber = broker && (await Subscriber.start(t, broker.port, ['a/#']));
  if (broker === undefined || subscriber === undefined) return;

  const first = await client(broker.port);
  await first.publishAsync('a/one', 'line\nbreak', { qos: 1 });
  await waitFor('the first message', () => subscriber.messages().length === 1);
  await subscriber.pause();
  await first.publishAsync('a/two', 'ü', { qos: 1, retain: true });
  await first.endAsync();

  await broker.restart();
  await subscriber.resume();
  await waitFor('the second message', () => subscriber.messages().length >= 2);
  assert.deepEqual(
    subscriber
      .messages()
      .slice(0, 2)
      .map(({ topic, payload, qos }) => ({ topic, payload, qos })),
    [
      { topic: 'a/one', payload: 'line\nbreak', qos: 1 },
      { topic: 'a/two', payload: 'ü', qos: 1 },
    ],
  );
  await broker.kill();
  assert.equal(broker.running, false);
});

test('the proxy loses a PUBACK whose PUBLISH the broker has', async (t) => {
  const broker = await Mosquitto.start(t);
  const subscriber = broker && (await Subscriber.start(t, broker.port, ['#']));
  if (broker === undefined || subscriber === undefined) return;
  const proxy = new DropProxy(broker.port);
  await proxy.start();
  t.after(() => proxy.stop());

  const lucky = await client(proxy.port);
  await lucky.publishAsync('x/data', 'passes', { qos: 1 });
  proxy.dropPubacks(1, /data$/);
  await lucky.publishAsync('x/other', 'does not match', { qos: 1 });
  lucky.on('error', () => {});
  const closed = new Promise<void>((resolve) => lucky.once('close', () => resolve()));
  let acknowledged = false;
  lucky.publish('x/data', 'lost', { qos: 1 }, (error) => {
    acknowledged = error === undefined || error === null;
  });
  await closed;
  await waitFor('the broker to have it', () => subscriber.messages().some((m) => m.payload === 'lost'));
  assert.equal(acknowledged, false);
  lucky.end(true);

  const again = await client(proxy.port);
  await again.publishAsync('x/data', 'after', { qos: 1 });
  await again.endAsync();
  assert.deepEqual(
    { ...proxy.counts, bytesUp: 0, bytesDown: 0 },
    { connections: 2, publishes: 4, pubacks: 3, drops: 1, bytesUp: 0, bytesDown: 0 },
  );
});

test('the proxy loses a PUBLISH, stalls, delays, cuts and refuses', async (t) => {
  const broker = await Mosquitto.start(t);
  const subscriber = broker && (await Subscriber.start(t, broker.port, ['#']));
  if (broker === undefined || subscriber === undefined) return;
  const proxy = new DropProxy(broker.port);
  await proxy.start();
  t.after(() => proxy.stop());
  const port = proxy.port;

  const first = await client(port);
  first.on('error', () => {});
  proxy.dropWhen((seen) => seen.kind === 'publish' && seen.topic === 'x');
  const closed = new Promise<void>((resolve) => first.once('close', () => resolve()));
  first.publish('x', 'never', { qos: 1 }, () => {});
  await closed;
  proxy.dropWhen(undefined);
  first.end(true);

  const second = await client(port);
  second.on('error', () => {});
  proxy.stall(true);
  const held = second.publishAsync('x', 'held', { qos: 1 });
  await waitFor('the packet to reach the proxy', () => proxy.counts.bytesUp > 0 && proxy.open === 1);
  assert.equal(proxy.counts.publishes, 0);
  proxy.delay(5);
  proxy.stall(false);
  await held;
  await second.publishAsync('x', 'delayed', { qos: 1 });
  await waitFor('both messages', () => subscriber.messages().length === 2);
  assert.deepEqual(
    subscriber.messages().map((m) => m.payload),
    ['held', 'delayed'],
  );

  const cut = new Promise<void>((resolve) => second.once('close', () => resolve()));
  proxy.cut();
  await cut;
  second.end(true);
  await proxy.stop();
  await assert.rejects(client(port), /ECONNREFUSED/);
  await proxy.start();
  assert.equal(proxy.port, port);
  const third = await client(port);
  await third.endAsync();
});
