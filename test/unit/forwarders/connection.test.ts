/** One connection to a broker that takes it and answers nothing: how it ends. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:net';
import test from 'node:test';
import { SluiceError } from '../../../src/core/errors.ts';
import { failureOf } from '../../../src/forwarders/mqtt/retry-plan.ts';
import { openWire } from '../../../src/forwarders/mqtt/wire/open-wire.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';
import { openUpstream } from '../../harness/open-upstream.ts';
import { waitFor } from '../../harness/wait-for.ts';

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
  const { stream } = await open(new AbortController().signal);
  await first;
  assert.equal(taken, 1);
  stream.destroy();
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

test('a quiet broker that answers no question whether it is there is lost, and broke no rule', async (t) => {
  const heard: number[] = [];
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.on('data', (bytes) => {
      heard.push(bytes[0] ?? 0);
      if (heard.length === 1) socket.write(CONNACK);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  // The library asks by timers of its own.
  t.mock.timers.enable({ apis: ['setInterval'] });
  const clock = new ManualClock();
  const connection = await openUpstream(`mqtt://127.0.0.1:${(server.address() as { port: number }).port}`, { clock });
  assert.deepEqual([connection.openedAt, connection.heardAt], [0, 0]);
  t.mock.timers.tick(30_000);
  await waitFor('the question', () => heard.length === 2);
  assert.equal(heard[1], 0xc0);
  t.mock.timers.tick(15_000);
  await connection.closed;
  const lost = connection.lost();
  assert.deepEqual([lost.code, failureOf(lost), lost.data.idle], ['upstream-connect', 'lost', true]);
  assert.equal(lost.message, 'the broker does not answer any more');
});

test('a try has its own time for TCP, and it does not count behind that', async (t) => {
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.resume();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  const { port } = server.address() as { port: number };
  const clock = new ManualClock();
  const taken = once(server, 'connection');
  const opening = openUpstream(`mqtt://127.0.0.1:${port}`, { clock, openTimeout: 2000, connectTimeout: 5000 });
  const outcome = opening.then(
    () => 'connected',
    (error: Error) => error.message,
  );
  await taken;
  // The near side knows a moment later.
  await new Promise((resolve) => setTimeout(resolve, 50));
  await clock.advance(4999);
  assert.equal(await Promise.race([outcome, 'waits']), 'waits');
  await clock.advance(1);
  assert.match(await outcome, /no answer to the log-in/);
});

test('a short try goes where the name led before, and asks nobody', async (t) => {
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.once('data', () => socket.write(CONNACK));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  const { port } = server.address() as { port: number };
  const addresses = new Map<string, string>();
  (await openUpstream(`mqtt://localhost:${port}`, { addresses })).destroy();
  assert.deepEqual([...addresses], [['localhost', '127.0.0.1']]);
  // No resolver knows this name.
  addresses.set('broker.invalid', '127.0.0.1');
  (await openUpstream(`mqtt://broker.invalid:${port}`, { addresses, asBefore: true })).destroy();
  // Another try asks, whatever was known.
  addresses.set('localhost', '192.0.2.1');
  (await openUpstream(`mqtt://localhost:${port}`, { addresses })).destroy();
  assert.equal(addresses.get('localhost'), '127.0.0.1');
});
