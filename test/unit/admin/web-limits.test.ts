/** What stands before the calls of HTTP: requests of one address, cookies, and the callers behind long answers. */
import assert from 'node:assert/strict';
import { IncomingMessage, ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import test from 'node:test';
import { SocketCallers } from '../../../src/access/socket-callers.ts';
import { Api } from '../../../src/admin/api.ts';
import { cookieOf, cookieText, PLAIN_COOKIES, SECURE_COOKIES } from '../../../src/admin/cookies.ts';
import { socketDoor } from '../../../src/admin/doors.ts';
import { KnownCallers } from '../../../src/admin/known-callers.ts';
import { LOOK_AT_CALLERS, MAX_ADDRESSES, MAX_URL, REQUESTS_AT_ONCE, REQUESTS_PER_SECOND } from '../../../src/admin/limits.ts';
import { ProcessMeter } from '../../../src/admin/process-meter.ts';
import { RequestRate } from '../../../src/admin/request-rate.ts';
import { HttpError } from '../../../src/admin/respond.ts';
import { silentLogger } from '../../../src/core/logger.ts';
import { FakeTarget } from '../../fakes/admin-target.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';

/** How many of many more requests are taken. */
function taken(rate: RequestRate, address: string | undefined, now: number): number {
  let count = 0;
  for (let i = 0; i < 3 * REQUESTS_AT_ONCE; i++) if (rate.takes(address, now)) count++;
  return count;
}

test('an address has its requests at once, and so many more in each second', () => {
  const rate = new RequestRate();
  assert.equal(taken(rate, '192.168.1.7', 0), REQUESTS_AT_ONCE);
  assert.equal(taken(rate, '192.168.1.8', 0), REQUESTS_AT_ONCE, 'another address has its own');
  assert.equal(taken(rate, '192.168.1.7', 500), REQUESTS_PER_SECOND / 2);
  assert.equal(taken(rate, '192.168.1.7', 2_500), 2 * REQUESTS_PER_SECOND);
  assert.equal(taken(rate, '192.168.1.7', 3_600_000), REQUESTS_AT_ONCE, 'an hour saves up no more');
  // Parts of a request add up.
  const tenth = 1000 / REQUESTS_PER_SECOND / 10;
  let late = 0;
  for (let i = 1; i <= 100; i++) if (rate.takes('192.168.1.7', 3_600_000 + i * tenth)) late++;
  assert.ok(late === 9 || late === 10, `${late}`);
});

test('the spellings of one address, and a network of IPv6, count as one', () => {
  const rate = new RequestRate();
  assert.equal(taken(rate, '::ffff:192.168.1.7', 0), REQUESTS_AT_ONCE);
  assert.equal(rate.takes('192.168.1.7', 0), false);
  assert.equal(taken(rate, '2001:db8:1:2::1', 0), REQUESTS_AT_ONCE);
  assert.equal(rate.takes('2001:db8:1:2:ffff::9', 0), false);
  assert.equal(rate.takes('2001:db8:1:3::1', 0), true);
  assert.equal(rate.takes(undefined, 0), true, 'a connection that is gone');
  assert.equal(rate.size, 4);
});

test('more addresses than are remembered push out the one that is quiet for longest', () => {
  const rate = new RequestRate();
  taken(rate, '10.9.9.9', 0);
  taken(rate, '10.8.8.8', 0);
  for (let i = 0; i < MAX_ADDRESSES - 1; i++) {
    rate.takes(`10.0.${i >> 8}.${i & 255}`, 0);
    // It asks all the time, and stays refused.
    assert.equal(rate.takes('10.9.9.9', 0), false, `${i}`);
  }
  assert.equal(rate.size, MAX_ADDRESSES);
  assert.equal(rate.takes('10.8.8.8', 0), true, 'forgotten, so it begins anew');
  assert.equal(rate.size, MAX_ADDRESSES);
});

test('a cookie is read by its whole name, and not at all when there are two or none', () => {
  const { session, mark } = SECURE_COOKIES;
  const read = (cookie: string | undefined, name = session) => cookieOf(cookie === undefined ? {} : { cookie }, name);
  assert.equal(read(`${session}=abc`), 'abc');
  assert.equal(read(`a=1;  ${mark}=m; ${session}=abc ;b=2`), 'abc');
  assert.equal(read(`${session}=abc; ${mark}=m`, mark), 'm');
  assert.equal(read(`${session}=a=b`), 'a=b');
  for (const none of [undefined, '', session, `${session}=`, `x${session}=abc`, `${session}x=abc`, `a="${session}=abc"`])
    assert.equal(read(none), undefined, String(none));
  assert.equal(read(`${session}=mine; ${session}=planted`), undefined);
  assert.equal(read(`${session}=abc`, PLAIN_COOKIES.session), undefined, 'the name of the other door');
  assert.equal(read(`flow=${'x'.repeat(4_000)}; other=${'x'.repeat(3_500)}; ${session}=abc`), 'abc', 'behind those of flows');
});

test('a cookie is out of reach of scripts and other sites, and ends when it is told to', () => {
  const { session, secure } = SECURE_COOKIES;
  assert.equal(cookieText(session, 'abc', secure), '__Host-sluice=abc; Path=/; HttpOnly; SameSite=Strict; Secure');
  assert.equal(cookieText(session, '', secure, 0), '__Host-sluice=; Path=/; HttpOnly; SameSite=Strict; Secure; Max-Age=0');
  const plain = PLAIN_COOKIES;
  assert.equal(cookieText(plain.mark, 'm', plain.secure, 60), 'sluice-mark=m; Path=/; HttpOnly; SameSite=Strict; Max-Age=60');
});

test('a request with a wrong URL counts for its address as well', async () => {
  const api = new Api(new FakeTarget(), new ProcessMeter(), new ManualClock());
  const counted: string[] = [];
  const door = {
    ...socketDoor(new SocketCallers({ logger: silentLogger })),
    admit: (_: IncomingMessage, pathname: string) => {
      counted.push(pathname);
      throw new HttpError(429, 'too-many-requests', 'wait');
    },
  };
  for (const url of ['http://other/x', '*', `/${'x'.repeat(MAX_URL)}?a=1`]) {
    const req = Object.assign(new IncomingMessage(new Socket()), { url, method: 'GET' });
    const res = new ServerResponse(req);
    await api.handle(req, res, door);
    assert.equal(res.statusCode, 429, url.slice(0, 20));
  }
  assert.deepEqual(counted, ['http://other/x', '*', `/${'x'.repeat(MAX_URL)}`]);
});

test('a long answer ends, at a change or in time, once its caller is nobody any more', async () => {
  const clock = new ManualClock();
  const known = new KnownCallers(clock);
  const ended: string[] = [];
  const gone = new Set<string>();
  const add = (name: string): (() => void) => {
    const forget = known.add(
      () => !gone.has(name),
      () => {
        ended.push(name);
        forget();
      },
    );
    return forget;
  };
  add('anna');
  add('ben');
  const forgetEve = add('eve');
  known.look();
  assert.deepEqual(ended, []);
  gone.add('ben');
  known.look();
  assert.deepEqual(ended, ['ben']);
  // A session that runs out tells nobody.
  gone.add('anna');
  await clock.advance(LOOK_AT_CALLERS - 1);
  assert.deepEqual(ended, ['ben']);
  await clock.advance(1);
  assert.deepEqual(ended, ['ben', 'anna']);
  gone.add('eve');
  forgetEve();
  await clock.advance(3 * LOOK_AT_CALLERS);
  assert.deepEqual(ended, ['ben', 'anna'], 'an answer that is out is not looked at');
  // Nobody was left to look at: the next one is looked at again.
  add('fay');
  gone.add('fay');
  await clock.advance(LOOK_AT_CALLERS);
  assert.deepEqual(ended, ['ben', 'anna', 'fay']);
  add('gil');
  gone.add('gil');
  known.stop();
  await clock.advance(3 * LOOK_AT_CALLERS);
  assert.deepEqual(ended, ['ben', 'anna', 'fay']);
});
