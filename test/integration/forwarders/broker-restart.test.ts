/** Sessions of foreign clients over kills and restarts: of a whole gateway, and of a broker in which clients publish. */
import assert from 'node:assert/strict';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import type { BrokerChange, BrokerStore } from '../../../src/core/broker-store.ts';
import { Folders } from '../../fakes/kept-bench.ts';
import { Child, startChild } from '../../harness/child.ts';
import { BrokerBench, CLIENTS, Raw, ROOT, Sub, shapeOf } from '../../harness/embedded-broker.ts';
import { freePort } from '../../harness/free-port.ts';
import { scratch } from '../../harness/scratch.ts';
import { site } from '../../harness/site.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { peer } from '../../peers/peers.ts';
import { SettableDevice } from '../../peers/settable-device.ts';

const RULES = 200;
const JUMPS = 10;
const SESSION = ['-c', '-i', 'tech', '-q', '1'];

interface Alarm {
  readonly seq: number;
  readonly rule: string;
  readonly occurrence: number;
  readonly state: string;
}

test('2,000 alarm messages wait for a client over a SIGKILL of the gateway, in order, each once', async (t) => {
  const rules = Array.from({ length: RULES }, (_, i) => `  r${i}: {point: d1.n, above: ${i + 1}, severity: info}`).join('\n');
  const b = await site(t, { device: SettableDevice.start, rules, broker: true, buffer: 'commitEvery: 1h' });
  if (b === undefined) return;
  const { device, gateway } = b;
  await device.set(0, 0);
  await gateway.up();
  const filter = ['-t', `${ROOT}/alarm/+`];
  const first = await Sub.start(t, await gateway.brokerPort(), [...SESSION, ...filter]);
  if (first === undefined) return;
  await first.child.stop('SIGTERM');
  const queued = async () => (await gateway.status()).broker?.queuedMessages;
  for (let jump = 0; jump < JUMPS; jump++) {
    await device.set(0, jump % 2 === 0 ? 1000 : 0);
    await waitFor(`${(jump + 1) * RULES} messages`, async () => (await queued()) === (jump + 1) * RULES || undefined);
  }
  await gateway.kill();
  await gateway.up();
  const port = await gateway.brokerPort();
  assert.equal(await queued(), RULES * JUMPS);
  const second = await Sub.start(t, port, [...SESSION, ...filter]);
  const alarms = () =>
    (second?.messages() ?? []).filter(({ retained }) => !retained).map(({ payload }) => JSON.parse(payload) as Alarm);
  await waitFor(
    () => `the queue; ${alarms().length} came`,
    () => alarms().length >= RULES * JUMPS || undefined,
  );
  await waitFor('the acknowledgements', async () => (await queued()) === 0 || undefined);
  assert.equal(alarms().length, RULES * JUMPS);
  const numbers = alarms().map(({ seq }) => seq);
  assert.deepEqual(
    numbers,
    [...new Set(numbers)].sort((a, z) => a - z),
  );
  const once = new Set(alarms().map(({ rule, occurrence, state }) => `${rule} ${occurrence} ${state}`));
  assert.equal(once.size, RULES * JUMPS);
  await second?.child.stop('SIGTERM');
  // What was acknowledged is not sent again, and what comes now is.
  await waitFor('the client to be away', async () => (await gateway.status()).broker?.clients === 0 || undefined);
  await gateway.stop();
  await gateway.up();
  await gateway.brokerPort();
  assert.equal(await queued(), 0);
  await device.set(0, 2);
  await waitFor('one message', async () => (await queued()) === 1 || undefined);
});

test('a session and its queue survive a reload that moves the broker to another port', async (t) => {
  const b = await site(t, { device: SettableDevice.start, rules: '  high: {point: d1.n, above: 5}', broker: true });
  if (b === undefined) return;
  const { device, gateway } = b;
  await device.set(0, 0);
  await gateway.up();
  const sub = await Sub.start(t, await gateway.brokerPort(), [...SESSION, '-t', `${ROOT}/alarm/+`]);
  if (sub === undefined) return;
  await sub.child.stop('SIGTERM');
  await device.set(0, 10);
  const queued = async () => (await gateway.status()).broker?.queuedMessages;
  await waitFor('the alarm', async () => (await queued()) === 1 || undefined);
  const port = await freePort();
  await gateway.reload(b.yaml().replace('broker: {listen: {port: 0}}', `broker: {listen: {port: ${port}}}`));
  await waitFor('the broker', async () => (await gateway.status()).broker?.address?.port === port || undefined);
  assert.equal(await queued(), 1);
  const next = await Sub.start(t, port, [...SESSION, '-t', `${ROOT}/alarm/+`]);
  assert.equal((await next?.message(`${ROOT}/alarm/high`, ({ retained }) => !retained))?.qos, 1);
});

/** A broker in which clients publish, in a process of its own. */
async function brokerChild(t: TestContext, folders: Folders): Promise<{ child: Child; port: number }> {
  const program = path.join(import.meta.dirname, '..', '..', 'harness', 'broker-child.ts');
  const child = startChild(t, process.execPath, [program, folders.stateDir, folders.runtimeDir, '0']);
  const line = await child.line(/"port"/);
  return { child, port: (JSON.parse(line) as { port: number }).port };
}

test('2,000 messages that a foreign client got acknowledged are there after SIGKILL', async (t) => {
  const program = peer(t, 'mosquitto_pub', CLIENTS);
  if (program === undefined) return;
  const folders = new Folders(scratch(t, 'restart'));
  let { child, port } = await brokerChild(t, folders);
  const first = await Sub.start(t, port, [...SESSION, '-t', 'plant/#']);
  await first?.child.stop('SIGTERM');
  const all: string[] = [];
  // One client may make so many requests at once.
  while (all.length < 2000) {
    const lines = Array.from({ length: 100 }, (_, i) => `m${all.length + i}`);
    all.push(...lines);
    const args = ['-h', '127.0.0.1', '-p', String(port), '-q', '1', '-t', 'plant/t', '-l'];
    const pub: Child = new Child(program, args, { stdin: true });
    t.after(() => pub.stop('SIGKILL'));
    for (const line of lines) pub.write(line);
    pub.endInput();
    assert.equal(await pub.ended, 0, pub.stderr.join('\n'));
  }
  const keep = new Child(program, ['-h', '127.0.0.1', '-p', String(port), '-q', '1', '-r', '-t', 'plant/state', '-m', 'on']);
  assert.equal(await keep.ended, 0);
  await child.stop('SIGKILL');
  ({ child, port } = await brokerChild(t, folders));
  const second = await Sub.start(t, port, [...SESSION, '-t', 'plant/#']);
  const got = () => second?.messages().filter(({ topic }) => topic === 'plant/t') ?? [];
  await waitFor(
    () => `the queue; ${got().length} came`,
    () => got().length >= all.length || undefined,
  );
  assert.deepEqual(
    got().map(({ payload }) => payload),
    all,
  );
  const state = await Sub.start(t, port, ['-t', 'plant/state']);
  assert.deepEqual(await state?.message('plant/state'), { topic: 'plant/state', qos: 0, retained: true, payload: 'on' });
  assert.equal(await child.stop('SIGTERM'), 0);
});

test('a client that breaks off while it is sent its queue misses nothing of it', async (t) => {
  const bench = new BrokerBench(t);
  const port = await bench.start();
  const sub = await Sub.start(t, port, [...SESSION, '-t', `${ROOT}/event`]);
  if (sub === undefined) return;
  await sub.child.stop('SIGTERM');
  await waitFor('the client to be away', () => bench.broker.status().clients === 0 || undefined);
  const total = 300;
  for (let n = 1; n <= total; n++)
    bench.broker.notice({ kind: 'event', key: 'test', seq: n, json: JSON.stringify({ n, fill: 'x'.repeat(1000) }) });
  await waitFor('the queue', () => bench.broker.status().queuedMessages === total || undefined);
  for (let round = 0; round < 10; round++) {
    const raw = await Raw.open(t, port);
    await raw.connect('tech', 0);
    await waitFor('some of the queue', () => raw.bytes.length > 1000 * (round + 1) || undefined);
    raw.socket.destroy();
    await waitFor('the client to be away', () => bench.broker.status().clients === 0 || undefined);
    assert.equal(bench.broker.status().queuedMessages, total, `round ${round}`);
  }
  const next = await Sub.start(t, port, [...SESSION, '-t', `${ROOT}/event`]);
  const numbers = () => next?.messages().map(({ payload }) => (JSON.parse(payload) as { n: number }).n) ?? [];
  await waitFor('all of it', () => numbers().length >= total || undefined);
  assert.deepEqual(
    numbers(),
    Array.from({ length: total }, (_, i) => i + 1),
  );
});

test('readings that wait for their batch when the broker stops are not skipped by sessions', async (t) => {
  const changes: BrokerChange[] = [];
  const store: BrokerStore = {
    ...{
      open: async () => [],
      settled: async () => true,
      full: false,
      takes: true,
      again: async () => {},
      close: async () => {},
    },
    change: (change) => changes.push(change),
    status: () => ({ state: 'file', fault: undefined, bytes: 0, commits: 0, failures: 0, repairs: 0 }),
  };
  let next = 1;
  const backlog = {
    next: () => ({ log: 'l', seq: next }),
    isFrom: () => true,
    read: async () => ({ messages: [], left: undefined }),
  };
  const bench = new BrokerBench(t, { store, backlog });
  const port = await bench.start();
  const sub = await Sub.start(t, port, [...SESSION, '-t', `${ROOT}/data`]);
  if (sub === undefined) return;
  await sub.child.stop('SIGTERM');
  await waitFor('the client to be away', () => bench.broker.status().clients === 0 || undefined);
  const fridge = shapeOf('fridge', ['temperature']);
  for (let n = 0; n < 3; n++) {
    next++;
    bench.read(fridge, n);
  }
  await bench.broker.stop();
  const session = changes.findLast(({ table }) => table === 'session');
  assert.deepEqual(session?.values.slice(4), ['l', 1], 'the first of them is still to come');
});
