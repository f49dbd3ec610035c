/** TLS sessions over reconnects: a later handshake resumes an earlier one, with the same broker, files and pins only. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import test, { type TestContext } from 'node:test';
import { createServer, type TLSSocket, type TlsOptions } from 'node:tls';
import { systemClock } from '../../../src/core/clock.ts';
import { parseBrokerUrl } from '../../../src/forwarders/mqtt/address.ts';
import { Connection } from '../../../src/forwarders/mqtt/connection.ts';
import type { ConnectionOptions } from '../../../src/forwarders/mqtt/connection-options.ts';
import { jsonDialect } from '../../../src/forwarders/mqtt/dialects/json/dialect.ts';
import { mqttForwarderSchema } from '../../../src/forwarders/mqtt/schema.ts';
import { openWire } from '../../../src/forwarders/mqtt/wire/open-wire.ts';
import { readTls, type TlsSettings } from '../../../src/forwarders/mqtt/wire/tls-material.ts';
import { TlsSessions } from '../../../src/forwarders/mqtt/wire/tls-sessions.ts';
import { Authority, fingerprintOf, type Pair } from '../../harness/certificates.ts';
import { Child } from '../../harness/child.ts';
import { freePort } from '../../harness/free-port.ts';
import { upstreamFault } from '../../harness/open-upstream.ts';
import { UpstreamSite } from '../../harness/upstream-site.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { Mosquitto } from '../../peers/mosquitto.ts';

const over = (port: number, host = 'localhost') => `mqtts://${host}:${port}`;

/** A TLS server of Node that says of each handshake whether it was resumed, and greets so that its tickets arrive. */
async function teller(t: TestContext, options: TlsOptions): Promise<{ port: number; resumed: boolean[] }> {
  const resumed: boolean[] = [];
  const open = new Set<TLSSocket>();
  const server = createServer(options, (socket) => {
    open.add(socket.on('error', () => {}));
    resumed.push(socket.isSessionReused());
    socket.write('hello');
  });
  server.on('tlsClientError', () => {});
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    for (const socket of open) socket.destroy();
    server.close();
  });
  return { port: (server.address() as AddressInfo).port, resumed };
}

const material = ({ cert, key }: Pair) => ({ cert: readFileSync(cert), key: readFileSync(key) });

/** Connects with these sessions, waits until there is one for the next time. @returns whether the handshake was resumed */
async function visit(url: string, settings: TlsSettings, sessions: TlsSessions): Promise<boolean> {
  const address = parseBrokerUrl(url);
  if ('wrong' in address) throw new Error(address.wrong);
  const tls = await readTls(settings);
  const route = { address, tls, sessions, clock: systemClock, clockKnown: true, signal: new AbortController().signal };
  const before = sessions.newest(TlsSessions.key(address, tls), Date.now());
  const wire = (await openWire(route, () => {})).stream as TLSSocket;
  // The server has the end of the handshake when something comes from it: a greeting, or a new ticket.
  let greeted = false;
  wire.on('data', () => (greeted = true));
  const newest = () => sessions.newest(TlsSessions.key(address, tls), Date.now());
  await waitFor('an answer', () => greeted || newest() !== before);
  await waitFor('a session', () => newest() !== undefined);
  const resumed = wire.isSessionReused();
  wire.destroy();
  return resumed;
}

for (const version of ['TLSv1.2', 'TLSv1.3'] as const)
  test(`each later connection resumes the one before: ${version}`, async (t) => {
    const authority = Authority.make(t);
    if (authority === undefined) return;
    const { port, resumed } = await teller(t, { ...material(authority.sign('broker')), maxVersion: version });
    const sessions = new TlsSessions();
    for (let i = 0; i < 4; i++) await visit(over(port), { ca: authority.ca }, sessions);
    assert.deepEqual(resumed, [false, true, true, true]);
  });

test('other files, another name, pin or broker mean a full handshake', async (t) => {
  const authority = Authority.make(t);
  if (authority === undefined) return;
  const [first, second] = [authority.sign('broker'), authority.sign('second')];
  const one = await teller(t, material(first));
  const two = await teller(t, material(second));
  const sessions = new TlsSessions();
  const ways: [number, TlsSettings][] = [
    [one.port, { ca: authority.ca }],
    [one.port, { ca: authority.ca, serverName: '127.0.0.1' }],
    [one.port, { ca: authority.ca, fingerprint: fingerprintOf(first) }],
    [one.port, { ca: authority.ca, ...authority.sign('gateway') }],
    [two.port, { ca: authority.ca }],
  ];
  for (const [port, tls] of ways) await visit(over(port), tls, sessions);
  assert.deepEqual([one.resumed, two.resumed], [[false, false, false, false], [false]]);
  for (const [port, tls] of ways) await visit(over(port), tls, sessions);
  assert.deepEqual(one.resumed.slice(4), [true, true, true, true]);
});

test('a pin is compared on a resumed session, and a session never replaces it', async (t) => {
  const authority = Authority.make(t);
  if (authority === undefined) return;
  const [right, wrong] = [authority.sign('broker'), authority.sign('other')];
  const { port, resumed } = await teller(t, material(right));
  const sessions = new TlsSessions();
  const pinned = { fingerprint: fingerprintOf(right) };
  await visit(over(port), pinned, sessions);
  await visit(over(port), pinned, sessions);
  assert.deepEqual(resumed, [false, true]);
  // A session that came under another certificate, put where this pin looks: the pin is compared all the same.
  const address = parseBrokerUrl(over(port));
  assert.ok(!('wrong' in address));
  const key = TlsSessions.key(address, await readTls(pinned));
  const taken = sessions.newest(key, Date.now());
  assert.ok(taken !== undefined);
  sessions.keep(key, { ...taken, fingerprint: fingerprintOf(wrong) });
  await assert.rejects(visit(over(port), pinned, sessions), /another certificate than the one that is pinned/);
  assert.equal(resumed.at(-1), true);
  // A wrong pin leaves no session behind.
  const none = new TlsSessions();
  const bad = { fingerprint: fingerprintOf(wrong) };
  for (let i = 0; i < 2; i++) await assert.rejects(visit(over(port), bad, none), /pinned/);
  assert.equal(none.newest(TlsSessions.key(address, await readTls(bad)), Date.now()), undefined);
});

test('a broker with another certificate and other ticket keys is not believed by a session', async (t) => {
  const [authority, stranger] = [Authority.make(t), Authority.make(t, 'A stranger')];
  if (authority === undefined || stranger === undefined) return;
  const sessions = new TlsSessions();
  const port = await freePort();
  const serve = async (pair: Pair): Promise<() => Promise<void>> => {
    const server = createServer(material(pair), (socket) => socket.on('error', () => {}).end('hello'));
    server.on('tlsClientError', () => {});
    await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
    return () => new Promise((resolve) => server.close(() => resolve()));
  };
  const end = await serve(authority.sign('broker'));
  await visit(over(port), { ca: authority.ca }, sessions);
  await end();
  const endOther = await serve(stranger.sign('broker'));
  await assert.rejects(visit(over(port), { ca: authority.ca }, sessions), /none of the authorities/);
  await endOther();
});

test('sessions are bounded, dropped after failures and past the date of the certificate', () => {
  const sessions = new TlsSessions();
  const session = (n: number) => ({ bytes: Buffer.from([n]), version: 'TLSv1.3', fingerprint: 'f', from: 1000, until: 2000 });
  for (let i = 0; i < 10; i++) sessions.keep('a', session(i));
  assert.deepEqual(
    [999, 1000, 2000, 2001].map((now) => sessions.newest('a', now)?.bytes[0]),
    [undefined, 9, 9, undefined],
  );
  sessions.keep('large', { ...session(0), bytes: Buffer.alloc(20_000) });
  assert.equal(sessions.newest('large', 1500), undefined);
  sessions.failed('a', false);
  assert.equal(sessions.newest('a', 1500), undefined);
  sessions.keep('a', session(2));
  assert.equal(sessions.newest('a', 1500)?.bytes[0], 2, 'one cut says nothing');
  sessions.succeeded('a');
  sessions.failed('a', true);
  sessions.keep('a', session(3));
  assert.equal(sessions.newest('a', 1500), undefined, 'a broker that refuses sessions gets no other one');
  for (let i = 0; i < 1000; i++) sessions.keep(`b${i}`, session(i % 256));
  assert.equal(sessions.newest('b991', 1500), undefined);
  assert.ok(sessions.newest('b999', 1500) !== undefined);
});

test('openssl s_server confirms that the second handshake is resumed', async (t) => {
  const authority = Authority.make(t);
  if (authority === undefined) return;
  const { cert, key } = authority.sign('broker');
  const port = await freePort();
  const args = ['s_server', '-accept', `127.0.0.1:${port}`, '-cert', cert, '-key', key, '-naccept', '2'];
  const server = new Child('openssl', args, { stdin: true });
  t.after(() => server.stop('SIGKILL'));
  await waitFor('s_server', () => server.stdout.some((line) => line.includes('ACCEPT')));
  const sessions = new TlsSessions();
  for (let i = 0; i < 2; i++) await visit(over(port), { ca: authority.ca }, sessions);
  assert.equal(await server.ended, 0);
  const [one, two] = server.stdout.join('\n').split('END SSL SESSION PARAMETERS').slice(1);
  assert.ok(one !== undefined && two !== undefined, server.stdout.join('\n'));
  assert.deepEqual(
    [one, two].map((text) => text.includes('Reused session-id')),
    [false, true],
  );
});

test('Mosquitto resumes with a client certificate as without one, under both versions of TLS', async (t) => {
  const authority = Authority.make(t);
  if (authority === undefined) return;
  const mutual = [`cafile ${authority.ca}`, 'require_certificate true', 'use_identity_as_username true'];
  for (const version of ['tlsv1.2', 'tlsv1.3'])
    for (const extra of [[], mutual]) {
      const { cert, key } = authority.sign('broker');
      const files = [`certfile ${cert}`, `keyfile ${key}`, `tls_version ${version}`];
      const mosquitto = await Mosquitto.start(t, { extra: [...files, ...extra] });
      if (mosquitto === undefined) return;
      const sessions = new TlsSessions();
      const tls: TlsSettings = { ca: authority.ca, ...(extra.length > 0 && authority.sign('gateway', { names: '' })) };
      const resumed: boolean[] = [];
      for (let i = 0; i < 3; i++) resumed.push(await visit(over(mosquitto.port), tls, sessions));
      assert.deepEqual(resumed, [false, true, true], `${version} ${extra.length}`);
      assert.deepEqual(await upstreamFault(over(mosquitto.port), { tls, sessions }), ['none', 'it was taken']);
    }
});

test('a forwarder resumes after its connection was cut, and its readings arrive', async (t) => {
  const authority = Authority.make(t);
  const pair = authority?.sign('broker');
  const mosquitto =
    pair && (await Mosquitto.start(t, { extra: [`certfile ${pair.cert}`, `keyfile ${pair.key}`, `cafile ${authority?.ca}`] }));
  if (authority === undefined || mosquitto === undefined) return;
  const seen: (boolean | undefined)[] = [];
  const url = over(mosquitto.port);
  const settings = { ...mqttForwarderSchema([jsonDialect]).parse({ url, batch: { maxAge: '20ms' } }), tls: { ca: authority.ca } };
  const connect = (options: ConnectionOptions): Promise<Connection> => {
    const key = TlsSessions.key({ scheme: 'mqtts', path: '', host: options.host, port: options.port }, options.tls ?? {});
    seen.push(options.sessions?.newest(key, Date.now()) !== undefined);
    return Connection.open(options);
  };
  const site = await UpstreamSite.open(t, { url }, { settings: settings as never, connect });
  site.forwarder.start();
  site.add(3);
  await waitFor(
    () => `the first: ${site.fault}`,
    () => site.forwarder.status().counters.readings === 3,
  );
  await mosquitto.restart();
  site.add(3);
  await waitFor('the rest', () => site.forwarder.status().counters.readings === 6);
  assert.deepEqual(seen.slice(0, 2), [false, true]);
});
