/** The front of Node-RED with the real one behind it: log-in, ticket, the editor's calls, HTTP-in, who deployed, ends of sessions. */
import '../../harness/no-outside.ts';
import assert from 'node:assert/strict';
import test from 'node:test';
import { request } from '../../../src/admin/client.ts';
import { type Answer, frontSite, PASSWORD } from '../../harness/front-site.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { nodeRedPeer } from '../../peers/peers.ts';

const FLOW = [
  { id: 'tab', type: 'tab', label: 'test' },
  { id: 'in', type: 'http in', z: 'tab', url: '/hello', method: 'get', wires: [['answer']] },
  { id: 'answer', type: 'http response', z: 'tab', statusCode: '', headers: {}, wires: [] },
];

test('an editor of flows logs in, deploys by name, and HTTP-in answers at its own address', async (t) => {
  if (!nodeRedPeer(t)) return;
  const site = await frontSite(t);
  const { ask1 } = site;
  const toLogIn = await ask1('editor', 'GET', '/', { headers: { accept: 'text/html' } });
  assert.deepEqual([toLogIn.status, toLogIn.headers.location], [303, '/-/log-in']);
  assert.equal((await ask1('editor', 'GET', '/settings')).status, 401);

  const cookie = await site.logIn('editor', 'finn');
  assert.match(cookie, /^__Host-sluice-editor=/);
  const page = await ask1('editor', 'GET', '/', { cookie, headers: { accept: 'text/html' } });
  assert.equal(page.status, 200);
  assert.match(page.text, /red\/red\.min\.js|red\/main\.min\.js/);
  for (const at of ['/settings', '/flows', '/nodes', '/icons', '/locales/nodes?lng=en-US', '/red/red.min.js', '/comms-none'])
    assert.equal((await ask1('editor', 'GET', at, { cookie })).status, at === '/comms-none' ? 404 : 200, at);

  const body = JSON.stringify({ flows: FLOW });
  const headers = { 'content-type': 'application/json', 'node-red-api-version': 'v2' };
  assert.equal((await ask1('editor', 'POST', '/flows', { cookie, body, headers })).status, 403, 'without an Origin');
  assert.equal((await ask1('editor', 'POST', '/flows', { cookie, body, headers, own: true })).status, 200);
  const line = await site.gateway.waitForLog(/^finn deployed flows over HTTPS from 127\.0\.0\.1\.$/);
  const { what, result, who, role, status } = line;
  assert.deepEqual(
    { what, result, who, role, status },
    { what: 'deploy', result: 'done', who: 'finn', role: 'flow-editor', status: 200 },
  );
  const wrong = JSON.stringify({ rev: 'old', flows: FLOW });
  assert.equal((await ask1('editor', 'POST', '/flows', { cookie, body: wrong, headers, own: true })).status, 409);
  await site.gateway.waitForLog(/^finn could not deploy flows over HTTPS from 127\.0\.0\.1: Node-RED answered 409\.$/);

  const asked = await ask1('http-in', 'GET', '/hello', { headers: { accept: 'text/html' } });
  assert.deepEqual([asked.status, asked.headers.location], [303, '/-/log-in?to=%2Fhello']);
  const own = await site.logIn('http-in', 'finn');
  assert.equal((await ask1('http-in', 'GET', '/hello', { cookie: own })).status, 200);
  assert.equal((await ask1('http-in', 'GET', '/hello', { cookie })).status, 401, 'the cookie of the editor');
  const { token } = (await request(site.gateway.socket, 'POST', '/api/v1/tokens/add', {
    ...{ name: 'caller', role: 'flow-editor', lasts: 86_400_000 },
  })) as { token: string };
  assert.equal((await ask1('http-in', 'GET', '/hello', { headers: { authorization: `Bearer ${token}` } })).status, 200);
  assert.equal((await ask1('editor', 'GET', '/flows', { headers: { authorization: `Bearer ${token}` } })).status, 401);
  assert.equal((await ask1('http-in', 'GET', '/flows', { cookie: own })).status, 404, 'no editor here');
  assert.equal((await ask1('editor', 'GET', '/http-in/hello', { cookie })).status, 404, 'no HTTP-in there');
  assert.equal(await site.gateway.stop(), 0);
});

test('a ticket of the status page opens the editor once, and a log-out there ends it', async (t) => {
  if (!nodeRedPeer(t)) return;
  const site = await frontSite(t);
  const { ask1 } = site;
  const cookie = await site.logIn('dashboard', 'finn');
  const csrf = JSON.parse((await ask1('dashboard', 'GET', '/api/v1/session', { cookie })).text).csrf as string;
  const post = (at: string) =>
    ask1('dashboard', 'POST', at, {
      ...{ cookie, own: true, body: '{}' },
      headers: { 'content-type': 'application/json', 'x-sluice-csrf': csrf },
    });
  assert.deepEqual(JSON.parse((await ask1('dashboard', 'GET', '/api/v1/editor', { cookie })).text), {
    on: true,
    state: 'running',
  });
  const { url } = JSON.parse((await post('/api/v1/editor')).text) as { url: string };
  assert.ok(url.startsWith(`${site.origin('editor')}/-/enter?ticket=`), url);
  const at = url.slice(site.origin('editor').length);
  const link = { 'sec-fetch-site': 'same-site', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document' };
  assert.equal((await ask1('editor', 'GET', at, { headers: { ...link, 'sec-fetch-site': 'cross-site' } })).status, 403);
  const entered = await ask1('editor', 'GET', at, { headers: link });
  assert.equal(entered.status, 200);
  const editor = entered.headers['set-cookie']?.[0]?.split(';')[0] ?? '';
  assert.match(editor, /^__Host-sluice-editor=/);
  assert.equal((await ask1('editor', 'GET', at, { headers: link })).status, 401, 'a second time');
  assert.equal((await ask1('editor', 'GET', '/flows', { cookie: editor })).status, 200);

  const other = JSON.parse((await post('/api/v1/editor')).text) as { url: string };
  const ticket = other.url.split('?')[1];
  assert.equal((await ask1('http-in', 'GET', `/-/enter?${ticket}`, { headers: link })).status, 404, 'at another door');
  assert.equal(
    (await ask1('editor', 'GET', `/-/enter?${ticket}`, { headers: { ...link, host: `localhost:${site.ports.editor}` } })).status,
    401,
    'at another name',
  );

  const comms = await site.join('editor', '/comms', { cookie: editor, origin: site.origin('editor') });
  assert.ok(typeof comms !== 'string', String(comms));
  assert.equal((await site.door('editor')).sockets, 1);
  assert.equal((await post('/api/v1/session/end')).status, 200);
  await waitFor('the end of the WebSocket', () => comms.destroyed);
  assert.equal((await ask1('editor', 'GET', '/flows', { cookie: editor })).status, 401);
  assert.equal(await site.gateway.stop(), 0);
});

test('a change of password, role or account ends editor sessions and their WebSockets', async (t) => {
  if (!nodeRedPeer(t)) return;
  const site = await frontSite(t);
  const { ask1 } = site;
  const change = (at: string, body: object) => request(site.gateway.socket, 'POST', `/api/v1/users/${at}`, body);
  const ends = {
    'the role': () => change('role', { name: 'finn', role: 'viewer' }),
    'the password': async () => {
      await change('role', { name: 'finn', role: 'flow-editor' });
      return change('password', { name: 'finn', password: `${PASSWORD}!` });
    },
    'the account': () => change('remove', { name: 'fred' }),
    'a log-out': async (cookie: string) =>
      assert.equal((await ask1('editor', 'POST', '/-/log-out', { cookie, own: true })).status, 303),
  };
  await site.addUser('fred', 'operator');
  const names: Record<string, string> = {
    'the role': 'finn',
    'the password': 'anna',
    'the account': 'fred',
    'a log-out': 'anna',
  };
  for (const [what, end] of Object.entries(ends)) {
    if (what === 'the password') {
      await change('role', { name: 'finn', role: 'flow-editor' });
      names[what] = 'finn';
    }
    const cookie = await site.logIn('editor', names[what] ?? '');
    const comms = await site.join('editor', '/comms', { cookie, origin: site.origin('editor') });
    assert.ok(typeof comms !== 'string', `${what}: ${String(comms)}`);
    assert.equal((await ask1('editor', 'GET', '/flows', { cookie })).status, 200);
    await end(cookie);
    await waitFor(`the end of the WebSocket after ${what}`, () => comms.destroyed);
    assert.equal((await ask1('editor', 'GET', '/flows', { cookie })).status, 401, what);
  }
  await assert.rejects(site.logIn('editor', 'vera'), /403/);
  await site.gateway.waitForLog(/A log-in of vera over HTTPS from 127\.0\.0\.1 was refused: the editor of flows needs the role/);
  assert.equal(await site.gateway.stop(), 0);
});

test('a page of another origin logs nobody in and nobody out, at either door', async (t) => {
  if (!nodeRedPeer(t)) return;
  const site = await frontSite(t);
  const logIns = async () => (await site.gateway.status()).access.logIns;
  for (const door of ['editor', 'http-in'] as const) {
    const other = site.origin(door === 'editor' ? 'http-in' : 'editor');
    const [own, port] = [site.origin(door), site.ports[door]];
    const cookie = await site.logIn(door, 'finn');
    const before = await logIns();
    const attacks: readonly (readonly [number, Readonly<Record<string, string | undefined>>])[] = [
      [403, { origin: 'https://evil.example' }],
      [403, { origin: 'null' }],
      [403, { origin: other }],
      [403, { origin: site.origin('dashboard') }],
      [403, { origin: own.replace('https', 'http') }],
      [403, {}],
      [403, { 'sec-fetch-site': 'none' }],
      [403, { 'sec-fetch-site': 'same-origin' }],
      [403, { 'sec-fetch-site': 'same-site', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document' }],
      [403, { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'iframe' }],
      [421, { host: `evil.example:${port}`, origin: `https://evil.example:${port}` }],
    ];
    const form = { 'content-type': 'application/x-www-form-urlencoded' };
    const body = new URLSearchParams({ name: 'anna', password: PASSWORD }).toString();
    for (const [status, headers] of attacks)
      for (const at of ['/-/log-in', '/-/log-out']) {
        const answer = await site.ask1(door, 'POST', at, { cookie, body, headers: { ...form, ...headers } });
        const what = `${door} ${at} ${JSON.stringify(headers)}`;
        assert.equal(answer.status, status, what);
        assert.equal(answer.headers['set-cookie'], undefined, what);
        assertNoFrame(answer, what);
      }
    // A form that a script writes as text, or as JSON, is none.
    for (const type of ['text/plain', 'application/json'])
      assert.equal(
        (await site.ask1(door, 'POST', '/-/log-in', { body, own: true, headers: { 'content-type': type } })).status,
        415,
        type,
      );
    assert.deepEqual(await logIns(), before, 'no password was even looked at');
    const shown = await site.ask1(door, 'GET', '/-/session', { cookie });
    assert.equal(shown.status, 200, 'nobody was logged out');
    assertNoFrame(shown, 'the session');
    const out = await site.ask1(door, 'POST', '/-/log-out', { cookie, own: true });
    assert.deepEqual([out.status, out.headers.location], [303, '/-/log-in']);
    assertNoFrame(out, 'the log-out');
    const after = await site.ask1(door, 'GET', '/-/session', { cookie });
    assert.equal(after.status, 303);
    assertNoFrame(after, 'the way to the log-in');
  }
  assert.equal(await site.gateway.stop(), 0);
});

/** No page of anybody may frame or sniff it. */
function assertNoFrame({ headers, status }: Answer, what: string): void {
  assert.equal(headers['x-frame-options'], 'DENY', `${what}: ${status}`);
  assert.match(String(headers['content-security-policy']), /frame-ancestors 'none'/, what);
  assert.equal(headers['x-content-type-options'], 'nosniff', what);
}
