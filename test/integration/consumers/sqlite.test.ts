/** examples/consumer/consumer.py with SQLite: hostile messages, two brokers into one file, a database that another program locks. */
import assert from 'node:assert/strict';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import Database from 'better-sqlite3';
import mqtt from 'mqtt';
import { batch, HOSTILE, NASTY } from '../../harness/consumer-messages.ts';
import { CONSUMERS, Restarted } from '../../harness/consumer-run.ts';
import { scratch } from '../../harness/scratch.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { Mosquitto } from '../../peers/mosquitto.ts';
import { pythonPeer } from '../../peers/peers.ts';

interface Fed {
  readonly consumer: Restarted;
  readonly publish: (topic: string, payload: string | Buffer) => Promise<unknown>;
}

/** A broker and a consumer that stores its messages in `file`. */
async function feed(t: TestContext, file: string): Promise<Fed | undefined> {
  const python = pythonPeer(t, 'paho.mqtt.client', 'apt-get install -y python3-paho-mqtt');
  const broker = await Mosquitto.start(t);
  if (python === undefined || broker === undefined) return undefined;
  const consumer = new Restarted(t, python, [
    ...['-u', path.join(CONSUMERS, 'consumer.py'), '127.0.0.1', String(broker.port), file],
  ]);
  await consumer.child.line(/connected/);
  const client = await mqtt.connectAsync(broker.url);
  t.after(() => client.end(true));
  return { consumer, publish: (topic, payload) => client.publishAsync(topic, payload, { qos: 1 }) };
}

/** The one value of a query. */
function one(file: string, sql: string): unknown {
  const db = new Database(file, { readonly: true });
  try {
    return db.prepare(sql).pluck().get();
  } finally {
    db.close();
  }
}
const upTo = (last: number) => Array.from({ length: last }, (_, i) => i + 1).join();
const SEQS =
  "select group_concat(seq, ',') from (select distinct seq from reading where gateway = 'g1' and point = 'n' order by seq)";

test('hostile messages do not stop the consumer with SQLite, and are put aside', { timeout: 400_000 }, async (t) => {
  const file = path.join(scratch(t, 'sqlite', '/dev/shm'), 'readings.db');
  const fed = await feed(t, file);
  if (fed === undefined) return;
  const { consumer, publish } = fed;
  let last = 0;
  for (const [topic, payload] of HOSTILE) {
    await publish(topic, payload);
    await publish('sluice/g1/data', batch(last + 1, last + 2));
    last += 2;
  }
  for (const nasty of NASTY) {
    last++;
    await publish('sluice/g1/data', batch(last, last, { device: nasty }));
    await publish('sluice/g3/data', batch(last, last, { gateway: 'g3', point: nasty, value: nasty }));
  }
  const words = () => consumer.said.slice(-5).join('\n').slice(0, 2000);
  await waitFor(words, () => one(file, "select count(*) from reading where gateway = 'g3' and point = value") === NASTY.length);
  assert.equal(one(file, SEQS), upTo(last));
  assert.equal(one(file, 'select count(*) from refused'), HOSTILE.length, words());
  assert.equal(one(file, 'select max(length(payload)) from refused'), 256 << 10);
  for (let i = 0; i < 1100; i += 50)
    await Promise.all(Array.from({ length: 50 }, () => publish('sluice/g1/data', Buffer.from([0, i & 255]))));
  await waitFor(words, () => one(file, 'select max(number) from refused') === HOSTILE.length + 1100);
  assert.equal(one(file, 'select count(*) from refused'), 1000);
  assert.equal(consumer.child.over, undefined);
});

test('two consumers of two brokers fill one file with each record once', { timeout: 400_000 }, async (t) => {
  const file = path.join(scratch(t, 'sqlite', '/dev/shm'), 'readings.db');
  const first = await feed(t, file);
  const second = await feed(t, file);
  if (first === undefined || second === undefined) return;
  const count = 60;
  for (let i = 0; i < count; i++) {
    await first.publish('sluice/g1/data', batch(5 * i + 1, 5 * i + 5));
    await second.publish('sluice/g1/data', batch(5 * i + 2, 5 * i + 6));
  }
  const words = () => [first, second].map(({ consumer }) => consumer.said.slice(-3).join('\n')).join('\n');
  await waitFor(words, () => one(file, 'select count(*) from mark where seq >= 300') === 2);
  assert.equal(one(file, SEQS), upTo(5 * count + 1));
  assert.ok(Number(one(file, 'select sum(count) from repeat')) >= 5 * count - 2, words());
});

test('a consumer waits for a locked database, and then stores what came', { timeout: 400_000 }, async (t) => {
  const file = path.join(scratch(t, 'sqlite', '/dev/shm'), 'readings.db');
  const fed = await feed(t, file);
  if (fed === undefined) return;
  const other = new Database(file);
  other.exec('begin immediate');
  await fed.publish('sluice/g1/data', batch(1, 3));
  await fed.consumer.child.line(/takes nothing: database is locked\. Trying again/);
  other.exec('rollback');
  other.close();
  await waitFor('the readings', () => one(file, SEQS) === upTo(3));
});
