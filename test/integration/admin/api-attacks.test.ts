/**
 * Attacks of web pages on every route of the API, through every door: pages of other origins, names that an attacker points at the
 * board (DNS rebinding), forged changes on behalf of a session, and frames. front-attacks.test.ts has the routes of Node-RED.
 */
import assert from 'node:assert/strict';
import { Agent, type IncomingHttpHeaders, request } from 'node:http';
import { Agent as TlsAgent, request as tlsRequest } from 'node:https';
import test, { type TestContext } from 'node:test';
import { PERMISSIONS } from '../../../src/access/roles.ts';
import type { Permission } from '../../../src/admin/routes/route.ts';
import { ROUTE_PERMISSIONS } from '../../../src/admin/routes/table.ts';
import { PASSWORD, ROOT } from '../../fakes/test-access.ts';
import { type WebBench, webBench } from '../../harness/web-bench.ts';

type Headers = Readonly<Record<string, string | undefined>>;
const DOORS = ['https', 'http', 'open'] as const;
type Door = (typeof DOORS)[number];

interface Answer {
  readonly status: number;
  readonly text: string;
  readonly code: string | undefined;
  readonly headers: IncomingHttpHeaders;
}

interface Sent {
  readonly method: string;
  readonly path: string;
  readonly headers?: Headers;
  readonly body?: string | undefined;
  /** Absent: a connection of its own. */
  readonly agent?: Agent | undefined;
}

function ask(bench: WebBench, door: Door | 'socket', { method, path, headers = {}, agent, ...sent }: Sent): Promise<Answer> {
  const { body = method === 'POST' ? '{}' : undefined } = sent;
  const length = body === undefined ? {} : { 'content-type': 'application/json', 'content-length': String(body.length) };
  const all = Object.entries({ ...length, ...headers }).filter((one): one is [string, string] => one[1] !== undefined);
  const to = door === 'socket' ? { socketPath: bench.socket } : { host: '127.0.0.1', port: bench[door] };
  const tls = door === 'https' ? { ca: bench.ca, servername: 'localhost' } : {};
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const options = { ...to, ...tls, method, path, headers: Object.fromEntries(all), agent: agent ?? (false as const) };
  const req = (door === 'https' ? tlsRequest : request)(options, (res) => {
    const { statusCode: status = 0, headers: got } = res;
    let text = '';
    res.setEncoding('utf8').on('data', (part: string) => {
      text += part;
    });
    res.on('error', reject);
    res.on('end', () => resolve({ status, headers: got, text, code: codeOf(text) }));
    // A stream has no end: the head of such an answer is enough.
    if (status < 400 && got['content-length'] === undefined) {
      resolve({ status, headers: got, text, code: undefined });
      res.off('error', reject).on('error', () => {});
      res.destroy();
    }
  });
  req.on('error', reject);
  req.end(body);
  return promise;
}

function codeOf(text: string): string | undefined {
  return text.startsWith('{"error"') ? (JSON.parse(text) as { error: { code?: string } }).error.code : undefined;
}

/** No page of anybody may frame, sniff or read it. */
function assertClosed({ status, headers }: Answer, what: string): void {
  assert.equal(headers['x-frame-options'], 'DENY', `${what}: ${status}`);
  assert.match(String(headers['content-security-policy']), /default-src 'none'.*frame-ancestors 'none'/, what);
  assert.equal(headers['cross-origin-resource-policy'], 'same-origin', what);
  assert.equal(headers['x-content-type-options'], 'nosniff', what);
  for (const name of Object.keys(headers)) assert.doesNotMatch(name, /^access-control-/, what);
  assert.equal(headers['set-cookie'], undefined, what);
}

/** What of the gateway a call changes or reads. */
function touched({ target, access, events }: WebBench): unknown {
  const { reloads, writes, alarmAsked, flowChanges, resent, exchanges, captures, exported, asked, bundles, removedAsked } =
    target;
  const { restartsOfFlows } = target;
  const { accounts } = access;
  return structuredClone({
    ...{ reloads, writes, alarmAsked, flowChanges, resent, exchanges, exported, asked, bundles, removedAsked },
    ...{
      captures: captures.size,
      restartsOfFlows,
      tails: target.listeners.size,
      users: accounts.users(),
      tokens: accounts.tokens(),
    },
    ...{ claim: accounts.claimCode(), status: accounts.status(), events: events.length },
  });
}

const scheme = (door: Door): string => (door === 'https' ? 'https' : 'http');
const originOf = (bench: WebBench, door: Door): string => `${scheme(door)}://127.0.0.1:${bench[door]}`;

/** Each with the status that it gets. */
function pagesOfOthers(bench: WebBench, door: Door): Readonly<Record<string, readonly [number, string, Headers]>> {
  const evil = `evil.example:${bench[door]}`;
  const foreign = (headers: Headers) => [403, 'foreign-origin', headers] as const;
  const rebound = (headers: Headers) => [421, 'host-not-allowed', headers] as const;
  const other = door === 'https' ? bench.open : bench.https;
  return {
    'a foreign page': foreign({ origin: 'https://evil.example' }),
    'a page without an origin': foreign({ origin: 'null' }),
    'a page of another port': foreign({ origin: `${scheme(door)}://127.0.0.1:${other}` }),
    'its own page with another scheme': foreign({ origin: `${door === 'https' ? 'http' : 'https'}://127.0.0.1:${bench[door]}` }),
    'an image of a foreign page': foreign({ 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'no-cors' }),
    'a frame of a foreign page': foreign({
      'sec-fetch-site': 'cross-site',
      'sec-fetch-mode': 'navigate',
      'sec-fetch-dest': 'iframe',
    }),
    'a script of another port': foreign({ 'sec-fetch-site': 'same-site', 'sec-fetch-mode': 'cors' }),
    'a rebound name': rebound({ host: evil, origin: `${scheme(door)}://${evil}` }),
    'a rebound name of a GET': rebound({ host: evil, 'sec-fetch-site': 'same-origin' }),
    'a name that ends as one of the gateway': rebound({ host: `gate.clinic.org.evil.example:${bench[door]}` }),
  };
}

/** @returns the cookie and the CSRF token of an administrator at this door */
async function logIn(bench: WebBench, door: Door): Promise<{ cookie: string; csrf: string }> {
  const { headers, text } = await ask(bench, door, {
    ...{ method: 'POST', path: '/api/v1/session', headers: { origin: originOf(bench, door) } },
    body: JSON.stringify({ name: 'anna', password: PASSWORD }),
  });
  const cookie = (headers['set-cookie'] ?? []).map((one) => one.split(';')[0]).join('; ');
  const { csrf } = JSON.parse(text) as { csrf?: string };
  assert.ok(cookie !== '' && csrf !== undefined, text);
  return { cookie, csrf };
}

let walks = 0;
/** Walks routes with one attack, from an address of its own: the rate of one is not what is tested here. */
async function walk(
  bench: WebBench,
  door: Door | 'socket',
  what: string,
  routes: readonly Permission[],
  expected: string,
  headers: Headers,
): Promise<void> {
  const kept = { keepAlive: true, maxSockets: 1, localAddress: `127.0.${60 + Math.floor(walks / 200)}.${(walks++ % 200) + 1}` };
  const agent = door === 'https' ? new TlsAgent(kept) : new Agent(door === 'socket' ? {} : kept);
  for (const { method, path } of routes) {
    const answer = await ask(bench, door, { method, path, headers, agent });
    const words = `${door}, ${what}: ${method} ${path}`;
    assert.equal(`${answer.status} ${answer.code}`, expected, words);
    assertClosed(answer, words);
  }
  agent.destroy();
}

async function bench(t: TestContext): Promise<WebBench> {
  const made = await webBench(t);
  assert.ok(ROUTE_PERMISSIONS.length >= 40, `${ROUTE_PERMISSIONS.length} routes`);
  return made;
}

test('before the claim no route answers a page of another origin or a rebound name', async (t) => {
  const site = await bench(t);
  const before = touched(site);
  for (const door of DOORS)
    for (const [what, [status, code, headers]] of Object.entries(pagesOfOthers(site, door)))
      await walk(site, door, what, ROUTE_PERMISSIONS, `${status} ${code}`, headers);
  assert.deepEqual(touched(site), before);
});

test('with a session no route answers a page of another origin or a rebound name', async (t) => {
  const site = await bench(t);
  await site.access.accounts.addUser({ name: 'anna', role: 'administrator', password: PASSWORD }, ROOT);
  for (const door of DOORS) {
    const { cookie, csrf } = await logIn(site, door);
    const [before, refused] = [touched(site), { ...site.server.http().refused }];
    const attacks = Object.entries(pagesOfOthers(site, door));
    // Even a page that knows the CSRF token gets nothing.
    for (const [what, [status, code, headers]] of attacks)
      await walk(site, door, what, ROUTE_PERMISSIONS, `${status} ${code}`, { cookie, 'x-sluice-csrf': csrf, ...headers });
    assert.deepEqual(touched(site), before, door);
    const { origins, hosts } = site.server.http().refused;
    const counted = (status: number): number => attacks.filter(([, [one]]) => one === status).length * ROUTE_PERMISSIONS.length;
    assert.deepEqual([origins - refused.origins, hosts - refused.hosts], [counted(403), counted(421)], 'each refusal is counted');
    const own = await ask(site, door, { method: 'GET', path: '/api/v1/session', headers: { cookie } });
    assert.equal(own.status, 200, 'the session holds all the time');
  }
});

test('no route that changes something takes a session without its origin, CSRF token and JSON', async (t) => {
  const site = await bench(t);
  await site.access.accounts.addUser({ name: 'anna', role: 'administrator', password: PASSWORD }, ROOT);
  const changing = ROUTE_PERMISSIONS.filter(({ method }) => method === 'POST');
  assert.ok(changing.length >= 25, `${changing.length} routes`);
  const forms: Headers = { 'content-type': 'application/x-www-form-urlencoded' };
  // Nobody needs a session for these: they take JSON only, which a page of another site cannot send.
  const open = ({ action }: Permission): boolean => PERMISSIONS[action] === 'everybody';
  for (const door of DOORS) {
    const { cookie, csrf } = await logIn(site, door);
    const [before, origin] = [touched(site), originOf(site, door)];
    const own = { cookie, origin, 'x-sluice-csrf': csrf };
    const closed = changing.filter((route) => !open(route));
    for (const [what, expected, headers] of [
      ['no CSRF token', '403 csrf', { ...own, 'x-sluice-csrf': undefined }],
      ['an empty CSRF token', '403 csrf', { ...own, 'x-sluice-csrf': '' }],
      ['another CSRF token', '403 csrf', { ...own, 'x-sluice-csrf': csrf.split('').reverse().join('') }],
      ['no origin', '403 foreign-origin', { ...own, origin: undefined }],
      ['a bookmark', '403 foreign-origin', { ...own, origin: undefined, 'sec-fetch-site': 'none' }],
      ['a form', '415 not-json', { ...own, ...forms }],
      ['the cookie alone', '403 foreign-origin', { cookie }],
      ['no session', '401 unauthorized', { origin, 'x-sluice-csrf': csrf }],
    ] as const)
      await walk(site, door, what, closed, expected, headers);
    await walk(site, door, 'a form', changing.filter(open), '415 not-json', { ...own, ...forms });
    assert.deepEqual(touched(site), before, door);
  }
});

test('the socket of the gateway answers no page on any route', async (t) => {
  const site = await bench(t);
  const before = touched(site);
  for (const headers of [{ origin: 'https://evil.example' }, { origin: 'null' }, { 'sec-fetch-site': 'cross-site' }])
    await walk(site, 'socket', JSON.stringify(headers), ROUTE_PERMISSIONS, '403 foreign-origin', headers);
  assert.deepEqual(touched(site), before);
});

test('no good answer of a route can be framed or read by another site', async (t) => {
  const site = await bench(t);
  await site.access.accounts.addUser({ name: 'anna', role: 'administrator', password: PASSWORD }, ROOT);
  for (const door of DOORS) {
    const { cookie } = await logIn(site, door);
    for (const { method, path } of ROUTE_PERMISSIONS.filter((one) => one.method === 'GET')) {
      const answer = await ask(site, door, { method, path, headers: { cookie } });
      // A query that is missing is refused behind all checks of the door.
      assert.ok([200, 400].includes(answer.status), `${door}: ${path}: ${answer.status} ${answer.code}`);
      assertClosed(answer, `${door}: ${path}`);
    }
  }
});
