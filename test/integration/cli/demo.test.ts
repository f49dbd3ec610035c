/** What a new user sees: the demonstration, and its platform against a real MQTT client. */
import assert from 'node:assert/strict';
import path from 'node:path';
import test from 'node:test';
import mqtt from 'mqtt';
import { request } from '../../../src/admin/client.ts';
import { Platform } from '../../../src/cli/demo/platform.ts';
import { startChild } from '../../harness/child.ts';
import { freePort } from '../../harness/free-port.ts';
import { scratch } from '../../harness/scratch.ts';
import { MAIN } from '../../harness/start-gateway.ts';
import { waitFor } from '../../harness/wait-for.ts';

/** Beside the program that the suites run: the bundle under `npm test`, else the sources. */
const DEMO = path.join(path.dirname(MAIN), `demo${path.extname(MAIN)}`);

test('the demonstration reads, alarms and delivers, ends by a signal, and can be started again', async (t) => {
  const folder = scratch(t, 'demo');
  for (const again of [false, true]) {
    const demo = startChild(t, process.execPath, [DEMO, '--plain', '--folder', folder]);
    await demo.line(/upstream: connected.*platform: [1-9][\d,]* readings/);
    assert.ok(
      demo.stdout.some((line) => /fridge\.temperature=-?[\d.]+°C/.test(line)),
      demo.stdout.join('\n'),
    );
    if (!again) await demo.line(/ALARM fridge-warm \(critical\)/);
    assert.equal(await demo.stop('SIGINT'), 0, demo.stderr.join('\n'));
  }
  // Killed, it leaves no gateway behind.
  const killed = startChild(t, process.execPath, [DEMO, '--plain', '--folder', folder]);
  await killed.line(/upstream: connected/);
  await killed.stop('SIGKILL');
  await waitFor('the gateway to follow', () =>
    request(path.join(folder, 'state', 'sluice.sock'), 'GET', '/healthz').then(
      () => false,
      () => true,
    ),
  );
});

test('a wrong option is refused with the right ones', async (t) => {
  const demo = startChild(t, process.execPath, [DEMO, '--colour']);
  assert.equal(await demo.ended, 2);
  assert.match(demo.stderr.join('\n'), /--colour is not understood[\s\S]*--seconds/);
});

test('the platform acknowledges, keeps each record once, and is really away when it is', async (t) => {
  const platform = new Platform(await freePort());
  await platform.start();
  t.after(() => platform.stop());
  const connect = () => mqtt.connectAsync(`mqtt://127.0.0.1:${platform.port}`, { reconnectPeriod: 0 }, false);
  const client = await connect();
  client.on('error', () => {});
  const batch = (first: number, last: number) =>
    JSON.stringify({
      ...{ v: 1, log: 'L', first, last },
      records: Array.from({ length: last - first + 1 }, (_, i) => ({ seq: first + i, values: { a: 1, b: 2 } })),
    });
  await client.publishAsync('sluice/demo/data', batch(1, 10), { qos: 1 });
  await client.publishAsync('sluice/demo/data', batch(5, 12), { qos: 1 });
  await client.publishAsync('sluice/demo/history', batch(13, 2000), { qos: 1 });
  await client.publishAsync('sluice/demo/status', '{}', { qos: 1, retain: true });
  assert.deepEqual(platform.counts, { records: 2000, readings: 4000, lateReadings: 3976, repeats: 6, alarms: 0 });
  const closed = new Promise<void>((resolve) => client.once('close', () => resolve()));
  await platform.stop();
  await closed;
  await assert.rejects(connect(), /ECONNREFUSED/);
  await platform.start();
  const back = await connect();
  await back.publishAsync('sluice/demo/history', batch(1, 2000), { qos: 1 });
  assert.equal(platform.counts.repeats, 2006);
  await back.endAsync();
});
