/**
 * Devices gone mad, in a process of their own: `broker-attackers.ts PORT NAME PASSWORD [NAME PASSWORD …]`. Each account attacks in all ways
 * at once, and comes back whenever it is thrown out, under a new client id. It ends with its parent, and says how often each way began.
 */
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { remaining, text } from './embedded-broker.ts';

const [port = '', ...credentials] = process.argv.slice(2);
/** Bytes of a message of the flood. */
const SMALL = 1000;
/** With its topic below the largest packet of 256 KiB. */
const LARGE = 250 * 1024;
const BATCH = 40;
/** Sessions that are made at first: more than an account may have. */
const SESSIONS = 20;
/** Clients that keep a part of a packet each: more than there is space for. */
const PARTIAL = 18;

interface Account {
  readonly name: string;
  readonly password: string;
}

const begun: Record<string, number> = {};
let ids = 0;
setInterval(() => process.send?.(begun), 100);
process.on('disconnect', () => process.exit(0));

function packet(first: number, ...parts: readonly Buffer[]): Buffer {
  const body = Buffer.concat(parts);
  return Buffer.concat([Buffer.from([first]), remaining(body.length), body]);
}
function numbered(first: number, id: number, ...parts: readonly Buffer[]): Buffer {
  return packet(first, ...parts.slice(0, 1), Buffer.from([id >> 8, id & 255]), ...parts.slice(1));
}
const publish = (topic: string, qos: number, id: number, payload: Buffer): Buffer =>
  qos === 0 ? packet(0x30, text(topic), payload) : numbered(0x30 | (qos << 1), id, text(topic), payload);
const bare = (first: number, id: number): Buffer => Buffer.from([first, 2, id >> 8, id & 255]);

const ends = new WeakMap<Socket, Promise<void>>();
function over(socket: Socket): Promise<void> {
  const known = ends.get(socket);
  if (known !== undefined) return known;
  const end = new Promise<void>((resolve) => (socket.closed ? resolve() : socket.once('close', () => resolve())));
  ends.set(socket, end);
  return end;
}

/** A client that is accepted; undefined when it is turned away. */
function enter({ name, password }: Account, id: string, clean: boolean, will = false): Promise<Socket | undefined> {
  return new Promise((resolve) => {
    const socket = connect(Number(port), '127.0.0.1');
    socket.on('error', () => {});
    socket.once('data', (bytes: Buffer) => resolve(bytes[3] === 0 ? socket : void socket.destroy()));
    socket.once('close', () => resolve(undefined));
    const flags = 0xc0 | (clean ? 2 : 0) | (will ? 0x0c : 0);
    const last = will ? [text(`${name}/will`), text('x'.repeat(SMALL))] : [];
    socket.write(
      packet(
        0x10,
        Buffer.from([0, 4, 0x4d, 0x51, 0x54, 0x54, 4, flags, 0, 0]),
        ...[text(id), ...last, text(name), text(password)],
      ),
    );
  });
}

/** Everything at once, as fast as the socket takes it; answers are read and forgotten. */
async function flood(account: Account, socket: Socket, qos: number): Promise<void> {
  const payload = Buffer.alloc(SMALL, account.name);
  socket.resume();
  for (let id = 1; !socket.destroyed; ) {
    const batch = Array.from({ length: BATCH }, () => {
      id = (id % 60_000) + 1;
      const message = publish(`${account.name}/flood-${qos}`, qos, id, payload);
      // One in ten is never released.
      return qos === 2 && id % 10 > 0 ? Buffer.concat([message, bare(0x62, id)]) : message;
    });
    await Promise.race([over(socket), new Promise<void>((done) => socket.write(Buffer.concat(batch), () => done()))]);
    await sleep(5);
  }
}

type Attack = (account: Account, id: string) => Promise<void>;

/** @param use the attack of one connection; it ends with it */
const each =
  (clean: boolean, use: (account: Account, socket: Socket) => Promise<void>): Attack =>
  async (account, id) => {
    const socket = await enter(account, id, clean);
    if (socket === undefined) return;
    await use(account, socket);
    socket.destroy();
  };

const WAYS: Readonly<Record<string, Attack>> = {
  'flood of QoS 0': each(true, (account, socket) => flood(account, socket, 0)),
  'flood of QoS 1': each(true, (account, socket) => flood(account, socket, 1)),
  'flood of QoS 2': each(true, (account, socket) => flood(account, socket, 2)),
  'largest messages': each(true, async ({ name }, socket) => {
    socket.resume();
    const payload = Buffer.alloc(LARGE, 'x');
    for (const qos of [0, 1, 2]) socket.write(publish(`${name}/large`, qos, qos + 1, payload));
    await Promise.race([over(socket), sleep(1500)]);
  }),
  'too large': each(true, async ({ name }, socket) => {
    socket.resume();
    socket.write(publish(`${name}/large`, 1, 1, Buffer.alloc(300 * 1024)));
    await over(socket);
  }),
  unreleased: each(true, async ({ name }, socket) => {
    socket.resume();
    socket.write(Buffer.concat(Array.from({ length: 150 }, (_, i) => publish(`${name}/more`, 2, i + 1, Buffer.from('x')))));
    await Promise.race([over(socket), sleep(5000)]);
  }),
  'PUBREL storm': each(true, async (_, socket) => {
    socket.resume();
    for (let id = 1; !socket.destroyed; id++) {
      const some = Array.from({ length: 200 }, (_, i) => bare(i % 2 === 0 ? 0x62 : 0x50, ((id * 200 + i) % 65_535) + 1));
      await Promise.race([over(socket), new Promise<void>((done) => socket.write(Buffer.concat(some), () => done()))]);
    }
  }),
  'reads nothing': each(true, async ({ name }, socket) => {
    socket.pause();
    socket.write(numbered(0x82, 1, Buffer.alloc(0), text(`${name}/#`), Buffer.from([1])));
    await Promise.race([over(socket), sleep(20_000)]);
  }),
  sessions: async (account, id) => {
    const socket = await enter(account, id, false);
    socket?.write(numbered(0x82, 1, Buffer.alloc(0), text(`${account.name}/#`), Buffer.from([1])));
    await sleep(20);
    socket?.destroy();
  },
  'half packets': async (account, id) => {
    const half = Buffer.concat([Buffer.from([0x30]), remaining(LARGE), Buffer.alloc(LARGE - 1, 'x')]);
    const all = await Promise.all(Array.from({ length: PARTIAL }, (_, i) => enter(account, `${id}-${i}`, true)));
    for (const socket of all) socket?.write(half);
    await sleep(2000);
    for (const socket of all) socket?.destroy();
  },
  reconnects: async (account) => {
    const all = Array.from({ length: 10 }, (_, i) => enter(account, `${account.name}-again-${i % 3}`, i % 2 === 0, true));
    for (const one of all) void one.then((socket) => socket?.resetAndDestroy());
    await Promise.all(all);
  },
};

async function run(account: Account, way: string, attack: Attack): Promise<never> {
  for (;;) {
    begun[way] = (begun[way] ?? 0) + 1;
    await attack(account, `${account.name}-${ids++}`);
    await sleep(20);
  }
}

const accounts = Array.from({ length: credentials.length / 2 }, (_, i): Account => {
  const [name = '', password = ''] = credentials.slice(2 * i);
  return { name, password };
});
// What they publish is wanted, so the disk gets it.
for (const account of accounts) for (let n = 0; n < SESSIONS; n++) await WAYS.sessions?.(account, `${account.name}-first-${n}`);
for (const account of accounts) for (const [way, attack] of Object.entries(WAYS)) void run(account, way, attack);
