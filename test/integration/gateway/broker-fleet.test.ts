/**
 * A fleet whose clients make persistent sessions while others publish for them, and a SIGKILL at a random moment, again and again.
 * SLUICE_FLEET=1000 SLUICE_FLEET_ROUNDS=10 is the large run (npm run test:fleet). The gateway keeps 32 sessions: the newest ones.
 */
// Needs a quiet machine: it bounds the memory of a storm at its highest.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { request } from '../../../src/admin/client.ts';
import { MAX_ACCOUNT_SESSIONS as MAX_SESSIONS } from '../../../src/forwarders/broker/limits.ts';
import { type FleetAccount, FleetClient } from '../../harness/fleet-client.ts';
import { Pauses } from '../../harness/pauses.ts';
import { site } from '../../harness/site.ts';
import type { Gateway } from '../../harness/start-gateway.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { SettableDevice } from '../../peers/settable-device.ts';

const FLEET = Number(process.env.SLUICE_FLEET ?? 80);
const ROUNDS = Number(process.env.SLUICE_FLEET_ROUNDS ?? 3);
const SEED = Number(process.env.SLUICE_FLEET_SEED ?? Date.now() % 100_000);
/** For 32 sessions these are below the 32,000 messages and 4 MB that all queues have. */
const MESSAGES = 900;
const FILTER = 'fleet/all';
/** Megabytes that sessions, queues and connections may cost. */
const MORE_MEMORY = 90;

function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

function resident(gateway: Gateway): number {
  return Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${gateway.pid}/status`, 'utf8'))?.[1]) / 1024;
}

interface Sent {
  readonly text: string;
  acknowledged: boolean;
}
interface Member {
  readonly id: string;
  /** Messages that were sent before its subscription was acknowledged. */
  readonly from: number;
}

test('sessions and acknowledged messages survive kills at random moments', { timeout: 3_600_000 }, async (t) => {
  const s = await site(t, {
    ...{ device: SettableDevice.start, broker: true },
    devices: '  d1: {bus: plant, unit: 1, interval: 1s, points: {n: {table: holding, address: 0, type: uint16}}}',
  });
  if (s === undefined) return;
  const { gateway } = s;
  t.diagnostic(`SLUICE_FLEET_SEED=${SEED}`);
  const random = randomOf(SEED);
  const pauses = new Pauses(t);
  await gateway.up();
  const add = (body: object) => request(gateway.socket, 'POST', '/api/v1/users/add', body) as Promise<{ password: string }>;
  await add({ name: 'anna', role: 'administrator', password: 'a long enough password' });
  const account = async (user: string): Promise<FleetAccount> => ({
    user,
    password: (await add({ name: user, device: true, publish: ['fleet/#'], subscribe: ['fleet/#'] })).password,
  });
  const [fleet, writer] = [await account('fleet'), await account('writer')];
  const broker = async () => (await gateway.status()).broker;
  const before = resident(gateway);
  /** Members with a session, the one that is away for longest first. */
  let members: Member[] = [];
  const sent: Sent[] = [];
  let [most, polls, checked, longest, next] = [0, 0, 0, 0, 0];

  for (let round = 0; round < ROUNDS; round++) {
    const port = await gateway.brokerPort();
    const first = sent.length;
    let over = false;
    const publishing = [0, 1].map(async (n) => {
      const client = await FleetClient.open(port, `writer${n}`, writer, true);
      assert.ok(client !== undefined);
      while (!over && sent.length - first < MESSAGES) {
        const message: Sent = { text: `${sent.length} `.padEnd(100, '.'), acknowledged: false };
        sent.push(message);
        message.acknowledged = await client.publish(FILTER, message.text);
        if (!message.acknowledged) return;
        await sleep(10);
      }
      await client.leave();
    });
    /** The member of which nobody knows whether it has a session. */
    let doubtful: string | undefined;
    const joining = (async () => {
      for (let n = 0; n < FLEET && !over; n++) {
        const id = `m${next++}`;
        doubtful = id;
        const client = await FleetClient.open(port, id, fleet);
        if (client === undefined || !(await client.subscribe(FILTER))) return;
        members.push({ id, from: sent.length });
        doubtful = undefined;
        await client.leave();
      }
    })();
    const from = members.length;
    const killAt = 1 + Math.floor(random() * (FLEET - 1));
    await waitFor(
      () => `member ${killAt} of this round; ${members.length - from} came`,
      () => members.length - from >= killAt,
      { timeout: 600_000, every: 1 },
    );
    await sleep(random() * 30);
    most = Math.max(most, resident(gateway));
    const counters = (await gateway.status()).buses[0]?.devices[0]?.counters;
    pauses.assertPolled(counters?.missedPolls ?? 0, 1000);
    polls += counters?.replies ?? 0;
    await gateway.kill();
    over = true;
    await Promise.all([...publishing, joining]);

    const started = performance.now();
    pauses.begin();
    await gateway.up();
    const again = await gateway.brokerPort();
    longest = Math.max(longest, performance.now() - started);
    const { sessions = 0 } = (await broker()) ?? {};
    const certain = members.slice(doubtful === undefined ? -MAX_SESSIONS : 1 - MAX_SESSIONS);
    const all = Math.min(MAX_SESSIONS, members.length);
    const possible = doubtful === undefined ? [all] : [all, Math.min(MAX_SESSIONS, members.length + 1)];
    assert.ok(possible.includes(sessions), `round ${round}: ${sessions} sessions instead of ${possible}`);
    // The others of which one may be left end here, so that the next round knows all of them.
    for (const id of [doubtful, members.at(-MAX_SESSIONS)?.id])
      if (id !== undefined && !certain.some((member) => member.id === id))
        await (await FleetClient.open(again, id, fleet, true))?.leave();
    const last = `end of round ${round}`;
    const closing = await FleetClient.open(again, 'closing', writer, true);
    assert.equal(await closing?.publish(FILTER, last), true);
    await closing?.leave();
    const known = new Map(sent.map(({ text }, at) => [text, at]));
    for (const { id, from: since } of certain) {
      const client = await FleetClient.open(again, id, fleet);
      assert.equal(client?.present, true, `round ${round}: the session of ${id}`);
      assert.equal(await client?.until(last), true, `round ${round}: the queue of ${id}`);
      await client?.leave();
      const got = (client?.got ?? []).filter((text) => text !== last);
      const numbers = got.map((text) => known.get(text) ?? -1);
      assert.deepEqual(
        numbers,
        [...new Set(numbers)].sort((a, z) => a - z),
        `round ${round}: ${id} got each once, in order`,
      );
      const has = new Set(numbers);
      // Its queue of an earlier round was read at the end of that round.
      const lost = sent.flatMap(({ acknowledged }, at) =>
        acknowledged && at >= Math.max(since, first) && !has.has(at) ? [at] : [],
      );
      assert.deepEqual(lost, [], `round ${round}: ${id}`);
      checked += got.length;
    }
    members = certain;
    await waitFor('no message to wait', async () => (await broker())?.queuedMessages === 0);
  }
  t.diagnostic(
    `${next} sessions, ${sent.length} messages, ${checked} read after ${ROUNDS} kills; ${polls} polls, none left out; ` +
      `start at most ${Math.round(longest)} ms; memory ${before.toFixed(0)} MB, at most ${most.toFixed(0)} MB`,
  );
  assert.ok(most - before < MORE_MEMORY, `${before} MB before, at most ${most} MB`);
});
