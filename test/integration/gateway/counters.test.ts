/** Counters and their cumulative points in a running gateway: over a kill, a reset of the instrument, a reload and a stop. */
import assert from 'node:assert/strict';
import path from 'node:path';
import test from 'node:test';
import { request, text } from '../../../src/admin/client.ts';
import { startChild } from '../../harness/child.ts';
import { site } from '../../harness/site.ts';
import { makeGateway } from '../../harness/start-gateway.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { peer } from '../../peers/peers.ts';
import { SettableDevice } from '../../peers/settable-device.ts';

test('a total survives a kill, a reset, a reload and a stop; rules, topics and log have it', async (t) => {
  const devices = (interval: string) => `
  d1:
    bus: plant
    unit: 1
    interval: ${interval}
    points:
      n: {table: holding, address: 0, type: uint16, unit: L, counter: {modulus: 65536}}`;
  const s = await site(t, {
    device: SettableDevice.start,
    bus: 'timeout: 10s, retries: 5',
    devices: devices('30ms'),
    rules: '  much: {point: d1.n-total, above: 520}',
    buffer: 'commitEvery: 1h',
    broker: true,
  });
  if (s === undefined) return;
  const { device, gateway } = s;
  await device.set(0, 500);
  const up = async () => {
    await gateway.up();
    const peek = await s.peek();
    return (n: number, total: number) =>
      waitFor(
        () => `${n} and ${total} in all; last ${JSON.stringify(peek.messages.slice(-4))}`,
        () => {
          const now = ['n', 'n-total'].map((p) => peek.last(new RegExp(`/value/d1/${p}$`))?.text ?? '{"value":null}');
          return now.map((json) => JSON.parse(json).value).join() === `${n},${total}`;
        },
      );
  };
  const first = await up();
  await first(500, 500);
  await device.set(0, 510);
  await first(510, 510);
  await gateway.kill();
  await device.set(0, 7); // the instrument lost its power with us
  const second = await up();
  await second(7, 517);
  assert.deepEqual((await gateway.status()).alarms, []);
  gateway.write(s.yaml({ devices: devices('40ms') }));
  await device.set(0, 9);
  await second(9, 519);
  await request(gateway.socket, 'POST', '/api/v1/reload');
  await device.set(0, 12);
  await second(12, 522);
  const { alarms } = await waitFor('the alarm', async () => {
    const now = await gateway.status();
    return now.alarms.length > 0 ? now : undefined;
  });
  assert.deepEqual(
    alarms.map((a) => [a.rule, a.point, a.value]),
    [['much', 'd1.n-total', 522]],
  );
  assert.equal(await gateway.stop(), 0);
  const third = await up();
  await third(12, 522);
  let csv = '';
  for await (const piece of text(gateway.socket, '/api/v1/export?points=d1.n-total')) csv += piece;
  const totals = csv
    .trim()
    .split('\n')
    .slice(1)
    .map((line) => line.split(','))
    .map((cells) => [cells[4], Number(cells[6]), cells[7], cells[8]])
    // On a busy machine a reply may come too late.
    .filter((row) => row[3] !== 'bad');
  assert.deepEqual(
    [...new Set(totals.map((row) => row.join()))].sort(),
    [500, 510, 517, 519, 522].map((n) => `n-total,${n},L,good`),
  );
  assert.ok(totals.every((row, i) => i === 0 || Number(row[1]) >= Number(totals[i - 1]?.[1])));
});

test('a serial pulse counter: its total survives a kill and a reset, and a rule watches it', async (t) => {
  const python = peer(t, '/usr/bin/python3', 'apt-get install -y python3');
  if (python === undefined) return;
  const peers = path.join(import.meta.dirname, '..', '..', 'peers');
  const pty = startChild(t, python, [path.join(peers, 'paced-pty.py'), '9600'], { stdin: true });
  const [near = '', far = ''] = (await pty.line(/^\/dev\//)).split(' ');
  const talker = startChild(t, python, [path.join(peers, 'serial-talker.py'), far], { stdin: true });
  const gateway = makeGateway(
    t,
    (g) => `
${g.section}
buses: {yard: {protocol: serial, port: ${near}, baudRate: 9600}}
devices:
  rain:
    bus: yard
    frame: {type: line}
    decode: {type: key-value}
    points: {tips: {scale: 0.2, unit: mm, counter: {modulus: 1000}}}
rules: {flood: {point: rain.tips-total, above: 201}}
buffer: {commitEvery: 1h}
`,
  );
  const totals = async () => {
    let csv = '';
    for await (const piece of text(gateway.socket, '/api/v1/export?points=rain.tips-total')) csv += piece;
    const rows = csv.trim().split('\n').slice(1);
    return rows.map((row) => row.split(',')).flatMap((c) => (c[8] === 'good' ? [Number(c[6])] : []));
  };
  const say = async (tips: number, total: number) => {
    // The first line after the port was opened is thrown away, since its beginning may be missing.
    talker.write(`text tips=${tips}`);
    talker.write(`text tips=${tips}`);
    await waitFor(
      () => `${total} in all; ${gateway.tail(5)}`,
      async () => (await totals()).at(-1) === total,
    );
  };
  const up = async () => {
    await gateway.up();
    await waitFor('the port to be open', async () => (await gateway.status()).buses[0]?.state === 'open');
  };
  await up();
  await say(990, 198);
  await gateway.kill();
  await up();
  // 10 up to the modulus and 4 more, of 0.2 mm each.
  await say(4, 200.8);
  assert.deepEqual((await gateway.status()).alarms, []);
  await say(7, 201.4);
  await waitFor('the alarm', async () => (await gateway.status()).alarms.some((a) => a.point === 'rain.tips-total'));
  assert.equal(await gateway.stop(), 0);
  await up();
  // The instrument was reset.
  await say(2, 201.8);
  const all = await totals();
  assert.deepEqual([...new Set(all)], [198, 200.8, 201.4, 201.8]);
});
