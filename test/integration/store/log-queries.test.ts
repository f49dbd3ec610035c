/** Questions to the log while the gateway works: `GET /api/v1/history`, exports. They delay nothing. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { get, type IncomingMessage } from 'node:http';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import { request } from '../../../src/admin/client.ts';
import { MAX_QUESTIONS } from '../../../src/admin/limits.ts';
import type { HistoryReply } from '../../../src/admin/log-questions.ts';
import type { Shape } from '../../../src/core/point.ts';
import { HISTORY_FILE } from '../../../src/store/files/history-layout.ts';
import { Log } from '../../../src/store/log.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';
import { type FakeDevice, fakeTcp, withMbap } from '../../fakes/modbus-device.ts';
import { inject } from '../../harness/injected-fault.ts';
import { type Site, site } from '../../harness/site.ts';
import type { Gateway } from '../../harness/start-gateway.ts';
import { waitFor } from '../../harness/wait-for.ts';

const TANK: Shape = { device: 'tank', points: [{ name: 'level', type: 'uint16', storage: 'number', unit: 'm' }] };
const MINUTE = 60_000;
/** One a second, until a minute ago. */
const READINGS = 40_000;

/** A log with a past: compacted but for its last minutes. @returns UTC ms of its first reading */
async function fill(gateway: Gateway): Promise<number> {
  const clock = new ManualClock(Date.now() - READINGS * 1000 - MINUTE);
  const first = Math.round(clock.wall()) + 1000;
  const log = await Log.open({
    ...{ stateDir: gateway.stateDir, runtimeDir: gateway.runtimeDir, clock },
    ...{ maxSize: 64e6, maxAge: 1e13, commitEvery: 1e9 },
  });
  log.setClock(Math.round(clock.wall() - clock.monotonic()), false);
  log.setInventory('{}');
  for (let i = 0; i < READINGS; i++) {
    // Bad now and then: the sensor was unplugged.
    const reasons = i % 1000 === 999 ? Uint8Array.of(2) : null;
    log.append({ shape: TANK, at: clock.monotonic() + (i + 1) * 1000, values: [i % 600], reasons });
    if (i % 2000 === 1999) await log.flush();
    if (i === READINGS - 4001) await log.compact();
  }
  await log.close(60_000);
  return first;
}

/** A running gateway over that log, and the value that its device has. */
interface Filled extends Site<FakeDevice> {
  readonly first: number;
  /** Holding register 0. */
  value: number;
}

async function filled(t: TestContext): Promise<Filled> {
  const made = { value: 1 };
  const s = await site(t, {
    device: (t) =>
      fakeTcp(t, ({ unit, code, transaction }, reply) =>
        reply.send(withMbap(Buffer.from([unit, code, 2, made.value >> 8, made.value & 255]), transaction)),
      ),
    devices: '  d1: {bus: plant, interval: 50ms, points: {n: {table: holding, address: 0, type: uint16}}}',
    rules: '  high: {point: d1.n, above: 5}',
    buffer: 'commitEvery: 100ms, minFree: 0MB',
  });
  assert.ok(s);
  const all = Object.assign(made, s, { first: await fill(s.gateway) });
  await s.gateway.up();
  return all;
}

const history = (s: Filled, query: string) =>
  request(s.gateway.socket, 'GET', `/api/v1/history?${query}`) as Promise<HistoryReply>;
/** For whom no limit of time holds. */
async function answer(s: Filled, path: string): Promise<IncomingMessage> {
  const [res] = (await once(get({ socketPath: s.gateway.socket, path, agent: false }), 'response')) as [IncomingMessage];
  return res.setEncoding('utf8');
}
const refused = async (s: Filled, query: string) =>
  history(s, query).then(
    () => assert.fail(`${query} was answered`),
    (e: { code: string; message: string; data: { status: number } }) => [e.data.status, e.code, e.message] as const,
  );

/** Readings are taken and committed, and an alarm comes and goes, while something else is not finished. */
async function goesOn(s: Filled, unfinished: () => boolean): Promise<void> {
  const before = { polls: s.device.requests.length, ...(await s.gateway.status()).log };
  await waitFor('polls', () => s.device.requests.length > before.polls + 20);
  await waitFor('commits', async () => (await s.gateway.status()).log.commits > before.commits + 5);
  for (const value of [9, 1]) {
    s.value = value;
    const active = (a: { rule: string; state: string }) => a.rule === 'high' && a.state.startsWith('active');
    await waitFor(`the alarm at ${value}`, async () => (await s.gateway.status()).alarms.some(active) === value > 5);
  }
  assert.ok((await s.gateway.status()).log.appended > before.appended);
  assert.ok(unfinished(), 'all that came to pass before the other was finished');
}

test('a history has readings where they are few, and buckets (min, mean, max) elsewhere', {
  timeout: 400_000,
}, async (t) => {
  const s = await filled(t);
  const few = await history(s, `point=tank.level&from=${s.first + 990_000}&to=${s.first + 1_000_000}&buckets=100`);
  assert.equal(few.width, null);
  assert.deepEqual(few, {
    ...{ point: 'tank.level', unit: 'm', from: s.first + 990_000, to: s.first + 1_000_000, width: null },
    readings: Array.from({ length: 10 }, (_, k) => {
      const i = 990 + k;
      const time = s.first + i * 1000;
      return i === 999
        ? { time, value: null, quality: 'bad', reason: 'disconnected' }
        : { time, value: i % 600, quality: 'good' };
    }),
  });
  const many = await history(s, `point=tank.level&from=${s.first}&to=${s.first + READINGS * 1000}&buckets=50`);
  const { width, buckets = [] } = many;
  assert.ok(width !== null);
  assert.ok(buckets.length > 20 && buckets.length <= 51, `${buckets.length} buckets`);
  assert.equal(
    buckets.reduce((sum, b) => sum + b.count, 0),
    READINGS - READINGS / 1000,
  );
  assert.equal(
    buckets.reduce((sum, b) => sum + b.bad, 0),
    READINGS / 1000,
  );
  for (const b of buckets) assert.ok(b.min !== null && b.mean !== null && b.max !== null && b.min <= b.mean && b.mean <= b.max);
  // Without a range: the last day, and what is being read now is in it after its commit.
  await waitFor('the newest readings', async () => {
    const now = await history(s, 'point=d1.n');
    return now.to - now.from === 86_400_000 && (now.readings ?? now.buckets ?? []).length > 0;
  });
  const empty = await history(s, `point=tank.level&from=${s.first - 20_000}&to=${s.first - 10_000}`);
  assert.deepEqual([empty.width, empty.readings], [null, []]);

  for (const [query, words] of [
    ['', /the query needs point: a device and its point/],
    ['point=tank', /point is a device and its point/],
    ['point=tank.level.high', /point is a device and its point/],
    ['point=tank.level&from=yesterday', /from is not a time/],
    ['point=tank.level&from=1h&to=2h', /from has to be before to/],
    ['point=tank.level&buckets=0', /buckets is a whole number from 1 to 5000/],
    ['point=tank.level&buckets=5001', /buckets is/],
    ['point=tank.level&buckets=5&buckets=5', /a key twice/],
    ['point=tank.level&bucket=5', /knows point, from, to and buckets, not "bucket"/],
  ] as const) {
    const [code, , message] = await refused(s, query);
    assert.equal(code, 400, query);
    assert.match(message, words);
  }
  for (const point of ['tank.depth', 'nobody.level']) {
    const [code, name, message] = await refused(s, `point=${point}`);
    assert.deepEqual([code, name], [404, 'not-found']);
    assert.match(message, new RegExp(`no readings of ${point}`));
  }
  assert.equal(await s.gateway.stop(), 0);
});

test('queries that wait for the disk delay no poll, commit or alarm, and are limited', {
  timeout: 400_000,
}, async (t) => {
  const s = await filled(t);
  const slow = await inject(t, s.gateway.pid, 'pread64:delay_enter=20000000', path.join(s.gateway.stateDir, HISTORY_FILE));
  if (slow === undefined) return;
  const query = `point=tank.level&from=${s.first}&to=${s.first + READINGS * 1000}&buckets=50`;
  let answered = 0;
  const waiting = Array.from({ length: MAX_QUESTIONS }, async () => {
    let text = '';
    for await (const piece of await answer(s, `/api/v1/history?${query}`)) text += piece;
    answered++;
    return JSON.parse(text) as HistoryReply;
  });
  await waitFor('one more to be refused', async () => (await refused(s, query))[0] === 503);
  assert.match((await refused(s, query))[2], new RegExp(`at most ${MAX_QUESTIONS} questions to the log`));
  await goesOn(s, () => answered === 0);
  await slow.end();
  const replies = await Promise.all(waiting);
  for (const reply of replies) assert.ok((reply.buckets ?? []).length > 20);
  assert.deepEqual((await s.gateway.status()).log.faults, []);
  assert.equal(await s.gateway.stop(), 0);
});

test('a slow reader of an export delays no poll, commit or alarm, and gets it whole', {
  timeout: 400_000,
}, async (t) => {
  const s = await filled(t);
  let ended = false;
  const lines: string[] = [];
  const res = await answer(s, '/api/v1/export?points=tank');
  res.on('end', () => {
    ended = true;
  });
  // The reader has taken nothing until here: only as much as the sockets hold was made.
  await goesOn(s, () => !ended);
  let rest = '';
  for await (const piece of res) {
    const parts = (rest + piece).split('\n');
    rest = parts.pop() ?? '';
    lines.push(...parts);
  }
  assert.equal(lines.length, READINGS + 1, 'a line for each, and the names');
  assert.equal(lines[1]?.split(',')[5], new Date(s.first).toISOString());
  assert.equal(await s.gateway.stop(), 0);
});
