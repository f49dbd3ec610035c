/** Where bytes cost: the end of a connection over TLS is one piece, and a broker that has other suites than the first message offers. */
import '../../harness/no-outside.ts';
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { type AddressInfo, createConnection, createServer, type Server, type Socket } from 'node:net';
import test, { type TestContext } from 'node:test';
import { createServer as createTlsServer, type TlsOptions, type Server as TlsServer } from 'node:tls';
import { systemClock } from '../../../src/core/clock.ts';
import { openWire } from '../../../src/forwarders/mqtt/wire/open-wire.ts';
import { TlsSessions } from '../../../src/forwarders/mqtt/wire/tls-sessions.ts';
import { Authority } from '../../harness/certificates.ts';
import { openUpstream, upstreamFault } from '../../harness/open-upstream.ts';
import { waitFor } from '../../harness/wait-for.ts';

const CONNACK = Uint8Array.of(0x20, 2, 0, 0);
const DISCONNECT = 'e000';
/** A record of TLS 1.3 has so many bytes beside its contents: head, kind and tag. An alert has two bytes. */
const RECORD = 22;

interface Heard {
  /** Pieces of TCP after the CONNACK, and bytes of MQTT. */
  readonly pieces: Buffer[];
  greeted: boolean;
  mqtt: string;
  tlsEnded: boolean;
  tcpEnded: boolean;
}

/** A broker that takes any log-in, and says in what pieces of TCP the rest came. @param closes as a broker does after a DISCONNECT */
async function broker(t: TestContext, options: TlsOptions, closes: boolean): Promise<{ port: number; heard: Heard }> {
  const heard: Heard = { pieces: [], greeted: false, mqtt: '', tlsEnded: false, tcpEnded: false };
  const sockets = new Set<Socket>();
  const secure = createTlsServer({ ...options, allowHalfOpen: true }, (socket) => {
    sockets.add(socket.on('error', () => {}));
    socket.once('data', () => {
      socket.on('data', (bytes: Buffer) => {
        heard.mqtt += bytes.toString('hex');
      });
      heard.greeted = true;
      socket.write(CONNACK);
    });
    socket.on('end', () => {
      heard.tlsEnded = true;
      if (closes) socket.destroy();
    });
  });
  const inner = await listen(t, secure);
  const front = createServer({ allowHalfOpen: true }, (socket) => {
    const to = createConnection({ port: inner, host: '127.0.0.1' });
    for (const one of [socket, to]) sockets.add(one.on('error', () => {}));
    socket.on('data', (piece: Buffer) => {
      if (heard.greeted) heard.pieces.push(piece);
      to.write(piece);
    });
    to.on('data', (piece: Buffer) => socket.write(piece));
    to.on('close', () => socket.destroy());
    socket.on('close', () => {
      heard.tcpEnded = true;
      to.destroy();
    });
    socket.on('end', () => socket.destroy());
  });
  const port = await listen(t, front);
  t.after(() => {
    for (const socket of sockets) socket.destroy();
  });
  return { port, heard };
}

async function listen(t: TestContext, server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  return (server.address() as AddressInfo).port;
}

for (const closes of [true, false])
  test(`the goodbye and the end of TLS leave in one piece, the broker ${closes ? 'closes' : 'does not close'}`, async (t) => {
    const authority = Authority.make(t);
    if (authority === undefined) return;
    const { cert, key } = authority.sign('broker');
    const { port, heard } = await broker(t, { cert: readFileSync(cert), key: readFileSync(key) }, closes);
    const connection = await openUpstream(`mqtts://127.0.0.1:${port}`, { thrifty: true, tls: { ca: authority.ca } });
    await connection.end(closes ? 60_000 : 300);
    await waitFor('the end of TLS', () => heard.tlsEnded);
    assert.equal(heard.mqtt, DISCONNECT);
    assert.deepEqual(
      heard.pieces.map(({ length }) => length),
      [RECORD + DISCONNECT.length / 2 + RECORD + 2],
    );
    await waitFor('the end of TCP', () => heard.tcpEnded);
  });

test('what was said last leaves also when the connection is destroyed before its end', async (t) => {
  const authority = Authority.make(t);
  if (authority === undefined) return;
  const { cert, key } = authority.sign('broker');
  const { port, heard } = await broker(t, { cert: readFileSync(cert), key: readFileSync(key) }, false);
  const connection = await openUpstream(`mqtts://127.0.0.1:${port}`, { thrifty: true, tls: { ca: authority.ca } });
  const ended = connection.end(60_000);
  await new Promise((resolve) => setImmediate(resolve));
  connection.destroy();
  await ended;
  await waitFor('the goodbye', () => heard.mqtt === DISCONNECT);
});

/** A broker whose rules of TLS may change, and which tells whether a handshake was resumed. */
async function changing(t: TestContext) {
  const authority = Authority.make(t);
  if (authority === undefined) return undefined;
  const { cert, key } = authority.sign('broker');
  const pair = { cert: readFileSync(cert), key: readFileSync(key) };
  const resumed: boolean[] = [];
  let server: TlsServer | undefined;
  let port = 0;
  const sessions = new TlsSessions();
  const tls = { ca: readFileSync(authority.ca, 'utf8') };
  const address = () => ({ scheme: 'mqtts' as const, host: '127.0.0.1', port, path: '' });
  const kept = (): string => TlsSessions.key(address(), tls);
  return {
    ...{
      resumed,
      sessions,
      kept,
      fault: () => upstreamFault(`mqtts://127.0.0.1:${port}`, { thrifty: true, sessions, tls: { ca: authority.ca } }),
    },
    /** @param silent it ends a handshake that it does not like without an alert */
    async speaks(rules: object, silent = false): Promise<void> {
      await new Promise<void>((resolve) => (server === undefined ? resolve() : void server.close(() => resolve())));
      // The keys of tickets go with the process of a broker, and stay in this test.
      const ticketKeys = Buffer.alloc(48, 7);
      const next = createTlsServer({ ...pair, ...rules, ticketKeys }, (socket) => {
        resumed.push(socket.on('error', () => {}).isSessionReused());
        socket.write(CONNACK);
      });
      next.on('tlsClientError', () => {});
      const front = !silent ? undefined : createServer((socket) => refusesSilently(socket, next.address() as AddressInfo));
      server = next;
      t.after(() => next.close());
      if (front === undefined) await new Promise<void>((resolve) => next.listen(port, '127.0.0.1', resolve));
      else {
        await new Promise<void>((resolve) => next.listen(0, '127.0.0.1', resolve));
        t.after(() => front.close());
      }
      const shown = front ?? next;
      if (front !== undefined) await new Promise<void>((resolve) => front.listen(port, '127.0.0.1', resolve));
      ({ port } = shown.address() as AddressInfo);
    },
    /** A visit that gets a ticket. */
    async visit(): Promise<void> {
      const route = {
        ...{ address: address(), thrifty: true, sessions, tls, clock: systemClock, clockKnown: true },
        signal: new AbortController().signal,
      };
      const { stream } = await openWire(route, () => {});
      await waitFor('a ticket', () => sessions.newest(kept(), Date.now()) !== undefined);
      await new Promise((resolve) => stream.once('data', resolve));
      stream.destroy();
    },
  };
}

/** Passes bytes on, and ends both sides where the broker says an alert in place of its first message. */
function refusesSilently(socket: Socket, { port }: AddressInfo): void {
  const inner = createConnection(port, '127.0.0.1');
  socket.on('error', () => {}).on('close', () => inner.destroy());
  inner.on('error', () => {}).on('close', () => socket.destroy());
  socket.pipe(inner);
  inner.on('data', (bytes: Buffer) => (bytes[0] === ALERT ? socket.destroy() : void socket.write(bytes)));
}
const ALERT = 21;
const SHA384 = { ciphers: 'TLS_AES_256_GCM_SHA384', minVersion: 'TLSv1.3' as const };

test('a broker that allows SHA-384 alone refuses the first handshake, and takes the next ones', async (t) => {
  const site = await changing(t);
  if (site === undefined) return;
  await site.speaks(SHA384);
  assert.equal((await site.fault())[0], 'tls');
  await site.visit();
  await site.visit();
  assert.deepEqual(site.resumed, [false, true]);
  // Another broker gets the small message first.
  assert.equal(site.sessions.offer('another').wide, false);
});

test('a broker that allows SHA-384 alone from one day on is resumed again after one refusal', async (t) => {
  const site = await changing(t);
  if (site === undefined) return;
  await site.speaks({ minVersion: 'TLSv1.3' });
  await site.visit();
  await site.speaks(SHA384);
  assert.equal((await site.fault())[0], 'tls');
  await site.visit();
  await site.visit();
  assert.deepEqual(site.resumed, [false, false, true]);
});

test('a broker that speaks no TLS 1.3 any more gets TLS 1.2 after one refusal, and is resumed', async (t) => {
  const site = await changing(t);
  if (site === undefined) return;
  await site.speaks({ minVersion: 'TLSv1.3' });
  await site.visit();
  await site.speaks({ maxVersion: 'TLSv1.2' });
  const [failure, words] = await site.fault();
  assert.equal(failure, 'tls');
  assert.match(words, /speaks no TLS 1.3 any more; the next connection offers TLS 1.2 as well/);
  await site.visit();
  await site.visit();
  assert.deepEqual(site.resumed, [false, false, true]);
});

test('a broker that ends a small handshake without a word is reached with the wider one', async (t) => {
  const site = await changing(t);
  if (site === undefined) return;
  await site.speaks(SHA384, true);
  assert.equal((await site.fault())[0], 'hung-up');
  await site.visit();
  // Was it the link? The small message says.
  assert.equal((await site.fault())[0], 'hung-up');
  for (let i = 0; i < 3; i++) await site.visit();
  assert.deepEqual(site.resumed, [false, false, true, true]);
});

test('a link that cuts a handshake changes nothing for longer than one visit', async (t) => {
  const site = await changing(t);
  if (site === undefined) return;
  await site.speaks({ minVersion: 'TLSv1.3', ciphers: 'TLS_AES_256_GCM_SHA384:TLS_AES_128_GCM_SHA256', honorCipherOrder: true });
  await site.visit();
  const offer = site.sessions.offer(site.kept());
  assert.equal(offer.failed('ECONNRESET', undefined), true);
  assert.equal(offer.wide, true);
  await site.visit();
  assert.equal(offer.wide, false);
  await site.visit();
  assert.equal(offer.failed('ECONNRESET', undefined), true);
  await site.visit();
  assert.equal(offer.wide, false, 'the small one came about in between');
});
