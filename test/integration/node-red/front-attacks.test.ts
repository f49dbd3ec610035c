/**
 * Attacks on the front of Node-RED with the real, fenced one behind it: each of its admin routes, both doors, WebSockets, header
 * fields. A node in its folder counts what reaches it, and answers with what a hostile flow would answer.
 */
// Takes minutes: it starts before the others.
import '../../harness/no-outside.ts';
import assert from 'node:assert/strict';
import { chownSync, mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import type { TLSSocket } from 'node:tls';
import { flowUser } from '../../harness/flow-user.ts';
import { type Answer, type FrontSite, frontSite } from '../../harness/front-site.ts';
import { adminRoutes } from '../../harness/node-red-routes.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { nodeRedPeer } from '../../peers/peers.ts';

/** It sees each request before Node-RED does, but those below `/-/`, by which the gateway itself reads flows; it has routes that ask for no permission, as some palettes do. */
const SPY = `module.exports = (RED) => {
  const seen = [];
  const app = RED.httpAdmin;
  RED.server.prependListener('request', (req) => { if (!/^\\/(spy|-)\\//.test(req.url)) seen.push(req.method + ' ' + req.url); });
  app.get('/spy/seen', (req, res) => res.json(seen.splice(0)));
  app.all('/spy/echo', (req, res) => {
    res.set({
      'Set-Cookie': ['__Host-sluice=evil; Path=/; Secure', '__Host-sluice-editor=evil; Path=/; Secure', 'other=1; Domain=.local'],
      'Access-Control-Allow-Origin': '*', 'Access-Control-Allow-Credentials': 'true', 'X-Frame-Options': 'ALLOWALL',
      'Content-Security-Policy': 'frame-ancestors *', 'Clear-Site-Data': '"*"', 'Alt-Svc': 'h2=":1"',
    });
    res.json({ headers: req.headers, raw: req.rawHeaders, url: req.originalUrl });
  });
  RED.nodes.registerType('front-spy', function (config) { RED.nodes.createNode(this, config); });
};
`;
const SPY_HTML = `<script type="text/javascript">RED.nodes.registerType('front-spy', { category: 'x', defaults: {}, label: 'spy' });</script>
<script type="text/html" data-template-name="front-spy"></script>
`;
/** HTTP-in that says what it got and sets what it must not. */
const ECHO = [
  { id: 'tab', type: 'tab', label: 'echo' },
  ...['get', 'post'].map((method) => ({
    id: `in-${method}`,
    type: 'http in',
    z: 'tab',
    url: '/echo',
    method,
    wires: [['make']],
  })),
  {
    ...{ id: 'make', type: 'function', z: 'tab', name: 'says', outputs: 1, libs: [], wires: [['out']] },
    func: `msg.payload = { headers: msg.req.headers, raw: msg.req.rawHeaders };
msg.headers = {
  'Set-Cookie': ['__Host-sluice=evil; Path=/; Secure', 'sluice=evil', '__Host-sluice-http-in=evil; Path=/; Secure', 'mine=1; Domain=.local; Path=/'],
  'Access-Control-Allow-Origin': '*', 'X-Frame-Options': 'ALLOWALL', 'Clear-Site-Data': '"*"', 'Strict-Transport-Security': 'max-age=9',
};
return msg;`,
  },
  { id: 'out', type: 'http response', z: 'tab', statusCode: '', headers: {}, wires: [] },
  { id: 'ws', type: 'websocket-listener', path: '/ws', wholemsg: 'false' },
  { id: 'wsin', type: 'websocket in', z: 'tab', server: 'ws', wires: [['wsout']] },
  { id: 'wsout', type: 'websocket out', z: 'tab', server: 'ws', wires: [] },
];

interface Spied extends FrontSite {
  /** Cookie of an editor's session. */
  readonly editor: string;
  /** What reached Node-RED since the last time. */
  seen(): Promise<string[]>;
}

async function spied(t: TestContext): Promise<Spied> {
  const site = await frontSite(t);
  const { gateway } = site;
  const folder = path.join(
    site.runsAs === 'user' ? `${gateway.stateDir}-node-red` : path.join(gateway.stateDir, 'node-red'),
    'nodes',
  );
  mkdirSync(folder, { recursive: true });
  for (const [name, text] of [
    ['front-spy.js', SPY],
    ['front-spy.html', SPY_HTML],
  ] as const)
    writeFileSync(path.join(folder, name), text);
  if (site.runsAs === 'user')
    for (const one of [folder, `${folder}/front-spy.js`, `${folder}/front-spy.html`])
      chownSync(one, flowUser().uid, flowUser().gid);
  const before = (await site.flows()).pid;
  // Another process, which loads the node.
  await gateway.reload(site.yaml(`  memory: 170MB\n${site.keys}`));
  await waitFor('another process', async () => {
    const { state, pid } = await site.flows();
    return state === 'running' && pid !== before;
  });
  const editor = await site.logIn('editor', 'anna');
  const deployed = await site.ask1('editor', 'POST', '/flows', {
    ...{ cookie: editor, own: true, body: JSON.stringify(ECHO) },
    headers: { 'content-type': 'application/json' },
  });
  assert.equal(deployed.status, 204, deployed.text);
  const seen = async (): Promise<string[]> => {
    const { text } = await site.ask1('editor', 'GET', '/spy/seen', { cookie: editor });
    return JSON.parse(text) as string[];
  };
  await seen();
  return { ...site, editor, seen };
}

/** What every answer of a door carries. */
function assertClean({ headers, status }: Answer, what: string): void {
  assert.equal(headers['x-frame-options'], 'DENY', `${what}: ${status}`);
  assert.match(String(headers['content-security-policy']), /frame-ancestors 'none'/, what);
  assert.doesNotMatch(String(headers['content-security-policy']), /frame-ancestors \*/, what);
  assert.equal(headers['x-content-type-options'], 'nosniff', what);
  for (const name of Object.keys(headers))
    assert.doesNotMatch(name, /^access-control-|^clear-site-data$|^alt-svc$|^strict-transport/, what);
}

/** What a page sends whose name an attacker has pointed at the board: it is of its own origin. */
const reboundTo = (port: number) => ({ host: `evil.example:${port}`, origin: `https://evil.example:${port}` });

/** The WebSocket of HTTP-in is not joined. */
async function assertRefused(site: FrontSite, status: number, headers: Parameters<FrontSite['join']>[2]): Promise<void> {
  const got = await site.join('http-in', '/ws', headers);
  assert.ok(
    typeof got === 'string' && got.startsWith(`HTTP/1.1 ${status} `),
    `${JSON.stringify(headers)}: ${String(got).slice(0, 80)}`,
  );
}

/** The socket says `hi`, masked with zeros, and hears it. */
async function assertEchoes(echo: TLSSocket | string): Promise<void> {
  assert.ok(typeof echo !== 'string', String(echo));
  echo.write(Buffer.from([0x81, 0x82, 0, 0, 0, 0, 0x68, 0x69]));
  const [back] = (await new Promise<Buffer[]>((resolve) => echo.once('data', (part: Buffer) => resolve([part])))) as [Buffer];
  assert.deepEqual([...back], [0x81, 0x02, 0x68, 0x69]);
}

test('no admin route answers without a session of the editor, or to a page of another origin', async (t) => {
  if (!nodeRedPeer(t)) return;
  const routes = [
    ...adminRoutes(),
    ...['GET /spy/echo', 'POST /spy/echo', 'GET /sluice/inventory', 'GET /red/red.min.js', 'GET /vendor/vendor.js'].map((one) => {
      const [method = '', at = ''] = one.split(' ');
      return { method, path: at, pattern: at };
    }),
  ];
  assert.ok(routes.length >= 90, `${routes.length} routes`);
  const site = await spied(t);
  const { editor, ports } = site;
  const [vera, anna] = [await site.logIn('dashboard', 'vera'), await site.logIn('dashboard', 'anna')];
  const flows = await site.logIn('http-in', 'anna');
  const renamed = (cookie: string): string => cookie.replace(/^[^=]+/, '__Host-sluice-editor');
  const navigate = { 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document' };
  const own = `https://127.0.0.1:${ports.editor}`;
  const attacks: Record<string, { expected: readonly number[]; cookie?: string; headers?: Record<string, string | undefined> }> =
    {
      'no session': { expected: [401], headers: { origin: own } },
      'a viewer of the status page': { expected: [401], cookie: vera, headers: { origin: own } },
      'an administrator of the status page': { expected: [401], cookie: anna, headers: { origin: own } },
      'its cookie under the name of the editor': { expected: [401], cookie: renamed(anna), headers: { origin: own } },
      'the cookie of HTTP-in': { expected: [401], cookie: renamed(flows), headers: { origin: own } },
      'two cookies of the editor': { expected: [401], cookie: `${editor}; ${editor}`, headers: { origin: own } },
      'a foreign page': { expected: [403], cookie: editor, headers: { origin: 'https://evil.example' } },
      'a page without an origin': { expected: [403], cookie: editor, headers: { origin: 'null' } },
      'the status page': { expected: [403], cookie: editor, headers: { origin: `https://127.0.0.1:${ports.dashboard}` } },
      'a page of a flow': { expected: [403], cookie: editor, headers: { origin: `https://127.0.0.1:${ports['http-in']}` } },
      'the same without TLS': { expected: [403], cookie: editor, headers: { origin: own.replace('https', 'http') } },
      'an image of a page of a flow': {
        expected: [403],
        cookie: editor,
        headers: { 'sec-fetch-site': 'same-site', 'sec-fetch-mode': 'no-cors' },
      },
      'a frame of a foreign page': {
        expected: [403],
        cookie: editor,
        headers: { 'sec-fetch-site': 'cross-site', ...navigate, 'sec-fetch-dest': 'iframe' },
      },
      'a rebound name': {
        expected: [421],
        cookie: editor,
        headers: { host: `evil.example:${ports.editor}`, origin: `https://evil.example:${ports.editor}` },
      },
    };
  const lastly = Object.keys(attacks).length;
  for (const [i, [what, { expected, cookie, headers = {} }]] of Object.entries(attacks).entries())
    for (const { method, path: at } of routes) {
      // Each attack comes from an address of its own: the rate of one is not what is tested here.
      const answer = await site.ask1('editor', method, at, {
        ...{ from: `127.0.1.${i + 1}`, headers: { accept: 'application/json', ...headers } },
        ...(cookie === undefined ? {} : { cookie }),
        ...(method === 'GET'
          ? {}
          : { body: '{}', headers: { accept: 'application/json', 'content-type': 'application/json', ...headers } }),
      });
      assert.ok(expected.includes(answer.status), `${what}: ${method} ${at}: ${answer.status} ${answer.text.slice(0, 100)}`);
      assertClean(answer, `${what}: ${method} ${at}`);
    }
  assert.deepEqual(await site.seen(), [], 'none of them reached Node-RED');

  // The session alone changes nothing: the page has to say where it is from.
  for (const { method, path: at } of routes.filter((one) => one.method !== 'GET')) {
    const answer = await site.ask1('editor', method, at, { from: `127.0.1.${lastly + 1}`, cookie: editor, body: '{}' });
    assert.equal(answer.status, 403, `${method} ${at} without an origin`);
  }
  assert.deepEqual(await site.seen(), []);

  // And what is there for an editor is there: every GET reaches Node-RED, and none of its answers may be framed or read elsewhere.
  for (const { method, path: at } of routes.filter((one) => one.method === 'GET')) {
    const answer = await site.ask1('editor', method, at, { from: `127.0.1.${lastly + 2}`, cookie: editor });
    assert.ok(![401, 403, 421].includes(answer.status), `${at}: ${answer.status}`);
    assertClean(answer, at);
  }
  assert.ok((await site.seen()).length > 40);
  await site.assertPolled();
  assert.equal(await site.gateway.stop(), 0);
});

test('paths, framing of requests and odd methods lead nowhere but where they say', async (t) => {
  if (!nodeRedPeer(t)) return;
  const site = await spied(t);
  const { editor, ports } = site;
  const flows = await site.logIn('http-in', 'anna');
  const head = (
    door: 'editor' | 'http-in',
    method: string,
    at: string,
    more = '',
    cookie = door === 'editor' ? editor : flows,
  ): string =>
    `${method} ${at} HTTP/1.1\r\nHost: 127.0.0.1:${ports[door]}\r\nCookie: ${cookie}\r\nOrigin: https://127.0.0.1:${ports[door]}\r\nConnection: close\r\n${more}\r\n`;
  const statusOf = (text: string): number => Number(/^HTTP\/1\.1 (\d+)/.exec(text)?.[1] ?? 0);

  const tricks = [
    '//flows',
    '/./flows',
    '/x/../flows',
    '/%2e%2e/flows',
    '/%2E/flows',
    '/flows%2f',
    '/flows/%2e%2e/settings',
    '/\\flows',
  ];
  const more = ['/%66lows', '/flows;x', '/flows%00', '/flows%0d%0aX:1', `http://127.0.0.1:${ports.editor}/flows`, '*', 'flows'];
  for (const at of [...tricks, ...more])
    for (const door of ['editor', 'http-in'] as const) {
      const got = await site.raw(door, head(door, 'GET', at));
      // The parser of Node ends the connection of what is no request; the reset may overtake its 400.
      assert.ok([400, 0].includes(statusOf(got)), `${door} ${at}: ${got.slice(0, 100)}`);
    }
  assert.deepEqual(await site.seen(), []);
  for (const at of ['/http-in', '/http-in/echo', '/HTTP-IN/echo', '/http-in/'])
    assert.equal(statusOf(await site.raw('editor', head('editor', 'GET', at))), 404, at);
  for (const at of ['/flows', '/settings', '/comms', '/spy/echo', '/red/red.min.js', '/http-in/echo'])
    assert.equal(statusOf(await site.raw('http-in', head('http-in', 'GET', at))), 404, at);
  assert.equal((await site.raw('editor', head('editor', 'CONNECT', '127.0.0.1:1'))).length, 0);
  for (const [method, status] of [
    ['TRACE', 405],
    ['OPTIONS', 405],
    ['PATCH', 405],
    ['PROPFIND', 405],
  ] as const)
    assert.equal(statusOf(await site.raw('editor', head('editor', method, '/flows'))), status, method);

  // Two framings of one body, and bodies that hold a request.
  const hidden = `POST /flows HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n[]`;
  const chunked = `${hidden.length.toString(16)}\r\n${hidden}\r\n0\r\n\r\n`;
  const refused = [
    `Content-Length: 5\r\nContent-Length: 6\r\n`,
    `Content-Length: 5\r\nTransfer-Encoding: chunked\r\n`,
    `Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n`,
    `Transfer-Encoding: xchunked\r\n`,
    `Transfer-Encoding : chunked\r\n`,
    `Content-Length: +5\r\n`,
    `Content-Length: 0x5\r\n`,
    `X-A: 1\r\n Folded: 2\r\nTransfer-Encoding:\x0bchunked\r\n`,
    `Host: evil.example\r\n`,
  ];
  await site.seen();
  for (const fields of refused) {
    const got = await site.raw('editor', `${head('editor', 'POST', '/spy/echo', fields)}${chunked}`);
    assert.ok([400, 0].includes(statusOf(got)), `${fields}: ${got.slice(0, 60)}`);
    assert.ok((got.match(/HTTP\/1\.1/g)?.length ?? 0) <= 1, 'at most one answer');
  }
  assert.deepEqual(await site.seen(), [], 'none of them reached Node-RED');
  for (const method of ['GET', 'DELETE', 'POST', 'PUT']) {
    const got = await site.raw('editor', `${head('editor', method, '/flow/none', 'Transfer-Encoding: chunked\r\n')}${chunked}`);
    assert.ok(statusOf(got) >= 400, `${method}: ${got.slice(0, 60)}`);
    assert.deepEqual(await site.seen(), [`${method} /flow/none`], 'the body is a body');
  }
  const ranges = await site.raw(
    'editor',
    head('editor', 'GET', '/flows', 'Range: bytes=0-1\r\nExpect: 100-continue\r\nUpgrade: h2c\r\n'),
  );
  assert.ok(statusOf(ranges) > 0);
  assert.equal(await site.gateway.stop(), 0);
});

test('WebSockets ask for the session and this very origin, at the editor and the live stream', async (t) => {
  if (!nodeRedPeer(t)) return;
  const site = await spied(t);
  const { editor, ports } = site;
  const own = `https://127.0.0.1:${ports.editor}`;
  const [anna, flows] = [await site.logIn('dashboard', 'anna'), await site.logIn('http-in', 'anna')];
  const refusals: [string, number, Parameters<FrontSite['join']>[2]][] = [
    ['/comms', 401, { origin: own }],
    ['/comms', 401, { origin: own, cookie: anna }],
    ['/comms', 401, { origin: own, cookie: anna.replace(/^[^=]+/, '__Host-sluice-editor') }],
    ['/comms', 403, { cookie: editor }],
    ['/comms', 403, { cookie: editor, origin: 'null' }],
    ['/comms', 403, { cookie: editor, origin: 'https://evil.example' }],
    ['/comms', 403, { cookie: editor, origin: `https://127.0.0.1:${ports['http-in']}` }],
    ['/comms', 403, { cookie: editor, origin: `https://127.0.0.1:${ports.dashboard}` }],
    ['/comms', 421, { cookie: editor, origin: `https://evil.example:${ports.editor}`, host: `evil.example:${ports.editor}` }],
    ['/comms', 400, { cookie: editor, origin: own, 'sec-websocket-version': '8' }],
    ['/comms', 400, { cookie: editor, origin: own, 'sec-websocket-key': 'short' }],
    ['/comms', 400, { cookie: editor, origin: own, upgrade: 'h2c' }],
    ['//comms', 400, { cookie: editor, origin: own }],
    ['/http-in/ws', 404, { cookie: editor, origin: own }],
    ['/other', 404, { cookie: editor, origin: own }],
    ['/-/log-in', 404, { cookie: editor, origin: own }],
  ];
  for (const [at, status, headers] of refusals) {
    const got = await site.join('editor', at, headers);
    assert.ok(
      typeof got === 'string' && got.startsWith(`HTTP/1.1 ${status} `),
      `${at} ${JSON.stringify(headers)}: ${String(got).slice(0, 80)}`,
    );
  }
  assert.equal((await site.door('editor')).sockets, 0);
  const joined = await site.join('editor', '/comms', { cookie: editor, origin: own });
  assert.ok(typeof joined !== 'string', String(joined));

  const web = `https://127.0.0.1:${ports['http-in']}`;
  for (const [status, headers] of [
    [401, { origin: web }],
    [401, { origin: web, cookie: editor }],
    [403, { cookie: flows }],
    [403, { cookie: flows, origin: own }],
    [403, { cookie: flows, origin: 'null' }],
    [403, { cookie: flows, origin: 'https://evil.example' }],
    [403, { cookie: flows, origin: web.replace('https', 'http') }],
    [421, { cookie: flows, ...reboundTo(ports['http-in']) }],
  ] as const)
    await assertRefused(site, status, headers);
  assert.equal((await site.door('http-in')).sockets, 0);
  await assertEchoes(await site.join('http-in', '/ws', { cookie: flows, origin: web }));
  assert.ok(typeof (await site.join('http-in', '/comms', { cookie: flows, origin: web })) === 'string', 'no editor there');

  // The gateway's own live stream, which is no WebSocket.
  for (const [status, cookie, headers] of [
    [401, undefined, {}],
    [401, editor, {}],
    [401, editor.replace(/^[^=]+/, '__Host-sluice'), {}],
    [403, anna, { origin: own }],
    [403, anna, { 'sec-fetch-site': 'same-site', 'sec-fetch-mode': 'cors' }],
    [421, anna, { host: 'evil.example' }],
  ] as const)
    assert.equal(
      (await site.ask1('dashboard', 'GET', '/api/v1/live', { headers, ...(cookie === undefined ? {} : { cookie }) })).status,
      status,
    );
  assert.equal(await site.gateway.stop(), 0);
});

test('cookies and tokens of the gateway never reach Node-RED, and its answers cannot touch them', async (t) => {
  if (!nodeRedPeer(t)) return;
  const site = await spied(t);
  const { editor, ask1 } = site;
  const [anna, flows] = [await site.logIn('dashboard', 'anna'), await site.logIn('http-in', 'anna')];
  const all = `${anna}; ${editor}; ${flows}; __Host-sluice-mark=m; sluice=x; own=1`;
  const secrets = [anna, editor, flows].map((one) => one.slice(one.indexOf('=') + 1));
  const token = 'Bearer slt_k3v9q2ab_0123456789abcdefghjkmnpqrs';
  const forged = {
    'x-sluice-user': 'root',
    'x-sluice-role': 'administrator',
    'x-forwarded-for': '8.8.8.8',
    referer: `${site.origin('editor')}/x`,
  };

  const admin = await ask1('editor', 'GET', '/spy/echo', { cookie: all, headers: { authorization: token, ...forged } });
  assert.equal(admin.status, 200, admin.text);
  const http = await ask1('http-in', 'POST', '/echo', { cookie: all, own: true, body: 'x', headers: forged });
  assert.equal(http.status, 200, http.text);
  for (const { text } of [admin, http]) {
    for (const secret of [...secrets, token.slice(7), '__Host-', 'root', '8.8.8.8'])
      assert.ok(!text.includes(secret), `${secret} in ${text}`);
    assert.doesNotMatch(text, /"authorization"|"referer"|"origin"/i);
  }
  const got = (JSON.parse(http.text) as { headers: Record<string, string> }).headers;
  assert.deepEqual([got.cookie, got['x-sluice-user'], got['x-sluice-role']], ['own=1', 'anna', 'administrator']);
  assertClean(admin, 'the admin route');
  assertClean(http, 'HTTP-in');
  assert.equal(admin.headers['set-cookie'], undefined);
  assert.deepEqual(http.headers['set-cookie'], ['mine=1; Path=/']);
  // The gateway's own API does not know them.
  for (const cookie of [editor, flows, editor.replace(/^[^=]+/, '__Host-sluice')])
    assert.equal((await ask1('dashboard', 'GET', '/api/v1/status', { cookie })).status, 401);

  // Without a log-in at HTTP-in, a flow gets credentials of its own, and still none of the gateway.
  const keys = site.keys.replace(
    `http: {listen: {host: 127.0.0.1, port: 0, tls: true}`,
    `http: {listen: {host: 127.0.0.1, port: 0, tls: true}, logIn: open`,
  );
  assert.notEqual(keys, site.keys);
  const before = (await site.flows()).pid;
  await site.gateway.reload(site.yaml(`  memory: 170MB\n${keys}`));
  const open = await waitFor('the open door', async () => {
    const { listeners } = await site.door('http-in');
    const [one] = listeners;
    return one !== undefined && one.port !== site.ports['http-in'] && one.port !== 0 ? one.port : undefined;
  });
  Object.assign(site.ports, { 'http-in': open });
  assert.equal((await site.flows()).pid, before, 'Node-RED goes on');
  for (const [authorization, shown] of [
    [token, false],
    ['Basic ZmxvdzpzZWNyZXQ=', true],
  ] as const) {
    const { status, text } = await ask1('http-in', 'GET', '/echo', { cookie: all, headers: { authorization, ...forged } });
    assert.equal(status, 200, text);
    assert.equal(text.includes(authorization), shown);
    for (const secret of secrets) assert.ok(!text.includes(secret));
  }
  assert.equal((await ask1('http-in', 'GET', '/echo', { headers: { origin: 'https://evil.example' } })).status, 403);
  assert.equal((await ask1('http-in', 'GET', '/echo', { headers: { host: 'evil.example' } })).status, 421);

  // Nobody logs in, so a foreign page needs no cookie: its origin alone keeps it out of the WebSockets.
  const web = site.origin('http-in');
  for (const [status, headers] of [
    [403, { origin: 'null' }],
    [403, { origin: 'https://evil.example' }],
    [403, { origin: site.origin('editor') }],
    [403, { origin: site.origin('dashboard'), cookie: all }],
    [403, { origin: web.replace('https', 'http') }],
    [403, { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'websocket' }],
    [421, reboundTo(open)],
    [421, { host: `evil.example:${open}` }],
  ] as const)
    await assertRefused(site, status, headers);
  assert.equal((await site.door('http-in')).sockets, 0);
  await assertEchoes(await site.join('http-in', '/ws', { origin: web }));
  assert.equal(await site.gateway.stop(), 0);
});
