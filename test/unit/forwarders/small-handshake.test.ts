/** Under a budget the first message of a TLS handshake is small: it has no key share of ML-KEM. */
import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import test, { type TestContext } from 'node:test';
import { openWire } from '../../../src/forwarders/mqtt/wire/open-wire.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';

const RECORD_HEAD = 5;
const MLKEM_SHARE = 1184;

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

test('under a budget a handshake begins with hundreds of bytes, and has no large key share', async (t) => {
  const [small, usual] = [await helloOf(t, true), await helloOf(t, false)];
  t.diagnostic(`${small} and ${usual} bytes`);
  assert.ok(small < MLKEM_SHARE / 2, `${small} bytes`);
  assert.ok(small <= usual, `${small} of ${usual} bytes`);
});
