/** Limits of the embedded broker that no other suite reaches: each moves its counter, and nothing else is ended. Clocks move by hand. */
import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import test, { type TestContext } from 'node:test';
import type { MqttAccess } from '../../../src/core/access-ports.ts';
import type { BrokerStore } from '../../../src/core/broker-store.ts';
import * as limits from '../../../src/forwarders/broker/limits.ts';
import { LAST_WORD, linger } from '../../../src/forwarders/broker/linger.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';
import { BrokerBench, Raw, ROOT, remaining, shapeOf, text } from '../../harness/embedded-broker.ts';
import { waitFor } from '../../harness/wait-for.ts';

/** Each user name is an account of its own. */
const NAMED: MqttAccess = {
  claimed: true,
  logIn: async ({ username = '' }) => ({
    ...{ principal: { who: username, door: 'mqtt', role: 'device' }, owner: `device:${username}` },
    ...{ publish: ['plant/#'], subscribe: ['#'] },
  }),
  has: () => true,
  onRevoked: () => () => {},
};
/** User name and password, with a clean session and with one that stays. */
const CLEAN = 0xc2;
const STAYS = 0xc0;

async function counted(t: TestContext, options: ConstructorParameters<typeof BrokerBench>[1] = {}) {
  const clock = new ManualClock();
  const bench = new BrokerBench(t, { clock, access: NAMED, ...options });
  const port = await bench.start();
  const connect = async (user: string, id: string, flags = CLEAN): Promise<{ raw: Raw; code: number | undefined }> => {
    const raw = await Raw.open(t, port);
    return { raw, code: await raw.connect(id, flags, [text(user), text('x')]) };
  };
  const client = async (user: string, id: string, flags = CLEAN): Promise<Raw> => {
    const { raw, code } = await connect(user, id, flags);
    assert.equal(code, 0, id);
    return raw;
  };
  const status = () => bench.broker.status();
  /** The counters that are not 0. */
  const moved = () =>
    Object.fromEntries(
      (['refused', 'dropped', 'reached'] as const).flatMap((group) =>
        Object.entries(status()[group]).flatMap(([name, n]) => (n === 0 ? [] : [[`${group} ${name}`, n]])),
      ),
    );
  return { bench, clock, port, connect, client, status, moved };
}

/** The waits that begin from now on, so that a test can end them; they go on as they were asked for. */
function waits(t: TestContext): { readonly run: () => void; readonly ms: number }[] {
  const begun: { readonly run: () => void; readonly ms: number }[] = [];
  const real = globalThis.setTimeout;
  const noting = (run: () => void, ms = 0): NodeJS.Timeout => {
    begun.push({ run, ms });
    return real(run, ms);
  };
  t.mock.method(globalThis, 'setTimeout', noting as typeof setTimeout);
  return begun;
}

test('a session that finds no place is refused where no account has more than one', async (t) => {
  const s = await counted(t);
  for (let i = 0; i < limits.MAX_SESSIONS; i++) await s.client(`u${i}`, 'mine', STAYS);
  const { code, raw } = await s.connect('late', 'mine', STAYS);
  assert.equal(code, 3);
  await waitFor('its end', () => raw.closed);
  assert.equal(s.status().sessions, limits.MAX_SESSIONS);
  assert.deepEqual(s.moved(), { 'refused sessions': 1 });
  // Without a session there is space.
  await s.client('late', 'mine');
});

test('a session has no more filters than a client, over however many connections', async (t) => {
  const s = await counted(t);
  const filters = Array.from({ length: limits.MAX_SUBSCRIPTIONS }, (_, i) => `plant/${i}`);
  const first = await s.client('u', 'mine', STAYS);
  first.subscribe(filters, 1);
  await waitFor('a SUBACK', () => first.bytes.length >= 4 + 4 + filters.length);
  assert.deepEqual([...first.bytes.subarray(8)], Array(filters.length).fill(1));
  first.send(0xe0, 0);
  await waitFor('the end', () => first.closed);
  const second = await s.client('u', 'mine', STAYS);
  second.subscribe(['plant/more', 'plant/0'], 1);
  await waitFor('a SUBACK', () => second.bytes.length >= 4 + 6);
  assert.deepEqual([second.bytes[2], ...second.bytes.subarray(8)], [1, 0x80, 1]);
  assert.deepEqual(s.moved(), { 'reached subscriptions': 1 });
});

test('an account that publishes more than the disk takes is ended, and the rest is acknowledged', async (t) => {
  const disk = { gate: Promise.withResolvers<boolean>(), full: false };
  const store: BrokerStore = {
    open: async () => [],
    change: () => {},
    settled: () => disk.gate.promise,
    ...{ takes: true, again: async () => {} },
    get full() {
      return disk.full;
    },
    status: () => ({ state: 'file', fault: undefined, bytes: 0, commits: 0, failures: 0, repairs: 0 }),
    close: async () => {},
  };
  const s = await counted(t, { store });
  const publish = (raw: Raw, bytes: number): void => {
    const body = Buffer.concat([text('plant/x'), Buffer.from([0, 7]), Buffer.alloc(bytes, 0x78)]);
    raw.send(0x32, remaining(body.length), body);
  };
  const all: Raw[] = [];
  const fits = Math.floor(limits.MAX_ACCOUNT_UNSETTLED / 250_000);
  for (let i = 0; i <= fits; i++) all.push(await s.client('greedy', `g${i}`));
  const other = await s.client('other', 'o');
  for (const raw of all) publish(raw, 250_000);
  publish(other, 250_000);
  await waitFor('one of them to be ended', () => all.some(({ closed }) => closed));
  // The disk is behind: an account that has something waiting may add little.
  disk.full = true;
  const second = await s.client('other', 'o2');
  publish(second, limits.MAX_UNSETTLED_BEHIND);
  await waitFor('it to be ended', () => second.closed);
  disk.gate.resolve(true);
  const acknowledged = () => [...all, other].filter(({ bytes }) => bytes.length === 8).length;
  await waitFor(
    () => `the acknowledgements; there are ${acknowledged()}`,
    () => acknowledged() === fits + 1,
  );
  assert.deepEqual(s.moved(), { 'refused behind': 2 });
});

test('messages beyond those that may be under way are left out and counted', async (t) => {
  const s = await counted(t);
  const reader = await s.client('r', 'reader');
  reader.subscribe([`${ROOT}/event`], 0);
  await waitFor('a SUBACK', () => reader.bytes.length >= 9);
  const most = 2 * limits.MAX_IN_FLIGHT;
  const more = 40;
  // In one turn: none of them can have gone.
  for (let n = 1; n <= most + more; n++) s.bench.broker.notice({ kind: 'event', key: 'x', seq: n, json: `{"n":${n}}` });
  const got = () => Array.from(reader.bytes.toString('latin1').matchAll(/\{"n":(\d+)/g), ([, n]) => Number(n));
  await waitFor(
    () => `the messages; there are ${got().length}`,
    () => got().length >= most,
  );
  assert.deepEqual(
    got(),
    Array.from({ length: most }, (_, i) => i + 1),
  );
  assert.deepEqual(s.moved(), { 'dropped busy': more });
});

test('records that wait for a batch are bounded, the oldest go and are counted', async (t) => {
  // The clock is not known: no batch can be made.
  let held: readonly number[] = [];
  let known = false;
  const s = await counted(t, {
    encodeBatch: (records) => {
      held = records.map(({ seq }) => seq);
      return known ? [JSON.stringify(held)] : undefined;
    },
  });
  const reader = await s.client('r', 'reader');
  reader.subscribe([`${ROOT}/data`], 0);
  await waitFor('a SUBACK', () => reader.bytes.length >= 9);
  const shape = shapeOf('d', 1);
  const more = 15;
  for (let n = 1; n <= limits.MAX_WAITING_RECORDS + more; n++) s.bench.read(shape, n);
  await s.clock.advance(limits.BATCH_AGE);
  assert.deepEqual(s.moved(), { 'dropped busy': more });
  known = true;
  await s.clock.advance(limits.BATCH_AGE);
  await waitFor('the records', () => reader.bytes.length > 9 + limits.MAX_WAITING_RECORDS);
  assert.ok(reader.bytes.includes(`[${more + 1},`), 'the oldest ones are left out');
  assert.deepEqual(s.moved(), { 'dropped busy': more });
});

test('a session whose client stays away for a day ends, one that came back does not', async (t) => {
  const s = await counted(t);
  const leaves = async (user: string): Promise<void> => {
    const raw = await s.client(user, 'mine', STAYS);
    raw.subscribe([`${ROOT}/event`], 1);
    await waitFor('a SUBACK', () => raw.bytes.length >= 9);
    raw.send(0xe0, 0);
    await waitFor('the end', () => raw.closed && s.status().clients === 0);
  };
  await leaves('away');
  await leaves('back');
  s.bench.broker.notice({ kind: 'event', key: 'x', seq: 1, json: '{"n":1}' });
  await waitFor('its queues', () => s.status().queuedMessages === 2);
  await s.clock.advance(limits.SESSION_EXPIRY / 2);
  await leaves('back');
  assert.equal(s.status().sessions, 2);
  await s.clock.advance(limits.SESSION_EXPIRY / 2 - limits.SESSION_SWEEP);
  assert.deepEqual(s.moved(), {});
  await s.clock.advance(2 * limits.SESSION_SWEEP);
  assert.deepEqual(s.moved(), { 'reached expired': 1 });
  assert.equal(s.status().sessions, 1);
  assert.deepEqual(
    s.bench.events.map(({ event, data }) => [event, data?.client, data?.messages]),
    [['overload', 'device:away/mine', 1]],
  );
  const back = await s.client('back', 'mine', STAYS);
  assert.equal(back.bytes[2], 1, 'session present');
});

test('refused connections beyond those that get time to read why are closed at once', async () => {
  const clock = new ManualClock();
  const lingering = { now: 0, most: limits.MAX_LINGERING, refused: 0 };
  const open = (): Duplex => new Duplex({ read: () => {}, write: (_chunk, _encoding, done) => done(), autoDestroy: false });
  const more = 5;
  const all = Array.from({ length: limits.MAX_LINGERING + more }, open);
  for (const socket of all) linger(socket as Socket, clock, lingering);
  assert.deepEqual(
    all.map(({ destroyed }) => destroyed),
    all.map((_, i) => i >= limits.MAX_LINGERING),
  );
  assert.deepEqual(lingering, { now: limits.MAX_LINGERING, most: limits.MAX_LINGERING, refused: more });
  await clock.advance(LAST_WORD);
  assert.ok(all.every(({ destroyed }) => destroyed));
  // Their places are free again.
  linger(open() as Socket, clock, lingering);
  assert.deepEqual(lingering, { now: 1, most: limits.MAX_LINGERING, refused: more });
});

test('a packet that is not whole in time ends its connection, and no other one', async (t) => {
  const s = await counted(t);
  const [slow, healthy] = [await s.client('a', 'slow'), await s.client('b', 'healthy')];
  slow.send(0x30, remaining(100), 0);
  await waitFor('the part of it', () => s.status().partialBytes > 0);
  await s.clock.advance(limits.PACKET_TIMEOUT - 1);
  assert.deepEqual([slow.closed, s.moved()], [false, {}]);
  await s.clock.advance(1);
  await waitFor('its end', () => slow.closed);
  healthy.send(0xc0, 0);
  await waitFor('an answer', () => healthy.bytes.length === 6);
  assert.deepEqual(s.moved(), { 'refused unfinished': 1 });
});

test('a keep-alive of more than an hour counts as one of an hour', async (t) => {
  const s = await counted(t);
  const begun = waits(t);
  const raw = await Raw.open(t, s.port);
  raw.packet(0x10, text('MQTT'), Buffer.from([4, CLEAN, 0xff, 0xff]), text('long'), text('u'), text('x'));
  await waitFor('a CONNACK', () => raw.bytes.length === 4);
  assert.equal(raw.bytes[3], 0);
  const long = begun.filter(({ ms }) => ms >= 1500 * 60);
  // One and a half times the keep-alive, and aedes adds a millisecond.
  assert.deepEqual(
    long.map(({ ms }) => ms),
    [limits.MAX_KEEPALIVE * 1500 + 1],
  );
  long[0]?.run();
  await waitFor('its end', () => raw.closed);
  assert.deepEqual(s.moved(), { 'refused silent': 1 });
});

test('a connection without a whole CONNECT ends after 5 s', async (t) => {
  const s = await counted(t);
  const begun = waits(t);
  const [silent, dribbling] = [await Raw.open(t, s.port), await Raw.open(t, s.port)];
  dribbling.send(0x10, 20, text('MQTT'));
  const late = () => begun.filter(({ ms }) => ms === limits.CONNECT_TIMEOUT);
  await waitFor('both waits', () => late().length === 2);
  assert.equal(limits.CONNECT_TIMEOUT, 5_000);
  for (const { run } of late()) run();
  await waitFor('the end of both', () => silent.closed && dribbling.closed);
  assert.deepEqual([silent.bytes.length, dribbling.bytes.length], [0, 0]);
  assert.deepEqual(s.moved(), { 'refused late': 2 });
});
