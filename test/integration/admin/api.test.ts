/** The local API as curl and raw connections see it. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { once } from 'node:events';
import { chmodSync, existsSync, statSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Server } from 'node:net';
import { userInfo } from 'node:os';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import { LISTEN_RETRY_MAX } from '../../../src/access/doors/limits.ts';
import { AdminServer, type AdminServerOptions } from '../../../src/admin/admin-server.ts';
import { request, stream, text } from '../../../src/admin/client.ts';
import * as limits from '../../../src/admin/limits.ts';
import { systemClock } from '../../../src/core/clock.ts';
import { SluiceError } from '../../../src/core/errors.ts';
import { silentLogger } from '../../../src/core/logger.ts';
import { FakeTarget } from '../../fakes/admin-target.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';
import { Child } from '../../harness/child.ts';
import { localHttp } from '../../harness/local-http.ts';
import { scratch } from '../../harness/scratch.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { peer } from '../../peers/peers.ts';

interface Bench {
  readonly target: FakeTarget;
  readonly server: AdminServer;
  readonly socket: string;
  /** The port of loopback HTTP. */
  readonly port: number;
}

async function bench(t: TestContext, options: Partial<AdminServerOptions> = {}): Promise<Bench> {
  const target = new FakeTarget();
  const socket = path.join(scratch(t, 'admin'), 'sluice.sock');
  const server = new AdminServer({
    ...{ target, socketPath: socket, listen: [localHttp()], logger: silentLogger, clock: systemClock },
    ...options,
  });
  t.after(() => server.stop());
  await server.start();
  if (options.listen !== undefined) return { target, server, socket, port: options.listen[0]?.port ?? 0 };
  await waitFor('HTTP', () => server.http().state === 'listening');
  const { address } = server.http();
  return { target, server, socket, port: address?.port ?? 0 };
}

async function collected<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

interface Answer {
  readonly status: number;
  readonly headers: string;
  readonly body: string;
}
async function curl(t: TestContext, args: readonly string[]): Promise<Answer | undefined> {
  const program = peer(t, 'curl', 'apt-get install -y curl');
  if (program === undefined) return undefined;
  const child = spawn(program, ['-sS', '-i', '--max-time', '25', ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  let out = '';
  child.stdout.setEncoding('utf8').on('data', (d: string) => {
    out += d;
  });
  await once(child, 'close');
  const [headers = '', ...body] = out.split('\r\n\r\n');
  return { status: Number(/^HTTP\/1.1 (\d+)/.exec(headers)?.[1]), headers, body: body.join('\r\n\r\n') };
}

test('both listeners answer alike, and only the socket takes what touches the field', async (t) => {
  const { target, socket, port } = await bench(t);
  const http = `http://127.0.0.1:${port}`;
  const me = userInfo().username;
  const unix = ['--unix-socket', socket];
  if (peer(t, 'curl', 'apt-get install -y curl') === undefined) return;
  for (const at of [[http], [...unix, 'http://gateway']]) {
    const base = at.at(-1) as string;
    const call = async (p: string, ...more: string[]) => (await curl(t, [...at.slice(0, -1), ...more, base + p])) as Answer;
    assert.deepEqual(JSON.parse((await call('/healthz')).body), { status: 'ok' });
    const status = await call('/api/v1/status');
    assert.equal(status.status, 200);
    assert.match(status.headers, /content-type: application\/json; charset=utf-8/i);
    for (const header of [
      /x-content-type-options: nosniff/i,
      /cache-control: no-store/i,
      /x-frame-options: DENY/i,
      /content-security-policy: default-src 'none'/i,
    ])
      assert.match(status.headers, header);
    assert.doesNotMatch(status.headers, /access-control|x-powered-by/i);
    const body = JSON.parse(status.body);
    assert.equal(body.gateway.id, 'g1');
    assert.ok(body.process.memory.resident > 0);
    const metrics = await call('/metrics');
    assert.match(metrics.headers, /content-type: application\/openmetrics-text; version=1.0.0/i);
    assert.ok(metrics.body.endsWith('# EOF\n'));

    for (const p of [
      '/index.html',
      '/nothing',
      '/api/v1/',
      '/constructor',
      '/__proto__',
      '//healthz',
      '/healthz/',
      '/%2e%2e/healthz%00',
    ]) {
      const answer = await call(p, '--path-as-is');
      assert.equal(answer.status, 404, p);
      assert.equal(JSON.parse(answer.body).error.code, 'not-found');
    }
    for (const method of ['PUT', 'DELETE', 'POST', 'OPTIONS']) {
      const answer = await call('/api/v1/status', '-X', method, '-d', '');
      assert.deepEqual([answer.status, JSON.parse(answer.body).error.code], [405, 'method-not-allowed']);
      assert.match(answer.headers, /allow: GET, HEAD/i);
    }
    assert.equal((await call('/api/v1/status', '-I')).status, 200);
    assert.equal((await call('/api/v1/tail', '-I')).status, 200);
    assert.equal((await call(`/healthz?${'x'.repeat(limits.MAX_URL)}`)).status, 414);
  }

  const refused = await curl(t, ['-d', '{"device":"fridge"}', `${http}/api/v1/read`]);
  assert.deepEqual([refused?.status, JSON.parse(refused?.body ?? '').error.code], [403, 'socket-only']);
  assert.equal((await curl(t, ['-X', 'POST', `${http}/api/v1/reload`]))?.status, 403);
  assert.equal(target.reloads, 0);
  const write = ['-d', '{"point":"fridge.setpoint","value":4.5}'];
  assert.equal((await curl(t, [...write, `${http}/api/v1/write`]))?.status, 403);
  assert.equal(target.writes.length, 0);
  const written = await curl(t, [...unix, ...write, 'http://gateway/api/v1/write']);
  assert.deepEqual(JSON.parse(written?.body ?? ''), {
    ...{ point: 'fridge.setpoint', value: 4.5, unit: 'Cel', time: 1, readBack: true },
  });
  const above = await curl(t, [...unix, '-d', '{"point":"fridge.setpoint","value":99}', 'http://gateway/api/v1/write']);
  const named = await curl(t, [...unix, '-d', '{"point":"fridge.setpoint","value":9,"by":"ann"}', 'http://gateway/api/v1/write']);
  assert.deepEqual(JSON.parse(named?.body ?? '').error, {
    ...{ code: 'request-invalid', message: 'the body knows point, value, id and expires, not "by"' },
  });
  assert.deepEqual([above?.status, JSON.parse(above?.body ?? '').error.code], [403, 'write-refused']);
  assert.deepEqual(target.writes, [
    ['fridge.setpoint', 4.5, me],
    ['fridge.setpoint', 99, me],
  ]);
  const read = await curl(t, [...unix, '-d', '{"device":"fridge"}', 'http://gateway/api/v1/read']);
  assert.equal(JSON.parse(read?.body ?? '').readings[0].value, 4.5);
  assert.equal((await curl(t, [...unix, '-X', 'POST', 'http://gateway/api/v1/reload']))?.status, 200);
  assert.equal(target.reloads, 1);
  for (const [body, status, code] of [
    ['{"device":"mute"}', 504, 'timeout'],
    ['{"device":"ghost"}', 404, 'not-found'],
    ['{"device":7}', 400, 'request-invalid'],
    ['{', 400, 'bad-json'],
    ['[1]', 400, 'bad-json'],
  ] as const) {
    const answer = await curl(t, [...unix, '-d', body, 'http://gateway/api/v1/read']);
    assert.deepEqual([answer?.status, JSON.parse(answer?.body ?? '').error.code], [status, code], body);
  }
  const file = path.join(path.dirname(socket), 'body');
  writeFileSync(file, JSON.stringify({ device: 'x'.repeat(limits.MAX_BODY) }));
  assert.equal((await curl(t, [...unix, '-d', `@${file}`, 'http://gateway/api/v1/read']))?.status, 413);
  const chunked = await curl(t, [...unix, '-H', 'Transfer-Encoding: chunked', '-d', `@${file}`, 'http://gateway/api/v1/read']);
  assert.equal(chunked?.status, 413);
});

test('names that are not local are refused on HTTP', async (t) => {
  const { port } = await bench(t);
  const status = async (host: string) => (await curl(t, ['-H', `Host: ${host}`, `http://127.0.0.1:${port}/healthz`]))?.status;
  if ((await status('localhost')) === undefined) return;
  for (const host of ['evil.example', `evil.example:${port}`, '127.0.0.1.evil.example', 'x.local.evil.example'])
    assert.equal(await status(host), 421, host);
  for (const host of [`127.0.0.1:${port}`, 'gate.local', '[::1]:80']) assert.equal(await status(host), 200, host);
});

test('readiness says why not', async (t) => {
  const { target, socket } = await bench(t);
  assert.deepEqual(await request(socket, 'GET', '/readyz'), { ready: true, reasons: [] });
  target.readyReport = { ready: false, reasons: ['bus field is not open: no such port'] };
  assert.deepEqual(await request(socket, 'GET', '/readyz'), target.readyReport);
  const answer = await curl(t, ['--unix-socket', socket, 'http://gateway/readyz']);
  if (answer !== undefined) assert.equal(answer.status, 503);
});

test('the client speaks all of it', async (t) => {
  const { target, socket } = await bench(t);
  assert.deepEqual(await request(socket, 'POST', '/api/v1/read', { device: 'fridge' }), await target.read('fridge'));
  const fault = (await request(socket, 'POST', '/api/v1/read', { device: 'mute' }).catch((e: unknown) => e)) as SluiceError;
  assert.ok(fault instanceof SluiceError);
  assert.deepEqual([fault.code, fault.message], ['timeout', 'mute did not answer within 1s']);
  assert.ok((await collected(text(socket, '/metrics'))).join('').endsWith('# EOF\n'));

  const item = { type: 'reading', time: 1, device: 'd', point: 'p', value: 'größer\n', quality: 'good' } as const;
  const seen: object[] = [];
  const tailing = (async () => {
    for await (const line of stream(socket, '/api/v1/tail')) {
      seen.push(line);
      if (seen.length === 3) return;
    }
  })();
  await waitFor('the tail', () => target.listeners.size === 1);
  for (let i = 0; i < 3; i++) target.say(item);
  await tailing;
  assert.deepEqual(seen, [item, item, item]);
  await waitFor('the tail to be released', () => target.listeners.size === 0);
});

test('without a gateway the client says so', async (t) => {
  const folder = scratch(t, 'admin');
  const code = async (file: string) => (await request(file, 'GET', '/healthz').catch((e: unknown) => e)) as SluiceError;
  const none = await code(path.join(folder, 'none.sock'));
  assert.deepEqual([none.code, /sluice run/.test(none.message)], ['not-running', true]);
  const dead = path.join(folder, 'dead.sock');
  leaveDeadSocket(dead);
  assert.match((await code(dead)).message, /there is no answer/);
});

/** As a killed daemon does: bound, never unlinked. */
function leaveDeadSocket(file: string): void {
  const script = `require('node:net').createServer().listen(${JSON.stringify(file)}, () => process.kill(process.pid, 'SIGKILL'))`;
  spawnSync(process.execPath, ['-e', script]);
  assert.ok(existsSync(file));
}

test('the socket is for owner and group, a dead one is replaced, a living one is respected', async (t) => {
  const folder = scratch(t, 'admin');
  const socketPath = path.join(folder, 'sluice.sock');
  leaveDeadSocket(socketPath);
  const options = { target: new FakeTarget(), socketPath, logger: silentLogger, clock: systemClock };
  const first = new AdminServer(options);
  t.after(() => first.stop());
  await first.start();
  assert.equal(statSync(socketPath).mode & 0o777, 0o660);
  const second = new AdminServer(options);
  await assert.rejects(second.start(), (e: SluiceError) => e.code === 'already-running' && e.message.includes(socketPath));
  await second.stop();
  assert.deepEqual(await request(socketPath, 'GET', '/healthz'), { status: 'ok' });
  await first.stop();
  assert.equal(existsSync(socketPath), false);
  await second.start();
  await second.stop();

  writeFileSync(socketPath, 'in the way');
  chmodSync(socketPath, 0o600);
  await assert.rejects(second.start(), (e: SluiceError) => e.code === 'listen-failed');
  assert.ok(existsSync(socketPath));
  const long = new AdminServer({ ...options, socketPath: path.join(folder, 'x'.repeat(120)) });
  await assert.rejects(long.start(), (e: SluiceError) => e.code === 'listen-failed' && /too long/.test(e.message));
});

test('an error of a listening server starts no second one, and ends nothing', async (t) => {
  const servers: Server[] = [];
  const made = (message: unknown) => servers.push((message as { server: Server }).server);
  subscribe('tracing:net.server.listen:asyncStart', made);
  t.after(() => unsubscribe('tracing:net.server.listen:asyncStart', made));
  const clock = new ManualClock();
  const { socket, server } = await bench(t, { clock });
  for (const one of servers) one.emit('error', new Error('accept ENOMEM'));
  await clock.advance(LISTEN_RETRY_MAX);
  assert.equal(servers.length, 2, 'the socket and HTTP');
  assert.deepEqual([server.http().state, server.http().fault], ['listening', undefined]);
  assert.deepEqual(await request(socket, 'GET', '/healthz'), { status: 'ok' });
});

test('an HTTP address in use is tried again; the socket answers meanwhile', async (t) => {
  const blocker = createServer();
  blocker.listen(0, '127.0.0.1');
  await once(blocker, 'listening');
  t.after(() => blocker.close());
  const { port } = blocker.address() as { port: number };
  const { server, socket } = await bench(t, { listen: [localHttp(port)] });
  await waitFor('the fault', () => server.http().fault?.includes('another program listens on'));
  assert.equal(server.http().state, 'waiting');
  assert.deepEqual(await request(socket, 'GET', '/healthz'), { status: 'ok' });
  blocker.close();
  await waitFor('the address', () => server.http().state === 'listening');
  // A reload that moves or closes it.
  server.setListen([]);
  assert.equal(server.http().state, 'off');
  server.setListen([localHttp()]);
  await waitFor('a new address', () => server.http().state === 'listening');
});

test('an export is streamed, ends with its reader, and its query is checked', async (t) => {
  const { target, socket } = await bench(t);
  const get = async (query: string) => (await collected(text(socket, `/api/v1/export${query}`))).join('');
  assert.equal(await get(''), 'time,point,value\n');
  assert.deepEqual(target.exported, { format: 'csv', from: undefined, to: undefined, points: undefined });
  await get('?from=24h');
  assert.equal(target.exported?.from, target.now() - 86_400_000, 'as the gateway knows the time');
  await get('?from=2026-11-25T10:00:00Z&to=1795600000000&points=fridge,pump.speed&format=jsonl');
  assert.deepEqual(target.exported, {
    ...{ format: 'jsonl', from: Date.UTC(2026, 10, 25, 10), to: 1_795_600_000_000, points: ['fridge', 'pump.speed'] },
  });
  for (const bad of ['?from=yesterday', '?format=xml', '?until=1', `?points=${Array.from({ length: 1500 }, () => 'a').join()}`])
    await assert.rejects(get(bad), SluiceError, bad);

  // A reader that has enough: the source is closed, and was not read far ahead.
  let pieces = 0;
  target.pieces = async function* () {
    for (;;) {
      pieces++;
      yield 'x'.repeat(10_000);
    }
  };
  const ended = target.exportsEnded;
  for await (const _ of text(socket, '/api/v1/export')) break;
  await waitFor('the source to be closed', () => target.exportsEnded === ended + 1);
  assert.ok(pieces < 1000, `${pieces} pieces`);

  target.pieces = async function* () {
    yield 'begun\n';
    throw new SluiceError('log-read', 'the disk is gone');
  };
  await assert.rejects(get(''), (e: SluiceError) => e.code === 'not-running');
  target.pieces = async function* () {
    yield await Promise.reject(new SluiceError('log-read', 'the disk is gone'));
  };
  await assert.rejects(get(''), (e: SluiceError) => e.code === 'log-read');
});

test('records come again as the reader takes them; a wrong range is refused in words', async (t) => {
  const { target, socket } = await bench(t);
  const resend = (body: object) => collected(stream(socket, '/api/v1/resend', body));
  assert.deepEqual(await resend({ from: 1, to: 9 }), [{ type: 'end', records: 0, parts: 0 }]);
  target.parts = ['{"part":0}', '{"part":1}'];
  assert.deepEqual(await resend({ log: '00000000aa', first: 1, last: 9, points: ['pump'] }), [
    ...[{ part: 0 }, { part: 1 }],
    { type: 'end', records: 2, parts: 2 },
  ]);
  assert.deepEqual(target.resent.at(-1), { do: 'resend', log: '00000000aa', first: 1, last: 9, points: ['pump'] });
  // The log of salvaged records.
  await resend({ log: 's0000000aa', first: 1, last: 9 });
  assert.deepEqual(target.resent.at(-1), { do: 'resend', log: 's0000000aa', first: 1, last: 9, points: undefined });
  const asked = target.resent.length;
  for (const [body, words] of [
    [{}, 'write log, first and last, or from and to'],
    [{ log: '00000000aa', first: 1 }, 'write log, first and last, or from and to'],
    [{ log: '00000000aa', first: 1, last: 2, to: 3 }, 'write log, first and last, or from and to; not both'],
    [{ log: '00000000aa', first: 3, last: 2 }, 'first is above last'],
    [{ from: 3, to: 2 }, 'from is after to'],
    [{ from: 1, to: 'now' }, '"to" is a time in UTC milliseconds'],
    [{ log: 'X', first: 1, last: 2 }, '"log" is the id of a log, as in a batch'],
    [{ from: 1, to: 2, points: [''] }, '"points.0" is a device or a point'],
  ] as const)
    await assert.rejects(resend(body), (e: SluiceError) => e.code === 'request-invalid' && e.message === words, words);
  assert.equal(target.resent.length, asked);

  // A reader that has enough ends the command, and it was never far ahead.
  let made = 0;
  let ended = false;
  target.parts = {
    *[Symbol.iterator]() {
      try {
        for (;;) {
          made++;
          yield JSON.stringify({ text: 'x'.repeat(60_000) });
        }
      } finally {
        ended = true;
      }
    },
  };
  for await (const _ of stream(socket, '/api/v1/resend', { from: 1, to: 2 })) break;
  await waitFor('the command to end', () => ended);
  assert.ok(made < 200, `${made} parts`);
});

test('what was removed is asked for in steps of bounded size', async (t) => {
  const { target, socket } = await bench(t);
  const get = (query: string) => request(socket, 'GET', `/api/v1/removed${query}`);
  assert.deepEqual(await get(''), { points: [], next: null });
  assert.deepEqual(target.removedAsked, { after: '', points: undefined, limit: limits.MAX_REMOVED });
  await get('?after=pump.speed&points=pump,tank.level&limit=7');
  assert.deepEqual(target.removedAsked, { after: 'pump.speed', points: ['pump', 'tank.level'], limit: 7 });
  for (const bad of ['?limit=0', '?limit=7.5', `?limit=${limits.MAX_REMOVED + 1}`, '?since=1'])
    await assert.rejects(get(bad), (e: SluiceError) => e.code === 'request-invalid', bad);
});

test('long answers are bounded in number', async (t) => {
  const { target, socket } = await bench(t);
  const controllers: AsyncGenerator<object>[] = [];
  t.after(() => Promise.all(controllers.map((c) => c.return(undefined))));
  for (let i = 0; i < limits.MAX_TAILS; i++) {
    const tail = stream(socket, '/api/v1/tail');
    controllers.push(tail);
    const first = tail.next();
    await waitFor('a tail', () => target.listeners.size === i + 1);
    target.say({ type: 'reading', time: 1, device: 'd', point: 'p', value: 1, quality: 'good' });
    await first;
  }
  await assert.rejects(stream(socket, '/api/v1/tail').next(), SluiceError);
  await controllers.pop()?.return(undefined);
  await waitFor('one to be gone', () => target.listeners.size === limits.MAX_TAILS - 1);
  const again = stream(socket, '/api/v1/tail');
  controllers.push(again);
  const first = again.next();
  await waitFor('room', () => target.listeners.size === limits.MAX_TAILS);
  target.say({ type: 'reading', time: 1, device: 'd', point: 'p', value: 1, quality: 'good' });
  await first;
});

test('a tail whose reader is stopped does not grow, and goes on when it reads again', async (t) => {
  const { target, port } = await bench(t);
  const program = peer(t, 'curl', 'apt-get install -y curl');
  if (program === undefined) return;
  const reader = new Child(program, ['-sSN', `http://127.0.0.1:${port}/api/v1/tail`]);
  t.after(() => reader.stop('SIGKILL'));
  await waitFor('the tail', () => target.listeners.size === 1);
  reader.signal('SIGSTOP');
  // 40 MB: far more than any kernel buffer and our bound together.
  const pad = 'x'.repeat(1000);
  for (let i = 0; i < 40_000; i++) {
    target.say({ type: 'reading', time: i, device: 'd', point: `p${i % 10}`, value: pad, quality: 'good' });
    if (i % 500 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  reader.signal('SIGCONT');
  await reader.line(/"time":39999,/);
  const lines = reader.stdout.map((l) => JSON.parse(l));
  const missed = lines.filter((l) => l.type === 'missed');
  const conflated = missed.reduce((sum, l) => sum + l.conflated, 0);
  assert.ok(conflated > 10_000, `${conflated} conflated`);
  assert.equal(lines.filter((l) => l.type === 'reading').length + conflated, 40_000);
  assert.ok(missed.every((l) => l.dropped === 0));
  // The newest of every point came in the end.
  for (let i = 39_990; i < 40_000; i++) assert.ok(lines.some((l) => l.time === i));
});

test('slow and oversize requests are ended', async (t) => {
  const { port } = await bench(t);
  const big = connect(port, '127.0.0.1');
  let answer = '';
  big.on('data', (d) => {
    answer += d;
  });
  big.on('error', () => {});
  big.write(`GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: ${'x'.repeat(2 * limits.MAX_HEADERS)}\r\n\r\n`);
  await waitFor('431', () => answer.startsWith('HTTP/1.1 431'));
  big.destroy();
  const slow = connect(port, '127.0.0.1');
  slow.on('error', () => {});
  slow.resume();
  slow.write('GET /healthz HTTP/1.1\r\nHost: loc');
  await once(slow, 'close');
});

test('stop ends tails and requests that hang, and start works again', async (t) => {
  const { server, target, socket, port } = await bench(t);
  const tail = collected(stream(socket, '/api/v1/tail'));
  await waitFor('the tail', () => target.listeners.size === 1);
  const hanging = connect(port, '127.0.0.1');
  hanging.on('error', () => {});
  hanging.write('POST /api/v1/read HTTP/1.1\r\n');
  await once(hanging, 'connect');
  await server.stop();
  assert.deepEqual(await tail, []);
  assert.equal(target.listeners.size, 0);
  await server.start();
  assert.deepEqual(await request(socket, 'GET', '/healthz'), { status: 'ok' });
});
