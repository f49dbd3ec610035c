/** One device account gone mad: polls, other MQTT devices and the memory of the gateway do not feel it, and status names it. */
// Needs a quiet machine: it counts polls beside what takes all of the processor.
import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { request } from '../../../src/admin/client.ts';
import { startChild } from '../../harness/child.ts';
import { CLIENTS } from '../../harness/embedded-broker.ts';
import { site } from '../../harness/site.ts';
import type { Gateway } from '../../harness/start-gateway.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { peer } from '../../peers/peers.ts';
import { SettableDevice } from '../../peers/settable-device.ts';

/** Messages of each kind; those of 200 kB and more are fewer. */
const MESSAGES = Number(process.env.SLUICE_FLOOD ?? 6_000);
/** Megabytes that the flood may cost. */
const MORE_MEMORY = 90;
const DEVICES = `
  d1: {bus: plant, unit: 1, interval: 30ms, points: {n: {table: holding, address: 0, type: uint16}}}
  mad: {bus: radio, topic: flood/one, points: {value: {}}}
  many: {bus: radio, topic: flood/many/+, decode: {type: text}, points: {value: {}}}
  calm: {bus: radio, topic: calm/room, points: {temperature: {unit: Cel}}}`;

function resident(gateway: Gateway): number {
  return Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${gateway.pid}/status`, 'utf8'))?.[1]) / 1024;
}

test('a flood from one device delays no poll and no other device', { timeout: 600_000 }, async (t) => {
  const program = peer(t, 'mosquitto_pub', CLIENTS);
  if (program === undefined) return;
  const s = await site(t, {
    ...{ device: SettableDevice.start, broker: true, buses: '  radio: {protocol: mqtt}', devices: DEVICES },
  });
  if (s === undefined) return;
  const { gateway } = s;
  await gateway.up();
  const port = String(await gateway.brokerPort());
  const add = (body: object) => request(gateway.socket, 'POST', '/api/v1/users/add', body) as Promise<{ password: string }>;
  await add({ name: 'anna', role: 'administrator', password: 'a long enough password' });
  const account = async (name: string, topic: string) =>
    (await add({ name, device: true, publish: [topic], subscribe: [] })).password;
  const flood = await account('flood', 'flood/#');
  const calm = await account('calm', 'calm/#');
  const devices = async () => (await gateway.status()).buses.flatMap((bus) => bus.devices);
  const countersOf = async (name: string) => (await devices()).find((one) => one.name === name)?.counters;
  let value = 0;
  /** The Modbus device is polled on, and what the calm device sends is read. */
  const works = async () => {
    const before = { polls: (await countersOf('d1'))?.replies ?? 0, calm: (await countersOf('calm'))?.replies ?? 0 };
    const args = ['-h', '127.0.0.1', '-p', port, '-u', 'calm', '-P', calm, '-q', '1', '-t', 'calm/room'];
    value++;
    assert.equal(await startChild(t, program, [...args, '-m', `{"temperature":${value}}`]).ended, 0);
    await waitFor('a message of the calm device', async () => ((await countersOf('calm'))?.replies ?? 0) > before.calm);
    await waitFor('a poll', async () => ((await countersOf('d1'))?.replies ?? 0) > before.polls);
  };
  await works();
  const before = resident(gateway);
  let most = 0;
  for (const kind of ['rate', 'topics', 'garbage', 'nested', 'deep', 'big', 'large']) {
    const few = kind === 'deep' || kind === 'big' || kind === 'large';
    const child = fork(
      path.join(import.meta.dirname, '../../harness/mqtt-flood.ts'),
      [kind, port, 'flood', flood, String(few ? 40 : MESSAGES)],
      { execArgv: ['--disable-warning=ExperimentalWarning'] },
    );
    t.after(() => child.kill('SIGKILL'));
    const over = once(child, 'exit');
    let rounds = 0;
    do {
      await works();
      most = Math.max(most, resident(gateway));
      rounds++;
    } while (child.exitCode === null && child.signalCode === null);
    assert.deepEqual(await over, [0, null], kind);
    assert.ok(rounds > 0);
  }
  const mad = await countersOf('mad');
  const many = await countersOf('many');
  t.diagnostic(
    `mad ${JSON.stringify(mad)}, many ${JSON.stringify(many)}; memory ${before.toFixed(0)} MB, at most ${most.toFixed(0)} MB`,
  );
  assert.ok((mad?.leftOut ?? 0) > 0 && (mad?.badReplies ?? 0) > 0);
  assert.ok((many?.leftOut ?? 0) > 0);
  assert.ok(most - before < MORE_MEMORY, `${before} MB before, at most ${most} MB`);
  assert.equal((await countersOf('calm'))?.leftOut, 0);
  // Each stretch is reported once, and a stretch ends after a minute of quiet.
  const lines = gateway.logs().filter(({ msg }) => /sends more than 50 MQTT messages a second/.test(msg));
  assert.ok(lines.length >= 2 && lines.length < 20, `${lines.length} lines`);
});
