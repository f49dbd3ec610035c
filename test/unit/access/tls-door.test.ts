/** How many connections a TLS listener holds before the end of their handshakes, and that every door has sockets for them. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect, createServer, Socket } from 'node:net';
import test from 'node:test';
import { connect as connectTls } from 'node:tls';
import {
  HANDSHAKE_REST,
  HANDSHAKES_AT_ONCE,
  HANDSHAKES_PER_SECOND,
  MAX_WAITING_HANDSHAKES,
  MOST_BEFORE_TLS,
} from '../../../src/access/doors/limits.ts';
import { reset } from '../../../src/access/doors/reset.ts';
import { TlsDoor } from '../../../src/access/doors/tls-door.ts';
import * as http from '../../../src/admin/limits.ts';
import { systemClock } from '../../../src/core/clock.ts';
import * as broker from '../../../src/forwarders/broker/limits.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';
import { Authority } from '../../harness/certificates.ts';
import { waitFor } from '../../harness/wait-for.ts';

/** More than two kernels take. */
const SOME = 64 * 1024 * 1024;

test('handshakes that stop in the middle fill the places before TLS, and no more', async (t) => {
  const clock = new ManualClock();
  const refused: string[] = [];
  const door = new TlsDoor({
    ...{ clock, asksCertificate: false },
    source: { current: { key: '', cert: '', fingerprint: '' }, fault: undefined, onChange: () => () => {} },
    connected: () => assert.fail('nobody ends a handshake here'),
    ready: () => {},
    refused: ({ message }) => refused.push(message),
  });
  const entered: Socket[] = [];
  let spoke = 0;
  const server = createServer((socket) => {
    entered.push(socket);
    door.enter(socket);
    socket.once('readable', () => spoke++);
  });
  t.after(() => {
    door.stop();
    for (const socket of entered) socket.destroy();
    server.close();
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const { port } = server.address() as { port: number };
  let opened = 0;
  /** Each is of another address, and sends the beginning of a ClientHello. */
  const open = (count: number): void => {
    for (let i = 0; i < count; i++) {
      const socket = connect({ port, host: '127.0.0.1', localAddress: `127.0.42.${++opened}` });
      socket.on('error', () => {});
      socket.write(Buffer.from([22, 3, 1, 2, 0, 1, 0, 1, 252]));
      t.after(() => socket.destroy());
    }
  };
  const heard = () => waitFor('the bytes of each', () => spoke === opened);
  open(HANDSHAKES_AT_ONCE);
  await heard();
  for (let begun = opened; begun + MAX_WAITING_HANDSHAKES < MOST_BEFORE_TLS; begun += HANDSHAKES_PER_SECOND) {
    open(HANDSHAKES_PER_SECOND);
    await heard();
    await clock.advance(1001);
  }
  open(MAX_WAITING_HANDSHAKES);
  await heard();
  assert.equal(opened, MOST_BEFORE_TLS);
  const tooMany = () => refused.filter((why) => why.startsWith('more connections than')).length;
  assert.equal(tooMany(), 0);
  open(3);
  await waitFor('each further one to cost one', () => tooMany() === 3);
});

test('an IPv6 network with many addresses counts as one machine in the queue of handshakes', (t) => {
  const refused: string[] = [];
  const door = new TlsDoor({
    ...{ clock: new ManualClock(), asksCertificate: false },
    source: { current: { key: '', cert: '', fingerprint: '' }, fault: undefined, onChange: () => () => {} },
    ...{ connected: () => {}, ready: () => {}, refused: ({ message }) => refused.push(message) },
  });
  let remotePort = 0;
  const enter = (remoteAddress: string): Socket => {
    const socket = new Socket();
    Object.defineProperties(socket, { remoteAddress: { value: remoteAddress }, remotePort: { value: ++remotePort } });
    t.after(() => socket.destroy());
    door.enter(socket);
    return socket;
  };
  t.after(() => door.stop());
  // Each other machine has one, and this one has two.
  const others = Array.from({ length: MAX_WAITING_HANDSHAKES - 2 }, (_, n) => enter(`203.0.113.${n + 1}`));
  const [first, second] = [enter('2001:db8:0:7::1'), enter('2001:db8:0:7:ffff::2')];
  const next = enter('198.51.100.1');
  assert.deepEqual([first.destroyed, second.destroyed, next.destroyed], [true, false, false]);
  assert.ok(others.every((socket) => !socket.destroyed));
  assert.equal(refused.length, 1);
});

test('a door has a socket for each connection that its own limits and TLS let in', () => {
  assert.ok(
    broker.MAX_SOCKETS > broker.MAX_CONNECTIONS + broker.MAX_UNCONNECTED + broker.MAX_LINGERING + MOST_BEFORE_TLS,
    'the broker',
  );
  assert.ok(http.MAX_SOCKETS > http.MAX_NETWORK_CONNECTIONS + MOST_BEFORE_TLS, 'HTTPS');
});

test('handshakes that come at once begin one at a time, with a rest between them', async (t) => {
  const clock = new ManualClock();
  const door = new TlsDoor({
    ...{ clock, asksCertificate: false },
    source: { current: { key: '', cert: '', fingerprint: '' }, fault: undefined, onChange: () => () => {} },
    ...{ connected: () => {}, ready: () => {}, refused: () => {} },
  });
  const entered: Socket[] = [];
  let spoke = 0;
  const server = createServer((socket) => {
    entered.push(socket);
    door.enter(socket);
    socket.once('readable', () => spoke++);
  });
  t.after(() => {
    door.stop();
    for (const socket of entered) socket.destroy();
    server.close();
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const { port } = server.address() as { port: number };
  const count = HANDSHAKES_AT_ONCE + 5;
  for (let i = 0; i < count; i++) {
    const socket = connect({ port, host: '127.0.0.1' });
    socket.on('error', () => {});
    socket.write(Buffer.from([22, 3, 1, 2, 0, 1, 0, 1, 252]));
    t.after(() => socket.destroy());
  }
  await waitFor('the bytes of each', () => spoke === count);
  /** TLS reads the connection itself then, and takes what it has sent. */
  const begun = () => entered.filter((socket) => socket.readableLength === 0).length;
  await waitFor('the first', () => begun() === 1);
  for (let n = 2; n <= HANDSHAKES_AT_ONCE; n++) {
    await clock.advance(HANDSHAKE_REST - 1);
    assert.equal(begun(), n - 1);
    await clock.advance(1);
    await waitFor(`number ${n}`, () => begun() === n);
  }
  // Those at once are spent: the others come at their rate.
  await clock.advance(HANDSHAKE_REST);
  const before = begun();
  await clock.advance(1000 / HANDSHAKES_PER_SECOND + HANDSHAKE_REST);
  await waitFor('one more', () => begun() > before);
  assert.ok(begun() <= before + 2);
});

test('a peer that is reset sees its end before what waits for it, with TLS and without', async (t) => {
  const authority = Authority.make(t);
  if (authority === undefined) return;
  const files = authority.sign('localhost');
  const [cert, key] = [readFileSync(files.cert, 'utf8'), readFileSync(files.key, 'utf8')];
  for (const tls of [false, true]) {
    const taken: Socket[] = [];
    const door = new TlsDoor({
      ...{ clock: systemClock, asksCertificate: false },
      source: { current: { key, cert, fingerprint: '' }, fault: undefined, onChange: () => () => {} },
      connected: (socket) => taken.push(socket),
      ready: () => {},
      refused: (error) => assert.fail(error),
    });
    const server = createServer((socket) => (tls ? door.enter(socket) : taken.push(socket)));
    t.after(() => {
      door.stop();
      server.close();
    });
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    const { port } = server.address() as { port: number };
    const raw = connect(port, '127.0.0.1');
    const client = tls ? connectTls({ socket: raw, rejectUnauthorized: false }) : raw;
    t.after(() => client.destroy());
    const end = once(client, 'error') as Promise<[NodeJS.ErrnoException]>;
    await waitFor('the connection', () => taken.length === 1 && (!tls || client.writable));
    const [socket] = taken as [Socket];
    socket.on('error', () => {});
    client.pause();
    socket.write(Buffer.alloc(SOME));
    await waitFor('the kernels to be full', () => socket.writableLength > 0);
    reset(socket);
    client.resume();
    const [{ code }] = await end;
    assert.equal(code, 'ECONNRESET');
    assert.ok(client.bytesRead < SOME);
    await waitFor('its own end', () => socket.destroyed);
  }
});
