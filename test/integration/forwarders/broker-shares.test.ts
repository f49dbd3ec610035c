/** Accounts on the embedded broker beside a hostile one, with foreign clients: what one floods, the other keeps, and it is served. */
import assert from 'node:assert/strict';
import test, { type TestContext } from 'node:test';
import { Access } from '../../../src/access/access.ts';
import { type Clock, systemClock } from '../../../src/core/clock.ts';
import type { Principal } from '../../../src/core/commands.ts';
import { silentLogger } from '../../../src/core/logger.ts';
import * as limits from '../../../src/forwarders/broker/limits.ts';
import { BrokerFile } from '../../../src/store/broker-store.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';
import { startChild } from '../../harness/child.ts';
import { BrokerBench, CLIENTS, Raw, Sub, text } from '../../harness/embedded-broker.ts';
import { scratch } from '../../harness/scratch.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { peer } from '../../peers/peers.ts';

const BY: Principal = { who: 'root', door: 'socket', role: 'administrator' };
const PASSWORD = 'a long enough password';

/** An administrator, a device that behaves, and one that does not. */
async function twoAccounts(t: TestContext, stateDir = scratch(t, 'shares'), clock: Clock = systemClock) {
  const access = new Access({
    ...{ stateDir, clock: systemClock, logger: silentLogger, tell: () => {}, cost: { logN: 10, p: 1 } },
    time: () => ({ utc: Date.now(), known: true }),
  });
  await access.open();
  access.begin();
  t.after(() => access.stop());
  await access.accounts.addUser({ name: 'anna', role: 'administrator', password: PASSWORD }, BY);
  const device = async (name: string) =>
    (await access.accounts.addDevice({ name, publish: [`${name}/#`, 'shared/#'], subscribe: [`${name}/#`, 'shared/#'] }, BY)) ??
    '';
  const secrets = { good: await device('good'), bad: await device('bad'), third: await device('third') };
  const store = () =>
    new BrokerFile({ ...{ stateDir, runtimeDir: undefined, clock: systemClock }, ...{ onFault: () => {}, onRepair: () => {} } });
  const bench = new BrokerBench(t, { access: access.mqtt, store: store(), clock });
  await bench.start();
  const status = () => bench.broker.status();
  /** @returns its exit code */
  const publish = async (name: keyof typeof secrets, args: readonly string[]) => {
    const program = peer(t, 'mosquitto_pub', CLIENTS);
    if (program === undefined) return undefined;
    const child = startChild(t, program, ['-h', '127.0.0.1', '-p', `${bench.port}`, '-u', name, '-P', secrets[name], ...args]);
    return child.ended;
  };
  const raw = async (name: keyof typeof secrets, id: string, clean: boolean) => {
    const one = await Raw.open(t, bench.port);
    const code = await one.connect(id, clean ? 0xc2 : 0xc0, [text(name), text(secrets[name])]);
    return { one, code };
  };
  const as = (name: keyof typeof secrets): string[] => ['-u', name, '-P', secrets[name]];
  return { bench, access, store, status, publish, raw, as, stateDir };
}

/** PUBLISH with the retain flag and QoS 0. */
function retained(one: Raw, topic: string, payload: string): void {
  one.packet(0x31, text(topic), Buffer.from(payload));
}

/** Connects again and again and publishes, as fast as its account may. @returns when `enough` says so */
async function flood(
  s: Awaited<ReturnType<typeof twoAccounts>>,
  enough: () => boolean,
  send: (one: Raw, n: number) => void,
  most = 60,
): Promise<void> {
  let n = 0;
  for (let i = 0; i < most && !enough(); i++) {
    const { one, code } = await s.raw('bad', `bad${i}`, true);
    if (code !== 0) continue;
    for (let j = 0; j < limits.KNOWN_REQUESTS_AT_ONCE - 10; j++) send(one, n++);
    // Whether it is let in or cut off: what it sent was looked at.
    one.send(0xc0, 0);
    await waitFor('an answer, or the end', () => one.closed || one.bytes.includes(0xd0));
    one.socket.destroy();
  }
}

test('a flood of retained messages takes nothing of another account, before and after a restart', async (t) => {
  const s = await twoAccounts(t);
  assert.equal(await s.publish('good', ['-t', 'good/state', '-r', '-q', '1', '-m', 'mine']), 0);
  const big = 'x'.repeat(4000);
  await flood(
    s,
    () => s.status().dropped.retained > 0,
    (one, n) => retained(one, `bad/${n}`, big),
  );
  assert.ok(s.status().dropped.retained > 0, 'the flood reached the share');
  assert.ok(s.status().retainedBytes <= limits.MAX_ACCOUNT_RETAINED_BYTES + 100);
  // The other one still has space.
  assert.equal(await s.publish('good', ['-t', 'good/later', '-r', '-q', '1', '-m', 'mine too']), 0);
  const check = async (port: number): Promise<void> => {
    const sub = await Sub.start(t, port, [...s.as('good'), '-t', 'good/#', '-q', '1', '-i', `c${port}`]);
    await sub?.message('good/state', ({ payload, retained: flag }) => payload === 'mine' && flag);
    await sub?.message('good/later', ({ payload }) => payload === 'mine too');
    await sub?.child.stop('SIGKILL');
  };
  await check(s.bench.port);
  const before = s.status().retained;
  await s.bench.broker.stop();
  const next = new BrokerBench(t, { access: s.access.mqtt, store: s.store() });
  await check(await next.start());
  assert.equal(next.broker.status().retained, before);
  // Its share is known after the restart as well.
  const again = await Raw.open(t, next.port);
  assert.equal(await again.connect('bad', 0xc2, [text('bad'), text(s.as('bad')[3] ?? '')]), 0);
  retained(again, 'bad/one-more', big);
  await waitFor('it to be refused', () => next.broker.status().dropped.retained === 1);
});

test('a flood of sessions ends those of its own account only', async (t) => {
  const s = await twoAccounts(t);
  const mine = await Sub.start(t, s.bench.port, [...s.as('good'), '-t', 'good/x', '-q', '1', '-i', 'mine', '-c']);
  if (mine === undefined) return;
  await mine.child.stop('SIGKILL');
  await waitFor('it to be away', () => s.status().clients === 0);
  assert.equal(await s.publish('good', ['-t', 'good/x', '-q', '1', '-m', 'kept']), 0);
  for (let i = 0; i < limits.MAX_SESSIONS + 10; i++) {
    const { one, code } = await s.raw('bad', `s${i}`, false);
    assert.equal(code, 0);
    one.socket.destroy();
  }
  assert.equal(s.status().sessions, limits.MAX_ACCOUNT_SESSIONS + 1);
  // Empty ones are counted as well.
  assert.equal(s.status().reached['account-sessions'], limits.MAX_SESSIONS + 10 - limits.MAX_ACCOUNT_SESSIONS);
  const back = await Sub.start(t, s.bench.port, [...s.as('good'), '-t', 'good/x', '-q', '1', '-i', 'mine', '-c']);
  await back?.message('good/x', ({ payload }) => payload === 'kept');
});

test('a flood into a topic that both hear pushes out no message of the other account', async (t) => {
  const s = await twoAccounts(t);
  const mine = await Sub.start(t, s.bench.port, [
    ...s.as('good'),
    '-t',
    'shared/#',
    '-t',
    'good/#',
    '-q',
    '1',
    '-i',
    'mine',
    '-c',
  ]);
  if (mine === undefined) return;
  await mine.child.stop('SIGKILL');
  await waitFor('it to be away', () => s.status().clients === 0);
  assert.equal(await s.publish('good', ['-t', 'good/x', '-q', '1', '-m', 'oldest, and mine']), 0);
  const big = 'y'.repeat(4000);
  let id = 1;
  await flood(
    s,
    () => s.status().dropped.sessions > 20,
    (one) => one.packet(0x32, text('shared/x'), Buffer.from([id >> 8, id++ & 255]), Buffer.from(big)),
  );
  assert.ok(s.status().dropped.sessions > 20, 'the flood reached the bound of the queue');
  const back = await Sub.start(t, s.bench.port, [
    ...s.as('good'),
    '-t',
    'shared/#',
    '-t',
    'good/#',
    '-q',
    '1',
    '-i',
    'mine',
    '-c',
  ]);
  await back?.message('good/x', ({ payload }) => payload === 'oldest, and mine');
});

test('an account that sends without end on many connections is cut off, and the other is served', async (t) => {
  const s = await twoAccounts(t);
  const mine = await Sub.start(t, s.bench.port, [...s.as('good'), '-t', 'good/#', '-q', '1', '-i', 'mine']);
  if (mine === undefined) return;
  await flood(
    s,
    () => s.status().refused['account-requests'] > 0,
    (one, n) => one.packet(0x30, text(`bad/${n % 10}`), Buffer.from('z')),
  );
  assert.ok(s.status().refused['account-requests'] > 0, 'the account reached its allowance, with new connections each time');
  assert.equal(await s.publish('good', ['-t', 'good/after', '-q', '1', '-m', 'served']), 0);
  await mine.message('good/after', ({ payload }) => payload === 'served');
});

test('wills of clients that come and break off count as requests of their account', async (t) => {
  // Nothing comes back with the time.
  const s = await twoAccounts(t, scratch(t, 'wills'), new ManualClock());
  const asked = limits.KNOWN_REQUESTS_AT_ONCE - 20;
  const talking = limits.ACCOUNT_REQUESTS_AT_ONCE / limits.KNOWN_REQUESTS_AT_ONCE;
  for (let i = 0; i < talking; i++) {
    const { one } = await s.raw('bad', `talks${i}`, true);
    one.socket.write(Buffer.from(Array.from({ length: asked }, () => [0xc0, 0]).flat()));
    await waitFor('all answers', () => one.bytes.length >= 4 + 2 * asked);
  }
  const password = s.as('bad')[3] ?? '';
  let published = 0;
  for (; ; published++) {
    const one = await Raw.open(t, s.bench.port);
    const code = await one.connect(`breaks${published}`, 0xc6, [text('bad/will'), text('gone'), text('bad'), text(password)]);
    one.socket.destroy();
    if (code !== 0) break;
    await waitFor('it to be gone', () => s.status().clients === talking);
  }
  assert.deepEqual(
    [published, s.status().refused['account-requests'], s.status().refused.account],
    [limits.ACCOUNT_REQUESTS_AT_ONCE - talking * asked, 1, 0],
  );
  assert.equal((await s.raw('bad', 'has none', true)).code, 0);
});

test('an account that holds its places leaves those of others alone, and one more is refused', async (t) => {
  const s = await twoAccounts(t);
  const mine = await Sub.start(t, s.bench.port, [...s.as('good'), '-t', 'good/#', '-q', '1', '-i', 'mine']);
  if (mine === undefined) return;
  for (let i = 0; i < limits.MAX_PER_ACCOUNT; i++) assert.equal((await s.raw('bad', `b${i}`, true)).code, 0);
  assert.equal((await s.raw('bad', 'one-more', true)).code, 3);
  assert.deepEqual([s.status().refused.account, s.status().refused.places, s.status().refused.displaced], [1, 0, 0]);
  assert.equal(await s.publish('good', ['-t', 'good/after', '-q', '1', '-m', 'served']), 0);
  await mine.message('good/after', ({ payload }) => payload === 'served');
});

test('subscriptions beyond the limit are denied and counted', async (t) => {
  const s = await twoAccounts(t);
  const { one } = await s.raw('good', 'many', true);
  for (let i = 0; i < limits.MAX_SUBSCRIPTIONS + 3; i++) one.subscribe([`good/${i}`], 1);
  await waitFor('every SUBACK', () => one.bytes.length >= 4 + 5 * (limits.MAX_SUBSCRIPTIONS + 3));
  assert.equal(s.status().reached.subscriptions, 3);
  one.subscribe([`good/${'l/'.repeat(limits.MAX_LEVELS + 1)}`], 1);
  await waitFor('it to be counted', () => s.status().reached.filters === 1);
});
