/** A browser that takes nothing of a WebSocket of the editor, while Node-RED sends without end: it costs little, and nobody waits. */
import '../../harness/no-outside.ts';
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import http from 'node:http';
import net from 'node:net';
import path from 'node:path';
import test from 'node:test';
import { STALL } from '../../../src/admin/front/limits.ts';
import { WebSockets } from '../../../src/admin/front/web-sockets.ts';
import { KnownCallers } from '../../../src/admin/known-callers.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';
import { scratch } from '../../harness/scratch.ts';
import { waitFor } from '../../harness/wait-for.ts';

const MB = 1024 ** 2;
const CHUNK = Buffer.alloc(64 * 1024, 0x81);
const KEY = Buffer.alloc(16, 1).toString('base64');

/** Node-RED as far as this goes: each WebSocket gets bytes as fast as it takes them. */
async function flood(socketPath: string) {
  const sent: number[] = [];
  const ups: net.Socket[] = [];
  const server = http.createServer();
  server.on('upgrade', (req, socket: net.Socket) => {
    const n = sent.push(0) - 1;
    ups.push(socket);
    const proof = createHash('sha1')
      .update(`${req.headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`)
      .digest('base64');
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${proof}\r\n\r\n`,
    );
    socket.on('error', () => {});
    const more = (): void => {
      while (!socket.destroyed && socket.write(CHUNK, () => (sent[n] = (sent[n] ?? 0) + CHUNK.length)));
      socket.once('drain', more);
    };
    more();
  });
  server.listen(socketPath);
  await once(server, 'listening');
  return { server, sent, ups };
}

test('front: a WebSocket whose browser reads nothing keeps two chunks, and ends after its time', async (t) => {
  const clock = new ManualClock();
  const socketPath = path.join(scratch(t, 'stall'), 'editor.sock');
  const { server: red, sent, ups } = await flood(socketPath);
  const sockets = new WebSockets(clock, new KnownCallers(clock));
  const gateway: net.Socket[] = [];
  const front = http.createServer();
  front.on('upgrade', (req, socket: net.Socket, head) => {
    gateway.push(socket);
    const owner = String(req.headers['x-owner']);
    sockets
      .join({ ...{ req, socket, head, socketPath, path: '/comms', headers: {}, owner }, holds: undefined })
      .catch(() => socket.destroy());
  });
  front.listen(0, '127.0.0.1');
  await once(front, 'listening');
  t.after(() => {
    for (const socket of [...gateway, ...ups]) socket.destroy();
    front.close();
    red.close();
  });
  const { port } = front.address() as net.AddressInfo;
  const browser = (owner: string): net.Socket => {
    const socket = net.connect(port, '127.0.0.1');
    socket.on('error', () => {});
    socket.write(
      `GET /comms HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${KEY}\r\nX-Owner: ${owner}\r\n\r\n`,
    );
    t.after(() => socket.destroy());
    return socket;
  };
  const stalled = browser('stalled');
  stalled.pause();
  await waitFor('the stalled one', () => sockets.size === 1 && (sent[0] ?? 0) > 0);

  // The other one reads a hundred megabytes beside it.
  const reader = browser('reader');
  let read = 0;
  reader.on('data', (chunk: Buffer) => (read += chunk.length));
  await waitFor('100 MB of the other one', () => read > 100 * MB);

  const [of] = gateway;
  assert.ok(of !== undefined && of.writableLength > 0, 'something waits for it');
  assert.ok(of.writableLength <= 4 * CHUNK.length, `${of.writableLength} bytes wait in the gateway`);
  const before = sent[0] ?? 0;
  // What the kernel holds of two connections is all that Node-RED could send.
  assert.ok(before < 16 * MB, `${before} bytes were taken from Node-RED`);

  await clock.advance(STALL - 1);
  assert.equal(sockets.size, 2, 'until then it may read again');
  assert.equal(sent[0], before);
  const readBefore = read;
  await clock.advance(1);
  await waitFor('its end', () => sockets.size === 1);
  assert.equal(gateway[0]?.destroyed, true);
  await waitFor('the end at Node-RED', () => ups[0]?.destroyed === true);
  await waitFor('more for the other one', () => read > readBefore + 10 * MB);
  assert.equal(sockets.refused, 0);
});

test('front: a WebSocket whose browser reads again in time goes on', async (t) => {
  const clock = new ManualClock();
  const socketPath = path.join(scratch(t, 'stall'), 'editor.sock');
  const { server: red, sent, ups } = await flood(socketPath);
  const sockets = new WebSockets(clock, new KnownCallers(clock));
  const front = http.createServer();
  front.on('upgrade', (req, socket: net.Socket, head) => {
    sockets
      .join({ ...{ req, socket, head, socketPath, path: '/comms', headers: {}, owner: 'one' }, holds: undefined })
      .catch(() => socket.destroy());
  });
  front.listen(0, '127.0.0.1');
  await once(front, 'listening');
  const socket = net.connect((front.address() as net.AddressInfo).port, '127.0.0.1');
  t.after(() => {
    for (const one of [socket, ...ups]) one.destroy();
    sockets.endAll();
    front.close();
    red.close();
  });
  socket.on('error', () => {});
  socket.write(
    `GET /comms HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${KEY}\r\n\r\n`,
  );
  let read = 0;
  socket.on('data', (chunk: Buffer) => (read += chunk.length));
  for (let round = 0; round < 3; round++) {
    socket.pause();
    let before = -1;
    await waitFor(
      'a stall',
      () => {
        const same = sent[0] === before && before > 0;
        before = sent[0] ?? 0;
        return same;
      },
      { every: 200 },
    );
    await clock.advance(STALL - 1000);
    const until = read + 20 * MB;
    socket.resume();
    await waitFor('20 MB more', () => read > until);
  }
  assert.equal(sockets.size, 1);
});
