/**
 * Storms of clients, in a process of their own: `storm-load.ts KIND ORDER`, ORDER as JSON. SLUICE_BENCH_NICE is by how much it gives
 * way to what is measured, as a client on another machine would (0). It goes on until its parent says `stop`, and then says what it did.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import os from 'node:os';
import { Duplex } from 'node:stream';
import { connect as connectTls } from 'node:tls';
import { requests } from '../../test/harness/request-flood.ts';
import { handshakes, logIns, slowRequests } from './https-storms.ts';
import * as mqtt from './mqtt-wire.ts';

export interface Order {
  readonly port: number;
  readonly tlsPort: number;
  /** The port of HTTPS. */
  readonly httpsPort?: number | undefined;
  /** May publish and subscribe below `storm/`. */
  readonly device?: mqtt.LogIn | undefined;
  /** May subscribe to everything. */
  readonly reader?: mqtt.LogIn | undefined;
  /** How many, where a storm ends by itself. */
  readonly count?: number | undefined;
}
export type Kind = keyof typeof storms;

const FLOOD_BYTES = 4096;
const SMALL = 100;
const PARALLEL = 50;
const IDS = 500;
/** 80 % of what an account may ask for: so many clients, and messages a second of each (ACCOUNT_REQUESTS_PER_SECOND is 400). */
const STEADY_CLIENTS = 4;
const STEADY_RATE = 80;

const NICE = Number(process.env.SLUICE_BENCH_NICE ?? 0);
if (process.argv[2] !== 'reads' && NICE > 0) os.setPriority(Math.min(19, os.getPriority() + NICE));
// Where what is measured has a class of its own (chrt -f), this stays in the ordinary one.
if (process.env.SLUICE_BENCH_CLASS !== undefined) execFileSync('chrt', ['-a', '-o', '-p', '0', String(process.pid)]);
const order = JSON.parse(process.argv[3] ?? '{}') as Order;
const done: Record<string, number> = {};
const count = (what: string, by = 1): void => {
  done[what] = (done[what] ?? 0) + by;
};
const { port, device, reader } = order;
const soon = (run: () => void): void => {
  setTimeout(run, 1);
};

/** A message that says when it was written, µs. */
function timed(): Buffer {
  const payload = Buffer.alloc(FLOOD_BYTES, 0x78);
  payload.writeBigUInt64BE(process.hrtime.bigint() / 1000n);
  count('published');
  return mqtt.publishing('storm/flood', payload);
}

/** Publishes at a steady rate, and counts how often it is cut off. */
function steady(name: string): void {
  const run = (): void => {
    const socket = mqtt.dial(port, mqtt.connecting(name, device));
    let pace: NodeJS.Timeout | undefined;
    socket.once('data', () => {
      const from = performance.now();
      let sent = 0;
      pace = setInterval(() => {
        for (; sent < ((performance.now() - from) / 1000) * STEADY_RATE; sent++) socket.write(timed());
      }, 5);
    });
    socket.once('close', () => {
      clearInterval(pace);
      count('floodCut');
      soon(run);
    });
  };
  run();
}

/** Writes as fast as the broker takes it, on a new connection when it ends one. @param batch made for each write */
function flood(name: string, logIn: mqtt.LogIn | undefined, batch: (socket: Socket) => Buffer, clean = true): void {
  let cutAt = 0;
  const run = (): void => {
    count('connections');
    const socket = mqtt.dial(port, mqtt.connecting(name, logIn, clean));
    const more = (): void => {
      while (!socket.destroyed && socket.write(batch(socket)));
    };
    socket.once('data', () => {
      if (cutAt > 0 && aways.length < MOST_AWAYS) aways.push([cutAt, monotonic()]);
      cutAt = 0;
      more();
    });
    socket.on('drain', more);
    socket.once('close', () => {
      if (cutAt === 0) cutAt = monotonic();
      count('floodCut');
      soon(run);
    });
  };
  run();
}

/** When a flood had no connection that the broker accepted: from and to, ms of CLOCK_MONOTONIC. At most MOST_AWAYS of them. */
const aways: [number, number][] = [];
const MOST_AWAYS = 50_000;
const monotonic = (): number => Number(process.hrtime.bigint() / 1000n) / 1000;

/** The longest time in which a reader got nothing. */
const gap = { since: 0 };
function arrived(): void {
  const at = monotonic();
  if (gap.since > 0 && at - gap.since > (done.gapMs ?? 0))
    Object.assign(done, { gapMs: Math.round(at - gap.since), gapFrom: gap.since });
  gap.since = at;
}

function readers(many: number, topic: string): void {
  for (let i = 0; i < many; i++) {
    const run = (): void => {
      const first = Buffer.concat([mqtt.connecting(`reads${i}`, reader), mqtt.subscribing(topic)]);
      const socket = mqtt.dial(port, first, (type, body) => {
        if (type >> 4 !== mqtt.PACKET.publish) return;
        count('delivered');
        arrived();
        const { payload } = mqtt.messageOf(type, body);
        if (payload.length !== FLOOD_BYTES) return;
        const delay = Number(process.hrtime.bigint() / 1000n - payload.readBigUInt64BE()) / 1000;
        done.delayMs = Math.max(done.delayMs ?? 0, Math.round(delay));
      });
      socket.once('close', () => soon(run));
    };
    run();
  }
}

/** Bytes of a connection that the kernel holds, at both ends: `tx_queue` and `rx_queue` of /proc/net/tcp. */
function held(socket: Socket): number {
  const [own, broker] = [socket.localPort, port].map((n) => `:${(n ?? 0).toString(16).toUpperCase().padStart(4, '0')}`);
  let bytes = 0;
  for (const line of readFileSync('/proc/net/tcp', 'latin1').split('\n')) {
    const [, local = '', remote = '', , queues = ''] = line.trim().split(/\s+/);
    const [sent = '0', unread = '0'] = queues.split(':');
    if (local.endsWith(broker as string) && remote.endsWith(own as string)) bytes += Number.parseInt(sent, 16);
    if (local.endsWith(own as string) && remote.endsWith(broker as string)) bytes += Number.parseInt(unread, 16);
  }
  return bytes;
}

/**
 * Subscribes and stops reading. It notices its end because it goes on sending. The kernel takes some megabytes for it first: the
 * time is given from the end of its reading, and from the moment when the kernel took nothing more.
 */
function stalled(): void {
  const first = Buffer.concat([mqtt.connecting('stalled', reader), mqtt.subscribing('storm/flood')]);
  const socket = mqtt.dial(port, first, (type) => {
    if (type >> 4 !== mqtt.PACKET.suback) return;
    socket.pause();
    const since = performance.now();
    const full = { at: since, bytes: 0 };
    const pings = setInterval(() => {
      socket.write(mqtt.PING);
      const bytes = held(socket);
      if (bytes > full.bytes) Object.assign(full, { at: performance.now(), bytes });
    }, 50);
    socket.once('close', () => {
      clearInterval(pings);
      count('cut');
      const worst = (what: string, from: number): void => {
        done[what] = Math.max(done[what] ?? 0, Math.round(performance.now() - from));
      };
      worst('cutAfterMs', since);
      worst('cutWhenFullMs', full.at);
    });
  });
  socket.once('close', () => soon(stalled));
}

/** CONNECT and what follows, then the end, again and again. */
function comeAndGo(parallel: number, first: () => Buffer): void {
  const run = (): void => {
    count('connections');
    let answered = false;
    const socket = mqtt.dial(port, first(), (type, body) => {
      answered = true;
      if (type >> 4 === mqtt.PACKET.connack) count(body[1] === 0 ? 'accepted' : 'refused');
      socket.end(mqtt.DISCONNECT);
    });
    socket.setTimeout(5000, () => socket.destroy());
    socket.once('close', () => {
      if (!answered) count('closed');
      soon(run);
    });
  };
  for (let i = 0; i < parallel; i++) run();
}

/** The first flight of a client, as OpenSSL writes it. */
async function clientHello(): Promise<Buffer> {
  return new Promise((resolve) => {
    const wire = new Duplex({ read() {}, write: (chunk: Buffer) => resolve(Buffer.from(chunk)) });
    connectTls({ socket: wire, servername: 'localhost' }).on('error', () => {});
  });
}

const numbers = { next: 0 };
const storms = {
  stall: () => {
    stalled();
    flood('floods', device, timed);
  },
  /** A healthy reader of that topic. The floods keep their own process busy, so it has one of its own. */
  reads: () => readers(1, 'storm/flood'),
  /** The same below the rate of the account: nothing ends its publishers. */
  steady: () => {
    stalled();
    for (let i = 0; i < STEADY_CLIENTS; i++) steady(`floods${i}`);
  },
  connects: () => comeAndGo(PARALLEL, () => mqtt.connecting(`c${numbers.next++}`, device)),
  subscribes: () => {
    const many = Buffer.concat(Array.from({ length: 100 }, () => mqtt.subscribing('#')));
    const run = (): void => {
      count('connections');
      const socket = mqtt.dial(port, mqtt.connecting('subscribes', reader));
      const more = (): void => {
        while (!socket.destroyed) {
          count('subscribes', 100);
          if (!socket.write(many)) return;
        }
      };
      // It reads one answer and nothing after it.
      socket.once('data', () => {
        socket.pause();
        more();
      });
      socket.on('drain', more);
      const pings = setInterval(() => socket.write(mqtt.PING), 50);
      socket.once('close', () => {
        clearInterval(pings);
        soon(run);
      });
    };
    run();
  },
  displaced: () =>
    comeAndGo(20, () => Buffer.concat([mqtt.connecting(`s${numbers.next++}`, device, false), mqtt.subscribing('storm/#', 1)])),
  reconnects: () => {
    comeAndGo(PARALLEL, () =>
      Buffer.concat([mqtt.connecting(`r${numbers.next++ % IDS}`, device, false), mqtt.subscribing('storm/queue', 1)]),
    );
    const publisher = mqtt.dial(port, mqtt.connecting('queues', device));
    setInterval(() => {
      count('published');
      publisher.write(mqtt.publishing('storm/queue', Buffer.alloc(SMALL, 0x78), 1 + ((done.published ?? 0) % 60_000)));
    }, 50);
  },
  flood0: () => {
    readers(4, 'storm/flood');
    const packets = Buffer.concat(Array.from({ length: 50 }, () => mqtt.publishing('storm/flood', Buffer.alloc(SMALL, 0x78))));
    flood('floods', device, () => {
      count('published', 50);
      return packets;
    });
  },
  flood1: () => {
    readers(4, 'storm/flood');
    let number = 0;
    flood('floods', device, () => {
      count('published', 50);
      return Buffer.concat(
        Array.from({ length: 50 }, () => {
          number = (number % 60_000) + 1;
          return mqtt.publishing('storm/flood', Buffer.alloc(SMALL, 0x78), number);
        }),
      );
    });
  },
  tls: async () => {
    const hello = await clientHello();
    const run = (): void => {
      count('connections');
      const socket = connect({ port: order.tlsPort, host: '127.0.0.1' }, () => socket.write(hello));
      socket.on('error', () => socket.destroy());
      // It has cost the other side its signature, and goes no further.
      socket.once('data', () => {
        count('answered');
        setTimeout(() => socket.destroy(), 50);
      });
      socket.setTimeout(5000, () => socket.destroy());
      socket.once('close', () => soon(run));
    };
    for (let i = 0; i < PARALLEL; i++) run();
  },
  /** Requests by nobody, and by a program that may read all values. */
  pages: () => requests({ port: order.httpsPort ?? 0, path: '/', count }),
  metrics: () => requests({ port: order.httpsPort ?? 0, path: '/metrics', token: reader?.password, count }),
  logins: () => logIns(order.httpsPort ?? 0, count),
  handshakes: () => handshakes(order.httpsPort ?? 0, count),
  slow: () => slowRequests(order.httpsPort ?? 0, count),
  status: () => requests({ port: order.httpsPort ?? 0, path: '/api/v1/status', token: reader?.password, count }),
  /** One account retains small messages without end, each on a topic of its own. */
  retains: () => {
    let next = 0;
    flood('retains', device, () => {
      count('published', 50);
      return Buffer.concat(
        Array.from({ length: 50 }, () => mqtt.publishing(`storm/r/${next++}`, Buffer.alloc(10, 0x78), undefined, true)),
      );
    });
  },
  /** `count` connections send CONNECT at once and stay. */
  burst: () => {
    let answers = 0;
    const all = order.count ?? 0;
    const over = (): void => {
      if (++answers === all) process.send?.({ burst: true });
    };
    for (let i = 0; i < all; i++) {
      let open = true;
      const answered = (): void => {
        if (open) over();
        open = false;
      };
      const socket = mqtt.dial(port, mqtt.connecting(`b${i}`, device), (type, body) => {
        if (type >> 4 === mqtt.PACKET.connack) count(body[1] === 0 ? 'accepted' : 'refused');
        answered();
      });
      socket.once('close', () => {
        count('closed');
        answered();
      });
    }
  },
  /** Subscribers that stay, one after the other. */
  clients: () => {
    let next = 0;
    const all = order.count ?? 0;
    const run = (): void => {
      if (next === all) {
        process.send?.({ burst: true });
        return;
      }
      const id = `k${next++}`;
      let open = true;
      const on = (): void => {
        if (open) run();
        open = false;
      };
      const first = Buffer.concat([mqtt.connecting(id, reader), mqtt.subscribing(`storm/one/${id}`)]);
      const socket = mqtt.dial(port, first, (type) => {
        if (type >> 4 !== mqtt.PACKET.suback) return;
        count('accepted');
        on();
      });
      socket.once('close', on);
    };
    run();
  },
  /** Retained messages, each on a topic of its own; a new connection for each 900 of them. */
  retained: () => {
    const all = order.count ?? 0;
    let next = 0;
    const run = (): void => {
      const socket = mqtt.dial(port, mqtt.connecting(`retains${next}`, device), (type) => {
        if (type >> 4 !== mqtt.PACKET.connack) return;
        const packets: Buffer[] = [];
        for (let i = 0; i < 900 && next < all; i++, next++)
          packets.push(mqtt.publishing(`storm/retained/${next}`, Buffer.alloc(SMALL, 0x78), undefined, true));
        count('published', packets.length);
        socket.end(Buffer.concat([...packets, mqtt.DISCONNECT]));
      });
      socket.once('close', () => {
        if (next < all) run();
        else process.send?.({ burst: true });
      });
    };
    run();
  },
} as const;

const kind = process.argv[2] as Kind;
await storms[kind]();
process.on('message', () => {
  // What has not come by now is as late as this.
  if (gap.since > 0) arrived();
  process.send?.({ done, aways }, undefined, undefined, () => process.exit(0));
});
process.on('disconnect', () => process.exit(0));
