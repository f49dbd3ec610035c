/**
 * Two accounts fill their lanes over many connections while the disk hangs: counted by commits, a third one waits for one of them. Clients of
 * one account that publish more than may wait are slowed down.
 */
import assert from 'node:assert/strict';
import test, { type TestContext } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { BrokerChange } from '../../../src/core/broker-store.ts';
import * as limits from '../../../src/forwarders/broker/limits.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';
import { openAccess } from '../../fakes/open-access.ts';
import { SlowDisk } from '../../fakes/slow-disk.ts';
import { BrokerBench, Raw, remaining, text } from '../../harness/embedded-broker.ts';
import { waitFor } from '../../harness/wait-for.ts';

const HOSTILE = ['bad-1', 'bad-2'];
/** Connections of each, and messages of each connection: more than a batch together. */
const CLIENTS = 16;
const MESSAGES = 40;
/** Sessions that want each message. */
const SESSIONS = 12;
const ROWS = 1 + SESSIONS;
/** Turns of the event loop between two commits: more than a batch needs. */
const TURNS = 300;

/** It counts what the next commit has. */
class CountingDisk extends SlowDisk {
  next = 0;
  override change(change: BrokerChange): void {
    if (!change.gone) this.next++;
    super.change(change);
  }
  override answer(): void {
    this.next = 0;
    super.answer();
  }
}

async function siteOf(t: TestContext) {
  const disk = new CountingDisk();
  disk.hangs = false;
  const open = openAccess('plant/#');
  const access = {
    ...open,
    logIn: async (...login: Parameters<typeof open.logIn>) => ({
      ...(await open.logIn(...login)),
      owner: `user:${login[0].username}`,
    }),
  };
  const bench = new BrokerBench(t, { store: disk, clock: new ManualClock(), access });
  const port = await bench.start();
  const client = async (user: string, id: string, clean = true): Promise<Raw> => {
    const raw = await Raw.open(t, port);
    assert.equal(await raw.connect(id, 0xc0 | (clean ? 2 : 0), [text(user), text('secret')]), 0);
    return raw;
  };
  for (let n = 0; n < SESSIONS; n++) {
    const raw = await client('keeper', `keeps-${n}`, false);
    raw.subscribe(['plant/#'], 1);
    await waitFor('a SUBACK', () => raw.bytes.length >= 9);
    raw.socket.destroy();
  }
  await waitFor('all to be away', () => bench.broker.status().clients === 0);
  return { disk, bench, client };
}

function publishes(raw: Raw, count: number, content = 'x', qos: 1 | 2 = 1): void {
  raw.socket.cork();
  for (let id = 1; id <= count; id++) {
    const body = Buffer.concat([text('plant/t'), Buffer.from([0, id]), Buffer.from(content)]);
    raw.send(0x30 | (qos << 1), remaining(body.length), body);
  }
  raw.socket.uncork();
}

/** PUBACKs or PUBRECs behind the CONNACK. */
const acknowledged = (raw: Raw): number => raw.bytes.length / 4 - 1;

test('beside two accounts with full lanes a message of another one waits for one commit', { timeout: 400_000 }, async (t) => {
  const { disk, bench, client } = await siteOf(t);
  disk.hangs = true;
  disk.next = 0;
  const hostile: Raw[] = [];
  for (const user of HOSTILE) for (let n = 0; n < CLIENTS; n++) hostile.push(await client(user, `${user}-${n}`));
  for (const raw of hostile) publishes(raw, MESSAGES);
  await waitFor('full lanes', () => disk.next >= HOSTILE.length * limits.LANE_ROWS);
  const full = disk.next;
  const good = await client('good', 'good');
  publishes(good, 1);
  await waitFor('its message in the store', () => disk.next >= full + ROWS);
  for (let n = 0; n < TURNS; n++) await nextTurn();
  let most = 0;
  let commits = 0;
  const commit = async (): Promise<void> => {
    most = Math.max(most, disk.next);
    commits++;
    disk.answer();
    for (let n = 0; n < TURNS; n++) await nextTurn();
  };
  await commit();
  await waitFor('its PUBACK', () => acknowledged(good) === 1);
  const before = hostile.reduce((sum, raw) => sum + acknowledged(raw), 0);
  const all = HOSTILE.length * CLIENTS * MESSAGES;
  await waitFor('all PUBACKs', async () => {
    await commit();
    return hostile.every((raw) => acknowledged(raw) === MESSAGES);
  });
  t.diagnostic(`${commits} commits, of at most ${most} rows; ${before} of ${all} messages went with the first`);
  assert.ok(most <= HOSTILE.length * (limits.LANE_ROWS + ROWS) + ROWS, `a commit of ${most} rows`);
  assert.equal(bench.broker.status().queuedMessages, SESSIONS * (all + 1), 'each session has each message');
  assert.equal(bench.broker.status().refused.behind, 0);
});

for (const qos of [1, 2] as const)
  test(`clients of one account that publish more than may wait for the disk stay: QoS ${qos}`, {
    timeout: 120_000,
  }, async (t) => {
    const { disk, bench, client } = await siteOf(t);
    disk.hangs = true;
    const content = 'y'.repeat(8 * 1024);
    const count = 60;
    const all = await Promise.all(Array.from({ length: 4 }, (_, n) => client('busy', `busy-${n}`)));
    assert.ok(all.length * count * content.length > limits.MAX_ACCOUNT_UNSETTLED);
    for (const raw of all) publishes(raw, count, content, qos);
    await waitFor(
      () => `all answers; there are ${all.map(acknowledged)}, and ${bench.broker.status().refused.behind} were cut off`,
      () => {
        disk.answer();
        return all.every((raw) => raw.closed || acknowledged(raw) === count);
      },
    );
    assert.equal(bench.broker.status().refused.behind, 0);
    assert.deepEqual(
      all.map(acknowledged),
      all.map(() => count),
    );
  });
