/** HTTPS against programs that want to keep others out, or to be taken for others: floods, slow and giant requests, bytes. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect as connectTcp, type Socket } from 'node:net';
import test, { type TestContext } from 'node:test';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import * as limits from '../../../src/admin/limits.ts';
import { PASSWORD, ROOT } from '../../fakes/test-access.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { type WebBench, webBench } from '../../harness/web-bench.ts';

/** A connection without TLS, from a loopback address of its own. */
function raw(t: TestContext, port: number, from: string): Socket {
  const socket = connectTcp({ port, host: '127.0.0.1', localAddress: from });
  socket.on('error', () => {});
  t.after(() => socket.destroy());
  return socket;
}

async function secure(t: TestContext, bench: WebBench, from: string): Promise<TLSSocket> {
  const socket = connectTls({ socket: raw(t, bench.https, from), ca: bench.ca, servername: 'localhost' });
  socket.on('error', () => {});
  t.after(() => socket.destroy());
  await Promise.race([once(socket, 'secureConnect'), ended(socket)]);
  return socket;
}

/** `once` rejects where the connection is reset, which is one way to end it. */
function ended(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    if (socket.destroyed) resolve();
    else socket.once('close', () => resolve());
  });
}

/** What comes for these bytes until the gateway ends the connection. */
async function answers(t: TestContext, bench: WebBench, from: string, bytes: string | Buffer): Promise<string> {
  const socket = await secure(t, bench, from);
  let got = '';
  socket.setEncoding('latin1').on('data', (more: string) => {
    got += more;
  });
  const closed = ended(socket);
  socket.write(bytes as string, 'latin1');
  await closed;
  return got;
}
const statuses = (text: string): string[] => [...text.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status = '']) => status);

test('ten thousand connections of one address keep another one from nothing', async (t) => {
  const bench = await webBench(t);
  await bench.access.accounts.addUser({ name: 'anna', role: 'administrator', password: PASSWORD }, ROOT);
  const anna = bench.client('127.0.20.1');
  await anna.logIn('anna');
  let most = 0;
  const look = setInterval(() => {
    most = Math.max(most, bench.server.http().connections);
  }, 20);
  t.after(() => clearInterval(look));
  const held = new Set<Socket>();
  for (let i = 0; i < 10_000; i++) {
    const socket = raw(t, bench.https, '127.0.20.2');
    held.add(socket);
    socket.once('close', () => held.delete(socket));
    // Most say nothing, some begin a handshake.
    if (i % 3 === 0) socket.write(Buffer.from('1603010005010000', 'hex'));
    if (i % 500 === 499) {
      await once(socket, 'connect').catch(() => {});
      assert.equal((await anna.ask('GET', '/api/v1/session')).status, 200, `with ${i + 1}`);
    }
  }
  const late = bench.client('127.0.20.3');
  assert.equal((await late.ask('GET', '/healthz')).status, 200, 'a new connection of a third address');
  assert.ok(held.size <= limits.MAX_SOCKETS + 1, `${held.size} held`);
  assert.ok(most <= limits.MAX_NETWORK_CONNECTIONS, `${most} connections`);
  assert.ok(bench.server.http().refused.connections > 9_000);
});

test('connections of one address that are done with TLS end each other, and no one else', async (t) => {
  const bench = await webBench(t);
  const calm = bench.client('127.0.21.1');
  assert.equal((await calm.ask('GET', '/healthz')).status, 200);
  const held: TLSSocket[] = [];
  for (let i = 0; i < 2 * limits.MAX_PER_ADDRESS; i++) {
    const socket = await secure(t, bench, '127.0.21.2');
    // Some begin a request and never end it.
    if (i % 2 === 0) socket.write('GET /healthz HTTP/1.1\r\nHost: loc');
    held.push(socket);
  }
  await waitFor('the oldest to go', () => held.filter(({ destroyed }) => destroyed).length >= limits.MAX_PER_ADDRESS);
  assert.ok(bench.server.http().connections <= limits.MAX_PER_ADDRESS + 1);
  assert.equal((await calm.ask('GET', '/healthz')).status, 200);
});

test('a thousand half handshakes are closed, and a whole one is made meanwhile', async (t) => {
  const bench = await webBench(t);
  const hello = Buffer.from('16030100f8010000f40303', 'hex');
  const sockets = Array.from({ length: 1000 }, (_, i) => {
    const socket = raw(t, bench.https, `127.0.22.${1 + (i % 4)}`);
    socket.write(hello);
    return socket;
  });
  const client = bench.client('127.0.22.9');
  assert.equal((await client.ask('GET', '/healthz')).status, 200);
  await waitFor('the end of all', () => sockets.every(({ destroyed }) => destroyed));
  assert.equal((await client.ask('GET', '/healthz')).status, 200);
});

test('slow requests, giant heads and giant bodies are ended, and cost nobody else anything', async (t) => {
  const bench = await webBench(t);
  await bench.access.accounts.addUser({ name: 'anna', role: 'administrator', password: PASSWORD }, ROOT);
  const slow = [
    'GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: ',
    'POST /api/v1/session HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"na',
    'POST /api/v1/session HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{"nam',
  ].map(async (bytes) => {
    const socket = await secure(t, bench, '127.0.23.1');
    const closed = ended(socket);
    socket.write(bytes);
    // One byte now and then does not help.
    const drip = setInterval(() => socket.write('a'), 300);
    t.after(() => clearInterval(drip));
    socket.resume();
    await closed;
    clearInterval(drip);
  });
  const head = `GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: ${'x'.repeat(2 * limits.MAX_HEADERS)}\r\n\r\n`;
  // The connection ends at once; whether the client still gets the answer depends on what of it was read.
  assert.ok(['', '431'].includes(statuses(await answers(t, bench, '127.0.23.2', head)).join()));
  const many = `GET /healthz HTTP/1.1\r\nHost: localhost\r\n${'A: b\r\n'.repeat(3000)}\r\n`;
  assert.ok(['', '431'].includes(statuses(await answers(t, bench, '127.0.23.2', many)).join()));
  const long = `GET /${'x'.repeat(limits.MAX_URL)} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`;
  assert.deepEqual(statuses(await answers(t, bench, '127.0.23.2', long)), ['414']);
  const post = 'POST /api/v1/session HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n';
  const body = `${post}Content-Length: ${limits.MAX_BODY + 1}\r\n\r\n${'x'.repeat(limits.MAX_BODY)}`;
  assert.deepEqual(statuses(await answers(t, bench, '127.0.23.2', body)), ['413']);
  const chunks = `${post}Transfer-Encoding: chunked\r\n\r\n${`1000\r\n${'x'.repeat(0x1000)}\r\n`.repeat(17)}`;
  assert.deepEqual(statuses(await answers(t, bench, '127.0.23.2', chunks)), ['413']);
  // The body of somebody without a session is not read at all.
  const huge = `POST /api/v1/reload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000000\r\n\r\n${'x'.repeat(1000)}`;
  assert.deepEqual(statuses(await answers(t, bench, '127.0.23.2', huge)), ['401']);
  assert.equal((await bench.client('127.0.23.3').ask('GET', '/healthz')).status, 200);
  await Promise.all(slow);
});

test('a request has one meaning: no smuggled second one is answered', async (t) => {
  const bench = await webBench(t);
  const inner = 'GET /api/v1/status HTTP/1.1\r\nHost: localhost\r\n\r\n';
  const base = 'POST /api/v1/claim HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n';
  const forms = [
    `${base}Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${inner}`,
    `${base}Transfer-Encoding: chunked\r\nContent-Length: 6\r\n\r\n0\r\n\r\n${inner}`,
    `${base}Content-Length: 2\r\nContent-Length: 60\r\n\r\n{}${inner}`,
    `${base}Content-Length: 2, 60\r\n\r\n{}${inner}`,
    `${base}Content-Length: +2\r\n\r\n{}${inner}`,
    `${base}Content-Length: 0x2\r\n\r\n{}${inner}`,
    `${base}Content-Length : 2\r\n\r\n{}${inner}`,
    `${base}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n${inner}`,
    `${base}Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n${inner}`,
    `${base}Transfer-Encoding:\tchunked\r\nTransfer-Encoding: x\r\n\r\n0\r\n\r\n${inner}`,
    `${base}Transfer-Encoding: chunked\r\n\r\n0;\n\r\n\r\n${inner}`,
    `${base}Transfer-Encoding: chunked\r\n\r\n-1\r\n\r\n${inner}`,
    `${base} Content-Length: 2\r\n\r\n{}${inner}`,
    `${base}X: a\nContent-Length: 2\r\n\r\n{}${inner}`,
    `${base}X: a\rContent-Length: 2\r\n\r\n{}${inner}`,
    `GET /healthz HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n${inner}`,
    `GET /healthz HTTP/1.1\nHost: localhost\n\n${inner}`,
    `GET /healthz HTTP/1.1\r\n\r\n${inner}`,
    `GET /healthz HTTP/2.0\r\nHost: localhost\r\n\r\n${inner}`,
    'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
    `GET http://evil.example/healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`,
    `\0GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n`,
  ];
  for (const [i, form] of forms.entries()) {
    // Each from an address of its own: the rate of one is not what this is about.
    const got = await answers(t, bench, `127.0.24.${i + 1}`, form);
    assert.ok(statuses(got).length <= 1, `${JSON.stringify(form.slice(0, 160))}: ${statuses(got)}`);
    assert.ok(
      ['', '400', '421', '505'].includes(statuses(got).join()),
      `${JSON.stringify(form.slice(0, 160))}: ${statuses(got)}`,
    );
  }
  // What is no trick is answered twice.
  const two = `GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\nGET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`;
  assert.deepEqual(statuses(await answers(t, bench, '127.0.24.99', two)), ['200', '200']);
});

test('random bytes before, in and after the handshake end the connection and nothing else', async (t) => {
  const bench = await webBench(t);
  for (let i = 0; i < 40; i++) {
    const socket = raw(t, bench.https, `127.0.25.${i + 1}`);
    const closed = ended(socket);
    socket.write(randomBytes(1 + i * 40));
    socket.write('\r\n\r\n');
    socket.resume();
    await closed;
  }
  for (let i = 0; i < 20; i++) {
    const got = await answers(t, bench, `127.0.26.${i + 1}`, Buffer.concat([randomBytes(1 + i * 40), Buffer.from('\r\n\r\n')]));
    assert.ok(['', '400'].includes(statuses(got).join()), got.slice(0, 80));
  }
  const plain = raw(t, bench.https, '127.0.25.99');
  const closed = ended(plain);
  plain.write('GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n');
  plain.resume();
  await closed;
  assert.equal((await bench.client('127.0.27.1').ask('GET', '/healthz')).status, 200);
});

test('a stop ends handshakes, silent connections and open answers', async (t) => {
  const bench = await webBench(t);
  await bench.access.accounts.addUser({ name: 'anna', role: 'administrator', password: PASSWORD }, ROOT);
  const anna = bench.client('127.0.28.1');
  await anna.logIn('anna');
  const reader = bench.client('127.0.28.2');
  for (const [name, value] of anna.cookies) reader.cookies.set(name, value);
  const tail = reader.ask('GET', '/api/v1/tail').catch(() => {});
  await waitFor('the tail', () => bench.target.listeners.size === 1);
  const silent = raw(t, bench.https, '127.0.28.3');
  const half = raw(t, bench.https, '127.0.28.4');
  half.write(Buffer.from('16030100f8010000f40303', 'hex'));
  const asking = await secure(t, bench, '127.0.28.5');
  asking.write('GET /healthz HTTP/1.1\r\n');
  await waitFor('both connections', () => !silent.connecting && !half.connecting);
  await bench.server.stop();
  await tail;
  for (const socket of [silent, half, asking]) await waitFor('its end', () => socket.destroyed);
  assert.equal(bench.target.listeners.size, 0);
  assert.equal(bench.server.http().state, 'off');
});
