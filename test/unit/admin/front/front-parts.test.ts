/** Parts of the front of Node-RED: header fields, paths, origins, changes, words, tickets. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import test from 'node:test';
import fc from 'fast-check';
import { Sessions } from '../../../../src/access/sessions.ts';
import { MOST_TICKETS, TICKET_LASTS, Tickets } from '../../../../src/access/tickets.ts';
import { changeOf } from '../../../../src/admin/front/changes.ts';
import { flowSetCookie, inbound, outbound } from '../../../../src/admin/front/headers.ts';
import { isForeign, isOfOwnPage, isWorkerOverAll } from '../../../../src/admin/front/origin-check.ts';
import { assertCanonical, isBelow } from '../../../../src/admin/front/paths.ts';
import { languageOf, words } from '../../../../src/admin/front/words.ts';

const BY = { who: 'finn@clinic.org', door: 'https', role: 'flow-editor' } as const;
const NOSY = {
  host: 'gate.local:1880',
  cookie: '__Host-sluice=a; __Host-sluice-editor=b; SLUICE=c; sluice-mark=d; flow=1; =__Host-sluice=e; naked; flow2="x"',
  authorization: 'Bearer slt_k3v9q2ab_aaaaaaaaaaaaaaaaaaaaaaaaaa',
  'proxy-authorization': 'Basic eA==',
  connection: 'keep-alive, X-Hop',
  'x-hop': '1',
  te: 'trailers',
  origin: 'https://gate.local:1880',
  referer: 'https://gate.local:1880/-/enter?ticket=x',
  'x-forwarded-for': '10.0.0.1',
  'x-sluice-user': 'anna',
  'x-sluice-role': 'administrator',
  'content-length': '4',
  'transfer-encoding': 'chunked',
  'sec-fetch-site': 'same-origin',
  'node-red-api-version': 'v2',
  'x-own': 'stays',
};

test('no cookie and no credential of the gateway is in what Node-RED gets', () => {
  const editor = inbound(NOSY, { kind: 'editor', scheme: 'https', address: '192.168.1.9', by: BY });
  assert.deepEqual({ ...editor }, { host: 'gate.local:1880', 'node-red-api-version': 'v2', 'x-own': 'stays' });
  const http = inbound(NOSY, { kind: 'http-in', scheme: 'https', address: '192.168.1.9', by: BY });
  assert.deepEqual(
    { ...http },
    {
      ...{ host: 'gate.local:1880', 'node-red-api-version': 'v2', 'x-own': 'stays', cookie: 'flow=1; flow2="x"' },
      ...{ 'x-forwarded-for': '192.168.1.9', 'x-forwarded-proto': 'https' },
      ...{ 'x-sluice-user': 'finn%40clinic.org', 'x-sluice-role': 'flow-editor' },
    },
  );
  const open = { kind: 'http-in', scheme: 'http', address: undefined, by: undefined } as const;
  assert.equal(inbound(NOSY, open).authorization, undefined, 'a token of the gateway');
  assert.equal(inbound({ host: 'h', authorization: 'Basic eA==' }, open).authorization, 'Basic eA==');
  assert.equal(inbound({ host: 'h', authorization: 'Basic eA==' }, { ...open, by: BY }).authorization, undefined);
});

test('an answer cannot set cookies of the gateway, be framed, or be read by other sites', () => {
  const nasty = {
    'set-cookie': ['__Host-sluice=x; Path=/', 'a=1; Domain=clinic.org; Path=/', 'sluice-editor=x', '=__Host-sluice=x', 'naked'],
    'access-control-allow-origin': '*',
    'x-frame-options': 'ALLOWALL',
    'clear-site-data': '"cookies"',
    'alt-svc': 'h2=":1"',
    'strict-transport-security': 'max-age=1',
    'content-security-policy': "default-src 'none'",
    connection: 'x-secret',
    'x-secret': '1',
    location: '/http-in/next?a=1',
    etag: '"1"',
  };
  const http = outbound(nasty, 'http-in');
  assert.deepEqual(http['Set-Cookie'], ['a=1; Path=/']);
  assert.deepEqual(http['Content-Security-Policy'], ["default-src 'none'", "frame-ancestors 'none'"]);
  assert.equal(http.Location, '/next?a=1');
  const editor = outbound(nasty, 'editor');
  assert.equal(editor['Set-Cookie'], undefined);
  assert.match(String(editor['Content-Security-Policy']), /frame-ancestors 'none'$/);
  assert.equal(outbound({ location: '//evil.example/' }, 'editor').Location, undefined);
  assert.equal(outbound({ location: 'https://evil.example/' }, 'editor').Location, undefined);
  for (const kept of [http, editor]) {
    assert.equal(kept['X-Frame-Options'], 'DENY');
    assert.equal(kept.etag, '"1"');
    for (const gone of ['access-control-allow-origin', 'clear-site-data', 'alt-svc', 'strict-transport-security', 'x-secret'])
      assert.equal(kept[gone], undefined, gone);
  }
});

test('no text of a flow becomes a cookie that a browser takes for one of the gateway', () => {
  const piece = fc.constantFrom(
    '__Host-',
    '__Secure-',
    'sluice',
    'SLUICE',
    '-editor',
    '=',
    ';',
    ' ',
    '\t',
    'a',
    'Domain',
    '.x',
    ',',
    '"',
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 10 }), (pieces) => {
      const kept = flowSetCookie(pieces.join(''));
      if (kept === undefined) return;
      // As a browser reads it (RFC 6265bis, 5.6): up to the first `;`, then to the first `=`, without spaces around.
      const pair = kept.split(';')[0] ?? '';
      assert.match(pair.slice(0, pair.indexOf('=')).trim(), /^(?!(?:__host-|__secure-)?sluice(?:-|$)).+$/i);
      assert.doesNotMatch(kept, /;\s*domain\s*(?:[=;]|$)/i);
    }),
  );
});

test('a path has one spelling', () => {
  for (const good of ['/', '/flows', '/flow/a1b2.c3', '/nodes/@scope/name/set', '/context/global/a%20b', '/red/a.min.js', '/x/'])
    assert.doesNotThrow(() => assertCanonical(good), good);
  const odd = [
    '//',
    '//x',
    '/a//b',
    '/./a',
    '/a/..',
    '/../flows',
    '/%2e%2e/flows',
    '/%2E',
    '/a%2fb',
    '/a%5cb',
    '/a\\b',
    '/%66lows',
  ];
  for (const bad of [...odd, '/a%00', '/a;b', '/%', '/%zz', '/a%0d', '/ä', '/a b', '/%7E'])
    assert.throws(() => assertCanonical(bad), /plain spelling/, bad);
  fc.assert(
    fc.property(
      fc.string({ unit: fc.constantFrom('/', '.', '%', '2', 'e', 'f', 'a', '\\', '5', 'c'), maxLength: 14 }),
      (rest) => {
        const path = `/${rest}`;
        try {
          assertCanonical(path);
        } catch {
          return;
        }
        // What has one spelling means the same to a parser of URLs, decoded or not.
        assert.equal(new URL(`http://h${path}`).pathname, path);
        assert.ok(!decodeURIComponent(path).split(/[/\\]/).includes('..'));
      },
    ),
  );
  assert.deepEqual(
    ['/http-in', '/HTTP-IN/x', '/http-inn', '/a/http-in'].map((one) => isBelow(one, '/http-in')),
    [true, true, false, false],
  );
});

test('pages of other origins get in nowhere; links lead to the pages that hold nothing', () => {
  const host = 'gate.local:1880';
  const base = { scheme: 'https', kind: 'editor', method: 'GET', entry: 'none' } as const;
  const link = { 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document' };
  const cases: [boolean, Partial<Parameters<typeof isForeign>[0]>][] = [
    [false, { headers: { host } }],
    [false, { headers: { host, origin: `https://${host}` } }],
    [true, { headers: { host, origin: 'https://gate.local:8443' } }],
    [true, { headers: { host, origin: `http://${host}` } }],
    [true, { headers: { host, origin: 'null' } }],
    [false, { headers: { host, 'sec-fetch-site': 'same-origin' } }],
    [true, { headers: { host, 'sec-fetch-site': 'same-site' } }],
    [true, { headers: { host, 'sec-fetch-site': 'cross-site' }, entry: 'any-site' }],
    [false, { headers: { host, 'sec-fetch-site': 'cross-site', ...link }, entry: 'any-site' }],
    [true, { headers: { host, 'sec-fetch-site': 'cross-site', ...link, 'sec-fetch-dest': 'iframe' }, entry: 'any-site' }],
    [true, { headers: { host, 'sec-fetch-site': 'cross-site', ...link }, entry: 'any-site', method: 'POST' }],
    [true, { headers: { host, 'sec-fetch-site': 'cross-site', ...link }, entry: 'same-site' }],
    [false, { headers: { host, 'sec-fetch-site': 'same-site', ...link }, entry: 'same-site' }],
    [true, { headers: { host, 'sec-fetch-site': 'same-site', ...link } }],
    [false, { headers: { host, 'sec-fetch-site': 'same-site', ...link }, kind: 'http-in' }],
    [true, { headers: { host, 'sec-fetch-site': 'cross-site', ...link }, kind: 'http-in' }],
  ];
  for (const [foreign, looked] of cases)
    assert.equal(isForeign({ ...base, headers: {}, ...looked }), foreign, JSON.stringify(looked));
  assert.equal(isOfOwnPage({ host }, 'https'), false);
  assert.equal(isOfOwnPage({ host, origin: `https://${host}` }, 'https'), true);
});

test('no service worker answers for the log-in of the gateway', () => {
  const [asks, fetched] = [{ 'service-worker': 'script' }, { 'sec-fetch-dest': 'serviceworker' }];
  for (const headers of [asks, fetched]) {
    assert.ok(isWorkerOverAll(headers, 'editor', '/red/sw.js'));
    assert.ok(isWorkerOverAll(headers, 'http-in', '/sw.js'));
    assert.ok(!isWorkerOverAll(headers, 'http-in', '/dashboard/sw.js'));
  }
  assert.ok(!isWorkerOverAll({ 'sec-fetch-dest': 'script' }, 'editor', '/red/red.min.js'));
  for (const kind of ['editor', 'http-in'] as const)
    assert.equal(outbound({ 'service-worker-allowed': '/' }, kind)['service-worker-allowed'], undefined);
  assert.equal(outbound({ refresh: '0;url=https://elsewhere.example/' }, 'editor').refresh, undefined);
  assert.equal(outbound({ refresh: '5' }, 'http-in').refresh, '5');
});

test('the requests that change flows are known in every spelling that Node-RED knows', () => {
  const kinds = (...asked: [string, string][]) => asked.map(([method, at]) => changeOf(method, at)?.do);
  assert.deepEqual(
    kinds(
      ['POST', '/flows'],
      ['POST', '/FLOWS/'],
      ['POST', '/flow'],
      ['PUT', '/flow/a1'],
      ['DELETE', '/Flow/a1/'],
      ['POST', '/flows/state'],
    ),
    ['deploy', 'deploy', 'deploy', 'deploy', 'deploy', 'flow-state'],
  );
  assert.deepEqual(kinds(['POST', '/nodes'], ['PUT', '/nodes/x'], ['DELETE', '/nodes/@a/b']), ['palette', 'palette', 'palette']);
  assert.deepEqual(kinds(['GET', '/flows'], ['POST', '/inject/a'], ['POST', '/flowsx']), [undefined, undefined, undefined]);
  assert.equal(changeOf('POST', '/flows/state')?.flows, 'state');
});

test('the pages speak the language of the browser, and every text is there in both', () => {
  assert.equal(languageOf('fr, bn-BD;q=0.9, en;q=0.8'), 'bn');
  assert.equal(languageOf('en-GB, bn'), 'en');
  assert.equal(languageOf(undefined), 'en');
  assert.equal(languageOf('en', 'bn'), 'bn');
  assert.equal(languageOf('bn', '../x'), 'bn');
  assert.match(words('bn', 'login.throttled', { seconds: 30 }), /30/);
  assert.equal(words('en', 'session.text', { name: 'finn' }), 'You are logged in as finn.');
});

test('a ticket works once, in time, at its own origin, and there are only so many', () => {
  const tickets = new Tickets(randomBytes);
  const origin = 'https://gate.local:1880';
  const one = tickets.make('session', origin, 0);
  assert.equal(tickets.take(one, origin, TICKET_LASTS - 1), 'session');
  assert.equal(tickets.take(one, origin, TICKET_LASTS - 1), undefined, 'twice');
  assert.equal(tickets.take(tickets.make('session', origin, 0), origin, TICKET_LASTS), undefined, 'too late');
  const other = tickets.make('session', origin, 0);
  assert.equal(tickets.take(other, 'https://gate.local:1881', 1), undefined, 'at another origin');
  assert.equal(tickets.take(other, origin, 1), undefined, 'a try at another origin uses it up');
  const all = Array.from({ length: MOST_TICKETS + 10 }, () => tickets.make('s', origin, 1));
  assert.equal(tickets.size, MOST_TICKETS);
  assert.equal(tickets.take(all[0] ?? '', origin, 1), undefined);
  for (const bad of ['', 'x'.repeat(100_000), '__proto__']) assert.equal(tickets.take(bad, origin, 1), undefined);
});

test('a session counts in its own realm, and ends with the one that opened it', () => {
  const sessions = new Sessions(randomBytes);
  const page = sessions.begin('finn', 0);
  const editor = sessions.begin('finn', 0, 'editor', page);
  const own = sessions.begin('finn', 0, 'editor');
  assert.deepEqual(
    (['gateway', 'editor', 'http-in'] as const).map((realm) => [sessions.use(page, 1, realm), sessions.use(editor, 1, realm)]),
    [
      ['finn', undefined],
      [undefined, 'finn'],
      [undefined, undefined],
    ],
  );
  sessions.end(page);
  assert.equal(sessions.use(editor, 2, 'editor'), undefined);
  assert.equal(sessions.use(own, 2, 'editor'), 'finn');
  sessions.endAllOf('finn');
  assert.equal(sessions.use(own, 3, 'editor'), undefined);
});
