/** Local HTTP against pages of other sites, odd paths and methods, and programs that hold what others need. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import { AdminServer } from '../../../src/admin/admin-server.ts';
import { stream, text } from '../../../src/admin/client.ts';
import * as limits from '../../../src/admin/limits.ts';
import { systemClock } from '../../../src/core/clock.ts';
import type { SluiceError } from '../../../src/core/errors.ts';
import { silentLogger } from '../../../src/core/logger.ts';
import { FakeTarget } from '../../fakes/admin-target.ts';
import { fakeTcp } from '../../fakes/modbus-device.ts';
import { freePort } from '../../harness/free-port.ts';
import { localHttp } from '../../harness/local-http.ts';
import { scratch } from '../../harness/scratch.ts';
import { site } from '../../harness/site.ts';
import { waitFor } from '../../harness/wait-for.ts';

interface Bench {
  readonly target: FakeTarget;
  readonly socket: string;
  readonly port: number;
}
async function bench(t: TestContext): Promise<Bench> {
  const target = new FakeTarget();
  const socket = path.join(scratch(t, 'admin'), 'sluice.sock');
  const listen = [localHttp()];
  const server = new AdminServer({ target, socketPath: socket, listen, logger: silentLogger, clock: systemClock });
  t.after(() => server.stop());
  await server.start();
  await waitFor('HTTP', () => server.http().state === 'listening');
  return { target, socket, port: server.http().address?.port ?? 0 };
}

/** A connection that sends what it is given and keeps what comes. */
class Raw {
  readonly socket: Socket;
  got = '';
  ended = false;

  constructor(t: TestContext, to: number | string) {
    this.socket = typeof to === 'number' ? connect(to, '127.0.0.1') : connect(to);
    this.socket.setEncoding('latin1');
    this.socket.on('data', (d: string) => {
      this.got += d;
    });
    this.socket.on('error', () => {});
    this.socket.on('close', () => {
      this.ended = true;
    });
    t.after(() => this.socket.destroy());
  }

  /** The status line's number of what comes for one request. */
  async status(bytes: string): Promise<number> {
    this.socket.write(bytes, 'latin1');
    await waitFor('an answer or an end', () => /^HTTP\/1\.1 \d+[\s\S]*\r\n\r\n/.test(this.got) || this.ended);
    return Number(/^HTTP\/1\.1 (\d+)/.exec(this.got)?.[1] ?? 0);
  }
}
const ask = (t: TestContext, to: number | string, target: string, headers = '', method = 'GET') =>
  new Raw(t, to).status(`${method} ${target} HTTP/1.1\r\nHost: localhost\r\n${headers}Connection: close\r\n\r\n`);

test('a route has one spelling: no other host, dots, escapes, doubled slashes or letters', async (t) => {
  const { socket, port } = await bench(t);
  for (const to of [port, socket]) {
    for (const target of ['/healthz', '/healthz?x=1', '/api/v1/status']) assert.equal(await ask(t, to, target), 200, target);
    for (const target of [
      ...['//x/healthz', '//healthz', '//127.0.0.1/api/v1/status', '/dash/%2e%2e/api/v1/status', '/dash/../api/v1/status'],
      ...['/./healthz', '/healthz/.', '/%68ealthz', '/healthz%00', '/healthz%2f', '/healthz/', '/HEALTHZ', '/api//v1/status'],
      ...[
        '/api/v1/status;x',
        '/api\\v1\\status',
        '/\\x/healthz',
        '/healthz#x',
        '/healthz\t',
        '/h\u00e9althz',
        '/constructor',
        '/index.html',
      ],
    ])
      assert.ok([400, 404].includes(await ask(t, to, target)), JSON.stringify(target));
    for (const target of ['http://gateway/healthz', 'healthz', '*', 'http://x@gateway/healthz'])
      assert.equal(await ask(t, to, target), 400, target);
    for (const method of ['PUT', 'DELETE', 'PATCH', 'OPTIONS', 'TRACE', 'PROPFIND'])
      assert.equal(await ask(t, to, '/healthz', '', method), 405, method);
    for (const method of ['CONNECT', 'GARBAGE', 'get'])
      assert.ok([0, 400].includes(await ask(t, to, '/healthz', '', method)), method);
    assert.equal(await ask(t, to, '/healthz', 'Connection: upgrade\r\nUpgrade: websocket\r\n'), 200, 'an upgrade is not made');
    assert.equal(await ask(t, to, '/healthz', `X-Long: ${'x'.repeat(limits.MAX_HEADERS)}\r\n`), 431);
    assert.equal(await ask(t, to, '/healthz', 'Content-Length: 5\r\nTransfer-Encoding: chunked\r\n'), 400, 'two lengths');
  }
});

test('pages of other sites get no route, by Origin or by the Sec-Fetch headers', async (t) => {
  const { target, port, socket } = await bench(t);
  const routes = [
    '/healthz',
    '/readyz',
    '/metrics',
    '/api/v1/status',
    '/api/v1/tail',
    '/api/v1/export',
    '/api/v1/history',
    '/api/v1/removed',
    '/api/v1/waiting',
  ];
  const refused = [
    ...[
      'https://evil.example',
      'null',
      'http://localhost:1880',
      'https://localhost',
      'http://localhost.evil.example',
      'file://',
    ].map((origin) => `Origin: ${origin}\r\n`),
    'Sec-Fetch-Site: cross-site\r\n',
    'Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate\r\n',
    'Sec-Fetch-Site: same-site\r\nSec-Fetch-Mode: no-cors\r\n',
    'Sec-Fetch-Site: none\r\nSec-Fetch-Site: cross-site\r\n',
    'Origin: http://localhost\r\nOrigin: https://evil.example\r\n',
  ];
  for (const headers of refused) {
    for (const route of routes) assert.equal(await ask(t, port, route, headers), 403, `${route} ${headers}`);
    assert.equal(await ask(t, socket, '/api/v1/reload', headers, 'POST'), 403, headers);
  }
  assert.equal(target.reloads, 0);
  assert.equal(target.exported, undefined, 'nothing was asked of the log');
  for (const headers of [
    'Origin: http://localhost\r\n',
    'Sec-Fetch-Site: none\r\nSec-Fetch-Mode: navigate\r\n',
    'Sec-Fetch-Site: same-origin\r\n',
    'Sec-Fetch-Site: same-site\r\nSec-Fetch-Mode: navigate\r\n',
  ])
    assert.equal(await ask(t, port, '/healthz', headers), 200, headers);
});

test('readers of HTTP that take every slot and read nothing leave the operator his commands', async (t) => {
  const { target, port, socket } = await bench(t);
  target.pieces = async function* () {
    for (;;) yield 'x'.repeat(100_000);
  };
  const open = async (route: string, times: number): Promise<void> => {
    for (let i = 0; i < times; i++) {
      const raw = new Raw(t, port);
      raw.socket.write(`GET ${route} HTTP/1.1\r\nHost: localhost\r\n\r\n`);
      await waitFor('its head', () => raw.got.startsWith('HTTP/1.1 200'));
      raw.socket.pause();
    }
  };
  await open('/api/v1/export', limits.MAX_EXPORTS);
  await open('/api/v1/tail', limits.MAX_TAILS);
  assert.equal(await ask(t, port, '/api/v1/export'), 503);
  assert.equal(await ask(t, port, '/api/v1/tail'), 503);
  for await (const piece of text(socket, '/api/v1/export')) {
    assert.ok(piece.length > 0);
    break;
  }
  const tailing = (async () => {
    for await (const item of stream(socket, '/api/v1/tail')) return item;
    return undefined;
  })();
  await waitFor('the tail', () => target.listeners.size === limits.MAX_TAILS + 1);
  const item = { type: 'reading', time: 1, device: 'd', point: 'p', value: 1, quality: 'good' } as const;
  target.say(item);
  assert.deepEqual(await tailing, item);
});

test('a program that holds idle connections keeps nobody out and cuts no long answer', async (t) => {
  const { target, port, socket } = await bench(t);
  for (const to of [port, socket]) {
    const tail = new Raw(t, to);
    tail.socket.write('GET /api/v1/tail HTTP/1.1\r\nHost: localhost\r\n\r\n');
    await waitFor('the tail', () => tail.got.startsWith('HTTP/1.1 200'));
    const held: Raw[] = [];
    for (let i = 0; i < 4 * limits.MAX_CONNECTIONS; i++) {
      const raw = new Raw(t, to);
      held.push(raw);
      await once(raw.socket, 'connect');
      // Some say nothing, some begin a request, some have had an answer, some read none.
      if (i % 4 === 1) raw.socket.write('GET /healthz HTTP/1.1\r\nHost: loc');
      if (i % 4 === 2) raw.socket.write('GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n');
      if (i % 4 === 3) {
        raw.socket.pause();
        for (let n = 0; n < 50; n++) raw.socket.write('GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n');
      }
      if (i % 16 === 15) assert.equal(await ask(t, to, '/healthz'), 200, `with ${i + 1} held`);
    }
    await waitFor('the oldest to go', () => held.filter((raw) => raw.ended).length >= 2 * limits.MAX_CONNECTIONS);
    assert.equal(tail.ended, false);
    tail.got = '';
    target.say({ type: 'reading', time: 1, device: 'd', point: 'p', value: 1, quality: 'good' });
    await waitFor('the tail goes on', () => tail.got.includes('"reading"'));
    for (const raw of held) raw.socket.destroy();
  }
});

test('a GET commits nothing: a hundred exports, each with the newest reading', async (t) => {
  const port = await freePort();
  const s = await site(t, { device: fakeTcp, buffer: 'commitEvery: 1h', more: `dashboard: {listen: {port: ${port}}}` });
  assert.ok(s);
  const { gateway } = s;
  await gateway.up();
  const status = () => gateway.status();
  await waitFor('some readings', async () => (await status()).log.appended > 5);
  await waitFor('HTTP', async () => (await fetch(`http://127.0.0.1:${port}/healthz`)).ok);
  const before = (await status()).log;
  for (let i = 0; i < 100; i++) {
    const { appended } = (await status()).log;
    const csv = await (await fetch(`http://127.0.0.1:${port}/api/v1/export`)).text();
    const lines = csv.split('\n').length - 2;
    assert.ok(lines >= appended, `${lines} lines of ${appended} readings`);
  }
  const after = (await status()).log;
  assert.equal(after.commits, before.commits);
  assert.ok(after.pending > before.pending, 'the readings wait for their own commit');
  await assert.rejects(
    (async () => {
      for await (const _ of text(gateway.socket, '/api/v1/export?points=nobody'));
    })(),
    (e: SluiceError) => e.code === 'not-found',
  );
  assert.equal(await gateway.stop(), 0);
});
