/** Who calls over HTTPS and HTTP: the claim, sessions, tokens, forged requests, names, and the ends of all of them. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { PERMISSIONS } from '../../../src/access/roles.ts';
import * as limits from '../../../src/admin/limits.ts';
import { ROUTE_PERMISSIONS } from '../../../src/admin/routes/table.ts';
import { PASSWORD, ROOT } from '../../fakes/test-access.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { type Answer, askPlain, type WebBench, webBench } from '../../harness/web-bench.ts';

async function claimed(bench: WebBench): Promise<void> {
  await bench.access.accounts.addUser({ name: 'anna', role: 'administrator', password: PASSWORD }, ROOT);
}
const refused = ({ status, code }: Answer): string => `${status} ${code}`;

test('before the claim HTTPS answers its page, the claim and healthz, HTTP of others healthz', async (t) => {
  const bench = await webBench(t);
  const client = bench.client();
  for (const page of ['/', '/entry.js', '/entry.css', '/healthz'])
    assert.equal((await client.ask('GET', page)).status, 200, page);
  for (const { method, path: at, action } of ROUTE_PERMISSIONS) {
    const body = method === 'POST' ? { body: {} } : {};
    const open = await askPlain(bench.open, method, at, body);
    const local = await askPlain(bench.http, method, at, body);
    const secure = await client.ask(method, at, body);
    if (action === 'health') {
      assert.deepEqual([secure.status, open.status, local.status], [200, 200, 200]);
      continue;
    }
    const isClaim = method === 'POST' && action === 'claim';
    assert.equal(refused(secure), isClaim ? '400 request-invalid' : '403 unclaimed', `${method} ${at}`);
    assert.equal(refused(open), '403 unclaimed', `${method} ${at}`);
    if (method === 'POST') assert.equal(refused(local), '403 socket-only', at);
    else if (PERMISSIONS[action] === 'viewer') assert.notEqual(local.code, 'socket-only', at);
    else assert.equal(refused(local), '403 socket-only', at);
  }
});

test('after the claim every route of every door asks who calls, except those for everybody', async (t) => {
  const bench = await webBench(t);
  await claimed(bench);
  const [client, program] = [bench.client(), bench.client('127.0.0.2')];
  for (const { method, path: at, action } of ROUTE_PERMISSIONS) {
    const body = method === 'POST' ? { body: {} } : {};
    const answers = [
      await client.ask(method, at, body),
      await program.ask(method, at, { ...body, headers: { authorization: 'Bearer slt_aaaaaaaa_bbbbbbbbbbbbbbbbbbbbbbbbbb' } }),
      await askPlain(bench.http, method, at, body),
      await askPlain(bench.open, method, at, body),
    ];
    for (const [i, answer] of answers.entries()) {
      if (PERMISSIONS[action] === 'everybody') assert.notEqual(answer.status, 401, `${method} ${at} ${i}`);
      // Wrong tokens back off, and nothing of them is checked then.
      else assert.ok([401, i === 1 ? 429 : 401].includes(answer.status), `${method} ${at} ${i}: ${refused(answer)}`);
    }
  }
  assert.equal((await client.ask('GET', '/api/v1/status')).headers['www-authenticate'], 'Bearer realm="sluice"');
});

test('a session needs its CSRF token, the origin of the page and JSON for each change', async (t) => {
  const bench = await webBench(t);
  await claimed(bench);
  const [anna, other] = [bench.client(), bench.client('127.0.0.2')];
  assert.equal((await anna.logIn('anna')).status, 200);
  await other.logIn('anna');
  const { csrf, origin } = anna;
  const cases: readonly (readonly [Record<string, string | undefined>, string])[] = [
    [{ 'x-sluice-csrf': undefined }, '403 csrf'],
    [{ 'x-sluice-csrf': '' }, '403 csrf'],
    [{ 'x-sluice-csrf': `${csrf}x` }, '403 csrf'],
    [{ 'x-sluice-csrf': other.csrf }, '403 csrf'],
    [{ origin: undefined }, '403 foreign-origin'],
    [{ origin: 'https://evil.example' }, '403 foreign-origin'],
    [{ origin: 'null' }, '403 foreign-origin'],
    [{ origin: origin.replace('https', 'http') }, '403 foreign-origin'],
    [{ origin: 'https://127.0.0.1' }, '403 foreign-origin'],
    [{ origin: undefined, 'sec-fetch-site': 'same-site' }, '403 foreign-origin'],
    [{ origin: undefined, 'sec-fetch-site': 'cross-site' }, '403 foreign-origin'],
    [{ origin: undefined, 'sec-fetch-site': 'none' }, '403 foreign-origin'],
    [{ 'content-type': 'text/plain' }, '415 not-json'],
    [{ 'content-type': 'application/x-www-form-urlencoded' }, '415 not-json'],
    [{ 'content-type': 'application/jsonx' }, '415 not-json'],
  ];
  const before = bench.server.http().refused.origins;
  for (const [headers, wanted] of cases)
    assert.equal(refused(await anna.page('POST', '/api/v1/reload', { headers })), wanted, JSON.stringify(headers));
  assert.equal(bench.target.reloads, 0);
  assert.equal(bench.server.http().refused.origins, before + cases.length);
  assert.equal((await anna.page('POST', '/api/v1/reload')).status, 200);
  const site = { origin: undefined, 'sec-fetch-site': 'same-origin', 'content-type': 'application/json; charset=utf-8' };
  assert.equal((await anna.page('POST', '/api/v1/reload', { headers: site })).status, 200);
  assert.equal(bench.target.reloads, 2);
  // A log-in and a claim by a page of another site are no better.
  for (const at of ['/api/v1/session', '/api/v1/claim']) {
    const body = { name: 'anna', password: PASSWORD, ...(at.endsWith('claim') ? { code: 'x' } : {}) };
    assert.equal(
      refused(await other.ask('POST', at, { body, headers: { origin: 'https://evil.example' } })),
      '403 foreign-origin',
    );
    assert.equal(refused(await other.ask('POST', at, { body, headers: { 'content-type': 'text/plain' } })), '415 not-json');
  }
  // A link on another site leads to the page, which holds nothing, and to nothing else.
  const link = { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate' };
  assert.equal((await anna.ask('GET', '/', { headers: link })).status, 200);
  assert.equal((await anna.ask('GET', '/api/v1/status', { headers: link })).status, 403);
  assert.equal((await anna.ask('GET', '/entry.js', { headers: { 'sec-fetch-site': 'cross-site' } })).status, 403);
});

test('names that are not of the gateway get no answer at any door', async (t) => {
  const bench = await webBench(t);
  const [client, second] = [bench.client(), bench.client('127.0.0.2')];
  const { https } = bench;
  for (const host of ['evil.example', `evil.example:${https}`, 'x.gate.clinic.org', '127.0.0.1.evil.example', 'localhost.evil']) {
    for (const at of ['/', '/healthz', '/api/v1/session']) {
      assert.equal(refused(await client.ask('GET', at, { headers: { host } })), '421 host-not-allowed', `${host} ${at}`);
      assert.equal(refused(await askPlain(bench.http, 'GET', at, { headers: { host } })), '421 host-not-allowed');
    }
    assert.equal(refused(await second.ask('POST', '/api/v1/claim', { body: {}, headers: { host } })), '421 host-not-allowed');
  }
  for (const host of [
    `127.0.0.1:${https}`,
    'localhost',
    'gate.clinic.org',
    'GATE.clinic.org.:8443',
    'sluice-board',
    'x.local',
    '[::1]',
  ])
    assert.equal((await second.ask('GET', '/healthz', { headers: { host } })).status, 200, host);
  assert.ok(bench.server.http().refused.hosts >= 30);
});

test('a session ends with the log-out, a new password, a new role and its time; its streams too', async (t) => {
  const bench = await webBench(t);
  await claimed(bench);
  const { accounts } = bench.access;
  await accounts.addUser({ name: 'ben', role: 'operator', password: PASSWORD }, ROOT);
  let password = PASSWORD;
  const ends: [string, (ben: ReturnType<WebBench['client']>) => Promise<unknown>][] = [
    ['log-out', (ben) => ben.page('POST', '/api/v1/session/end')],
    ['role', () => accounts.setRole('ben', 'viewer', ROOT)],
    [
      'own password',
      async (ben) => {
        const wrong = await ben.page('POST', '/api/v1/session/password', {
          body: { password: 'not this one', next: 'next horse battery' },
        });
        assert.equal(refused(wrong), '401 unauthorized');
        const right = await ben.page('POST', '/api/v1/session/password', { body: { password, next: 'next horse battery' } });
        assert.equal(right.status, 200);
        password = 'next horse battery';
      },
    ],
    ['two hours without a request', () => bench.clock.advance(2 * 3_600_000)],
  ];
  for (const [i, [name, end]] of ends.entries()) {
    const ben = bench.client(`127.0.1.${i + 1}`);
    const stays = bench.client(`127.0.2.${i + 1}`);
    assert.equal((await ben.logIn('ben', password)).status, 200, name);
    assert.equal((await stays.logIn('anna')).status, 200);
    const stolen = new Map(ben.cookies);
    const streamed = bench.client(`127.0.3.${i + 1}`);
    for (const [key, value] of stolen) streamed.cookies.set(key, value);
    let over = false;
    const tail = streamed.ask('GET', '/api/v1/tail').then(
      () => true,
      () => true,
    );
    void tail.then(() => {
      over = true;
    });
    await waitFor('the tail', () => bench.target.listeners.size === 1);
    await end(ben);
    // Time is looked at now and then; a change at once.
    if (name.includes('hours')) assert.equal(over, false);
    else await waitFor(`the end of the tail after: ${name}`, () => over);
    for (const [key, value] of stolen) ben.cookies.set(key, value);
    assert.equal(refused(await ben.ask('GET', '/api/v1/session')), '401 unauthorized', name);
    assert.equal((await stays.ask('GET', '/api/v1/session')).status, name.includes('hours') ? 401 : 200, name);
    streamed.close();
    await waitFor('no tail', () => bench.target.listeners.size === 0);
  }
});

test('a token works until it is removed or has expired, and ignores a cookie beside it', async (t) => {
  const bench = await webBench(t);
  await claimed(bench);
  const { accounts } = bench.access;
  const made = await accounts.addToken({ name: 'exporter', role: 'viewer', lasts: 3_600_000 }, ROOT);
  const second = await accounts.addToken({ name: 'other', role: 'administrator', lasts: 3_600_000 }, ROOT);
  const anna = bench.client();
  await anna.logIn('anna');
  const as = (token: string) => ({ headers: { authorization: `Bearer ${token}` } });
  const { status, body } = await anna.ask('GET', '/api/v1/session', as(made.token));
  assert.deepEqual([status, body], [200, { name: 'exporter', role: 'viewer' }]);
  assert.equal(refused(await anna.page('GET', '/api/v1/users', as(made.token))), '403 forbidden');
  // No CSRF token and no origin: a program has none.
  assert.equal((await bench.client('127.0.0.2').ask('POST', '/api/v1/reload', { body: {}, ...as(second.token) })).status, 200);
  for (const authorization of [
    `Basic ${btoa('anna:x')}`,
    'Bearer',
    `Bearer ${made.token}x`,
    `Bearer ${made.token} x`,
    'Bearer ../',
  ])
    assert.equal(refused(await anna.ask('GET', '/api/v1/session', { headers: { authorization } })), '401 unauthorized');
  let over = false;
  const reader = bench.client('127.0.0.3');
  const tail = reader.ask('GET', '/api/v1/tail', as(second.token)).catch(() => {});
  void tail.then(() => {
    over = true;
  });
  await waitFor('the tail', () => bench.target.listeners.size === 1);
  await accounts.removeToken('other', ROOT);
  await waitFor('the end of the tail', () => over);
  assert.equal(refused(await reader.ask('GET', '/api/v1/session', as(second.token))), '401 unauthorized');
  bench.clock.step(-86_400_000);
  assert.equal((await reader.ask('GET', '/api/v1/session', as(made.token))).status, 200, 'a clock that is set back');
  bench.clock.step(86_400_000 + 3_600_001);
  assert.equal(refused(await reader.ask('GET', '/api/v1/session', as(made.token))), '401 unauthorized');
});

test('of a thousand wrong log-ins a few are checked, and who logged in before still gets in', async (t) => {
  const bench = await webBench(t);
  await claimed(bench);
  const owner = bench.client('127.0.9.9');
  assert.equal((await owner.logIn('anna')).status, 200);
  const before = bench.access.checked;
  const codes = new Map<string, number>();
  for (let i = 0; i < 20; i++) {
    const thief = bench.client(`127.0.10.${i + 1}`);
    for (let n = 0; n < 50; n++) {
      const answer = await thief.logIn('anna', `wrong password ${n}`);
      codes.set(refused(answer), (codes.get(refused(answer)) ?? 0) + 1);
      if (answer.status === 429) assert.match(String(answer.headers['retry-after']), /^\d+$/);
    }
    thief.close();
  }
  const checked = bench.access.checked - before;
  assert.ok(checked >= 1 && checked <= 10, `${checked} checked`);
  assert.equal(codes.get('401 unauthorized'), checked);
  assert.equal(codes.get('429 throttled'), 1000 - checked);
  assert.equal((await owner.logIn('anna')).status, 200, 'from an address that she used');
  const elsewhere = bench.client('127.0.11.1');
  elsewhere.cookies.set('__Host-sluice-mark', owner.cookies.get('__Host-sluice-mark') ?? '');
  assert.equal((await elsewhere.logIn('anna')).status, 200, 'with the mark of her browser');
});

test('fifty claims at once make one administrator', async (t) => {
  for (let round = 0; round < 3; round++) {
    const bench = await webBench(t);
    const code = bench.access.accounts.claimCode() ?? '';
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, i) =>
        bench
          .client(`127.0.12.${i + 1}`)
          .ask('POST', '/api/v1/claim', { body: { code, name: `user-${i}`, password: `${PASSWORD} ${i}` } }),
      ),
    );
    const won = answers.filter(({ status }) => status === 200);
    assert.equal(won.length, 1);
    for (const answer of answers)
      assert.ok(['200 undefined', '409 exists', '429 throttled'].includes(refused(answer)), refused(answer));
    const { users } = bench.access.accounts.users();
    assert.deepEqual(
      users.map(({ name, role }) => `${name} ${role}`),
      [`${won[0]?.body.name} administrator`],
    );
    await bench.server.stop();
  }
});

test('an address that asks too often waits, and another one does not', async (t) => {
  const bench = await webBench(t);
  const [busy, calm] = [bench.client('127.0.13.1'), bench.client('127.0.13.2')];
  let last: Answer | undefined;
  for (let i = 0; i < 20 * limits.REQUESTS_AT_ONCE && last?.status !== 429; i++) last = await busy.ask('GET', '/healthz');
  assert.equal(last && refused(last), '429 too-many-requests');
  assert.equal(last?.headers['retry-after'], '1');
  assert.equal((await calm.ask('GET', '/healthz')).status, 200);
  assert.ok(bench.server.http().refused.requests >= 1);
  for (let i = 0; i < 3 * limits.REQUESTS_AT_ONCE; i++)
    assert.equal((await askPlain(bench.http, 'GET', '/healthz')).status, 200, 'programs of this board are not counted');
});

test('an answer may not be framed, sniffed or read by other sites; pages have an ETag', async (t) => {
  const bench = await webBench(t);
  const client = bench.client();
  for (const at of ['/', '/entry.js', '/healthz', '/nothing', '/api/v1/status']) {
    const { headers } = await client.ask('GET', at);
    assert.match(String(headers['content-security-policy']), /default-src 'none'.*frame-ancestors 'none'/, at);
    assert.deepEqual(
      [headers['x-content-type-options'], headers['x-frame-options'], headers['referrer-policy']],
      ['nosniff', 'DENY', 'no-referrer'],
    );
    assert.equal(headers['cross-origin-resource-policy'], 'same-origin');
    assert.equal(headers['access-control-allow-origin'], undefined);
    assert.equal(headers['strict-transport-security'], undefined);
  }
  const page = await client.ask('GET', '/');
  const again = await client.ask('GET', '/', { headers: { 'if-none-match': page.headers.etag } });
  assert.deepEqual([again.status, again.text], [304, '']);
  assert.equal(refused(await client.ask('POST', '/', { body: {} })), '405 method-not-allowed');
  for (const at of ['/index.html', '/entry', '/../entry.js', '/%65ntry.js', '//', '/entry.js/'])
    assert.equal((await client.ask('GET', at)).status, 404, at);
});

test('no password, token, session, mark, CSRF token or claim code is where it does not belong', async (t) => {
  const bench = await webBench(t);
  const code = bench.access.accounts.claimCode() ?? '';
  const secret = 'planted secret 4711';
  const anna = bench.client();
  const claim = { code, name: 'anna', password: secret };
  // Wrong first, in every field.
  for (const body of [
    { ...claim, code: secret },
    { ...claim, name: secret },
    { ...claim, password: [secret] },
    `{"code":"${secret}`,
    { code: secret },
  ])
    assert.ok((await anna.ask('POST', '/api/v1/claim', { body })).status >= 400);
  assert.equal((await anna.ask('POST', '/api/v1/claim', { body: claim })).status, 200);
  for (const body of [
    { name: secret, password: 'x' },
    { name: 'anna', password: `${secret} ` },
    { name: 'anna', password: { secret } },
    `"${secret}`,
  ])
    assert.ok((await anna.ask('POST', '/api/v1/session', { body })).status >= 400);
  const { status } = await anna.logIn('anna', secret);
  assert.equal(status, 200);
  const token = (await anna.page('POST', '/api/v1/tokens/add', { body: { name: 'exporter', role: 'viewer', lasts: 3_600_000 } }))
    .body.token as string;
  await anna.ask('GET', '/api/v1/session', { headers: { authorization: `Bearer ${token.slice(0, -1)}` } });
  await anna.ask('GET', `/api/v1/export?from=${token}`, { headers: { authorization: `Bearer ${token}` } });
  const session = anna.cookies.get('__Host-sluice') ?? '';
  const mark = anna.cookies.get('__Host-sluice-mark') ?? '';
  const csrf = anna.csrf ?? '';
  for (const one of [token, session, mark, csrf, code]) assert.ok(one.length > 10);
  await anna.page('POST', '/api/v1/session/end');
  const files = readdirSync(bench.stateDir, { recursive: true, encoding: 'utf8' });
  const kept = files.flatMap((name) => {
    try {
      return readFileSync(path.join(bench.stateDir, name), 'latin1');
    } catch {
      return [];
    }
  });
  const outside = [
    ...bench.lines,
    ...bench.events.map((event) => JSON.stringify(event)),
    JSON.stringify(bench.server.http()),
    ...kept,
  ];
  for (const one of [secret, token, session, mark, csrf, code])
    for (const text of outside) assert.ok(!text.includes(one), `${one} is in ${text.slice(0, 200)}`);
  // Each goes out once, in the answer that gives it.
  for (const one of [secret, code]) assert.ok(!anna.seen.some((text) => text.includes(one)), one);
  for (const one of [token, session, mark]) assert.equal(anna.seen.filter((text) => text.includes(one)).length, 1, one);
});
