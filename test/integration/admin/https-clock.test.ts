/** The clock of the board steps by a year, forward and back: sessions, tokens, waits after failed log-ins, and certificates. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { LONGEST } from '../../../src/access/back-off.ts';
import { ABSOLUTE, IDLE } from '../../../src/access/sessions.ts';
import { Certificates } from '../../../src/access/tls/certificates.ts';
import { silentLogger } from '../../../src/core/logger.ts';
import { BUILT } from '../../../src/core/version.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';
import { PASSWORD, ROOT } from '../../fakes/test-access.ts';
import { scratch } from '../../harness/scratch.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { type Answer, webBench } from '../../harness/web-bench.ts';
import { peer } from '../../peers/peers.ts';

const DAY = 86_400_000;
const YEAR = 365 * DAY;
const MINUTE = 60_000;
/** What a clock without a battery does: forward, back, back beyond the start, and to the right time again. */
const STEPS = [YEAR, -YEAR, -YEAR, 2 * YEAR, -YEAR];

test('sessions and waits ignore the clock, and tokens follow it both ways', async (t) => {
  const bench = await webBench(t);
  const { accounts } = bench.access;
  await accounts.addUser({ name: 'anna', role: 'administrator', password: PASSWORD }, ROOT);
  const short = await accounts.addToken({ name: 'short', role: 'viewer', lasts: 30 * DAY }, ROOT);
  const long = await accounts.addToken({ name: 'long', role: 'viewer', lasts: 3650 * DAY }, ROOT);
  const [anna, program, thief, stranger] = [1, 2, 3, 4].map((n) => bench.client(`127.0.60.${n}`));
  assert.ok(anna && program && thief && stranger);
  assert.equal((await anna.logIn('anna')).status, 200);
  const as = ({ token }: { readonly token: string }) => ({ headers: { authorization: `Bearer ${token}` } });
  const session = async () => (await anna.ask('GET', '/api/v1/session')).status;
  const token = async (one: typeof short) => (await program.ask('GET', '/api/v1/session', as(one))).status;
  const waits = ({ headers }: Answer) => Number(headers['retry-after']);

  let refused: Answer | undefined;
  for (let i = 0; i < 20 && refused?.status !== 429; i++) refused = await thief.logIn('anna', `wrong ${i}`);
  assert.equal(refused?.status, 429);
  const wait = waits(refused);
  let ahead = 0;
  for (const step of STEPS) {
    bench.clock.step(step);
    ahead += step;
    assert.equal(await session(), 200, `a session after ${ahead / YEAR} years`);
    assert.equal(await token(short), ahead >= 30 * DAY ? 401 : 200, `a token of 30 days after ${ahead / YEAR} years`);
    assert.equal(await token(long), 200);
    const again: Answer = await thief.logIn('anna', PASSWORD);
    assert.equal(again.status, 429, 'a step ends no wait');
    assert.ok(waits(again) <= wait, `and makes none longer: ${waits(again)} s`);
    assert.equal((await anna.logIn('anna')).status, 200, 'the owner gets in');
  }
  // Everybody else waits for as long as monotonic time says, whatever the clock did.
  await bench.clock.advance(LONGEST);
  assert.equal((await stranger.logIn('anna')).status, 200, 'a new address of the owner after the wait');
  assert.equal(await session(), 200);
  bench.clock.step(-YEAR);
  await bench.clock.advance(IDLE);
  assert.equal(await session(), 401, 'two hours without a request');

  assert.equal((await anna.logIn('anna')).status, 200);
  for (let i = 0; i < ABSOLUTE / (IDLE / 2) - 1; i++) {
    bench.clock.step(STEPS[i % STEPS.length] ?? 0);
    await bench.clock.advance(IDLE / 2);
    assert.equal(await session(), 200, `hour ${i + 1}`);
  }
  await bench.clock.advance(IDLE / 2);
  assert.equal(await session(), 401, 'a day is over, however often the clock went back');
});

test('a stream of a token ends within a minute of its end, and a step back lets it in again', async (t) => {
  const bench = await webBench(t);
  const { accounts } = bench.access;
  await accounts.addUser({ name: 'anna', role: 'administrator', password: PASSWORD }, ROOT);
  const { token } = await accounts.addToken({ name: 'reader', role: 'viewer', lasts: 30 * DAY }, ROOT);
  const headers = { authorization: `Bearer ${token}` };
  const open = (from: string) => {
    const client = bench.client(from);
    const state = { over: false };
    const end = () => {
      state.over = true;
    };
    client.ask('GET', '/api/v1/tail', { headers }).then(end, end);
    return state;
  };
  const first = open('127.0.61.1');
  await waitFor('the stream', () => bench.target.listeners.size === 1);
  bench.clock.step(YEAR);
  await bench.clock.advance(MINUTE);
  await waitFor('the end of the stream', () => first.over);
  assert.ok(bench.events.some(({ data }) => data?.do === 'token-expired'));
  assert.equal((await bench.client('127.0.61.2').ask('GET', '/api/v1/status', { headers })).status, 401);
  bench.clock.step(-YEAR);
  const second = open('127.0.61.3');
  await waitFor('the stream again', () => bench.target.listeners.size === 1);
  await bench.clock.advance(2 * MINUTE);
  assert.equal(second.over, false);
  // A second expiry is seen like the first one.
  bench.clock.step(YEAR);
  await bench.clock.advance(MINUTE);
  await waitFor('the end of the second stream', () => second.over);
});

test('while the time is not known a token lasts, and expires when the time is known', async (t) => {
  const bench = await webBench(t);
  const { accounts } = bench.access;
  await accounts.addUser({ name: 'anna', role: 'administrator', password: PASSWORD }, ROOT);
  const { token } = await accounts.addToken({ name: 'reader', role: 'viewer', lasts: 30 * DAY }, ROOT);
  const client = bench.client();
  const status = async () =>
    (await client.ask('GET', '/api/v1/session', { headers: { authorization: `Bearer ${token}` } })).status;
  bench.time.known = false;
  bench.clock.step(YEAR);
  assert.equal(await status(), 200, 'nobody believes this clock');
  bench.time.known = true;
  assert.equal(await status(), 401);
});

test('waits after failed log-ins outlast a restart, whatever the clock did meanwhile', async (t) => {
  for (const step of [YEAR, -YEAR]) {
    const bench = await webBench(t);
    await bench.access.accounts.addUser({ name: 'anna', role: 'administrator', password: PASSWORD }, ROOT);
    const thief = bench.client('127.0.62.1');
    for (let i = 0; i < 8; i++) {
      await thief.logIn('anna', `wrong ${i}`);
      await bench.clock.advance(MINUTE);
    }
    await thief.logIn('anna', 'wrong');
    await bench.server.stop();
    await bench.access.stop();
    bench.clock.step(step);
    const next = await bench.again();
    next.clock.step(step);
    const logIn = () =>
      next.access.people.logIn({ name: 'anna', password: PASSWORD, caller: { address: '127.0.62.1', door: 'https' } });
    await assert.rejects(logIn(), { code: 'throttled' });
    await next.clock.advance(LONGEST);
    await logIn();
  }
});

test('after each step the certificate is renewed for the new time, under the same authority', async (t) => {
  const openssl = peer(t, 'openssl', 'apt-get install -y openssl');
  if (openssl === undefined) return;
  const dir = scratch(t, 'tls');
  const clock = new ManualClock(BUILT + 2 * YEAR);
  const made: string[] = [];
  const certificates = new Certificates({
    ...{ stateDir: dir, subject: 'g1', clock, logger: silentLogger },
    now: () => ({ utc: clock.wall(), known: true }),
    onChange: ({ fingerprint }) => made.push(fingerprint),
  });
  t.after(() => certificates.stop());
  await certificates.start();
  const authority = certificates.current?.authority.fingerprint;
  assert.ok(authority);
  /** As a client with the right time sees it. */
  const verified = (): string => {
    const [ca, leaf] = ['ca.pem', 'leaf.pem'].map((name) => path.join(dir, name)) as [string, string];
    writeFileSync(ca, certificates.current?.authority.certificate ?? '');
    writeFileSync(leaf, certificates.current?.cert ?? '');
    const at = String(Math.floor(clock.wall() / 1000));
    const { stdout, stderr } = spawnSync(openssl, ['verify', '-attime', at, '-CAfile', ca, leaf], { encoding: 'utf8' });
    return stdout + stderr;
  };
  assert.match(verified(), /: OK/);
  for (const step of STEPS) {
    clock.step(step);
    const before = made.length;
    if (!/: OK/.test(verified())) {
      // Nobody says that the clock changed: the look of every ten minutes finds it.
      await clock.advance(10 * MINUTE);
      await waitFor('a new certificate', () => made.length > before);
    }
    assert.match(verified(), /: OK/, `after a step of ${step / YEAR} years`);
    assert.equal(certificates.current?.authority.fingerprint, authority, 'clients pin it');
  }
  assert.ok(made.length >= 3, `${made.length} certificates`);
});
