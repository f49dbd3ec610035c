/**
 * A device account gone mad: it publishes as fast as its socket takes it, and comes back whenever it is thrown out.
 * usage: mqtt-flood.ts KIND PORT USER PASSWORD COUNT. Sends the number of messages written to its parent, and ends.
 */
import { connect, type Socket } from 'node:net';
import { remaining, text } from './embedded-broker.ts';

const [kind = '', port = '', user = '', password = '', count = ''] = process.argv.slice(2);
const BATCH = 200;

function publish(topic: string, payload: Buffer): Buffer {
  const name = text(topic);
  return Buffer.concat([Buffer.from([0x30]), remaining(name.length + payload.length), name, payload]);
}

const garbage = Buffer.from(Array.from({ length: 300 }, (_, i) => (i * 7919 + 13) % 251));
const KINDS: Readonly<Record<string, (i: number) => Buffer>> = {
  rate: (i) => publish('flood/one', Buffer.from(JSON.stringify({ value: i }))),
  topics: (i) => publish(`flood/many/${i % 10_000}`, Buffer.from('7')),
  large: () => publish('flood/one', Buffer.alloc(1024 * 1024, 0x20)),
  big: () => publish('flood/one', Buffer.alloc(200 * 1024, 0x20)),
  deep: () => publish('flood/one', Buffer.from('['.repeat(100_000))),
  nested: () => publish('flood/one', Buffer.from(`${'{"value":'.repeat(1600)}1${'}'.repeat(1600)}`)),
  garbage: (i) => publish('flood/one', garbage.subarray(i % 100)),
};
const message = KINDS[kind];
if (message === undefined) throw new Error(`there is no kind ${kind}`);

function logIn(): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), '127.0.0.1');
    socket.on('error', () => {});
    socket.once('data', () => resolve(socket));
    socket.once('close', () => reject(new Error('closed')));
    const body = Buffer.concat([
      Buffer.from([0, 4, 0x4d, 0x51, 0x54, 0x54, 4, 0xc2, 0, 0]),
      text('flood'),
      text(user),
      text(password),
    ]);
    socket.write(Buffer.concat([Buffer.from([0x10]), remaining(body.length), body]));
  });
}

let sent = 0;
while (sent < Number(count)) {
  const socket = await logIn().catch(() => undefined);
  if (socket === undefined) {
    await new Promise((resolve) => setTimeout(resolve, 50));
    continue;
  }
  while (!socket.destroyed && sent < Number(count)) {
    const packets = Array.from({ length: kind === 'large' || kind === 'big' || kind === 'deep' ? 2 : BATCH }, (_, i) =>
      message(sent + i),
    );
    sent += packets.length;
    await new Promise<void>((resolve) => {
      socket.once('close', () => resolve());
      socket.write(Buffer.concat(packets), () => resolve());
    });
    socket.removeAllListeners('close');
  }
  socket.destroy();
}
process.send?.(sent);
process.disconnect?.();
