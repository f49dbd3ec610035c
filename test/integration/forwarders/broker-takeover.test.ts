/** Clients that come with an id that another one has, at once and one after the other: who stays, and what it gets. */
import assert from 'node:assert/strict';
import test, { type TestContext } from 'node:test';
import type { MqttAccess } from '../../../src/core/access-ports.ts';
import { openAccess } from '../../fakes/open-access.ts';
import { BrokerBench, Raw, ROOT } from '../../harness/embedded-broker.ts';
import { waitFor } from '../../harness/wait-for.ts';

const CLEAN = 2;
const KEPT = 0;

interface Site {
  readonly bench: BrokerBench;
  readonly port: number;
  /** Called in the turn of each log-in. */
  loggedIn: () => void;
  revoke: (owner: string) => void;
}

/** A broker where everybody has the account `user:x`. */
async function siteOf(t: TestContext): Promise<Site> {
  const open = openAccess();
  const site = { loggedIn: () => {}, revoke: (_owner: string): void => {} };
  const access: MqttAccess = {
    ...open,
    logIn: async (from) => {
      site.loggedIn();
      return { ...(await open.logIn(from)), owner: 'user:x' };
    },
    onRevoked: (then) => {
      site.revoke = then;
      return () => {};
    },
  };
  const bench = new BrokerBench(t, { access });
  return Object.assign(site, { bench, port: await bench.start() });
}

/** It is connected and subscribed, so that aedes needs a turn to close it. */
async function reader(t: TestContext, { port }: Site, flags: number): Promise<Raw> {
  const raw = await Raw.open(t, port);
  assert.equal(await raw.connect('x', flags), 0);
  raw.subscribe([`${ROOT}/event`], 1);
  await waitFor('the SUBACK', () => raw.bytes.length >= 9);
  return raw;
}

/** Two CONNECTs in one turn. */
async function twoAtOnce(t: TestContext, { port }: Site, flags: number): Promise<Raw[]> {
  const both = [await Raw.open(t, port), await Raw.open(t, port)];
  for (const raw of both) void raw.connect('x', flags).catch(() => {});
  return both;
}

const event = ({ bench }: Site, n: number): void => bench.broker.notice({ kind: 'event', key: 'e', seq: n, json: `{"n":${n}}` });
const numbersIn = (raw: Raw): number[] =>
  Array.from(raw.bytes.toString('latin1').matchAll(/\{"n":(\d+)\}/g), ([, n]) => Number(n));
const clients = ({ bench }: Site): number => bench.broker.status().clients;

test('of two that connect at once with the id of a third, one stays and is known', async (t) => {
  const site = await siteOf(t);
  for (const last of ['its connection breaks', 'its account is revoked']) {
    const three = [await reader(t, site, CLEAN), ...(await twoAtOnce(t, site, CLEAN))];
    await waitFor(
      () => `the end of two: ${three.map(({ closed }) => closed)}`,
      () => three.filter(({ closed }) => closed).length === 2 && clients(site) === 1,
    );
    if (last === 'its account is revoked') site.revoke('user:x');
    else for (const raw of three) raw.socket.destroy();
    await waitFor(
      () => `the end of all: ${three.map(({ closed }) => closed)}, ${clients(site)} clients`,
      () => three.every(({ closed }) => closed) && clients(site) === 0,
    );
  }
});

test('of two that come back at once to one session, one stays and gets all of it in order', async (t) => {
  const site = await siteOf(t);
  const first = await reader(t, site, KEPT);
  const [a, b] = (await twoAtOnce(t, site, KEPT)) as [Raw, Raw];
  await waitFor('the end of two', () => [first, a, b].filter(({ closed }) => closed).length === 2);
  for (const raw of [a, b]) raw.socket.destroy();
  await waitFor('it to be away', () => clients(site) === 0);
  const all = Array.from({ length: 100 }, (_, i) => i + 1);
  for (const n of all) event(site, n);
  await waitFor('a full queue', () => site.bench.broker.status().queuedMessages === all.length);
  const both = await twoAtOnce(t, site, KEPT);
  const stays = (): Raw | undefined => both.find(({ closed }) => !closed);
  await waitFor(
    () => `the whole queue: ${both.map((raw) => `closed ${raw.closed}, ${numbersIn(raw).length}`)}`,
    () => both.some(({ closed }) => closed) && numbersIn(stays() as Raw).length >= all.length,
  );
  assert.deepEqual(numbersIn(stays() as Raw), all);
});

test('a connection that takes over in the middle of a replay gets every message in order', async (t) => {
  const site = await siteOf(t);
  (await reader(t, site, KEPT)).socket.destroy();
  await waitFor('it to be away', () => clients(site) === 0);
  const all = Array.from({ length: 100 }, (_, i) => i + 1);
  for (const n of all) event(site, n);
  await waitFor('a full queue', () => site.bench.broker.status().queuedMessages === all.length);
  const [old, next] = [await Raw.open(t, site.port), await Raw.open(t, site.port)];
  // Behind the CONNACK come the first messages.
  old.socket.once('data', () => old.socket.once('data', () => void next.connect('x', KEPT).catch(() => {})));
  void old.connect('x', KEPT).catch(() => {});
  await waitFor(
    () => `the whole queue: ${numbersIn(next).length}`,
    () => old.closed && numbersIn(next).length >= all.length,
  );
  assert.deepEqual(numbersIn(next), all);
});

test('the end of the old connection in the turn of the new one takes nothing from the new one', async (t) => {
  const site = await siteOf(t);
  const old = await reader(t, site, CLEAN);
  const next = await Raw.open(t, site.port);
  const code = next.connect('x');
  old.socket.end();
  assert.equal(await code, 0);
  await waitFor('the end of the old one', () => old.closed);
  assert.equal(clients(site), 1);
  const another = await reader(t, site, CLEAN);
  await waitFor('the end of the new one', () => next.closed);
  another.socket.destroy();
  await waitFor(
    () => `nobody; there are ${clients(site)}`,
    () => clients(site) === 0,
  );
});

test('one that breaks in the turn of its log-in ends the old connection, and the session waits', async (t) => {
  const site = await siteOf(t);
  const old = await reader(t, site, KEPT);
  const next = await Raw.open(t, site.port);
  site.loggedIn = () => next.socket.resetAndDestroy();
  void next.connect('x', KEPT).catch(() => {});
  await waitFor('the end of the old one', () => old.closed && clients(site) === 0);
  site.loggedIn = () => {};
  for (const n of [1, 2]) event(site, n);
  await waitFor('them in the session', () => site.bench.broker.status().queuedMessages === 2);
  const back = await Raw.open(t, site.port);
  assert.equal(await back.connect('x', KEPT), 0);
  await waitFor('what waited', () => numbersIn(back).length >= 2);
  assert.deepEqual(numbersIn(back), [1, 2]);
});
