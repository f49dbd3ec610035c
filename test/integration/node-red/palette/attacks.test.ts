/** The palette against a gateway that is broken or gone, against many nodes, and against many deploys. */
import '../../../harness/no-outside.ts';
import assert from 'node:assert/strict';
import { Duplex } from 'node:stream';
import test from 'node:test';
import fc from 'fast-check';
import { Connection } from '../../../../src/node-red/palette/runtime/connection.ts';
import { connections } from '../../../../src/node-red/palette/runtime/register.ts';
import { parseFromGateway } from '../../../../src/node-red/palette/runtime/wire.ts';
import { paletteBench, tab } from '../../../harness/palette-bench.ts';
import { waitFor } from '../../../harness/wait-for.ts';
import { nodeRedPeer } from '../../../peers/peers.ts';

const readingIn = (id: string, more: object = {}) => ({
  id,
  type: 'sluice reading in',
  points: ['fridge.temperature'],
  initial: false,
  ...more,
});

/** One end of a connection; the test is the other one. */
class Pipe extends Duplex {
  override _read(): void {}
  override _write(_chunk: unknown, _encoding: string, done: () => void): void {
    done();
  }
}
function connect(): { connection: Connection; pipe: Pipe } {
  const pipe = new Pipe();
  const connection = new Connection({ open: () => pipe, token: 't', client: 'test', random: () => 0.5 });
  connection.start();
  return { connection, pipe };
}
const WELCOME = '{"type":"welcome","v":1,"gateway":"g","grants":{}}\n{"type":"inventory","revision":1,"devices":{},"rules":{}}\n';
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test('any bytes from the gateway end in a connection or its end, and never in an exception', async () => {
  await fc.assert(
    fc.asyncProperty(fc.boolean(), fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 8 }), async (welcome, chunks) => {
      const { connection, pipe } = connect();
      if (welcome) pipe.push(WELCOME);
      for (const chunk of chunks) pipe.push(Buffer.from(chunk));
      await turn();
      assert.ok(['connecting', 'connected', 'disconnected'].includes(connection.state));
      connection.close();
      assert.equal(connection.size, 0);
    }),
    { numRuns: 300 },
  );
});

test('any JSON that looks like a line is checked before a node sees it', async () => {
  const type = fc.constantFrom('welcome', 'inventory', 'readings', 'alarm', 'answer', 'part', 'throttled', 'error', 'news');
  const keys = fc.constantFrom(
    'id',
    'readings',
    'devices',
    'rules',
    'result',
    'error',
    'what',
    'rule',
    'state',
    'v',
    'gateway',
    '__proto__',
    'constructor',
  );
  const line = fc
    .tuple(type, fc.array(fc.tuple(keys, fc.jsonValue({ maxDepth: 3 }))))
    .map(
      ([one, entries]) =>
        `{"type":"${one}"${entries.map(([key, value]) => `,${JSON.stringify(key)}:${JSON.stringify(value)}`).join('')}}`,
    );
  await fc.assert(
    fc.asyncProperty(fc.array(line, { maxLength: 10 }), async (lines) => {
      const { connection, pipe } = connect();
      const seen: unknown[] = [];
      const wish = { patterns: ['*'], mode: 'every', every: 0, quality: 'all', initial: false } as const;
      connection.subscriptions.add({ wish, take: (reading) => seen.push(reading), throttled: () => {}, refused: () => {} });
      connection.subscriptions.addAlarms({ take: () => {} });
      pipe.push(WELCOME + lines.map((one) => `${one.replace('"id":"', '"id":"s1')}\n`).join(''));
      await turn();
      for (const one of seen) assert.equal(typeof (one as { point: unknown }).point, 'string');
      connection.close();
      assert.equal(connection.size, 0);
    }),
    { numRuns: 300 },
  );
  assert.equal(({} as Record<string, unknown>).point, undefined);
});

test('a reading of a point called __proto__ or constructor is a reading', () => {
  for (const name of ['__proto__', 'constructor', 'toString']) {
    const reading = `{"point":"d.${name}","device":"d","value":1,"quality":"good","time":1}`;
    assert.equal(parseFromGateway(`{"type":"readings","id":"s1","readings":[${reading}]}`)?.type, 'readings');
    assert.equal(parseFromGateway(`{"type":"inventory","devices":{"${name}":{"points":{"${name}":{}}}}}`)?.type, 'inventory');
  }
});

test('a line that is too long, or one for which there is no credit, ends the connection', async () => {
  const { connection, pipe } = connect();
  pipe.push(WELCOME);
  await turn();
  assert.equal(connection.state, 'connected');
  for (let i = 0; i < 9; i++) pipe.push('x'.repeat(64 * 1024));
  await turn();
  assert.equal(connection.state, 'disconnected');
  assert.match(connection.fault, /too long/);
  connection.close();

  const flooded = connect();
  const wish = { patterns: ['*'], mode: 'every', every: 0, quality: 'all', initial: false } as const;
  flooded.connection.subscriptions.add({ wish, take: () => {}, throttled: () => {}, refused: () => {} });
  flooded.pipe.push(WELCOME);
  await turn();
  await turn();
  const line = '{"type":"readings","id":"s1","readings":[{"point":"a.b","value":1,"quality":"good","time":1}]}\n';
  flooded.pipe.push(line.repeat(17));
  await turn();
  assert.match(flooded.connection.fault, /more than it was asked for/);
  flooded.connection.close();
});

test('after rubbish from the gateway the nodes connect again, and the runtime lives', async (t) => {
  if (!nodeRedPeer(t)) return;
  const { gateway, got, deploy, until } = await paletteBench(t);
  await deploy(tab(readingIn('n1')));
  for (const rubbish of ['no line\n', Buffer.from([0, 255, 10]), '{"type":"readings","id":"s1","readings":[7]}\n', 'null\n']) {
    await until('n1', 'connected');
    const { hellos } = gateway;
    gateway.raw(rubbish);
    await waitFor('the next connection', () => gateway.hellos > hellos);
  }
  await until('n1', 'connected');
  await waitFor('the subscription', () => gateway.subscriptions === 1);
  gateway.readings([{ point: 'fridge.temperature', value: 7 }]);
  await waitFor('a message', () => got.length === 1);
  assert.deepEqual(gateway.faults, []);
});

test('ten thousand nodes with as many wishes share one connection and 49 subscriptions', async (t) => {
  if (!nodeRedPeer(t)) return;
  const { gateway, got, deploy, until } = await paletteBench(t);
  const nodes = Array.from({ length: 10_000 }, (_, i) => readingIn(`n${i}`, { points: [`d${i}.t`, `d${i}.h*`] }));
  await deploy([...tab(...nodes)].filter(({ type }) => type !== 'complete'));
  await until('n9999', 'unknown point');
  await waitFor('the subscriptions', () => gateway.subscriptions === 49);
  assert.equal(gateway.hellos, 1);
  gateway.readings(
    [3, 47, 48, 9999].flatMap((i) => [
      { point: `d${i}.t`, value: i },
      { point: `d${i}.humidity`, value: i },
      { point: `d${i}.x`, value: i },
    ]),
  );
  await waitFor('eight messages', () => got.length >= 8);
  assert.deepEqual(got.map(({ topic }) => topic).sort(), [
    'd3.humidity',
    'd3.t',
    'd47.humidity',
    'd47.t',
    'd48.humidity',
    'd48.t',
    'd9999.humidity',
    'd9999.t',
  ]);
  assert.deepEqual(gateway.faults, []);
});

test('wishes in more ways than the gateway takes are refused in words, and the others go on', async (t) => {
  if (!nodeRedPeer(t)) return;
  const { gateway, deploy, until } = await paletteBench(t);
  const nodes = Array.from({ length: 70 }, (_, i) => readingIn(`n${i}`, { every: String(i + 1), everyUnit: 's' }));
  await deploy(tab(...nodes));
  await until('n69', 'too many');
  await until('n0', 'connected');
  await waitFor('the subscriptions', () => gateway.subscriptions === 62);
  assert.deepEqual(gateway.faults, []);
});

test('after 1,000 redeploys nothing is left: listeners, timers, subscriptions, connections', async (t) => {
  if (!nodeRedPeer(t)) return;
  const { gateway, socket, deploy, redeploy, until } = await paletteBench(t);
  const runs = Number(process.env.SLUICE_REDEPLOYS ?? 1000);
  const flow = (i: number) =>
    tab(
      readingIn('n1', { points: [`d${i % 7}.*`], every: '1', everyUnit: 's' }),
      { id: 'n2', type: 'sluice alarm in', rules: ['*'] },
      { id: 'n3', type: 'sluice reading out', point: 'derived.a', pointType: 'point', value: 'payload', valueType: 'msg' },
      { id: 'n4', type: 'sluice status', every: '1', everyUnit: 'min', changes: true },
      { id: 'n5', type: 'sluice latest', point: 'd1.*', pointType: 'point' },
    );
  await deploy(flow(0));
  await until('n3', 'connected');
  const { connection, release } = connections.use({ socket, token: gateway.token });
  release();
  const count = () => {
    const kinds = process.getActiveResourcesInfo();
    return {
      size: connection.size,
      timers: kinds.filter((kind) => kind === 'Timeout').length,
      handles: kinds.filter((kind) => kind.includes('Pipe')).length,
    };
  };
  await waitFor('the subscriptions', () => gateway.subscriptions === 2);
  const before = count();
  for (let i = 1; i <= runs; i++) await redeploy(flow(i));
  await redeploy(flow(0));
  await waitFor('the subscriptions of the last deploy', () => gateway.subscriptions === 2);
  await waitFor(
    () => `the state of before: ${JSON.stringify([before, count()])}`,
    () => count().size === before.size && count().timers <= before.timers + 1 && count().handles <= before.handles,
  );
  assert.equal(gateway.hellos, 1, 'the connection stayed');
  await redeploy(tab());
  await waitFor('the end of the connection', () => connections.size === 0 && gateway.connections.size === 0);
  assert.equal(connection.size, 0);
  assert.deepEqual(gateway.faults, []);
});
