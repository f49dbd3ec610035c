/**
 * A running gateway and two device accounts that attack its broker in all ways at once: a modest account with a publisher and a reader loses
 * nothing that was acknowledged and keeps its order, polls go on, the memory is bounded, and what was refused is counted.
 */
// Needs a quiet machine: it counts polls beside what takes all of the processor.
import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import mqtt from 'mqtt';
import { request } from '../../../src/admin/client.ts';
import type { Refused } from '../../../src/forwarders/broker/broker-counts.ts';
import * as limits from '../../../src/forwarders/broker/limits.ts';
import { Pauses } from '../../harness/pauses.ts';
import { scratch } from '../../harness/scratch.ts';
import { type Gateway, makeGateway } from '../../harness/start-gateway.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { SettableDevice } from '../../peers/settable-device.ts';

const ATTACKERS = path.join(import.meta.dirname, '..', '..', 'harness', 'broker-attackers.ts');
const PASSWORD = 'a long enough password';
const HOSTILE = ['bad-1', 'bad-2'] as const;
/** Messages of the modest publisher, at least; QoS 1 and 2 in turns. */
const MESSAGES = 40;
/** Megabytes that the attacks may cost. */
const MORE_MEMORY = 120;
/** Milliseconds between two polls. */
const INTERVAL = 3_000;

interface Client {
  readonly mqtt: mqtt.MqttClient;
  readonly got: { readonly topic: string; readonly text: string }[];
  /** The broker ends its connection. */
  readonly over: Promise<void>;
  ended: boolean;
}

async function enter(t: TestContext, port: number, name: string, password: string, id: string, clean: boolean): Promise<Client> {
  const client = mqtt.connect({
    ...{ protocol: 'mqtt', host: '127.0.0.1', port, username: name, password, clientId: id, clean },
    ...{ reconnectPeriod: 0, keepalive: 0 },
  });
  t.after(() => client.end(true));
  const { promise: over, resolve } = Promise.withResolvers<void>();
  const made: Client = { mqtt: client, got: [], over, ended: false };
  client.on('message', (topic, payload) => made.got.push({ topic, text: payload.toString('latin1', 0, 40) }));
  client.on('error', () => {});
  client.on('close', () => {
    made.ended = true;
    resolve();
  });
  await waitFor(`${id} to be in`, () => client.connected);
  return made;
}

/** A gateway with a modest account, its publisher and its reader. */
async function modestSite(t: TestContext) {
  const device = await SettableDevice.start(t);
  if (device === undefined) return undefined;
  const runtimeDir = scratch(t, 'run', '/dev/shm');
  const gateway = makeGateway(
    t,
    (g) => `
gateway: {id: g1, stateDir: ${g.stateDir}, runtimeDir: ${runtimeDir}}
buses: {plant: {protocol: modbus-tcp, host: 127.0.0.1, port: ${device.port}}}
devices: {d1: {bus: plant, unit: 1, interval: ${INTERVAL}ms, points: {n: {table: holding, address: 0, type: uint16}}}}
buffer: {commitEvery: 10s}
broker: {listen: {port: 0}}
`,
  );
  await gateway.up();
  const add = (body: object) => request(gateway.socket, 'POST', '/api/v1/users/add', body) as Promise<{ password?: string }>;
  await add({ name: 'anna', role: 'administrator', password: PASSWORD });
  const account = async (name: string): Promise<string> =>
    (await add({ name, device: true, publish: [`${name}/#`], subscribe: [`${name}/#`] })).password ?? '';
  const port = await gateway.brokerPort();
  const good = await account('good');
  const bad = await Promise.all(HOSTILE.map(async (name) => [name, await account(name)]));
  const reader = await enter(t, port, 'good', good, 'reader', false);
  await reader.mqtt.subscribeAsync('good/x', { qos: 2 });
  const writer = await enter(t, port, 'good', good, 'writer', false);
  const acknowledged: string[] = [];
  return {
    ...{ gateway, acknowledged },
    /** Resolves when it is acknowledged. */
    async publish(qos: 1 | 2): Promise<void> {
      const content = `${acknowledged.length}`;
      const over = writer.over.then(() => assert.fail(`the modest client was thrown out after ${content} messages`));
      await Promise.race([writer.mqtt.publishAsync('good/x', content, { qos }), over]);
      acknowledged.push(content);
    },
    /** @param ways that each have to begin */
    async attack(ways: number) {
      const attackers = fork(ATTACKERS, [String(port), ...bad.flat()], {
        execArgv: ['--disable-warning=ExperimentalWarning'],
      });
      t.after(() => attackers.kill('SIGKILL'));
      let begun: Readonly<Record<string, number>> = {};
      attackers.on('message', (message: Readonly<Record<string, number>>) => {
        begun = message;
      });
      await waitFor(
        () => `all ways to attack: ${JSON.stringify(begun)}`,
        () => Object.keys(begun).length >= ways,
      );
      return { begun: () => begun, end: () => attackers.kill('SIGKILL') };
    },
    async allThere(): Promise<void> {
      assert.equal(reader.ended, false, 'the modest reader was not thrown out');
      await waitFor(
        () => `all messages; ${reader.got.length} of ${acknowledged.length} came`,
        () => reader.got.length >= acknowledged.length,
      );
      assert.deepEqual(
        reader.got.map(({ text }) => text),
        acknowledged,
        'each of the acknowledged messages once, in order',
      );
    },
  };
}

const resident = ({ pid }: Gateway): number =>
  Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024;

test('two accounts that attack in all ways at once take nothing of another one', { timeout: 600_000 }, async (t) => {
  const s = await modestSite(t);
  if (s === undefined) return;
  const { gateway } = s;
  const pauses = new Pauses(t);
  const broker = async () => {
    const { broker: status } = await gateway.status();
    assert.ok(status !== undefined);
    return status;
  };
  const polled = async () => (await gateway.status()).buses[0]?.devices[0]?.counters;
  await waitFor('a poll', async () => ((await polled())?.replies ?? 0) > 0);
  const { replies: polls = 0, missedPolls: late = 0 } = (await polled()) ?? {};
  pauses.begin();
  const calm = { memory: resident(gateway), polls, late, counts: await broker() };
  let most = 0;
  const look = async () => {
    most = Math.max(most, resident(gateway));
    const now = await broker();
    const of = (name: Refused) => now.refused[name] - calm.counts.refused[name];
    return {
      ...{ requests: of('requests') + of('account-requests'), size: of('size'), incoming: of('incoming'), slow: of('slow') },
      ...{ partial: of('partial'), 'account-sessions': now.reached['account-sessions'] },
    };
  };
  const all = await s.attack(11);
  let counted = await look();
  for (let n = 0; n < MESSAGES || Object.values(counted).some((count) => count === 0); n++) {
    await s.publish(n % 2 === 0 ? 1 : 2);
    counted = await look();
  }
  await waitFor('a poll', async () => ((await polled())?.replies ?? 0) > calm.polls);
  const during = await broker();
  const { replies = 0, missedPolls = Number.NaN } = (await polled()) ?? {};
  all.end();
  t.diagnostic(JSON.stringify({ begun: all.begun(), counted, refused: during.refused }));
  t.diagnostic(`memory ${calm.memory.toFixed(0)} MB, at most ${most.toFixed(0)} MB; ${replies - calm.polls} polls`);
  await s.allThere();
  // A machine that stands still polls nothing meanwhile.
  pauses.assertPolled(missedPolls - calm.late, INTERVAL);
  assert.ok(most - calm.memory < MORE_MEMORY, `${calm.memory} MB before, at most ${most} MB`);
  assert.ok(during.queuedBytes <= limits.MAX_ALL_SESSIONS_BYTES && during.withheldBytes <= 2 * limits.MAX_UNSETTLED);
  assert.ok(during.partialBytes <= 2 * limits.MAX_PARTIAL && during.sessions <= limits.MAX_SESSIONS);
});
