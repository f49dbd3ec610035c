/**
 * Shares of the embedded broker in a running gateway beside several hostile accounts and addresses: connections, sessions, queues and
 * retained messages. Clients are mqtt.js, accounts are made by `sluice user` and `sluice token`, and the network is real addresses
 * that are not of loopback. The models of all shares are in test/contract/broker-shares.test.ts.
 */
import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import * as limits from '../../../src/forwarders/broker/limits.ts';
import { startChild } from '../../harness/child.ts';
import { closedNet } from '../../harness/closed-net.ts';
import { CLIENTS as MOSQUITTO } from '../../harness/embedded-broker.ts';
import type { Account, Got, Order } from '../../harness/share-clients.ts';
import { MAIN, makeGateway } from '../../harness/start-gateway.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { peer } from '../../peers/peers.ts';

const CLIENTS = path.join(import.meta.dirname, '..', '..', 'harness', 'share-clients.ts');
const GATE = '10.9.0.1';
/** The same with IPv6, and two addresses of one network and one of another. */
const GATE6 = 'fd09::1';
const NETWORK6 = ['fd09:0:0:1::1', 'fd09:0:0:1:ffff::2'] as const;
const OTHER6 = 'fd09:0:0:2::1';
const PORT = 1883;
/** Addresses of clients: 10.9.0.10 and those after it. */
const addressOf = (n: number): string => `10.9.0.${10 + n}`;
const HOSTILE = ['bad-1', 'bad-2', 'bad-3'] as const;
const GOOD = ['good-1', 'good-2'] as const;
type Name = (typeof HOSTILE)[number] | (typeof GOOD)[number];

/** A gateway that others reach without TLS, and clients in its network. undefined after a skip. */
async function sharedSite(t: TestContext) {
  const net = await closedNet(t);
  if (net === undefined) return undefined;
  const addresses = [GATE, ...Array.from({ length: 8 }, (_, i) => addressOf(i))];
  const adds = [
    ...addresses.map((one) => `ip addr add ${one}/32 dev lo`),
    ...[GATE6, ...NETWORK6, OTHER6].map((one) => `ip addr add ${one}/128 dev lo nodad`),
  ].join(' && ');
  const [program = '', ...words] = net.before;
  assert.equal(await startChild(t, program, [...words, 'sh', '-c', adds]).ended, 0);
  const gateway = makeGateway(
    t,
    (g) => `${g.section}
buses: {}
devices: {}
broker: {listen: [{host: ${GATE}, port: ${PORT}, insecure: true}, {host: "${GATE6}", port: ${PORT + 1}, insecure: true}]}
`,
  );
  gateway.before = net.before;
  await gateway.up();
  const command = async (input: string, ...args: string[]): Promise<string> => {
    const child = startChild(
      t,
      process.execPath,
      ['--disable-warning=ExperimentalWarning', MAIN, ...args, '--socket', gateway.socket],
      {
        stdin: true,
      },
    );
    if (input !== '') child.write(input);
    child.endInput();
    assert.equal(await child.ended, 0, child.stderr.join('\n'));
    return child.stdout.at(-1) ?? '';
  };
  await command('a long enough password', 'user', 'add', 'anna', '--role', 'administrator', '--password-stdin');
  const device = async (name: Name): Promise<readonly [Name, Account]> => {
    const topics = [`${name}/#`, 'shared/#'].flatMap((topic) => ['--publish', topic, '--subscribe', topic]);
    return [name, { username: name, password: await command('', 'user', 'add', name, '--device', ...topics) }];
  };
  const [token, ...devices] = await Promise.all([
    command('', 'token', 'add', 'reads', '--role', 'viewer'),
    ...[...HOSTILE, ...GOOD].map(device),
  ]);
  const accounts = Object.fromEntries(devices) as Record<Name, Account>;
  await waitFor('the broker', async () => (await gateway.status()).broker?.state === 'listening');

  const [through = '', ...before] = net.before;
  const child = fork(CLIENTS, [GATE, `${PORT}`, GATE6, `${PORT + 1}`], {
    ...{ execPath: through, execArgv: [...before, process.execPath, '--disable-warning=ExperimentalWarning'] },
  });
  t.after(() => child.kill('SIGKILL'));
  await once(child, 'message');
  const waiting = new Map<number, (reply: { answer?: unknown; error?: string }) => void>();
  child.on('message', (reply: { number: number; answer?: unknown; error?: string }) => waiting.get(reply.number)?.(reply));
  let orders = 0;
  const ask = async <T>(order: Order): Promise<T> => {
    const number = orders++;
    const { answer, error } = await new Promise<{ answer?: unknown; error?: string }>((resolve) => {
      waiting.set(number, resolve);
      child.send({ number, order });
    });
    if (error !== undefined) throw new Error(`${JSON.stringify(order)}: ${error}`);
    return answer as T;
  };
  const open = (id: string, as: Account, from: string, clean: boolean) =>
    ask<{ code: number; present: boolean }>({ do: 'open', id, from, as, clean });
  const broker = async () => {
    const { broker: status } = await gateway.status();
    assert.ok(status !== undefined);
    return status;
  };
  return { gateway, accounts, before: net.before, reader: { username: 'reads', password: token }, ask, open, broker };
}

type Site = NonNullable<Awaited<ReturnType<typeof sharedSite>>>;

/** What each good account keeps: a session, and a retained message. */
async function begin({ accounts, ask, open }: Site): Promise<void> {
  for (const [i, name] of GOOD.entries()) {
    assert.equal((await open(`${name}-keeps`, accounts[name], addressOf(i), false)).code, 0);
    assert.deepEqual(await ask({ do: 'subscribe', id: `${name}-keeps`, filters: [`${name}/#`, 'shared/#'] }), [1, 1]);
    await ask({ do: 'leave', id: `${name}-keeps` });
  }
  await say(SAY.state, { accounts, ask, open });
}

const SAY = { state: { topic: 'state', retain: true }, queued: { topic: 'queued', retain: false } } as const;

/** Each good account publishes one message of its own. */
async function say(
  { topic, retain }: (typeof SAY)[keyof typeof SAY],
  { accounts, ask, open }: Pick<Site, 'accounts' | 'ask' | 'open'>,
): Promise<void> {
  for (const [i, name] of GOOD.entries()) {
    const id = `${name}-says`;
    assert.equal((await open(id, accounts[name], addressOf(i), true)).code, 0);
    const message = { topic: `${name}/${topic}`, each: false, count: 1, bytes: 100, retain } as const;
    assert.equal(await ask({ do: 'publish', id, ...message }), 1);
    await ask({ do: 'leave', id });
  }
}

/** Each good account has its session, the message in its queue, and its retained message. */
async function findMine({ accounts, ask, open }: Site, when: string): Promise<void> {
  for (const [i, name] of GOOD.entries()) {
    assert.deepEqual(
      await open(`${name}-keeps`, accounts[name], addressOf(i), false),
      { code: 0, present: true },
      `${name} ${when}`,
    );
    const came = (topic: string) =>
      waitFor(
        () => `${topic} ${when}`,
        async () => (await ask<Got[]>({ do: 'got', id: `${name}-keeps` })).some((one) => one[0] === topic),
      );
    await came(`${name}/queued`);
    assert.equal((await open(`${name}-looks`, accounts[name], addressOf(i), true)).code, 0);
    await ask({ do: 'subscribe', id: `${name}-looks`, filters: [`${name}/state`] });
    await waitFor(
      () => `${name}/state ${when}`,
      async () =>
        (await ask<Got[]>({ do: 'got', id: `${name}-looks` })).some(
          ([topic, , retained]) => topic === `${name}/state` && retained,
        ),
    );
    await ask({ do: 'leave', id: `${name}-looks` });
    await ask({ do: 'leave', id: `${name}-keeps` });
  }
}

/** Between two round trips of the modest client, ms: half of what it may ask for. */
const BETWEEN = 2000 / limits.KNOWN_REQUESTS_PER_SECOND;
/** Messages of one connection of a flood, less than a client may publish at once. */
const FLOOD = limits.KNOWN_REQUESTS_AT_ONCE - 100;

/**
 * Two accounts flood with mqtt.js until each is beyond its own bound, which is more than the address had for all of its clients. A third
 * one floods with mosquitto_pub, and CONNECTs come without a log-in. A modest client has one round trip after the other.
 */
async function floodOneAddress(t: TestContext, { accounts, ask, open, broker, before: net }: Site): Promise<void> {
  const program = peer(t, 'mosquitto_pub', MOSQUITTO);
  if (program === undefined) return;
  const from = addressOf(6);
  const before = (await broker()).refused;
  assert.equal((await open('modest', accounts['good-1'], from, true)).code, 0);
  const { username, password } = accounts['bad-3'];
  const publish = `${program} -h ${GATE} -p ${PORT} -A ${from} -u ${username} -P ${password} -t bad-3/x -l`;
  const [through = '', ...words] = net;
  // One that still waits for the broker when the loop is killed holds no stream of ours, and ends by itself.
  const round = `seq 2000 | timeout 30 ${publish} >/dev/null 2>&1; echo round`;
  const foreign = startChild(t, through, [...words, 'sh', '-c', `while :; do ${round}; done`]);
  let over = false;
  let trips = 0;
  const modest = async (): Promise<void> => {
    const message = { topic: 'good-1/x', each: false, count: 1, bytes: 50, retain: false } as const;
    for (; !over; trips++) {
      assert.equal(await ask({ do: 'publish', id: 'modest', ...message }), 1, `round trip ${trips}`);
      await sleep(BETWEEN);
    }
  };
  const floods = async (name: Name): Promise<void> => {
    const message = { topic: `${name}/x`, each: false, count: FLOOD, bytes: 20, retain: false } as const;
    for (let n = 0, acknowledged = FLOOD; acknowledged === FLOOD; n++) {
      const id = `${name}-${n}`;
      assert.equal((await open(id, accounts[name], from, true)).code, 0);
      acknowledged = await ask<number>({ do: 'publish', id, ...message });
      await ask({ do: 'leave', id });
    }
  };
  const ends = async (): Promise<void> => {
    await Promise.all([floods('bad-1'), floods('bad-2'), ask({ do: 'knock', from, count: 1000 })]);
    await waitFor('rounds of mosquitto_pub', () => foreign.stdout.length > 2);
    const was = trips;
    await waitFor('round trips behind the floods', () => trips > was + 2);
    over = true;
  };
  await Promise.all([modest(), ends()]);
  await foreign.stop('SIGKILL');
  const { refused } = await broker();
  t.diagnostic(`${trips} round trips; refused ${JSON.stringify(refused)}`);
  assert.ok(refused['account-requests'] >= before['account-requests'] + 2);
  assert.ok(refused.clients > before.clients, 'CONNECTs without a log-in');
  await ask({ do: 'leave', id: 'modest' });
  await waitFor('the clients of the floods to be gone', async () => (await broker()).clients === 0);
}

test('several hostile accounts and addresses push out nothing of others', { timeout: 600_000 }, async (t) => {
  const s = await sharedSite(t);
  if (s === undefined) return;
  const { accounts, ask, open, broker, gateway } = s;

  await t.test('an address has its share of connections without a log-in, and keeps nobody out', async () => {
    const more = 6;
    const asked = limits.MAX_PER_ADDRESS + more;
    const round = async () => {
      const { address, late } = (await broker()).refused;
      const left = await ask<number>({ do: 'silent', from: addressOf(5), count: asked, ended: more });
      const ended = (await broker()).refused.address - address;
      // One of the silent ones gives way.
      const behind = await open('behind-it', accounts['bad-1'], addressOf(5), true);
      const after = (await broker()).refused;
      const beside = await open('beside-it', accounts['good-1'], addressOf(0), true);
      for (const id of ['behind-it', 'beside-it']) await ask({ do: 'leave', id });
      await ask({ do: 'hang-up' });
      // Who sends no CONNECT in time leaves a place. A machine that pauses takes that time away.
      if (after.late === late) return { left, ended, givesWay: after.address - address, codes: [behind.code, beside.code] };
      await sleep(1000);
      return undefined;
    };
    const seen = await waitFor('a round within the time for a CONNECT', round);
    assert.deepEqual(seen, { left: limits.MAX_PER_ADDRESS, ended: more, givesWay: more + 1, codes: [0, 0] });
  });

  await t.test('a network of IPv6 is one address, and another network is another one', async () => {
    const before = (await broker()).refused.address;
    const silent = (from: string, count: number, ended: number) => ask<number>({ do: 'silent', from, count, ended });
    await silent(NETWORK6[0], limits.MAX_PER_ADDRESS, 0);
    assert.equal(await silent(NETWORK6[1], 4, 0), 4);
    // On a busy machine some of the others have waited too long for their CONNECT by then, and left.
    await waitFor('one to give way', async () => (await broker()).refused.address > before);
    assert.equal(await silent(OTHER6, 4, 0), 4);
    assert.equal((await open('over-six', accounts['good-1'], OTHER6, true)).code, 0);
    assert.ok((await broker()).refused.address <= before + 4);
    await ask({ do: 'leave', id: 'over-six' });
    await ask({ do: 'hang-up' });
  });

  await t.test('clients of accounts behind one address may be more than its share', async () => {
    const ids = Array.from({ length: limits.MAX_PER_ADDRESS + 8 }, (_, i) => [`f${i}`, GOOD[i % 2] as Name] as const);
    for (const [id, name] of ids) assert.equal((await open(id, accounts[name], addressOf(7), true)).code, 0, id);
    assert.equal((await broker()).clients, ids.length);
    for (const [id] of ids) await ask({ do: 'leave', id });
  });

  await t.test('floods of accounts and of CONNECTs behind its address end no modest client', (u) => floodOneAddress(u, s));

  await t.test('an account has its share of the places from all addresses; three leave one to others', async () => {
    const held: string[] = [];
    for (const [i, name] of HOSTILE.entries()) {
      let accepted = 0;
      for (let n = 0; n <= limits.MAX_PER_ACCOUNT; n++) {
        // Two addresses in turns, so that the address is not what ends it.
        const { code } = await open(`${name}-${n}`, accounts[name], addressOf(2 + 2 * i + (n % 2)), true);
        if (code === 0) {
          accepted++;
          held.push(`${name}-${n}`);
        } else assert.equal(code, 3, `${name} ${n}`);
      }
      assert.ok(accepted <= limits.MAX_PER_ACCOUNT, `${name} has ${accepted}`);
    }
    const { clients, refused } = await broker();
    assert.ok(clients <= limits.MAX_CONNECTIONS);
    assert.ok(refused.account >= 2, JSON.stringify(refused));
    for (const [i, name] of GOOD.entries()) assert.equal((await open(`${name}-in`, accounts[name], addressOf(i), true)).code, 0);
    assert.equal((await open('reads-in', s.reader, addressOf(0), true)).code, 0);
    assert.deepEqual(await ask({ do: 'subscribe', id: 'reads-in', filters: ['shared/#'] }), [1]);
    assert.equal(
      await ask({ do: 'publish', id: 'good-1-in', topic: 'shared/x', each: false, count: 1, bytes: 50, retain: false }),
      1,
    );
    await waitFor('a message for the program', async () => (await ask<Got[]>({ do: 'got', id: 'reads-in' })).length === 1);
    for (const id of [...held, 'good-1-in', 'good-2-in', 'reads-in']) await ask({ do: 'leave', id });
  });

  await waitFor('nobody to be connected', async () => (await broker()).clients === 0);
  await begin(s);

  await t.test('sessions of three hostile accounts end each other, and none of another account', async () => {
    await say(SAY.queued, s);
    for (let n = 0; n < limits.MAX_ACCOUNT_SESSIONS + 2; n++)
      for (const [i, name] of HOSTILE.entries()) {
        assert.equal((await open(`${name}-s${n}`, accounts[name], addressOf(3 + i), false)).code, 0);
        // Three, so that their queues together have more than the share.
        if (n >= limits.MAX_ACCOUNT_SESSIONS - 1)
          assert.deepEqual(await ask({ do: 'subscribe', id: `${name}-s${n}`, filters: [`${name}/#`, 'shared/#'] }), [1, 1]);
        await ask({ do: 'leave', id: `${name}-s${n}` });
      }
    const { sessions, reached } = await broker();
    assert.equal(sessions, limits.MAX_SESSIONS);
    assert.ok(
      reached['all-sessions'] + reached['account-sessions'] >= 3 * (limits.MAX_ACCOUNT_SESSIONS + 2) + 2 - limits.MAX_SESSIONS,
    );
    await findMine(s, 'beside many sessions');
  });

  await t.test('messages of hostile accounts fill their own queues, and push nothing out of others', async () => {
    await say(SAY.queued, s);
    for (const [i, name] of HOSTILE.entries()) {
      const id = `${name}-floods`;
      assert.equal((await open(id, accounts[name], addressOf(3 + i), true)).code, 0);
      // Into the queues of its own sessions, and then into those of all.
      for (const topic of [`${name}/flood`, 'shared/flood'])
        await ask({ do: 'publish', id, topic, each: false, count: 300, bytes: 4_000, retain: false });
      await ask({ do: 'leave', id });
    }
    const { dropped, queuedBytes } = await broker();
    assert.ok(queuedBytes <= limits.MAX_ALL_SESSIONS_BYTES, `${queuedBytes}`);
    assert.ok(dropped['account-queues'] > 0 && dropped['all-queues'] > 0, JSON.stringify(dropped));
    await findMine(s, 'beside full queues');
  });

  await t.test('retained messages of hostile accounts stay within their share, others keep theirs', async () => {
    await say(SAY.queued, s);
    for (const [i, name] of HOSTILE.entries()) {
      // Its account may have asked for too much just before: then it ends in the middle, and the next try has a full allowance.
      const count = 560;
      const every = (2000 * count) / limits.ACCOUNT_REQUESTS_PER_SECOND;
      let n = 0;
      const all = async (): Promise<boolean> => {
        const id = `${name}-retains-${n++}`;
        if ((await open(id, accounts[name], addressOf(3 + i), true)).code !== 0) return false;
        const order = { id, topic: `${name}/r`, each: true, count, bytes: 4_000, retain: true };
        const acknowledged = await ask({ do: 'publish', ...order });
        await ask({ do: 'leave', id });
        return acknowledged === order.count;
      };
      await waitFor('all retained messages of an account', all, { every });
    }
    const { retainedBytes, dropped } = await broker();
    assert.ok(retainedBytes <= limits.MAX_RETAINED_BYTES, `${retainedBytes}`);
    assert.ok(dropped.retained > 0 && dropped['all-retained'] > 0, JSON.stringify(dropped));
    await findMine(s, 'beside many retained messages');
  });

  await t.test('all of it is the same after a SIGKILL', async () => {
    await say(SAY.queued, s);
    const before = await broker();
    await gateway.kill();
    await gateway.up();
    await waitFor('the broker', async () => (await gateway.status()).broker?.state === 'listening');
    const after = await broker();
    assert.deepEqual(
      [after.sessions, after.retained, after.retainedBytes],
      [before.sessions, before.retained, before.retainedBytes],
    );
    await findMine(s, 'after the kill');
  });
});
