/**
 * The upstream platform of the demonstration: a listener that speaks as much MQTT 3.1.1 as a forwarder needs, keeps what it
 * is given as the contract's consumer does (one high-water mark a topic and log), and really goes away when it is told to.
 */
import { createServer, type Server, type Socket } from 'node:net';

const CONNECT = 1;
const PUBLISH = 3;
const SUBSCRIBE = 8;
const PINGREQ = 12;
const CONNACK = Uint8Array.of(0x20, 2, 0, 0);
const PINGRESP = Uint8Array.of(0xd0, 0);
/** A batch of the demonstration has some tens of kilobytes. */
const MAX_PACKET = 4 * 1024 * 1024;

interface Batch {
  readonly log: string;
  /** The start of the gateway that took the readings. */
  readonly boot: string;
  readonly last: number;
  readonly records: readonly { readonly seq: number; readonly values: object; readonly bad?: object }[];
}
/** The starts of the gateway that are counted apart: this one, and earlier ones with readings left. */
const MAX_BOOTS = 8;

export class Platform {
  readonly port: number;
  /** Since the start of the demonstration. */
  readonly counts = { records: 0, readings: 0, lateReadings: 0, repeats: 0, alarms: 0 };
  readonly #sockets = new Set<Socket>();
  readonly #marks = new Map<string, number>();
  readonly #ofBoot = new Map<string, number>();
  #server: Server | undefined;

  constructor(port: number) {
    this.port = port;
  }

  get listening(): boolean {
    return this.#server !== undefined;
  }

  /** Readings that one start of the gateway took. */
  readingsOf(boot: string): number {
    return this.#ofBoot.get(boot) ?? 0;
  }

  async start(): Promise<void> {
    const server = createServer((socket) => this.#serve(socket));
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(this.port, '127.0.0.1', resolve);
    });
    this.#server = server;
  }

  /** Connections are refused from now on, and those that are open break. */
  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (server === undefined) return;
    const closed = new Promise((resolve) => server.close(resolve));
    for (const socket of this.#sockets) socket.resetAndDestroy();
    await closed;
  }

  #serve(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => this.#sockets.delete(socket));
    let rest: Buffer = Buffer.alloc(0);
    socket.on('data', (data: Buffer) => {
      rest = Buffer.concat([rest, data]);
      for (;;) {
        const size = packetSize(rest);
        if (size === undefined || size.total > MAX_PACKET) {
          if (size !== undefined) socket.destroy();
          return;
        }
        if (rest.length < size.total) return;
        try {
          this.#packet(socket, rest.subarray(0, size.total), size.header);
        } catch {
          // Something else than the gateway speaks here.
          socket.destroy();
          return;
        }
        rest = rest.subarray(size.total);
      }
    });
  }

  #packet(socket: Socket, packet: Buffer, header: number): void {
    const first = packet[0] ?? 0;
    switch (first >> 4) {
      case CONNECT:
        socket.write(CONNACK);
        return;
      case PINGREQ:
        socket.write(PINGRESP);
        return;
      case SUBSCRIBE:
        socket.write(Uint8Array.of(0x90, 3, packet[header] ?? 0, packet[header + 1] ?? 0, 1));
        return;
      case PUBLISH: {
        const payloadOfTopic = header + 2 + packet.readUInt16BE(header);
        const topic = packet.toString('utf8', header + 2, payloadOfTopic);
        const acknowledged = (first & 6) !== 0;
        this.#take(topic, packet.toString('utf8', payloadOfTopic + (acknowledged ? 2 : 0)));
        if (acknowledged) socket.write(Uint8Array.of(0x40, 2, packet[payloadOfTopic] ?? 0, packet[payloadOfTopic + 1] ?? 0));
      }
    }
  }

  #take(topic: string, payload: string): void {
    const kind = topic.split('/')[2];
    if (kind === 'alarm' && payload !== '') this.counts.alarms++;
    if (kind !== 'data' && kind !== 'history') return;
    const { log, boot, last, records } = JSON.parse(payload) as Batch;
    const key = `${log}/${topic}`;
    const mark = this.#marks.get(key) ?? -1;
    for (const { seq, values, bad = {} } of records) {
      if (seq <= mark) {
        this.counts.repeats++;
        continue;
      }
      const readings = Object.keys(values).length + Object.keys(bad).length;
      this.counts.records++;
      this.counts.readings += readings;
      if (kind === 'history') this.counts.lateReadings += readings;
      if (this.#ofBoot.has(boot) || this.#ofBoot.size < MAX_BOOTS) this.#ofBoot.set(boot, this.readingsOf(boot) + readings);
    }
    this.#marks.set(key, Math.max(mark, last));
  }
}

/** undefined: the fixed header is not complete yet. */
function packetSize(bytes: Buffer): { header: number; total: number } | undefined {
  let length = 0;
  for (let i = 1; i <= 4; i++) {
    const byte = bytes[i];
    if (byte === undefined) return undefined;
    length += (byte & 0x7f) << (7 * (i - 1));
    if ((byte & 0x80) === 0) return { header: i + 1, total: i + 1 + length };
  }
  return { header: 5, total: Number.POSITIVE_INFINITY };
}
