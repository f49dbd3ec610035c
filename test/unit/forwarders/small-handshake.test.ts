/** Under a budget the first message of a TLS handshake is small: it has no key share of ML-KEM. Certificates of all usual curves stay good. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import { createServer as createTlsServer } from 'node:tls';
import { openWire } from '../../../src/forwarders/mqtt/wire/open-wire.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';
import { scratch } from '../../harness/scratch.ts';
import { peer } from '../../peers/peers.ts';

const RECORD_HEAD = 5;
/** Bytes of a first handshake, without a session and without a name. */
const SMALL = 260;

/** The bytes of the ClientHello that a broker gets. */
async function helloOf(t: TestContext, thrifty: boolean): Promise<number> {
  const hello = new Promise<number>((resolve) => {
    const server = createServer((socket) => {
      let got = Buffer.alloc(0);
      socket.on('error', () => {});
      socket.on('data', (bytes: Buffer) => {
        got = Buffer.concat([got, bytes]);
        if (got.length < RECORD_HEAD || got.length < RECORD_HEAD + got.readUInt16BE(3)) return;
        resolve(got.length);
        socket.destroy();
      });
    });
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      const address = { scheme: 'mqtts', host: '127.0.0.1', port, path: '' } as const;
      const route = {
        address,
        tls: {},
        thrifty,
        clock: new ManualClock(),
        clockKnown: true,
        signal: new AbortController().signal,
      };
      openWire(route, () => {}).catch(() => {});
    });
    t.after(() => server.close());
  });
  return hello;
}

test('under a budget a handshake begins with few suites, and without a large key share', async (t) => {
  const [small, usual] = [await helloOf(t, true), await helloOf(t, false)];
  t.diagnostic(`${small} and ${usual} bytes`);
  assert.ok(small <= SMALL, `${small} bytes`);
  assert.ok(small < usual, `${small} of ${usual} bytes`);
});

/** As a key of openssl. */
const KEYS = [
  ...['P-256', 'P-384', 'P-521'].map((curve) => [curve, ['ec', '-pkeyopt', `ec_paramgen_curve:${curve}`]] as const),
  ['RSA', ['rsa:2048']] as const,
];
for (const version of ['TLSv1.2', 'TLSv1.3'] as const)
  for (const [name, kind] of KEYS)
    test(`under a budget a broker of ${version} may have a certificate of ${name}`, async (t) => {
      const openssl = peer(t, 'openssl', 'apt-get install -y openssl');
      if (openssl === undefined) return;
      const folder = scratch(t, 'curves');
      const [cert, key] = [path.join(folder, 'cert.pem'), path.join(folder, 'key.pem')];
      const made = ['-x509', '-newkey', ...kind, '-nodes', '-days', '2', '-subj', '/CN=broker'];
      execFileSync(openssl, ['req', ...made, '-addext', 'subjectAltName=IP:127.0.0.1', '-keyout', key, '-out', cert], {
        stdio: 'ignore',
      });
      const pair = { cert: readFileSync(cert), key: readFileSync(key) };
      const server = createTlsServer({ ...pair, minVersion: version, maxVersion: version }, (socket) =>
        socket.on('error', () => {}),
      );
      t.after(() => server.close());
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      const { port } = server.address() as AddressInfo;
      const { stream } = await openWire(
        {
          address: { scheme: 'mqtts', host: '127.0.0.1', port, path: '' },
          tls: { ca: readFileSync(cert, 'utf8') },
          thrifty: true,
          ...{ clock: new ManualClock(), clockKnown: true, signal: new AbortController().signal },
        },
        () => {},
      );
      stream.destroy();
    });
