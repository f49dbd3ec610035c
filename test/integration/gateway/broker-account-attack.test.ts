/**
 * A running gateway and a hostile device with an account of its own: another account keeps its session, its queue and what it
 * retained, and is served meanwhile. The memory is bounded, and no due poll is left out.
 */
// Needs a quiet machine: it bounds the memory of a storm at its highest.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import { request } from '../../../src/admin/client.ts';
import * as limits from '../../../src/forwarders/broker/limits.ts';
import { startChild } from '../../harness/child.ts';
import { CLIENTS, Raw, Sub, text } from '../../harness/embedded-broker.ts';
import { Pauses } from '../../harness/pauses.ts';
import { site } from '../../harness/site.ts';
import { MAIN } from '../../harness/start-gateway.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { peer } from '../../peers/peers.ts';
import { SettableDevice } from '../../peers/settable-device.ts';

/** Retained messages of the flood; `SLUICE_FLOOD=1000000` for a long one. */
const FLOOD = Number(process.env.SLUICE_FLOOD ?? 20_000);
/** Megabytes that it may cost: 2 of retained messages, 1 of the queue, what the thread of broker.db has of them, and garbage. */
const MORE_MEMORY = 90;
/** Milliseconds between two polls. */
const INTERVAL = 3000;
const RETAINED_QOS_0 = 0x31;

async function started(t: TestContext) {
  const s = await site(t, {
    ...{ device: SettableDevice.start, broker: true },
    devices: `  d1: {bus: plant, unit: 1, interval: ${INTERVAL}ms, points: {n: {table: holding, address: 0, type: uint16}}}`,
  });
  const program = peer(t, 'mosquitto_pub', CLIENTS);
  if (s === undefined || program === undefined) return undefined;
  const { gateway } = s;
  await gateway.up();
  const add = (body: object) => request(gateway.socket, 'POST', '/api/v1/users/add', body) as Promise<{ password?: string }>;
  await add({ name: 'anna', role: 'administrator', password: 'a long enough password' });
  const device = async (name: string): Promise<string> => {
    const topics = [`${name}/#`, 'shared/#'];
    return (await add({ name, device: true, publish: topics, subscribe: topics })).password ?? '';
  };
  const secrets = { good: await device('good'), bad: await device('bad') };
  const as = (name: keyof typeof secrets): string[] => ['-u', name, '-P', secrets[name]];
  const publish = async (port: number, ...args: string[]): Promise<void> => {
    const child = startChild(t, program, ['-h', '127.0.0.1', '-p', `${port}`, ...as('good'), ...args]);
    assert.equal(await child.ended, 0, child.stderr.join('\n'));
  };
  const bad = async (port: number, id: string, clean: boolean): Promise<Raw | undefined> => {
    const raw = await Raw.open(t, port);
    const code = await raw.connect(id, clean ? 0xc2 : 0xc0, [text('bad'), text(secrets.bad)]);
    return code === 0 ? raw : undefined;
  };
  const resident = () => Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${gateway.pid}/status`, 'utf8'))?.[1]) / 1024;
  return { gateway, as, publish, bad, resident };
}

test('a hostile account pushes out nothing of another one, before and after a kill', { timeout: 600_000 }, async (t) => {
  const s = await started(t);
  if (s === undefined) return;
  const { gateway } = s;
  const pauses = new Pauses(t);
  let port = await gateway.brokerPort();
  const session = ['-t', 'good/#', '-t', 'shared/#', '-q', '1', '-i', 'keeper', '-c'];
  const keeper = await Sub.start(t, port, [...s.as('good'), ...session]);
  if (keeper === undefined) return;
  await keeper.child.stop('SIGKILL');
  await s.publish(port, '-t', 'good/queued', '-q', '1', '-m', 'in the queue');
  await s.publish(port, '-t', 'good/state', '-q', '1', '-r', '-m', 'retained');
  const broker = async () => {
    const { broker: status } = await gateway.status();
    assert.ok(status !== undefined);
    return status;
  };

  // Sessions, with and without messages.
  for (let i = 0; i < limits.MAX_SESSIONS + 8; i++) {
    const one = await s.bad(port, `s${i}`, false);
    one?.subscribe(['shared/#'], 1);
    await waitFor('its SUBACK, or its end', () => one === undefined || one.closed || one.bytes.length >= 9);
    one?.socket.destroy();
  }
  // Retained messages, many and small, and messages for the queue of the other one; a new connection whenever it is cut off.
  const healthy = await Sub.start(t, port, [...s.as('good'), '-t', 'good/#', '-q', '1', '-i', 'healthy']);
  const polled = async () => (await gateway.status()).buses[0]?.devices[0]?.counters;
  const calm = s.resident();
  const { replies: before = 0, missedPolls: late = 0 } = (await polled()) ?? {};
  pauses.begin();
  let [sent, most, served] = [0, 0, 0];
  for (let i = 0; sent < FLOOD; i++) {
    most = Math.max(most, s.resident());
    if (sent >= ((served + 1) * FLOOD) / 5) {
      served++;
      await s.publish(port, '-t', 'good/during', '-q', '0', '-m', `${served}`);
      await healthy?.message('good/during', ({ payload }) => payload === `${served}`);
    }
    const one = await s.bad(port, `f${i % 8}`, true);
    if (one === undefined) continue;
    for (let j = 0; j < limits.KNOWN_REQUESTS_AT_ONCE / 2 - 10; j++, sent++) {
      one.packet(RETAINED_QOS_0, text(`bad/${sent}`), Buffer.from('x'));
      one.packet(0x32, text('shared/x'), Buffer.from([(sent >> 8) & 127, (sent & 255) | 1]), Buffer.alloc(900, 'y'));
    }
    one.send(0xc0, 0);
    await waitFor('an answer, or the end', () => one.closed || one.bytes.includes(0xd0));
    one.socket.destroy();
  }
  // A machine under load takes the flood so slowly that the account stays below its rate.
  while ((await broker()).refused['account-requests'] === 0) {
    const one = await s.bad(port, 'faster', true);
    one?.socket.write(
      Buffer.from([0xc0, 0].concat(...Array.from({ length: limits.KNOWN_REQUESTS_AT_ONCE - 10 }, () => [0xc0, 0]))),
    );
    await waitFor(
      'all answers, or the end',
      () => one === undefined || one.closed || one.bytes.length >= 4 + 2 * (limits.KNOWN_REQUESTS_AT_ONCE - 9),
    );
    one?.socket.destroy();
  }
  await waitFor('a poll', async () => ((await polled())?.replies ?? 0) > before);
  const during = await broker();
  const { replies = 0, missedPolls = Number.NaN } = (await polled()) ?? {};
  t.diagnostic(
    `${sent} pairs, ${during.retained} retained; ${replies - before} polls, ${missedPolls} left out; memory ${calm.toFixed(0)} MB, at most ${most.toFixed(0)} MB`,
  );
  t.diagnostic(JSON.stringify({ refused: during.refused, dropped: during.dropped, reached: during.reached }));
  pauses.assertPolled(missedPolls - late, INTERVAL);
  assert.ok(replies > before);
  assert.equal(served, 4, 'a healthy client was served four times during the flood');
  assert.ok(most - calm < MORE_MEMORY, `${calm} MB before, at most ${most} MB`);
  await healthy?.child.stop('SIGKILL');
  assert.ok(during.reached['account-sessions'] >= 8);
  assert.ok(during.refused['account-requests'] > 0);
  assert.ok(during.retained <= limits.MAX_ACCOUNT_RETAINED + 1 && during.sessions <= limits.MAX_ACCOUNT_SESSIONS + 1);
  const details = startChild(t, process.execPath, [
    '--disable-warning=ExperimentalWarning',
    MAIN,
    'status',
    '-v',
    '--socket',
    gateway.socket,
  ]);
  await details.ended;
  for (const line of [/ account-sessions: /, / account-requests: /, / of 32 sessions/])
    assert.ok(
      details.stdout.some((one) => line.test(one)),
      `${line} in\n${details.stdout.join('\n')}`,
    );

  await gateway.kill();
  await gateway.up();
  port = await gateway.brokerPort();
  const back = await Sub.start(t, port, [...s.as('good'), ...session]);
  await back?.message('good/queued', ({ payload }) => payload === 'in the queue');
  await back?.message('good/state', ({ payload, retained }) => payload === 'retained' && retained);
  const after = await broker();
  assert.ok(after.retained <= limits.MAX_ACCOUNT_RETAINED + 1 && after.sessions <= limits.MAX_ACCOUNT_SESSIONS + 1);
  await back?.child.stop('SIGKILL');

  // Random bytes in the place of the file: it is set aside, and everybody is served.
  await gateway.stop();
  writeFileSync(
    path.join(gateway.stateDir, 'broker.db'),
    Buffer.from(Array.from({ length: 50_000 }, (_, i) => (i * 7919) % 251)),
  );
  await gateway.up();
  port = await gateway.brokerPort();
  assert.equal((await broker()).store.repairs, 1);
  const fresh = await Sub.start(t, port, [...s.as('good'), ...session]);
  await s.publish(port, '-t', 'good/after', '-q', '1', '-m', 'served');
  await fresh?.message('good/after', ({ payload }) => payload === 'served');

  // A second instance leaves the first one alone.
  const second = startChild(t, process.execPath, ['--disable-warning=ExperimentalWarning', MAIN, 'run', '-c', gateway.config]);
  assert.notEqual(await second.ended, 0);
  await s.publish(port, '-t', 'good/still', '-q', '1', '-m', 'served');
  await fresh?.message('good/still', ({ payload }) => payload === 'served');
});
