/** Hostile bytes on many connections of the embedded broker: memory is bounded, and healthy clients are served meanwhile. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import test, { type TestContext } from 'node:test';
import { MOST_PER_TURN, Turnstile } from '../../../src/core/turns.ts';
import { FrameGuard } from '../../../src/forwarders/broker/frame-guard.ts';
import type { GuardLimits } from '../../../src/forwarders/broker/guard-parts.ts';
import * as limits from '../../../src/forwarders/broker/limits.ts';
import { PartialPackets } from '../../../src/forwarders/broker/packet-cutter.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';
import { BrokerBench, Raw, ROOT, remaining, Sub, text } from '../../harness/embedded-broker.ts';
import { bytesOf } from '../../harness/mqtt-cases.ts';
import { waitFor } from '../../harness/wait-for.ts';

const CONNECT = bytesOf("10 [ 'MQTT' 04 02 000a 'c' ]");
const PINGREQ = Buffer.from([0xc0, 0]);

/** The same bytes in each run. */
function randomBytes(seed: number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  let state = Math.imul(seed + 1, 2_654_435_761) >>> 0;
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    bytes[i] = state >>> 24;
  }
  return bytes;
}

async function opened(t: TestContext) {
  const bench = new BrokerBench(t);
  const port = await bench.start();
  const healthy = await Sub.start(t, port, ['-t', `${ROOT}/event`, '-q', '1', '-i', 'healthy']);
  let n = 0;
  /** A message reaches the healthy client, and a newcomer is let in. */
  const served = async (): Promise<void> => {
    n++;
    bench.broker.notice({ kind: 'event', key: 'x', seq: n, json: `{"n":${n}}` });
    await healthy?.message(`${ROOT}/event`, (m) => m.payload === `{"n":${n}}`);
    const newcomer = await Raw.open(t, port);
    assert.equal(await newcomer.connect(`newcomer${n}`), 0);
    newcomer.socket.destroy();
  };
  return { bench, port, healthy, served };
}

for (const [what, prefix, closes] of [
  ['random bytes', () => Buffer.alloc(0), true],
  ['a good CONNECT and random bytes', (n: number) => bytesOf(`10 [ 'MQTT' 04 02 000a 'c${n}' ]`), false],
] as const)
  test(`1,000 connections with ${what} end, and leave nothing`, { timeout: 400_000 }, async (t) => {
    const { bench, port, healthy, served } = await opened(t);
    if (healthy === undefined) return;
    const rounds = 25;
    for (let round = 0; round < rounds; round++) {
      const all = await Promise.all(Array.from({ length: 40 }, () => Raw.open(t, port)));
      for (const [i, raw] of all.entries()) raw.send(prefix(round * 40 + i), randomBytes(round * 40 + i, 2000));
      // Now and then the random bytes are a packet that waits for more.
      if (!closes) await waitFor('their end', () => all.filter((raw) => raw.closed).length >= 30);
      else await waitFor('their end', () => all.every((raw) => raw.closed || raw.bytes.length === 0));
      await served();
      for (const raw of all) raw.socket.destroy();
    }
    await waitFor('all to be gone', () => bench.broker.status().clients === 1);
    await waitFor('nothing to be kept', () => bench.broker.status().partialBytes === 0);
    const { refused } = bench.broker.status();
    assert.ok(refused.order + refused.header + refused.size + refused.displaced > rounds * 20, JSON.stringify(refused));
  });

test('requests are answered the same wherever the network cuts them', async (t) => {
  const bench = new BrokerBench(t);
  const port = await bench.start();
  const bytes = Buffer.concat([CONNECT, bytesOf("82 [ 1234 'a/+' 01 'b' 00 ] c000 a2 [ 1235 'b' ] 40020001 c000")]);
  const expected = bytesOf('20020000 9004 1234 01 00 d000 b0021235 d000').length;
  const sorted = (raw: Raw) => [...raw.bytes].sort().join();
  let first: string | undefined;
  for (let cut = 1; cut < bytes.length; cut++) {
    const raw = await Raw.open(t, port);
    raw.socket.setNoDelay(true);
    raw.send(bytes.subarray(0, cut));
    await new Promise<void>((resolve) => setImmediate(resolve));
    raw.send(bytes.subarray(cut));
    await waitFor(
      () => `the answers when cut at ${cut}: ${raw.bytes.toString('hex')}`,
      () => raw.bytes.length >= expected,
      { every: 1 },
    );
    first ??= sorted(raw);
    assert.equal(sorted(raw), first, `cut at ${cut}`);
    raw.socket.destroy();
  }
});

test('packets of 256 kB that never end on 63 connections take 4 MB at most', { timeout: 400_000 }, async (t) => {
  const { bench, port, healthy, served } = await opened(t);
  if (healthy === undefined) return;
  const all: Raw[] = [];
  for (let i = 0; i < limits.MAX_CONNECTIONS - 1; i++) {
    const raw = await Raw.open(t, port);
    assert.equal(await raw.connect(`big${i}`), 0);
    // Its places are not lost to newcomers.
    raw.subscribe(['x']);
    all.push(raw);
  }
  let most = 0;
  const piece = Buffer.alloc(limits.MAX_PACKET / 8, 0x61);
  for (const raw of all) raw.send(0x30, remaining(limits.MAX_PACKET), 0, 1, 0x61);
  for (let i = 0; i < 7; i++) {
    for (const raw of all) if (!raw.closed) raw.send(piece);
    await new Promise<void>((resolve) => setImmediate(resolve));
    most = Math.max(most, bench.broker.status().partialBytes);
    bench.broker.notice({ kind: 'event', key: 'x', seq: i, json: `{"during":${i}}` });
    await healthy.message(`${ROOT}/event`, (m) => m.payload === `{"during":${i}}`);
  }
  const kept = () => all.filter((raw) => !raw.closed).length;
  await waitFor(
    () => `the others to be cut off; ${kept()} are there`,
    () => kept() <= limits.MAX_PARTIAL / (limits.MAX_PACKET / 2),
  );
  const { refused, partialBytes } = bench.broker.status();
  assert.ok(most <= limits.MAX_PARTIAL && partialBytes <= limits.MAX_PARTIAL, `${most}, ${partialBytes}`);
  assert.equal(refused.partial, all.length - kept());
  assert.ok(partialBytes > limits.MAX_PARTIAL / 2, `${partialBytes}: it is for packets`);
  for (const raw of all) raw.socket.destroy();
  await waitFor('nothing to be kept', () => bench.broker.status().partialBytes === 0);
  await served();
});

test('CONNECTs that come byte by byte on every place end in time and keep nobody out', {
  timeout: 400_000,
}, async (t) => {
  const { bench, port, healthy, served } = await opened(t);
  if (healthy === undefined) return;
  const all: Raw[] = [];
  for (let i = 0; i < limits.MAX_UNCONNECTED; i++) all.push(await Raw.open(t, port));
  const bytes = Buffer.concat([
    Buffer.from([0x10, 0xff, 0x1f]),
    text('MQTT'),
    Buffer.from([4, 2, 0, 0, 15, 200]),
    Buffer.alloc(3000, 0x61),
  ]);
  let at = 0;
  const slow = setInterval(() => {
    for (const raw of all) if (!raw.closed) raw.socket.write(bytes.subarray(at, at + 1));
    at++;
  }, 100);
  t.after(() => clearInterval(slow));
  await served();
  await waitFor('their end', () => all.every((raw) => raw.closed));
  clearInterval(slow);
  assert.ok(at < bytes.length);
  await served();
  const { refused, partialBytes } = bench.broker.status();
  // Each newcomer displaced one; the others had their time.
  assert.equal(refused.displaced + refused.late, limits.MAX_UNCONNECTED);
  assert.equal(partialBytes, 0);
});

test('refused CONNECTs with more behind them, never closed by their side, keep nobody out', async (t) => {
  const { bench, port, healthy, served } = await opened(t);
  if (healthy === undefined) return;
  const bytes = bytesOf("10 [ 'MQTT' 04 c2 000a 'c' 'u' 'p' ] c000 c000");
  for (let i = 0; i < limits.MAX_SOCKETS + 20; i++) {
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    socket.on('error', () => {});
    t.after(() => socket.destroy());
    await once(socket, 'connect');
    socket.write(bytes);
    socket.resume();
    if (i % 20 === 19) await served();
  }
  await waitFor('each to be refused', () => bench.broker.status().refused.clients === limits.MAX_SOCKETS + 20);
  assert.equal(bench.broker.status().refused.backlog, 0);
});

/** A guard on a real socket, with a clock that only moves by hand. */
async function guarded(t: TestContext, more: Partial<GuardLimits> = {}) {
  const limit: GuardLimits = {
    ...{ beforeConnect: limits.MAX_PACKET_BEFORE_CONNECT, afterConnect: limits.MAX_PACKET, packetTimeout: limits.PACKET_TIMEOUT },
    ...{
      drainTimeout: limits.DRAIN_TIMEOUT,
      unsent: limits.MAX_UNSENT,
      topicBytes: 1024,
      topicLevels: 16,
      filterLevels: 99,
      filters: 200,
      ...more,
    },
  };
  const clock = new ManualClock();
  const shares = {
    clock,
    turnstile: new Turnstile(clock),
    partial: new PartialPackets(limits.MAX_PARTIAL, () => {}),
    lingering: { now: 0, most: 1, refused: 0 },
  };
  const { promise, resolve } = Promise.withResolvers<FrameGuard>();
  const server = createServer((socket) => {
    const guard = new FrameGuard(socket, limit, shares);
    guard.on('error', () => {});
    resolve(guard);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const peer = await Raw.open(t, (server.address() as { port: number }).port);
  const guard = await promise;
  t.after(() => guard.destroy());
  const got: Buffer[] = [];
  guard.on('data', (bytes: Buffer) => got.push(bytes));
  return { clock, guard, peer, partial: shares.partial, got: () => Buffer.concat(got) };
}

test('a packet has its time from the first byte to the last, and the next one has its own', async (t) => {
  const { clock, guard, peer, partial, got } = await guarded(t);
  peer.send(CONNECT);
  await waitFor('the CONNECT', () => got().length === CONNECT.length);
  guard.accept();
  const packet = bytesOf("82 [ 1234 'abc' 01 ]");
  for (let i = 1; i <= 3; i++) {
    peer.send(packet.subarray(0, 5));
    await waitFor('its first part', () => partial.bytes > 0);
    await clock.advance(limits.PACKET_TIMEOUT - 1);
    peer.send(packet.subarray(5));
    await waitFor('the packet', () => got().length === CONNECT.length + i * packet.length);
    assert.equal(partial.bytes, 0);
  }
  await clock.advance(limits.PACKET_TIMEOUT);
  assert.equal(guard.destroyed, false, 'nothing is due');
  peer.send(packet.subarray(0, 5));
  await waitFor('its first part', () => partial.bytes > 0);
  await clock.advance(limits.PACKET_TIMEOUT);
  assert.deepEqual([guard.destroyed, guard.refusal, partial.bytes], [true, 'unfinished', 0]);
});

test('what a client sent before it closed the connection has its turn', async (t) => {
  const { guard, peer, got } = await guarded(t);
  const ended = once(guard, 'end');
  guard.requests.known();
  peer.send(CONNECT);
  await waitFor('the CONNECT', () => got().length === CONNECT.length);
  const publish = bytesOf("30 [ 'abc' 61 ]");
  const all = Buffer.concat(Array.from({ length: 20 * MOST_PER_TURN }, () => publish));
  // They wait for the answer to the CONNECT, and then for turns.
  peer.socket.end(all);
  await waitFor('the end', () => guard.lost);
  assert.equal(got().length, CONNECT.length);
  guard.accept();
  await ended;
  assert.equal(got().length, CONNECT.length + all.length);
});

test('a peer that takes nothing is cut off within 3 s, one that takes something is not', { timeout: 400_000 }, async (t) => {
  assert.equal(limits.DRAIN_TIMEOUT, 3_000);
  const { clock, guard, peer } = await guarded(t, { unsent: 1e9 });
  peer.socket.pause();
  const piece = Buffer.alloc(4 * 1024 * 1024);
  for (let i = 0; i < 40; i++) guard.write(piece);
  // Both kernels are full when nothing moves any more.
  const full = async () => {
    let before = -1;
    const same = () => {
      const now = guard.unsent;
      const is = now === before && now > 0;
      before = now;
      return is;
    };
    await waitFor('the kernels to be full', same, { every: 200 });
  };
  await full();
  for (let i = 0; i < 5; i++) {
    await clock.advance(limits.DRAIN_TIMEOUT - 600);
    assert.equal(guard.destroyed, false, `round ${i}`);
    const had = peer.bytes.length;
    peer.socket.resume();
    await waitFor('some progress', () => peer.bytes.length > had + 300_000, { every: 1 });
    peer.socket.pause();
    await full();
  }
  await clock.advance(limits.DRAIN_TIMEOUT + limits.DRAIN_TIMEOUT / 6);
  assert.deepEqual([guard.destroyed, guard.refusal], [true, 'slow']);
  // Its end comes at once, and not behind the megabytes that its kernel has no room for.
  const end = once(peer.socket, 'error') as Promise<[NodeJS.ErrnoException]>;
  peer.socket.resume();
  const [error] = await end;
  assert.equal(error.code, 'ECONNRESET');
});

test('what follows a CONNECT waits until it is accepted, and nothing is kept of it here', async (t) => {
  const { guard, peer, partial, got } = await guarded(t);
  const big = Buffer.concat([Buffer.from([0x30]), remaining(200_003), text('a'), Buffer.alloc(200_000, 0x61)]);
  peer.send(CONNECT, PINGREQ, big, PINGREQ);
  await waitFor('the CONNECT', () => got().length >= CONNECT.length);
  await waitFor('a paused socket', () => peer.socket.writableLength === 0 || peer.socket.writableNeedDrain);
  assert.deepEqual([got().length, partial.bytes], [CONNECT.length, 0]);
  guard.accept();
  await waitFor('all of it', () => got().length === CONNECT.length + big.length + 4);
  assert.equal(guard.destroyed, false);
});
