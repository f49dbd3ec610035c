/** TLS on the embedded broker with foreign clients: certificates that change, peers that never speak TLS, and floods of handshakes. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { connect as connectTcp, type Socket } from 'node:net';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { type IssueAnswer, issue } from '../../../src/access/tls/issuing.ts';
import type { TlsSource } from '../../../src/core/tls-source.ts';
import { BUILT } from '../../../src/core/version.ts';
import { answerTcp, fakeTcp } from '../../fakes/modbus-device.ts';
import { BrokerBench, ROOT, Sub } from '../../harness/embedded-broker.ts';
import { scratch } from '../../harness/scratch.ts';
import { Gateway } from '../../harness/start-gateway.ts';
import { waitFor } from '../../harness/wait-for.ts';

const DAY = 86_400_000;
const names = { dns: ['localhost'], addresses: ['127.0.0.1'] };
const identity = (authority?: IssueAnswer['authority']): Promise<IssueAnswer> =>
  issue({
    ...{ subject: 'g1', names, permits: { dns: [], addresses: [] }, authority },
    ...{ from: BUILT, until: Date.now() + 300 * DAY, caFrom: BUILT, caUntil: Date.now() + 400 * DAY },
  });

/** A source whose identity the test changes. */
function sourceOf({ server }: IssueAnswer) {
  const listeners = new Set<() => void>();
  const source = {
    current: { key: server.key, cert: server.certificate } as TlsSource['current'],
    fault: undefined,
    onChange: (listener: () => void) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
  return {
    source,
    change: (next: TlsSource['current']) => {
      source.current = next;
      for (const listener of listeners) listener();
    },
  };
}

function portOf(bench: BrokerBench, tls: boolean): number {
  const found = bench.broker.status().listeners.find((one) => one.tls === tls);
  assert.ok(found !== undefined);
  return found.port;
}

async function secure(t: TestContext) {
  const made = await identity();
  const tls = sourceOf(made);
  const bench = new BrokerBench(t, {
    listen: [
      { host: '127.0.0.1', port: 0 },
      { host: '127.0.0.1', port: 0, tls: tls.source },
    ],
  });
  bench.broker.start();
  await waitFor('both addresses', () => bench.broker.status().listeners.every(({ port }) => port > 0));
  const ca = path.join(scratch(t, 'tls'), 'ca.crt');
  writeFileSync(ca, made.authority.certificate);
  return { bench, ca, tls, made, port: portOf(bench, true) };
}

test('mosquitto_sub verifies a gateway by its authority, and no other authority will do', async (t) => {
  const dir = scratch(t, 'tls');
  const device = await fakeTcp(t, answerTcp);
  const gateway = new Gateway(dir);
  t.after(() => gateway.kill());
  gateway.write(`
gateway: {id: g1, stateDir: state, runtimeDir: run}
buses: {plant: {protocol: modbus-tcp, host: 127.0.0.1, port: ${device.port}}}
devices: {pump: {bus: plant, unit: 1, interval: 100ms, points: {a: {table: holding, address: 4, type: uint16}}}}
broker:
  listen: [{port: 0}, {port: 0, tls: true}]
`);
  await gateway.up();
  const status = await waitFor('its certificate', async () => {
    const now = await gateway.status();
    return now.certificate !== undefined && now.broker?.listeners.every(({ port }) => port > 0) ? now : undefined;
  });
  const port = status.broker?.listeners.find(({ tls }) => tls)?.port ?? 0;
  const ca = path.join(gateway.stateDir, 'tls/ca.crt');
  const sub = await Sub.start(t, port, ['--cafile', ca, '-t', 'sluice/g1/value/pump/a', '-i', 'secure']);
  if (sub === undefined) return;
  await sub.message('sluice/g1/value/pump/a');
  const seen = await fingerprintAt(port, readFileSync(ca, 'utf8'));
  assert.equal(seen, status.certificate?.fingerprint);
  const other = path.join(dir, 'other.crt');
  writeFileSync(other, (await identity()).authority.certificate);
  const stranger = await Sub.start(t, port, ['--cafile', other, '-t', '#', '-i', 'stranger']);
  assert.notEqual(await stranger?.child.ended, 0);
  assert.match(stranger?.child.stderr.join(' ') ?? '', /error/i);
});

test('a new certificate is shown to new clients, and the connected ones stay', async (t) => {
  const { bench, ca, tls, made, port } = await secure(t);
  const sub = await Sub.start(t, port, ['--cafile', ca, '-t', `${ROOT}/event`, '-q', '1', '-i', 'stays']);
  if (sub === undefined) return;
  const before = await fingerprintAt(port, made.authority.certificate);
  const { server } = await identity(made.authority);
  tls.change({ key: server.key, cert: server.certificate, fingerprint: '' });
  assert.notEqual(await fingerprintAt(port, made.authority.certificate), before);
  bench.broker.notice({ kind: 'event', key: 'x', seq: 1, json: '{"after":1}' });
  await sub.message(`${ROOT}/event`, (m) => m.payload === '{"after":1}');
});

test('a listener without a certificate waits for it and listens then', async (t) => {
  const made = await identity();
  const tls = sourceOf(made);
  const { current } = tls.source;
  tls.source.current = undefined;
  const bench = new BrokerBench(t, { listen: [{ host: '127.0.0.1', port: 0, tls: tls.source }] });
  bench.broker.start();
  await waitFor('the fault', () => bench.broker.status().fault === 'its certificate is being made');
  tls.change(current);
  await waitFor('the address', () => bench.broker.status().state === 'listening');
  await fingerprintAt(portOf(bench, true), made.authority.certificate);
});

test('plain MQTT and old TLS versions on the TLS port are refused and counted', async (t) => {
  const { bench, port, made } = await secure(t);
  const plain = connectTcp(port, '127.0.0.1');
  plain.on('error', () => {});
  plain.write(Buffer.from([0x10, 12, 0, 4, 77, 81, 84, 84, 4, 2, 0, 60, 0, 0]));
  await new Promise((done) => plain.once('close', done));
  const old = connectTls({
    port,
    host: '127.0.0.1',
    ca: made.authority.certificate,
    minVersion: 'TLSv1',
    maxVersion: 'TLSv1.1',
    ciphers: 'ALL:@SECLEVEL=0',
  });
  const error = await new Promise<Error>((done) => old.once('error', done));
  assert.match(error.message, /protocol version|alert|ECONNRESET/i);
  await waitFor('both to be counted', () => bench.broker.status().refused.backlog === 2);
});

test('peers that open a connection and say nothing do not keep a client out', async (t) => {
  const { bench, ca, port } = await secure(t);
  const silent = Array.from({ length: 100 }, () => {
    const socket = connectTcp(port, '127.0.0.1');
    socket.on('error', () => {});
    return socket;
  });
  t.after(() => {
    for (const socket of silent) socket.destroy();
  });
  await waitFor('those beyond the limit to be closed', () => bench.broker.status().refused.backlog >= 36);
  const sub = await Sub.start(t, port, ['--cafile', ca, '-t', `${ROOT}/event`, '-q', '1', '-i', 'healthy']);
  if (sub === undefined) return;
  await waitFor('the client', () => bench.broker.status().clients === 1);
  await Promise.all(silent.map((socket) => socket.destroyed || new Promise((done) => socket.once('close', done))));
  await waitFor('all of them to be counted', () => bench.broker.status().refused.backlog >= silent.length);
  assert.equal(bench.broker.status().clients, 1);
});

test('a flood of unfinished handshakes from one address does not keep another one out', async (t) => {
  const { bench, port, made } = await secure(t);
  const flood = new Set<Socket>();
  let floods = true;
  t.after(() => {
    floods = false;
    for (const socket of flood) socket.destroy();
  });
  const one = (): void => {
    if (!floods) return;
    const socket = connectTcp({ port, host: '127.0.0.1', localAddress: '127.0.0.2' });
    flood.add(socket);
    socket.on('error', () => {});
    socket.write(Buffer.from([22, 3, 1]));
    // Whoever is turned away comes again.
    socket.once('close', () => {
      flood.delete(socket);
      setTimeout(one, 50);
    });
  };
  for (let i = 0; i < 100; i++) one();
  await waitFor('those beyond the limit to be closed', () => bench.broker.status().refused.backlog >= 20);
  await fingerprintAt(port, made.authority.certificate);
});

test('a handshake that stops in the middle is closed', async (t) => {
  const { bench, port } = await secure(t);
  const socket = connectTcp(port, '127.0.0.1');
  socket.on('error', () => {});
  // A record that announces a ClientHello of 512 bytes and never brings it.
  socket.write(Buffer.from([22, 3, 1, 2, 0, 1, 0, 1, 252]));
  await new Promise((done) => socket.once('close', done));
  await waitFor('it to be counted', () => bench.broker.status().refused.backlog === 1);
});

test('a handshake that stops in the middle does not hold up the stop of the broker', async (t) => {
  const { bench, port, made } = await secure(t);
  const socket = connectTcp(port, '127.0.0.1');
  socket.on('error', () => {});
  socket.write(Buffer.from([22, 3, 1, 2, 0, 1, 0, 1, 252]));
  // It has its turn when one that came behind it had its own.
  await fingerprintAt(port, made.authority.certificate);
  await bench.broker.stop();
  await new Promise((done) => (socket.closed ? done(undefined) : socket.once('close', done)));
  // It was ended by the stop, and not by the end of its own time.
  assert.equal(bench.broker.status().refused.backlog, 0);
});

async function fingerprintAt(port: number, ca: string): Promise<string> {
  const socket = connectTls({ port, host: '127.0.0.1', ca });
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once('secureConnect', resolve);
      socket.once('error', reject);
    });
    return socket.getPeerCertificate().fingerprint256;
  } finally {
    socket.destroy();
  }
}
