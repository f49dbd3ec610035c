/**
 * An upstream broker of a few lines that takes every PUBLISH, and acknowledges as it is told: at once, later, never. It
 * speaks MQTT 3.1.1 as far as a publisher needs it, and hands nothing on.
 */
import { createServer, type Server, type Socket } from 'node:net';
import { nextPacket, type Packet } from '../harness/drop-proxy.ts';
import type { Taken } from '../harness/forwarder-peer.ts';
import { freePort } from '../harness/free-port.ts';

const TYPE = { connect: 1, publish: 3, subscribe: 8, pingreq: 12 };

export class MqttPeer {
  readonly taken: Taken[] = [];
  /** Not acknowledged now, and the most that was so at once, by topic. */
  readonly underWay = new Map<string, number>();
  readonly most = new Map<string, number>();
  #port: number;
  #server: Server | undefined;
  /** Topics and payloads of the wills that came, one for each CONNECT. */
  readonly wills: { readonly topic: string; readonly payload: string }[] = [];
  /** Filters that were subscribed to. */
  readonly filters: string[] = [];
  readonly #sockets = new Set<Socket>();
  #held: RegExp | undefined;
  readonly #waiting: { socket: Socket; topic: string; id: Buffer }[] = [];
  #lose: { times: number; topic: RegExp } = { times: 0, topic: /./ };

  /** @param port 0: one that no connection gets while the peer is stopped */
  constructor(port = 0) {
    this.#port = port;
  }

  get port(): number {
    return this.#port;
  }

  /** Listens; the port stays the same when it is started again. */
  async start(): Promise<void> {
    this.#port ||= await freePort();
    const server = createServer((socket) => this.#serve(socket));
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(this.#port, '127.0.0.1', resolve);
    });
    this.#server = server;
  }

  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (server === undefined) return;
    const closed = new Promise((resolve) => server.close(resolve));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  /** Acknowledges nothing on topics that match; undefined acknowledges all that waits. */
  hold(topic: RegExp | undefined): void {
    this.#held = topic;
    if (topic === undefined) for (const { socket, topic, id } of this.#waiting.splice(0)) this.#acknowledge(socket, topic, id);
  }

  /** Takes the next `times` PUBLISHes on topics that match, and breaks the connection instead of a PUBACK. */
  lose(times: number, topic: RegExp): void {
    this.#lose = { times, topic };
  }

  /** Sends a message with QoS 0 to everybody who is connected. */
  tell(topic: string, payload: string): void {
    const body = Buffer.concat([Uint8Array.of(0, topic.length), Buffer.from(topic + payload)]);
    for (const socket of this.#sockets) socket.write(Buffer.concat([Uint8Array.of(0x30, body.length), body]));
  }

  #serve(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => {
      this.#sockets.delete(socket);
      for (const lost of this.#waiting.filter((w) => w.socket === socket)) {
        this.#waiting.splice(this.#waiting.indexOf(lost), 1);
        this.#settle(lost.topic);
      }
    });
    let rest: Buffer = Buffer.alloc(0);
    socket.on('data', (data: Buffer) => {
      rest = Buffer.concat([rest, data]);
      for (let packet = nextPacket(rest); packet !== undefined && packet !== 'garbage'; packet = nextPacket(rest)) {
        rest = rest.subarray(packet.bytes.length);
        this.#packet(socket, packet);
      }
    });
  }

  #packet(socket: Socket, { type, bytes, body }: Packet): void {
    if (type === TYPE.connect) {
      this.#will(bytes, body);
      socket.write(Uint8Array.of(0x20, 2, 0, 0));
    }
    if (type === TYPE.subscribe) {
      const [filter] = text(bytes, body + 2);
      this.filters.push(filter);
      socket.write(Uint8Array.of(0x90, 3, bytes[body] as number, bytes[body + 1] as number, 1));
    }
    if (type === TYPE.pingreq) socket.write(Uint8Array.of(0xd0, 0));
    if (type !== TYPE.publish) return;
    const [topic, end] = text(bytes, body);
    const answered = ((bytes[0] as number) & 6) > 0;
    const payload = Buffer.from(bytes.subarray(answered ? end + 2 : end));
    this.taken.push({ topic, bytes: payload, wire: payload.length });
    if (!answered) return;
    const now = (this.underWay.get(topic) ?? 0) + 1;
    this.underWay.set(topic, now);
    this.most.set(topic, Math.max(now, this.most.get(topic) ?? 0));
    const id = Buffer.from(bytes.subarray(end, end + 2));
    if (this.#lose.times > 0 && this.#lose.topic.test(topic)) {
      this.#lose.times--;
      this.#settle(topic);
      socket.destroy();
    } else if (this.#held?.test(topic)) this.#waiting.push({ socket, topic, id });
    else this.#acknowledge(socket, topic, id);
  }

  #will(bytes: Buffer, body: number): void {
    const flags = bytes[body + 7] as number;
    const [, afterId] = text(bytes, body + 10);
    if ((flags & 4) === 0) return;
    const [topic, afterTopic] = text(bytes, afterId);
    this.wills.push({ topic, payload: text(bytes, afterTopic)[0] });
  }

  #acknowledge(socket: Socket, topic: string, id: Buffer): void {
    this.#settle(topic);
    if (!socket.destroyed) socket.write(Buffer.concat([Uint8Array.of(0x40, 2), id]));
  }

  #settle(topic: string): void {
    this.underWay.set(topic, (this.underWay.get(topic) ?? 1) - 1);
  }
}

/** A text with its length before it, and where it ends. */
function text(bytes: Buffer, at: number): [text: string, end: number] {
  const end = at + 2 + bytes.readUInt16BE(at);
  return [bytes.toString('utf8', at + 2, end), end];
}
