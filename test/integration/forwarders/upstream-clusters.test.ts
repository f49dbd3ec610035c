/** Several gateways into the brokers that fleets use, one node each, which is killed in the middle: each record counts once by the marks. */
import assert from 'node:assert/strict';
import test, { type TestContext } from 'node:test';
import { Child } from '../../harness/child.ts';
import { scratch } from '../../harness/scratch.ts';
import { UpstreamSite } from '../../harness/upstream-site.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { Consumer } from '../../oracles/consumer.ts';
import { Subscriber } from '../../peers/mosquitto.ts';
import { NATS, natsNodes, type Spawn } from '../../peers/nats.ts';
import { peer } from '../../peers/peers.ts';
import { LOGIN, RABBITMQ, RABBITMQ_SERVER, rabbitNodes } from '../../peers/rabbitmq.ts';

const GATEWAYS = ['north', 'south', 'west'];
const EACH = 50;
const TRIALS = 4;

interface Server {
  readonly port: number;
  readonly url: string;
  start(): Promise<void>;
  kill(): Promise<void>;
  /** Its names of queues are on the disk when this returns. */
  settle?(): void;
  /** It sends what comes for the session of the subscriber there. */
  routes?(client: string): boolean;
}

/** Processes of the test, which end before its folders go. */
function spawner(t: TestContext): Spawn {
  const children: Child[] = [];
  t.after(() => Promise.all(children.map((child) => child.stop('SIGKILL'))));
  return (command, args, options) => {
    const child = new Child(command, args, options);
    children.push(child);
    return child;
  };
}

/** As a receiver with marks stores it; it also tells what breaks the rules of delivery. */
function read(subscriber: Subscriber): Consumer {
  const consumer = new Consumer();
  for (const { topic, payload } of subscriber.messages()) consumer.feed(topic, payload);
  return consumer;
}

/** @returns false: the broker forgot the session of the subscriber, or does not answer to it any more, so nothing can be said */
async function roundTrip(t: TestContext, server: Server, settings: object): Promise<boolean> {
  await server.start();
  const subscriber = await Subscriber.start(t, server.port, ['sluice/+/data', 'sluice/+/history']);
  if (subscriber === undefined) return true;
  const sites = await Promise.all(GATEWAYS.map((gateway) => UpstreamSite.open(t, { url: server.url, ...settings }, { gateway })));
  for (const { forwarder } of sites) forwarder.start();
  const add = () => sites.map((site) => site.add(EACH));
  const missing = () => sites.reduce((sum, { appended }) => sum + appended, 0) - read(subscriber).accepted.size;
  const allStored = (when: string) =>
    waitFor(
      () =>
        `${missing()} records ${when}: ${sites.map(({ fault }) => fault).join('; ')}; sessions known: ${subscriber.sessions.join(' ')}`,
      () => missing() === 0 || subscriber.forgotten,
      { every: 200 },
    );

  add();
  await allStored('before the kill');
  server.settle?.();
  // It must not subscribe again before the routes of its session are known.
  await subscriber.pause();
  await server.kill();
  add();
  await server.start();
  const routed = server.routes?.('subscriber') ?? true;
  // RabbitMQ 4.0 was seen to give it no SUBACK for four minutes after such a return.
  const answered = await subscriber.resume(120_000).then(
    () => true,
    () => false,
  );
  add();
  if (routed && answered) await allStored('after the kill');
  if (subscriber.forgotten || !routed || !answered) {
    await Promise.all(sites.map(({ forwarder }) => forwarder.stop(1000)));
    return false;
  }
  const { accepted, violations } = read(subscriber);
  const all = Array.from({ length: 3 * EACH }, (_, i) => i);
  for (const gateway of GATEWAYS) {
    const values = [...accepted.values()].filter((record) => record.gateway === gateway).map(({ values: { n } }) => Number(n));
    assert.deepEqual(
      values.toSorted((a, b) => a - b),
      all,
      gateway,
    );
  }
  assert.deepEqual(violations, []);
  return true;
}

test('nats-server with JetStream, killed: each record of three gateways counts once', async (t) => {
  const program = peer(t, 'nats-server', NATS);
  if (program === undefined) return;
  const spawn = spawner(t);
  const [server] = await natsNodes(program, 1, scratch(t, 'nats'), spawn, { ackWait: 2 });
  assert.ok(await roundTrip(t, server as Server, {}), 'the session of the subscriber survived');
});

test('RabbitMQ with quorum queues, killed: each record of three gateways counts once', async (t) => {
  if (peer(t, RABBITMQ_SERVER, RABBITMQ) === undefined) return;
  const spawn = spawner(t);
  // A node that is killed at once may forget a session although its log was flushed. Such a run says nothing about gateways.
  for (let trial = 1; trial <= TRIALS; trial++) {
    const [server] = await rabbitNodes(1, scratch(t, 'rabbitmq'), spawn, { anonymous: true });
    if (await roundTrip(t, server as Server, LOGIN)) return;
    t.diagnostic(`RabbitMQ forgot the session, or did not answer to the subscriber, in run ${trial}`);
    await (server as Server).kill();
  }
  assert.fail(`RabbitMQ lost the subscriber in each of ${TRIALS} runs`);
});
