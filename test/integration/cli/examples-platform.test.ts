/** What the examples give to a platform: the configuration of Mosquitto, and the consumer with its words and its check. */
import assert from 'node:assert/strict';
import { chmodSync, chownSync, cpSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import { Child, startChild } from '../../harness/child.ts';
import { freePort } from '../../harness/free-port.ts';
import { scratch } from '../../harness/scratch.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { Mosquitto } from '../../peers/mosquitto.ts';
import { asRoot, peer, pythonPeer } from '../../peers/peers.ts';

const EXAMPLES = path.join(import.meta.dirname, '..', '..', '..', 'examples');
const CONSUMER = path.join(EXAMPLES, 'consumer', 'consumer.py');
const PAHO = 'apt-get install -y python3-paho-mqtt';
const NOBODY = 65_534;

/** Publishes with QoS 1 and a session, or takes what a session has. */
const CLIENT = `import sys, paho.mqtt.client as mqtt
port, what = int(sys.argv[1]), sys.argv[2]
args = [mqtt.CallbackAPIVersion.VERSION2] if hasattr(mqtt, "CallbackAPIVersion") else []
c = mqtt.Client(*args, client_id=what if what != "publish" else "p", clean_session=what == "publish")
def on_connect(c, *_):
    if what == "publish":
        for i in range(int(sys.argv[3])): c.publish("sluice/g1/data", str(i), 1)
    else: c.subscribe("sluice/#", 1)
c.on_connect = on_connect
left = [int(sys.argv[3]) if what == "publish" else 0]
def on_publish(c, *_):
    left[0] -= 1
    if left[0] == 0: print("done", flush=True)
c.on_publish = on_publish
c.on_subscribe = lambda *_: print("subscribed", flush=True)
c.on_message = lambda c, u, m: print("got", m.payload.decode(), flush=True)
c.connect("127.0.0.1", port)
c.loop_forever()`;

for (const user of [0, NOBODY])
  test(`mosquitto.conf keeps more than 1,000 queued messages over a stop as user ${user}`, { timeout: 400_000 }, async (t) => {
    const program = peer(t, 'mosquitto', 'apt-get install -y mosquitto');
    const python = pythonPeer(t, 'paho.mqtt.client', PAHO);
    if (program === undefined || python === undefined || !asRoot(t, 'start Mosquitto as root and as another user')) return;
    const folder = scratch(t, 'platform');
    chmodSync(folder, 0o755);
    chownSync(folder, user, user);
    const port = await freePort();
    const given = readFileSync(path.join(EXAMPLES, 'platform', 'mosquitto.conf'), 'utf8');
    assert.equal(given.split('listener 2883 ').length, 2);
    writeFileSync(path.join(folder, 'mosquitto.conf'), given.replace('listener 2883 ', `listener ${port} `), { mode: 0o644 });
    const start = async () => {
      const broker = startChild(t, program, ['-c', 'mosquitto.conf'], { cwd: folder, ...(user === 0 ? {} : { user }) });
      await waitFor(
        () => `Mosquitto to run:\n${broker.stderr.join('\n')}`,
        () => broker.stderr.some((line) => / running$/.test(line)),
      );
      return broker;
    };
    const client = (...args: string[]) => startChild(t, python, ['-u', '-c', CLIENT, String(port), ...args]);

    let broker = await start();
    const first = client('platform');
    await first.line(/subscribed/);
    await first.stop('SIGKILL');
    const count = 1500;
    const publisher = client('publish', String(count));
    await publisher.line(/done/);
    await publisher.stop('SIGKILL');
    assert.equal(await broker.stop('SIGTERM'), 0);
    assert.ok(existsSync(path.join(folder, 'mosquitto.db')), broker.stderr.join('\n'));
    assert.ok(!broker.stderr.some((line) => /Error/.test(line)), broker.stderr.join('\n'));

    broker = await start();
    const second = client('platform');
    await waitFor('every message', () => second.stdout.filter((line) => line.startsWith('got ')).length >= count);
    const got = second.stdout.filter((line) => line.startsWith('got ')).map((line) => Number(line.slice(4)));
    assert.deepEqual(
      got,
      Array.from({ length: count }, (_, i) => i),
    );
    await second.stop('SIGKILL');
    await broker.stop('SIGTERM');
  });

test('the consumer says that its broker went and came back, and ends cleanly with Ctrl-C', async (t) => {
  const python = pythonPeer(t, 'paho.mqtt.client', PAHO);
  const broker = await Mosquitto.create(t, { persistence: true });
  if (python === undefined || broker === undefined) return;
  const file = path.join(scratch(t, 'consumer'), 'readings.db');
  const consumer = startChild(t, python, ['-u', CONSUMER, '127.0.0.1', String(broker.port), file]);
  await consumer.line(/nothing answers at 127\.0\.0\.1:\d+\. Is the broker running\? Trying again\./);
  await broker.start();
  await consumer.line(/connected: Success/);
  await broker.stop();
  await consumer.line(/disconnected: the broker ended the connection, or the network broke\. Connecting again/);
  await broker.start();
  await waitFor('the second connection', () => consumer.stdout.filter((line) => line === 'connected: Success').length === 2);
  assert.equal(await consumer.stop('SIGINT'), 0);
  assert.match(
    consumer.stdout.at(-1) ?? '',
    /^stopped: 0 records stored in .*readings\.db, 0 repeats dropped\. The broker keeps/,
  );
  assert.deepEqual(consumer.stderr, []);
});

test('a broker that refuses the consumer is named with its reason', async (t) => {
  const python = pythonPeer(t, 'paho.mqtt.client', PAHO);
  const broker = await Mosquitto.start(t, { extra: ['allow_anonymous false'] });
  if (python === undefined || broker === undefined) return;
  const file = path.join(scratch(t, 'consumer'), 'readings.db');
  const consumer = startChild(t, python, ['-u', CONSUMER, '127.0.0.1', String(broker.port), file]);
  await consumer.line(/refuses this program: .*[Nn]ot authori[sz]ed.* Trying again/);
  assert.equal(await consumer.stop('SIGTERM'), 0);
});

test('the consumer without paho says how to install it; wrong words get the usage', async (t) => {
  const python = peer(t, '/usr/bin/python3', 'apt-get install -y python3');
  if (python === undefined) return;
  const run = async (...args: string[]) => {
    const child = new Child(python, args);
    return { code: await child.ended, error: child.stderr.join('\n') };
  };
  // Without the folders of packages.
  const missing = await run('-S', CONSUMER, '127.0.0.1', '2883', path.join(scratch(t, 'consumer'), 'x.db'));
  assert.equal(missing.code, 2);
  assert.match(missing.error, /paho-mqtt is missing\. Install it:\n {2}sudo apt-get install -y python3-paho-mqtt\n/);
  for (const words of [
    ['127.0.0.1', '2883'],
    ['127.0.0.1', 'mqtt', 'x.db'],
    ['--verify', 'a', 'b', 'c'],
  ]) {
    const { code, error } = await run(CONSUMER, ...words);
    assert.equal(code, 2);
    assert.match(error, /usage: consumer\.py HOST PORT FILE/);
  }
  assert.match((await run(CONSUMER, '--verify', '/nonexistent.db')).error, /there is no file \/nonexistent\.db/);
});

interface Batch {
  readonly lane: 'data' | 'history';
  readonly boot: string;
  readonly seqs: readonly number[];
  readonly last?: number;
}

/** Gives batches to the consumer's store without a broker, and checks the table against an export. */
async function verified(t: TestContext, batches: readonly Batch[], rows?: readonly string[]) {
  const python = peer(t, '/usr/bin/python3', 'apt-get install -y python3');
  if (python === undefined) return undefined;
  const folder = scratch(t, 'verify');
  cpSync(CONSUMER, path.join(folder, 'consumer.py'));
  const messages = batches.map(({ lane, boot, seqs, last = seqs.at(-1) }) => [
    `sluice/g1/${lane}`,
    JSON.stringify({
      ...{ v: 1, gateway: 'g1', log: 'k1', boot, inventory: 1, first: seqs[0], last, sent: 1 },
      records: seqs.map((seq) => ({
        seq,
        device: 'd',
        time: 1000 * seq,
        values: { t: seq / 10, on: seq % 2 === 0 },
        bad: { x: 'timeout' },
      })),
    }),
  ]);
  const start = JSON.stringify({ v: 1, log: 'k1', seq: 2, time: 1, event: 'start', severity: 'info', message: 'started' });
  messages.splice(1, 0, ['sluice/g1/event', start], ['sluice/g1/event', start]);
  writeFileSync(path.join(folder, 'messages.json'), JSON.stringify(messages));
  const feed = `import json, consumer
store = consumer.Store("readings.db", "test")
for topic, payload in json.load(open("messages.json")): store.take(topic, payload, False)`;
  assert.equal(await new Child(python, ['-c', feed], { cwd: folder, env: { PYTHONPATH: folder } }).ended, 0);
  if (rows !== undefined)
    writeFileSync(
      path.join(folder, 'e.csv'),
      ['log,seq,boot,device,point,time,value,unit,quality,reason', ...rows, ''].join('\n'),
    );
  const child = new Child(python, ['consumer.py', '--verify', 'readings.db', ...(rows === undefined ? [] : ['e.csv'])], {
    cwd: folder,
  });
  const code = await child.ended;
  assert.deepEqual(child.stderr, []);
  return { code, said: child.stdout.join('\n') };
}

const row = (seq: number, change: { value?: string; time?: number } = {}) =>
  `k1,${seq},b1,d,t,${new Date(change.time ?? 1000 * seq).toISOString()},${change.value ?? String(seq / 10)},Cel,good,`;
const rowsOf = (seq: number) => [
  row(seq),
  `k1,${seq},b1,d,on,${new Date(1000 * seq).toISOString()},${seq % 2 === 0},,good,`,
  `k1,${seq},b1,d,x,${new Date(1000 * seq).toISOString()},,,bad,timeout`,
];
const CAME: readonly Batch[] = [
  { lane: 'data', boot: 'b1', seqs: [1] },
  { lane: 'data', boot: 'b1', seqs: [3, 4, 6], last: 6 },
  { lane: 'data', boot: 'b1', seqs: [3, 4, 6], last: 7 },
  { lane: 'data', boot: 'b1', seqs: [20, 21] },
  { lane: 'history', boot: 'b1', seqs: [8, 9, 10] },
  { lane: 'data', boot: 'b2', seqs: [1000, 1001] },
];

test('--verify says in words what the table holds, what was repeated and what never came', async (t) => {
  const found = await verified(t, CAME);
  if (found === undefined) return;
  assert.equal(found.code, 0);
  assert.equal(
    found.said,
    `gateway g1, log k1
  data     8 records with 24 readings, 8 of them bad, numbers 1..1001; 3 repeats dropped
  history  3 records with 9 readings, 3 of them bad, numbers 8..10; 0 repeats dropped
  alarm    0 messages; 0 repeats dropped
  event    1 message; 1 repeat dropped
  978 numbers skipped where the gateway started: no reading has them
  gap      11..19: never came. Readings that wait at the gateway come later as history; else the gateway thinned or lost them, and an event says so`,
  );
});

test('--verify finds the table complete, up to what is still to come', async (t) => {
  const all = [1, 3, 4, 6, 8, 9, 10, 20, 21, 1000, 1001];
  const complete = await verified(t, CAME, all.flatMap(rowsOf));
  if (complete === undefined) return;
  assert.equal(complete.code, 0, complete.said);
  assert.match(complete.said, /Compared with the export: 33 readings the same\.\nComplete: every reading of the export is here/);
  const coming = await verified(t, CAME, [...all, 1002, 1003].flatMap(rowsOf));
  assert.equal(coming?.code, 0);
  assert.match(coming?.said ?? '', /not here yet: log k1, 1002\.\.1003, newer than all that came\nComplete up to the newest/);
});

test('--verify finds what is missing and what is different', async (t) => {
  const found = await verified(t, CAME, [
    ...[1, 3].flatMap(rowsOf),
    row(4, { value: '0.5' }),
    row(6, { time: 6001 }),
    ...[11, 12, 13].flatMap(rowsOf),
    ...rowsOf(20),
  ]);
  if (found === undefined) return;
  assert.equal(found.code, 1);
  assert.match(found.said, /missing: log k1, 11\.\.13\. `sluice status` says whether readings still wait/);
  assert.match(found.said, /different: log k1 number 4 d\.t: 0\.5 at the gateway, 0\.4 here/);
  assert.match(found.said, /different: log k1 number 6 d\.t: /);
  assert.match(found.said, /NOT COMPLETE: 1 range missing, 2 readings different\.$/);
});
