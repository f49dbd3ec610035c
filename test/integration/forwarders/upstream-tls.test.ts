/** TLS to a real Mosquitto: who is believed, who is refused, and what the words say to do. */
import assert from 'node:assert/strict';
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import { createServer as createTlsServer, type TlsOptions } from 'node:tls';
import { ManualClock } from '../../fakes/manual-clock.ts';
import { Authority, fingerprintOf, type Pair } from '../../harness/certificates.ts';
import { openUpstream, upstreamFault } from '../../harness/open-upstream.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { Mosquitto } from '../../peers/mosquitto.ts';

const TAKEN = ['none', 'it was taken'];

/** A broker with TLS on its port. */
async function broker(t: TestContext, { cert, key }: Pair, extra: readonly string[] = []): Promise<Mosquitto | undefined> {
  return Mosquitto.start(t, { extra: [`certfile ${cert}`, `keyfile ${key}`, ...extra] });
}

const over = (port: number, host = 'localhost') => `mqtts://${host}:${port}`;

/** A listener of hand-made bytes or TLS. @returns its port */
async function listen(t: TestContext, serve: (socket: Socket) => void, tls?: TlsOptions): Promise<number> {
  const sockets = new Set<Socket>();
  const take = (socket: Socket): void => {
    sockets.add(socket);
    socket.on('error', () => {});
    serve(socket);
  };
  const server = tls === undefined ? createServer(take) : createTlsServer(tls, take);
  server.on('tlsClientError', () => {});
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return (server.address() as { port: number }).port;
}

test('a certificate of the named authority is believed, by name and by address', async (t) => {
  const authority = Authority.make(t);
  const mosquitto = authority && (await broker(t, authority.sign('broker')));
  if (authority === undefined || mosquitto === undefined) return;
  const tls = { ca: authority.ca };
  assert.deepEqual(await upstreamFault(over(mosquitto.port), { tls }), TAKEN);
  assert.deepEqual(await upstreamFault(over(mosquitto.port, '127.0.0.1'), { tls }), TAKEN);
  const connection = await openUpstream(over(mosquitto.port), { tls });
  await connection.publish({ topic: 'a', payload: 'b', qos: 1, retain: false });
  await connection.end(1000);
});

test('an authority that nobody named is refused, and so is another one', async (t) => {
  const [authority, other] = [Authority.make(t), Authority.make(t, 'Another authority')];
  const mosquitto = authority && (await broker(t, authority.sign('broker')));
  if (other === undefined || mosquitto === undefined) return;
  const [kind, words] = await upstreamFault(over(mosquitto.port));
  assert.equal(kind, 'tls');
  assert.match(words, /an authority that this gateway does not know; .* name its file as `tls: \{ca: …\}`, or pin/);
  assert.match(
    (await upstreamFault(over(mosquitto.port), { tls: { ca: other.ca } }))[1],
    /none of the authorities in `tls: \{ca/,
  );
});

test('a certificate for another host is refused with the names that it carries', async (t) => {
  const authority = Authority.make(t);
  const mosquitto =
    authority && (await broker(t, authority.sign('broker', { names: 'DNS:broker.example.org,DNS:b2.example.org' })));
  if (authority === undefined || mosquitto === undefined) return;
  const [kind, words] = await upstreamFault(over(mosquitto.port), { tls: { ca: authority.ca } });
  assert.equal(kind, 'tls');
  assert.match(words, /for broker\.example\.org, b2\.example\.org, not for localhost; .*`tls: \{serverName: …\}`/);
  const tls = { ca: authority.ca, serverName: 'broker.example.org' };
  assert.deepEqual(await upstreamFault(over(mosquitto.port), { tls }), TAKEN);
});

test('an expired certificate names the clock only where the clock may be the cause', async (t) => {
  const authority = Authority.make(t);
  const [expired, early] = [
    authority && (await broker(t, authority.sign('expired', { from: -20, until: -2 }))),
    authority && (await broker(t, authority.sign('early', { from: 2, until: 20 }))),
  ];
  if (authority === undefined || expired === undefined || early === undefined) return;
  const fault = (port: number, clockKnown: boolean) => upstreamFault(over(port), { tls: { ca: authority.ca }, clockKnown });
  const year = new Date().getUTCFullYear();
  const [kind, known] = await fault(expired.port, true);
  assert.equal(kind, 'tls');
  assert.match(
    known,
    new RegExp(`has expired; the operator of the broker has to renew it \\(the clock .* is known and shows ${year}-`),
  );
  assert.match(
    (await fault(expired.port, false))[1],
    /has expired; the clock of this gateway is not confirmed and may be the cause/,
  );
  assert.match(
    (await fault(early.port, false))[1],
    /not valid yet; the clock of this gateway is not confirmed .* earlier than it is/,
  );
  assert.match((await fault(early.port, true))[1], /not valid yet; the clock of the broker or of its authority was wrong/);
});

test('a pin needs no authority, and refuses any other certificate before a byte is sent', async (t) => {
  const authority = Authority.make(t);
  const own = authority?.sign('broker', { names: '', from: -20, until: -2 });
  const mosquitto = own && (await broker(t, own));
  if (authority === undefined || own === undefined || mosquitto === undefined) return;
  const fingerprint = fingerprintOf(own);
  assert.deepEqual(await upstreamFault(over(mosquitto.port), { tls: { fingerprint } }), TAKEN);
  // With an authority beside it both have to hold.
  assert.match((await upstreamFault(over(mosquitto.port), { tls: { fingerprint, ca: authority.ca } }))[1], /has expired/);
  let heard = 0;
  const port = await listen(t, (socket) => socket.on('data', (bytes) => (heard += bytes.length)), {
    ...{ key: readFileSync(own.key), cert: readFileSync(own.cert) },
  });
  const [kind, words] = await upstreamFault(over(port), {
    tls: { fingerprint: `00${fingerprint.slice(2)}` },
    password: 'p',
    username: 'u',
  });
  assert.equal(kind, 'tls');
  assert.match(words, /another certificate than the one that is pinned .* nothing was sent/);
  assert.equal(heard, 0);
});

test('mutual TLS: the right certificate, none, and one of another authority', async (t) => {
  const [authority, other] = [Authority.make(t), Authority.make(t, 'Another authority')];
  if (authority === undefined || other === undefined) return;
  for (const version of ['tlsv1.2', 'tlsv1.3']) {
    const extra = [
      `cafile ${authority.ca}`,
      'require_certificate true',
      'use_identity_as_username true',
      `tls_version ${version}`,
    ];
    const mosquitto = await broker(t, authority.sign('broker'), extra);
    if (mosquitto === undefined) return;
    const fault = (pair?: Pair): Promise<[string, string]> =>
      upstreamFault(over(mosquitto.port), { tls: { ca: authority.ca, ...pair } });
    assert.deepEqual(await fault(authority.sign('gateway', { names: '' })), TAKEN, version);
    const [kind, words] = await fault();
    assert.match(
      words,
      /demand.* a certificate.*`tls: \{cert: …, key: …\}`|does? .*demand a certificate of this gateway/,
      version,
    );
    assert.ok(kind === 'tls' || kind === 'hung-up', kind);
    assert.match(
      (await fault(other.sign('stranger')))[1],
      /refuses the certificate of this gateway .*authority|certificate of this gateway\?/,
    );
    const late = await fault(authority.sign('late', { from: -9, until: -2 }));
    assert.match(
      late[1],
      /refuses the certificate of this gateway .*expired.*by the clock of this gateway it expired on|certificate of this gateway\?/,
    );
  }
});

test('TLS on a plain port and plain MQTT on a TLS port are told what to write', async (t) => {
  const authority = Authority.make(t);
  const [plain, secure] = [await Mosquitto.start(t), authority && (await broker(t, authority.sign('broker')))];
  if (plain === undefined || secure === undefined) return;
  const [kind, words] = await upstreamFault(over(plain.port));
  assert.equal(kind, 'hung-up');
  assert.match(words, /ended the TLS handshake without a reason \(does this port take TLS/);
  assert.match((await upstreamFault(secure.url))[1], /expects TLS on this port; write mqtts:\/\/|does this port expect TLS/);
  const other = await listen(t, (socket) => socket.write('HTTP/1.1 400 Bad Request\r\n\r\n'));
  assert.match((await upstreamFault(over(other)))[1], /does not answer in TLS; name the port where it takes TLS/);
});

test('files are read again at each connection, and their faults say what to do', async (t) => {
  const [authority, other] = [Authority.make(t), Authority.make(t, 'Another authority')];
  const mosquitto = authority && (await broker(t, authority.sign('broker')));
  if (authority === undefined || other === undefined || mosquitto === undefined) return;
  const at = (name: string) => path.join(authority.folder, name);
  const ca = at('changing.pem');
  const fault = (tls: object = {}) => upstreamFault(over(mosquitto.port), { tls: { ca, ...tls } });
  assert.match((await fault()).join(), /^files,.*there is no file .*changing\.pem; put the PEM file there/);
  copyFileSync(other.ca, ca);
  assert.match((await fault())[1], /none of the authorities/);
  copyFileSync(authority.ca, ca);
  assert.deepEqual(await fault(), TAKEN);
  writeFileSync(ca, 'no certificate');
  assert.match((await fault()).join(), /^files,.*holds no certificate; a PEM file is needed/);
  writeFileSync(ca, readFileSync(authority.ca, 'utf8').replace(/[A-Za-z0-9+/]{40}/, 'A'.repeat(40)));
  assert.match((await fault()).join(), /^files,.*holds a certificate that is damaged/);
  copyFileSync(authority.ca, ca);
  const [one, two] = [authority.sign('one'), authority.sign('two')];
  assert.match(
    (await fault({ cert: one.cert, key: two.key }))[1],
    /the key in .*two\.key does not belong to the certificate in .*one\.pem/,
  );
  assert.match((await fault({ cert: one.cert, key: one.cert }))[1], /holds no private key/);
  writeFileSync(ca, Buffer.alloc(1024 * 1024 + 1, 65));
  assert.match((await fault()).join(), /^files,.*is this the right file\?/);
});

test('a connection that is cut anywhere in the handshake ends in words', async (t) => {
  const authority = Authority.make(t);
  const mosquitto = authority && (await broker(t, authority.sign('broker')));
  if (authority === undefined || mosquitto === undefined) return;
  const { connect } = await import('node:net');
  // After so many bytes from the broker: none, inside the first header, inside ServerHello, certificates, the CONNACK.
  let most = 0;
  const cut = async (after: number, how: 'destroy' | 'resetAndDestroy'): Promise<[string, string]> => {
    const port = await listen(t, (near) => {
      const far = connect(mosquitto.port, '127.0.0.1');
      far.on('error', () => {});
      near.on('close', () => far.destroy());
      near.pipe(far);
      let passed = 0;
      far.on('data', (bytes) => {
        const part = bytes.subarray(0, after - passed);
        passed += part.length;
        most = Math.max(most, passed);
        if (passed < after) near.write(part);
        else near.write(part, () => near[how]());
      });
      if (after === 0) near.once('data', () => near[how]());
    });
    return upstreamFault(over(port), { tls: { ca: authority.ca } });
  };
  const uncut = await cut(1e6, 'destroy');
  assert.deepEqual(uncut, TAKEN);
  const whole = most;
  // The length of a signature differs by some bytes from handshake to handshake.
  const points = [0, 1, 3, 5, 6, 40, 100, 127, 128, 200, 400, 700, 900, whole - 40, whole - 20, whole - 8];
  for (const [i, after] of points.entries()) {
    const [kind, words] = await cut(after, i % 2 === 0 ? 'destroy' : 'resetAndDestroy');
    assert.ok(kind === 'hung-up' || kind === 'tls', `${after}: ${kind} ${words}`);
    assert.match(words, /ended the TLS handshake without a reason|closed the connection without an answer/, String(after));
  }
});

test('a broker that is silent in the handshake is told from one that is silent in MQTT', async (t) => {
  const authority = Authority.make(t);
  if (authority === undefined) return;
  const { cert, key } = authority.sign('broker');
  let hellos = 0;
  const mute = await listen(t, (socket) => socket.on('data', () => hellos++));
  const tls = { ca: authority.ca };
  // The time of the clock begins to pass when the first packet is there: what comes before it has all that it needs.
  const handshake = new ManualClock();
  const first = upstreamFault(over(mute), { tls, clock: handshake, connectTimeout: 3000 });
  await waitFor('the begin of the handshake', () => hellos > 0);
  await handshake.advance(3000);
  assert.match((await first).join(), /^silent,.*no answer to the TLS handshake \(does this port take TLS/);
  let logIns = 0;
  const dumb = await listen(t, (socket) => socket.on('data', () => logIns++), {
    cert: readFileSync(cert),
    key: readFileSync(key),
  });
  const clock = new ManualClock();
  const second = upstreamFault(over(dumb), { tls, clock, connectTimeout: 3000 });
  await waitFor('the log-in', () => logIns > 0);
  await clock.advance(3000);
  assert.match((await second).join(), /^silent,.*no answer to the log-in/);
});

test('what stands in ALPN and SNI is what a broker behind a TLS proxy sees', async (t) => {
  const authority = Authority.make(t);
  const mosquitto = authority && (await Mosquitto.start(t));
  if (authority === undefined || mosquitto === undefined) return;
  const { connect } = await import('node:net');
  const { cert, key } = authority.sign('proxy', { names: 'DNS:iot.example.org' });
  const seen: [unknown, unknown][] = [];
  const port = await listen(
    t,
    (near) => {
      const { servername, alpnProtocol } = near as unknown as { servername: unknown; alpnProtocol: unknown };
      seen.push([servername, alpnProtocol]);
      if (alpnProtocol !== 'mqtt') return near.end('HTTP/1.1 400 Bad Request\r\n\r\n');
      const far = connect(mosquitto.port, '127.0.0.1');
      far.on('error', () => {});
      near.on('close', () => far.destroy());
      near.pipe(far).pipe(near);
    },
    { cert: readFileSync(cert), key: readFileSync(key), ALPNProtocols: ['http/1.1', 'mqtt'] },
  );
  const tls = { ca: authority.ca, serverName: 'iot.example.org' };
  assert.deepEqual(await upstreamFault(over(port, '127.0.0.1'), { tls: { ...tls, alpn: ['mqtt'] } }), TAKEN);
  assert.match((await upstreamFault(over(port, '127.0.0.1'), { tls }))[1], /answers like a web server/);
  assert.match(
    (await upstreamFault(over(port, '127.0.0.1'), { tls: { ...tls, alpn: ['x-mqtt'] } }))[1],
    /none of the protocols in `tls: \{alpn/,
  );
  await waitFor('both', () => seen.length === 2);
  assert.deepEqual(seen, [
    ['iot.example.org', 'mqtt'],
    ['iot.example.org', false],
  ]);
});
