/** One connection to a broker that takes it and answers nothing: how it ends. */
import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import test from 'node:test';
import { SluiceError } from '../../../src/core/errors.ts';
import { openWire } from '../../../src/forwarders/mqtt/wire/open-wire.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';
import { openUpstream } from '../../harness/open-upstream.ts';

const CONNACK = Buffer.from([0x20, 2, 0, 0]);

test('a late answer is the reason for everything that waits, and for the end of the connection', async (t) => {
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.once('data', () => socket.write(CONNACK));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  const { port } = server.address() as { port: number };
  const clock = new ManualClock();
  const connection = await openUpstream(`mqtt://127.0.0.1:${port}`, { clock, ackTimeout: 10_000 });
  const codes: string[] = [];
  const publish = (topic: string) =>
    connection.publish({ topic, payload: 'x', qos: 1, retain: false }).catch((thrown: unknown) => {
      codes.push(thrown instanceof SluiceError ? thrown.code : String(thrown));
    });
  const first = publish('first');
  await clock.advance(5000);
  const second = publish('second');
  await clock.advance(5000);
  await Promise.all([first, second, connection.closed]);
  assert.deepEqual(codes, ['upstream-timeout', 'upstream-timeout']);
  assert.equal(connection.lost().code, 'upstream-timeout');
});

test('a way that is given up before it begins is not opened', async (t) => {
  let taken = 0;
  const { promise: first, resolve } = Promise.withResolvers<void>();
  const server = createServer((socket) => {
    taken++;
    socket.on('error', () => {});
    resolve();
  });
  await new Promise<void>((listens) => server.listen(0, '127.0.0.1', listens));
  t.after(() => server.close());
  const { port } = server.address() as { port: number };
  const open = (signal: AbortSignal) =>
    openWire(
      {
        address: { scheme: 'mqtt', host: '127.0.0.1', port, path: '' },
        tls: {},
        clock: new ManualClock(),
        clockKnown: true,
        signal,
      },
      () => {},
    );
  await assert.rejects(open(AbortSignal.abort()), { code: 'ECONNRESET' });
  const wire = await open(new AbortController().signal);
  await first;
  assert.equal(taken, 1);
  wire.destroy();
});

test('what a kept session has comes to whoever takes it, though it came with the CONNACK', async (t) => {
  const publish = (n: number) => Buffer.from([0x32, 6, 0, 1, 0x61, 0, n, n]);
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.once('data', () =>
      socket.write(Buffer.concat([Buffer.from([0x20, 2, 1, 0]), ...Array.from({ length: 20 }, (_, i) => publish(i + 1))])),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  const { port } = server.address() as { port: number };
  for (const [asked, most] of [
    [true, 16],
    [false, 0],
  ] as const) {
    const connection = await openUpstream(`mqtt://127.0.0.1:${port}`, { asked });
    // All of it is read by now.
    await new Promise((resolve) => setImmediate(resolve));
    const taken: number[] = [];
    connection.received = (_topic, payload) => void taken.push(payload[0] as number);
    assert.deepEqual(
      taken,
      Array.from({ length: most }, (_, i) => i + 1),
    );
    connection.destroy();
    await connection.closed;
  }
});
