/** An address of the gateway: in use, free again, over its limit, and with a certificate that comes late. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import test, { type TestContext } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { LISTEN_RETRY_MAX } from '../../../src/access/doors/limits.ts';
import { Listener, type ListenerOptions } from '../../../src/access/doors/listener.ts';
import { identityOf } from '../../../src/access/tls/identity.ts';
import { issue } from '../../../src/access/tls/issuing.ts';
import { type Logger, silentLogger } from '../../../src/core/logger.ts';
import type { TlsSource } from '../../../src/core/tls-source.ts';
import { BUILT } from '../../../src/core/version.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';
import { waitFor } from '../../harness/wait-for.ts';

const DAY = 86_400_000;

function listenerBench(t: TestContext, options: Partial<ListenerOptions> = {}) {
  const clock = new ManualClock();
  const logged: string[] = [];
  const told: (string | undefined)[] = [];
  const sockets: Socket[] = [];
  const log = (_: object, message: string) => void logged.push(message);
  const logger: Logger = { ...silentLogger, info: log, warn: log, error: log };
  const listener = new Listener({
    ...{ listen: { host: '127.0.0.1', port: 0 }, who: 'A test', key: 'test.listen', maxSockets: 3, asksCertificate: false },
    ...{ logger, clock },
    connected: (socket) => {
      socket.on('error', () => {});
      sockets.push(socket);
    },
    onListen: (fault) => void told.push(fault),
    ...options,
  });
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    return listener.stop();
  });
  return { clock, logged, told, sockets, listener };
}

/** Another program has the address. */
async function occupied(t: TestContext, wanted = 0): Promise<{ server: Server; port: number }> {
  const server = createServer().listen(wanted, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  return { server, port: (server.address() as { port: number }).port };
}

test('it says where it listens, and takes nobody after its stop', async (t) => {
  const { listener, sockets, told, logged } = listenerBench(t);
  assert.equal(listener.address, undefined);
  listener.start();
  await listener.tried;
  const { port } = listener.address ?? assert.fail('it does not listen');
  assert.equal(listener.tls, false);
  const client = connect(port, '127.0.0.1');
  t.after(() => client.destroy());
  await waitFor('the connection', () => sockets.length === 1);
  const stop = listener.stop();
  assert.equal(listener.address, undefined);
  const late = connect(port, '127.0.0.1');
  const [refused] = (await once(late, 'error')) as [NodeJS.ErrnoException];
  assert.equal(refused.code, 'ECONNREFUSED');
  for (const socket of sockets) socket.destroy();
  await stop;
  assert.deepEqual([told, logged, listener.fault], [[], [], undefined]);
});

test('an address in use is reported once, tried again, and taken when it is free', async (t) => {
  const { server, port } = await occupied(t);
  const { listener, clock, told, logged } = listenerBench(t, { listen: { host: '127.0.0.1', port } });
  listener.start();
  await listener.tried;
  await waitFor('the fault', () => listener.fault);
  assert.match(listener.fault ?? '', /test\.listen/);
  // A try takes some turns of the loop: the clock waits for them.
  const next = async (): Promise<void> => {
    await clock.advance(LISTEN_RETRY_MAX);
    for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
  };
  for (let n = 0; n < 12; n++) await next();
  assert.equal(logged.length, 1);
  assert.deepEqual(told, [listener.fault]);
  await new Promise((resolve) => server.close(resolve));
  await waitFor('the address', async () => {
    await next();
    return listener.address;
  });
  await waitFor('the word for it', () => told.length === 2);
  assert.deepEqual([told[1], listener.fault, logged.length], [undefined, undefined, 2]);
});

test('a stop while it waits for its address ends the tries', async (t) => {
  const { server, port } = await occupied(t);
  const { listener, clock } = listenerBench(t, { listen: { host: '127.0.0.1', port } });
  listener.start();
  await listener.tried;
  await listener.stop();
  await new Promise((resolve) => server.close(resolve));
  await clock.advance(10 * LISTEN_RETRY_MAX);
  assert.equal(listener.address, undefined);
  const { server: next } = await occupied(t, port);
  assert.ok(next.listening, 'the address is free for others');
});

test('connections beyond the limit are dropped and counted, the others stay', async (t) => {
  const { listener, sockets } = listenerBench(t);
  listener.start();
  await listener.tried;
  const port = listener.address?.port ?? 0;
  const clients = Array.from({ length: 8 }, () => connect(port, '127.0.0.1').on('error', () => {}));
  t.after(() => {
    for (const client of clients) client.destroy();
  });
  await waitFor('the refusals', () => listener.dropped === 5);
  assert.equal(sockets.length, 3);
  assert.ok(sockets.every((socket) => !socket.destroyed));
});

test('an address that this machine does not have is a fault in words', async (t) => {
  const { listener } = listenerBench(t, { listen: { host: '203.0.113.7', port: 0 } });
  listener.start();
  await listener.tried;
  assert.match(listener.fault ?? '', /203\.0\.113\.7/);
  assert.equal(listener.address, undefined);
});

test('a certificate with a fault is reported; it listens as soon as one comes', async (t) => {
  const changed: (() => void)[] = [];
  const source: { current: TlsSource['current']; fault: string | undefined } = { current: undefined, fault: undefined };
  const tls: TlsSource = {
    get current() {
      return source.current;
    },
    get fault() {
      return source.fault;
    },
    onChange: (listener) => {
      changed.push(listener);
      return () => void changed.splice(changed.indexOf(listener), 1);
    },
  };
  source.fault = 'the file of the key is missing';
  const { listener, told } = listenerBench(t, { listen: { host: '127.0.0.1', port: 0, tls } });
  listener.start();
  await listener.tried;
  assert.equal(listener.tls, true);
  assert.match(told[0] ?? '', /the file of the key is missing/);
  const names = { dns: ['localhost'], addresses: [] };
  const { server } = await issue({
    ...{ subject: 'g1', names, permits: names, caFrom: BUILT, caUntil: BUILT + 10 * DAY, from: BUILT, until: BUILT + DAY },
  });
  source.fault = undefined;
  source.current = identityOf(server.key, server.certificate);
  for (const change of changed) change();
  await waitFor('its address', () => listener.address);
  await waitFor('the word for it', () => told.length === 2);
  assert.equal(told[1], undefined);
  await listener.stop();
  assert.equal(changed.length, 0, 'it listens to the certificate no more');
});

test('a taken address holds a TLS client until the start, and its handshake is made then', async (t) => {
  const names = { dns: ['localhost'], addresses: [] };
  const { server } = await issue({
    ...{ subject: 'g1', names, permits: names, caFrom: BUILT, caUntil: BUILT + 10 * DAY, from: BUILT, until: BUILT + DAY },
  });
  const tls: TlsSource = {
    current: identityOf(server.key, server.certificate),
    fault: undefined,
    onChange: () => () => {},
  };
  const { listener, sockets } = listenerBench(t, { listen: { host: '127.0.0.1', port: 0, tls } });
  await listener.reserve();
  const port = listener.address?.port ?? assert.fail('it has no address');
  const client = connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false });
  t.after(() => client.destroy());
  let secure = false;
  client.on('secureConnect', () => {
    secure = true;
  });
  await once(client, 'connect');
  // One that came and went meanwhile is nobody's.
  const gone = connect(port, '127.0.0.1');
  await once(gone, 'connect');
  gone.destroy();
  assert.deepEqual([secure, sockets.length], [false, 0]);
  listener.start();
  await waitFor('the handshake', () => secure && sockets.length === 1);
  await listener.tried;
});

test('an address without a certificate, or of another program, is not taken and not tried again', async (t) => {
  const tls: TlsSource = { current: undefined, fault: 'the file of the key is missing', onChange: () => () => {} };
  const bare = listenerBench(t, { listen: { host: '127.0.0.1', port: 0, tls } });
  await assert.rejects(bare.listener.reserve(), { code: 'listen-failed', message: /the file of the key is missing/ });
  const { server, port } = await occupied(t);
  const { listener, clock, logged } = listenerBench(t, { listen: { host: '127.0.0.1', port } });
  await assert.rejects(listener.reserve(), { code: 'listen-failed', message: /choose another port for test\.listen/ });
  await new Promise((resolve) => server.close(resolve));
  await clock.advance(10 * LISTEN_RETRY_MAX);
  assert.deepEqual([listener.address, logged], [undefined, []]);
});
