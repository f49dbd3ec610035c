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

const SLOW = { timeout: 300_000 };

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
  const clock = new ManualClock();
  const bench = new BrokerBench(t, { store: disk, clock, access });
  const port = await bench.start();
  /** @param keepAlive seconds */
  const enter = async (user: string, id: string, flags: number, keepAlive: number): Promise<Raw> => {
    const raw = await Raw.open(t, port);
    const head = Buffer.from([0, 4, 0x4d, 0x51, 0x54, 0x54, 4, 0xc0 | flags, 0, keepAlive]);
    raw.packet(0x10, head, text(id), text(user), text('secret'));
    await waitFor('a CONNACK', () => raw.bytes.length >= 4);
    assert.equal(raw.bytes[3], 0);
    return raw;
  };
  const client = (user: string, id: string, clean = true): Promise<Raw> => enter(user, id, clean ? 2 : 0, 0);
  for (let n = 0; n < SESSIONS; n++) {
    const raw = await client('keeper', `keeps-${n}`, false);
    raw.subscribe(['plant/#'], 1);
    await waitFor('a SUBACK', () => raw.bytes.length >= 9);
    raw.socket.destroy();
  }
  await waitFor('all to be away', () => bench.broker.status().clients === 0);
  return { disk, bench, clock, client, enter };
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

/** Clients of one account, as many as it may have. */
const family = (client: (user: string, id: string) => Promise<Raw>) =>
  Promise.all(Array.from({ length: limits.MAX_PER_ACCOUNT }, (_, n) => client('busy', `busy-${n}`)));

for (const [what, count, size] of [
  ['8 kB', 40, 8 * 1024],
  ['120 kB', 2, 120 * 1024],
] as const)
  for (const qos of [1, 2] as const)
    test(`clients of one account that publish ${what} each with QoS ${qos} on a slow disk stay`, {
      timeout: 300_000,
    }, async (t) => {
      const { disk, bench, client } = await siteOf(t);
      disk.hangs = true;
      const all = await family(client);
      assert.ok(all.length * count * size > limits.MAX_ACCOUNT_UNSETTLED, 'more than may wait');
      for (const raw of all) publishes(raw, count, 'y'.repeat(size), qos);
      await waitFor(
        () => `all answers; there are ${all.map(acknowledged)}, and ${bench.broker.status().refused.behind} were cut off`,
        () => {
          disk.answer();
          return all.every((raw) => raw.closed || acknowledged(raw) === count);
        },
      );
      assert.deepEqual(
        all.map(acknowledged),
        all.map(() => count),
      );
      assert.equal(bench.broker.status().refused.behind, 0);
    });

test('clients that publish more than may wait stay on a disk that is late, others as well', SLOW, async (t) => {
  const { disk, bench, client, clock } = await siteOf(t);
  disk.hangs = true;
  const [count, size] = [40, 8 * 1024];
  const all = await family(client);
  // No queue has one of QoS 2 yet, so none is pushed out there.
  for (const raw of all) publishes(raw, count, 'y'.repeat(size), 2);
  await waitFor('messages that wait for the disk', () => disk.asked > 0);
  await clock.advance(limits.LATE_AFTER);
  await waitFor(
    () => `its room to be used up; ${bench.broker.status().withheldBytes} bytes wait`,
    () => bench.broker.status().withheldBytes >= limits.MAX_ACCOUNT_UNSETTLED,
  );
  const other = await client('other', 'other');
  const before = bench.broker.status().withheldMessages;
  publishes(other, 1);
  await waitFor('the message of the other one', () => bench.broker.status().withheldMessages > before);
  // What began while there was room has passed.
  assert.ok(bench.broker.status().withheldBytes <= limits.MAX_ACCOUNT_UNSETTLED + all.length * (size + 100));
  assert.equal(acknowledged(other) + all.reduce((sum, raw) => sum + acknowledged(raw), 0), 0);
  await waitFor(
    () => `all answers; there are ${all.map(acknowledged)}`,
    () => {
      disk.answer();
      return [...all, other].every((raw) => raw.closed || acknowledged(raw) === (raw === other ? 1 : count));
    },
  );
  assert.deepEqual(
    [...all, other].map(({ closed }) => closed),
    [...all, other].map(() => false),
  );
  assert.equal(bench.broker.status().refused.behind, 0);
});

test('a client that waits for the room of its account is not taken for silent', SLOW, async (t) => {
  const { disk, bench, client, enter } = await siteOf(t);
  disk.hangs = true;
  const first = await client('busy', 'first');
  publishes(first, 5, 'y'.repeat(limits.MAX_PACKET - 1000));
  await waitFor('the messages in the store', () => disk.asked > 0);
  const waiting = await enter('busy', 'waiting', 2, 1);
  publishes(waiting, 1);
  // One that has said nothing for as long is ended.
  await enter('other', 'silent', 2, 1);
  await waitFor('the silent one to be ended', () => bench.broker.status().refused.silent === 1);
  assert.deepEqual([waiting.closed, acknowledged(waiting)], [false, 0]);
  await waitFor('its acknowledgement', () => {
    disk.answer();
    return acknowledged(waiting) === 1;
  });
  // From now on it is silent.
  await waitFor('its end', () => waiting.closed);
  assert.equal(bench.broker.status().refused.silent, 2);
});
