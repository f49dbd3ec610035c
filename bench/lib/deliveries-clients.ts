/**
 * Subscribers in a process of their own, with as little work as possible: `deliveries-clients.ts PORT COUNT QOS TOPIC
 * [named]`. With `named` each has an account of its own. Talks over IPC.
 */
import { connect, type Socket } from 'node:net';
import { remaining, text } from '../../test/harness/embedded-broker.ts';

const [port = 0, count = 0, qos = 0] = process.argv.slice(2, 5).map(Number);
const topic = process.argv[5] ?? 'sluice/bench/event';
const isNamed = process.argv[6] === 'named';
/** Messages of one publisher: a client with an account may publish 1,000 at once. The next publisher follows. */
const EACH = 900;
const SUBACK = 9;
const PUBLISH = 3;
const PUBACK = 4;
let granted = 0;
let got = 0;
let wanted = Number.POSITIVE_INFINITY;
/** Arrivals that the order in hand began with. */
let began = 0;

/** All are here, or nothing comes any more. */
function over(): void {
  wanted = Number.POSITIVE_INFINITY;
  process.send?.({ done: got - began });
}

let before = 0;
setInterval(() => {
  if (Number.isFinite(wanted) && got === before && got > began) over();
  before = got;
}, 5000);

function frame(type: number, ...parts: Buffer[]): Buffer {
  const body = Buffer.concat(parts);
  return Buffer.concat([Buffer.from([type]), remaining(body.length), body]);
}

/** Counts what comes, and acknowledges it in one write. */
function take(socket: Socket, bytes: Buffer, acknowledged: () => void): Buffer {
  const answers: number[] = [];
  let at = 0;
  while (at + 2 <= bytes.length) {
    let length = 0;
    let i = at + 1;
    for (let shift = 1; i < bytes.length; shift *= 128) {
      const byte = bytes[i++] as number;
      length += (byte & 127) * shift;
      if (byte < 128) break;
    }
    if (i + length > bytes.length) break;
    const first = bytes[at] as number;
    if (first >> 4 === SUBACK && ++granted === count) process.send?.({ ready: true });
    if (first >> 4 === PUBACK) acknowledged();
    if (first >> 4 === PUBLISH) {
      const id = i + 2 + bytes.readUInt16BE(i);
      if ((first & 6) !== 0) answers.push(0x40, 2, bytes[id] as number, bytes[id + 1] as number);
      if (++got === wanted) over();
    }
    at = i + length;
  }
  if (answers.length > 0) socket.write(Buffer.from(answers));
  return bytes.subarray(at);
}

function client(id: string, behind: Buffer, acknowledged: () => void = () => {}): Socket {
  const names = isNamed ? [id, id, 'secret'] : [id];
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  let rest: Buffer = Buffer.alloc(0);
  socket.on('connect', () =>
    socket.write(
      Buffer.concat([frame(0x10, text('MQTT'), Buffer.from([4, isNamed ? 0xc2 : 2, 0, 0]), ...names.map(text)), behind]),
    ),
  );
  socket.on('data', (chunk) => {
    rest = take(socket, rest.length === 0 ? chunk : Buffer.concat([rest, chunk]), acknowledged);
  });
  return socket;
}

for (let i = 0; i < count; i++) client(`bench${i}`, frame(0x82, Buffer.from([0, 1]), text(topic), Buffer.from([qos])));

let publishers = 0;

/** For a broker that does not publish by itself: one publisher after the other. */
function publish(messages: number, bytes: number): void {
  if (messages <= 0) return;
  const own = Math.min(EACH, messages);
  let sent = 0;
  let open = 0;
  const to = text(topic);
  const payload = Buffer.alloc(bytes, 0x78);
  const more = (): void => {
    const out: Buffer[] = [];
    for (; sent < own && open < 64; sent++, open++) out.push(frame(0x32, to, Buffer.from([1, sent % 64]), payload));
    if (out.length > 0) publisher.write(Buffer.concat(out));
    else if (sent === own && open === 0) publisher.end(Buffer.from([0xe0, 0]));
  };
  const publisher = client(`publisher${publishers++}`, Buffer.alloc(0), () => {
    open--;
    if (open < 32) more();
  });
  publisher.once('data', more);
  publisher.once('close', () => publish(messages - own, bytes));
}

process.on('message', (order: { expect: number; publish?: number; bytes: number }) => {
  began = got;
  wanted = got + order.expect;
  // A broker that began before would have deliveries that nobody counts.
  process.send?.({ counting: true });
  if (order.publish !== undefined) publish(order.publish, order.bytes);
});
process.on('disconnect', () => process.exit(0));
