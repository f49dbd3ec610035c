/**
 * A TCP proxy between a gateway and its broker that understands just enough of MQTT to cut the connection at the worst
 * moment: after the broker got a PUBLISH and before the gateway gets its PUBACK. It also cuts, stalls, delays, refuses.
 */
import { connect, createServer, type Server, type Socket } from 'node:net';
import { freePort } from './free-port.ts';

const PUBACK = 4;

/** One packet on its way, as `dropWhen` sees it. */
export interface Seen {
  readonly kind: 'publish' | 'puback';
  /** The topic of the PUBLISH (for a PUBACK: of the one that it answers). */
  readonly topic: string;
  readonly packetId: number;
  /** How many of this kind passed before it, over all connections. */
  readonly before: number;
}

/** One MQTT control packet, header included. */
export interface Packet {
  readonly type: number;
  readonly flags: number;
  readonly bytes: Buffer;
  readonly body: number;
}

export class DropProxy {
  /** Since the proxy was made; `bytesUp` is what the gateway sent. */
  readonly counts = { connections: 0, publishes: 0, pubacks: 0, drops: 0, bytesUp: 0, bytesDown: 0 };
  #target: number;
  #server: Server | undefined;
  #port = 0;
  readonly #links = new Set<Link>();
  #dropWhen: ((seen: Seen) => boolean) | undefined;
  #stalled = false;
  #held: RegExp | undefined;
  #delay = 0;

  constructor(targetPort: number) {
    this.#target = targetPort;
  }

  get port(): number {
    return this.#port;
  }
  get url(): string {
    return `mqtt://127.0.0.1:${this.#port}`;
  }
  get open(): number {
    return this.#links.size;
  }

  /** Listens; the port stays the same when it is started again after a `stop`, and the kernel gives it to no connection meanwhile. */
  async start(): Promise<void> {
    this.#port ||= await freePort();
    const server = createServer((client) => this.#accept(client));
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(this.#port, '127.0.0.1', resolve);
    });
    this.#server = server;
  }

  /** Stops listening (connections are refused) and cuts what is open. */
  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    const closed = new Promise((resolve) => (server === undefined ? resolve(undefined) : server.close(resolve)));
    this.cut();
    await closed;
  }

  /** Ends every open connection with a reset. */
  cut(): void {
    for (const link of this.#links) link.destroy();
  }

  /** Nothing passes either way while it is on; connections stay open and new ones are accepted. */
  stall(on: boolean): void {
    this.#stalled = on;
    for (const link of this.#links) link.pump();
  }

  /** PUBACKs of topics that match stay here, and everything behind them; undefined lets them go. */
  holdPubacks(topic: RegExp | undefined): void {
    this.#held = topic;
    for (const link of this.#links) link.pump();
  }

  /** Every packet waits this many milliseconds, each way; order is kept. */
  delay(ms: number): void {
    this.#delay = ms;
  }

  /**
   * Asked for each PUBLISH from the gateway and each PUBACK to it, before it is passed on; true swallows that packet and
   * cuts its connection. undefined ends it.
   */
  dropWhen(decide: ((seen: Seen) => boolean) | undefined): void {
    this.#dropWhen = decide;
  }

  /** The usual fault: of the next PUBACKs (on topics that match) `times` are lost with their connection. */
  dropPubacks(times: number, topic = /./): void {
    let left = times;
    this.#dropWhen = (seen) => seen.kind === 'puback' && topic.test(seen.topic) && left > 0 && left-- > 0;
  }

  #accept(client: Socket): void {
    this.counts.connections++;
    const link = new Link(client, connect(this.#target, '127.0.0.1'), {
      stalled: () => this.#stalled,
      held: (topic) => this.#held?.test(topic) ?? false,
      delay: () => this.#delay,
      passes: (seen) => {
        const before = seen.kind === 'publish' ? this.counts.publishes : this.counts.pubacks;
        if (this.#dropWhen?.({ ...seen, before })) {
          this.counts.drops++;
          return false;
        }
        if (seen.kind === 'publish') this.counts.publishes++;
        else this.counts.pubacks++;
        return true;
      },
      bytes: (up, n) => {
        if (up) this.counts.bytesUp += n;
        else this.counts.bytesDown += n;
      },
      gone: () => this.#links.delete(link),
    });
    this.#links.add(link);
  }
}

interface LinkOwner {
  stalled(): boolean;
  held(topic: string): boolean;
  delay(): number;
  passes(seen: Omit<Seen, 'before'>): boolean;
  bytes(up: boolean, count: number): void;
  gone(): void;
}

class Link {
  readonly #owner: LinkOwner;
  readonly #sides: readonly [Socket, Socket];
  /** Unfinished packets of either direction: from the client, from the broker. */
  readonly #rest: [Buffer, Buffer] = [Buffer.alloc(0), Buffer.alloc(0)];
  readonly #waiting: [Packet[], Packet[]] = [[], []];
  readonly #busy: [boolean, boolean] = [false, false];
  readonly #topics = new Map<number, string>();
  /** The client speaks MQTT 5, and abbreviates topics. */
  #five = false;
  readonly #aliases = new Map<number, string>();
  #over = false;

  constructor(client: Socket, broker: Socket, owner: LinkOwner) {
    this.#owner = owner;
    this.#sides = [client, broker];
    for (const side of [0, 1] as const) {
      const socket = this.#sides[side];
      socket.setNoDelay(true);
      socket.on('data', (data: Buffer) => {
        owner.bytes(side === 0, data.length);
        this.#take(side, data);
      });
      socket.on('error', () => {});
      socket.on('close', () => this.destroy());
    }
  }

  destroy(): void {
    if (this.#over) return;
    this.#over = true;
    for (const socket of this.#sides) {
      if (socket.connecting) socket.destroy();
      else socket.resetAndDestroy();
    }
    this.#owner.gone();
  }

  pump(): void {
    this.#pass(0);
    this.#pass(1);
  }

  #take(side: 0 | 1, data: Buffer): void {
    let bytes = this.#rest[side].length === 0 ? data : Buffer.concat([this.#rest[side], data]);
    for (;;) {
      const packet = nextPacket(bytes);
      if (packet === 'garbage') {
        this.destroy();
        return;
      }
      if (packet === undefined) break;
      this.#waiting[side].push(packet);
      bytes = bytes.subarray(packet.bytes.length);
    }
    this.#rest[side] = bytes;
    this.#pass(side);
  }

  #pass(side: 0 | 1): void {
    if (this.#busy[side]) return;
    while (!this.#over && !this.#owner.stalled()) {
      const packet = this.#waiting[side][0];
      if (packet === undefined || this.#isHeld(side, packet)) return;
      const delay = this.#owner.delay();
      if (delay > 0) {
        this.#busy[side] = true;
        setTimeout(() => {
          this.#busy[side] = false;
          if (!this.#over && !this.#owner.stalled()) this.#forward(side);
          this.#pass(side);
        }, delay);
        return;
      }
      this.#forward(side);
    }
  }

  #forward(side: 0 | 1): void {
    const packet = this.#waiting[side].shift();
    if (packet === undefined) return;
    if (!this.#allowed(side, packet)) this.destroy();
    else this.#sides[side === 0 ? 1 : 0].write(packet.bytes);
  }

  #topic(topic: string, bytes: Buffer, at: number): string {
    const alias = this.#five ? aliasIn(bytes, at) : undefined;
    if (alias === undefined) return topic;
    if (topic !== '') this.#aliases.set(alias, topic);
    return this.#aliases.get(alias) ?? '';
  }

  #isHeld(side: 0 | 1, { type, bytes, body }: Packet): boolean {
    return side === 1 && type === PUBACK && this.#owner.held(this.#topics.get(bytes.readUInt16BE(body)) ?? '');
  }

  #allowed(side: 0 | 1, packet: Packet): boolean {
    const { bytes, body } = packet;
    if (side === 0 && packet.type === 1) this.#five = bytes[body + 6] === 5;
    if (side === 0 && packet.type === 3 && (packet.flags & 6) !== 0) {
      const length = bytes.readUInt16BE(body);
      const packetId = bytes.readUInt16BE(body + 2 + length);
      const topic = this.#topic(bytes.toString('utf8', body + 2, body + 2 + length), bytes, body + 4 + length);
      this.#topics.set(packetId, topic);
      return this.#owner.passes({ kind: 'publish', topic, packetId });
    }
    if (side === 1 && packet.type === PUBACK) {
      const packetId = bytes.readUInt16BE(body);
      const topic = this.#topics.get(packetId) ?? '';
      this.#topics.delete(packetId);
      return this.#owner.passes({ kind: 'puback', topic, packetId });
    }
    return true;
  }
}

/** The alias among the properties of a PUBLISH, as far as this gateway sends them. */
function aliasIn(bytes: Buffer, at: number): number | undefined {
  let [length, shift, pos] = [0, 0, at];
  for (;;) {
    const byte = bytes[pos++] ?? 0;
    length += (byte & 127) << shift;
    shift += 7;
    if (byte < 128) break;
  }
  for (const end = pos + length; pos < end; ) {
    const id = bytes[pos];
    if (id === 0x23) return bytes.readUInt16BE(pos + 1);
    if (id === 0x02) pos += 5;
    else if (id === 0x26) for (let i = 0, to = ++pos; i < 2; i++, pos = to) to = pos + 2 + bytes.readUInt16BE(pos);
    else throw new Error(`a property that is not known here: ${id}`);
  }
  return undefined;
}

/** undefined: not complete yet; `garbage`: a length of more than four bytes, as MQTT never has. */
export function nextPacket(bytes: Buffer): Packet | 'garbage' | undefined {
  let length = 0;
  for (let i = 1; i <= 4; i++) {
    const byte = bytes[i];
    if (byte === undefined) return undefined;
    length += (byte & 0x7f) << (7 * (i - 1));
    if ((byte & 0x80) !== 0) continue;
    const body = i + 1;
    if (bytes.length < body + length) return undefined;
    const first = bytes[0] ?? 0;
    return { type: first >> 4, flags: first & 0xf, bytes: bytes.subarray(0, body + length), body };
  }
  return 'garbage';
}
