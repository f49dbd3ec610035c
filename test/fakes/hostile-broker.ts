/**
 * An upstream broker of hand-made bytes: it reads a CONNECT (and whatever follows) and answers with what the test says. It
 * writes as fast as the far side takes it, and counts the bytes that the system took from it before the connection ended.
 */
import { createServer, type Server, type Socket } from 'node:net';
import type { TestContext } from 'node:test';

export const CONNACK = Uint8Array.of(0x20, 2, 0, 0);

/** What a connection is sent after its CONNECT. An endless one ends with the connection. */
export type Attack = () => Iterable<Uint8Array> | AsyncIterable<Uint8Array>;

export interface Victim {
  /** Bytes handed to the system. Its buffers on both sides hold some megabytes that nobody read. */
  taken: number;
  /** The far side closed, and the attack was not over. */
  cut: boolean;
  over: boolean;
}

export class HostileBroker {
  readonly victims: Victim[] = [];
  /** Bytes that came behind CONNECTs. */
  heard = 0;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #attack: Attack;

  private constructor(attack: Attack) {
    this.#attack = attack;
    this.#server = createServer((socket) => void this.#serve(socket));
  }

  static async start(t: TestContext, attack: Attack): Promise<HostileBroker> {
    const broker = new HostileBroker(attack);
    await new Promise<void>((resolve) => broker.#server.listen(0, '127.0.0.1', resolve));
    t.after(() => broker.stop());
    return broker;
  }

  /** Its port is free afterwards. */
  async stop(): Promise<void> {
    if (!this.#server.listening) return;
    const closed = new Promise((resolve) => this.#server.close(resolve));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  get port(): number {
    return (this.#server.address() as { port: number }).port;
  }
  set attack(attack: Attack) {
    this.#attack = attack;
  }

  async #serve(socket: Socket): Promise<void> {
    this.#sockets.add(socket);
    socket.on('error', () => {});
    const victim: Victim = { taken: 0, cut: false, over: false };
    const gone = new Promise<void>((resolve) =>
      socket.once('close', () => {
        this.#sockets.delete(socket);
        victim.cut = true;
        resolve();
      }),
    );
    // The CONNECT comes in one piece. What follows it is read and ignored.
    await Promise.race([new Promise((resolve) => socket.once('data', resolve)), gone]);
    socket.on('data', (bytes) => {
      this.heard += bytes.length;
    });
    this.victims.push(victim);
    for await (const bytes of this.#attack()) {
      if (socket.destroyed) break;
      const drained = new Promise<void>((resolve) => socket.write(bytes, () => resolve()));
      await Promise.race([drained, gone]);
      if (socket.destroyed) break;
      victim.taken += bytes.length;
    }
    victim.over = true;
  }
}

/** The fixed header of a packet. */
export function header(first: number, length: number): Uint8Array {
  const bytes = [first];
  let rest = length;
  do {
    bytes.push((rest & 127) | (rest > 127 ? 128 : 0));
    rest >>= 7;
  } while (rest > 0);
  return Uint8Array.from(bytes);
}

/** A packet `times` over, as one piece. */
export function times(count: number, packet: Uint8Array): Uint8Array {
  return Buffer.concat(Array.from({ length: count }, () => packet));
}

/** A PUBLISH on topic `a` with `body` bytes. */
export function publish(qos: 0 | 1 | 2, id: number, body: number): Uint8Array {
  const variable = qos === 0 ? [0, 1, 0x61] : [0, 1, 0x61, id >> 8, id & 255];
  return Buffer.concat([header(0x30 | (qos << 1), variable.length + body), Uint8Array.from(variable), new Uint8Array(body)]);
}
