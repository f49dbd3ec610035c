/**
 * Hostile clients, in a process of their own: `storm.ts KIND PORT COUNT`. It ends when it is done, or with its parent. Kinds for an
 * MQTT broker, and one for HTTPS:
 * - `random`: COUNT connections, 50 at a time, that send random bytes, half of them behind a good CONNECT
 * - `partial`: COUNT clients that subscribe and then send 256 kB less one byte of a packet, and stay
 * - `dribble`: COUNT connections whose CONNECT comes with a byte a second, again and again
 * - `requests`: 60 connections of 30 addresses write requests for the page, without waiting for answers; `ready` after COUNT answers
 */
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { requests } from './request-flood.ts';

const [kind, port = '', count = ''] = process.argv.slice(2);
const CONNECT = Buffer.from([0x10, 14, 0, 4, 0x4d, 0x51, 0x54, 0x54, 4, 2, 0, 0, 0, 2]);

let seed = 1;
function random(): number {
  seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0;
  return seed >>> 8;
}

function opened(): Promise<Socket> {
  return new Promise((resolve) => {
    const socket = connect({ port: Number(port), host: '127.0.0.1', noDelay: true }, () => resolve(socket));
    socket.on('error', () => resolve(socket));
    socket.resume();
  });
}

function gone(socket: Socket): Promise<void> {
  return new Promise((resolve) => (socket.closed ? resolve() : socket.once('close', () => resolve())));
}

function name(n: number): Buffer {
  return Buffer.concat([CONNECT, Buffer.from([0x61 + (n % 26), 0x61 + (Math.floor(n / 26) % 26)])]);
}

async function randomBytes(n: number): Promise<void> {
  const socket = await opened();
  const bytes = Buffer.from(Array.from({ length: 300 }, () => random() & 255));
  socket.write(n % 2 === 0 ? bytes : Buffer.concat([name(n), bytes]));
  // Some of them are the head of a packet that is never whole.
  await Promise.race([gone(socket), sleep(200)]);
  socket.destroy();
}

async function partial(n: number): Promise<void> {
  const socket = await opened();
  const packet = Buffer.concat([Buffer.from([0x30, 0x80, 0x80, 0x10, 0, 1, 0x61]), Buffer.alloc(256 * 1024 - 4, 0x61)]);
  socket.write(Buffer.concat([name(n), Buffer.from([0x82, 6, 0, 1, 0, 1, 0x78, 0]), packet]));
}

async function dribble(): Promise<void> {
  for (;;) {
    const socket = await opened();
    const bytes = Buffer.concat([Buffer.from([0x10, 0xff, 0x1f]), Buffer.alloc(100)]);
    for (const byte of bytes) {
      if (socket.closed || !socket.write(Buffer.from([byte]))) break;
      await sleep(1000);
    }
    socket.destroy();
    await sleep(100);
  }
}

process.on('disconnect', () => process.exit(0));
const all = Number(count);
if (kind === 'requests') {
  let answers = 0;
  requests({
    ...{ port: Number(port), path: '/' },
    count: (what, by = 1) => {
      if (!what.startsWith('status')) return;
      answers += by;
      if (answers === all) process.send?.('ready');
    },
  });
  // It goes on until its parent ends.
  await new Promise(() => {});
}
if (kind === 'random') {
  for (let n = 0; n < all; n += 50) await Promise.all(Array.from({ length: 50 }, (_, i) => randomBytes(n + i)));
  process.exit(0);
}
for (let n = 0; n < all; n++) if (kind === 'partial') await partial(n);
process.send?.('ready');
if (kind === 'dribble') await Promise.all(Array.from({ length: all }, dribble));
