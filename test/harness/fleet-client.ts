/** A small MQTT 3.1.1 client of a fleet: log-in, one filter, messages of QoS 1, and what comes of its queue. */
import { connect, type Socket } from 'node:net';
import { remaining, text } from './embedded-broker.ts';

export interface FleetAccount {
  readonly user: string;
  readonly password: string;
}

const DISCONNECT = Buffer.from([0xe0, 0]);

export class FleetClient {
  /** Whether CONNACK announced a session. */
  present = false;
  /** Payloads, in the order in which they came. */
  readonly got: string[] = [];
  readonly #socket: Socket;
  readonly #ended: Promise<void>;
  #rest: Buffer = Buffer.alloc(0);
  #number = 0;
  readonly #waiting = new Map<string, (body: Buffer) => void>();
  #onMessage: (() => void) | undefined;

  private constructor(port: number) {
    this.#socket = connect({ port, host: '127.0.0.1', noDelay: true });
    this.#socket.on('error', () => {});
    this.#ended = new Promise((resolve) => this.#socket.once('close', () => resolve()));
    this.#socket.on('data', (chunk) => this.#take(chunk));
  }

  /** @returns undefined when the connection ended first, or was refused */
  static async open(port: number, id: string, { user, password }: FleetAccount, clean = false): Promise<FleetClient | undefined> {
    const client = new FleetClient(port);
    const flags = Buffer.from([4, clean ? 0xc2 : 0xc0, 0, 0]);
    const answer = client.#answer('2');
    client.#send(0x10, text('MQTT'), flags, text(id), text(user), text(password));
    const body = await answer;
    if (body === undefined || body[1] !== 0) {
      client.#socket.destroy();
      return undefined;
    }
    client.present = body[0] === 1;
    return client;
  }

  /** @returns whether it was acknowledged */
  async subscribe(filter: string): Promise<boolean> {
    const number = this.#next();
    const answer = this.#answer(`9 ${number.readUInt16BE()}`);
    this.#send(0x82, number, text(filter), Buffer.from([1]));
    return (await answer)?.[2] === 1;
  }

  /** With QoS 1. @returns whether it was acknowledged; otherwise the connection has ended */
  async publish(topic: string, payload: string): Promise<boolean> {
    const number = this.#next();
    const answer = this.#answer(`4 ${number.readUInt16BE()}`);
    this.#send(0x32, text(topic), number, Buffer.from(payload));
    return (await answer) !== undefined;
  }

  /** Resolves with that message, or with the end of the connection. @returns whether it came */
  async until(payload: string): Promise<boolean> {
    const came = new Promise<void>((resolve) => {
      this.#onMessage = () => {
        if (this.got.at(-1) === payload) resolve();
      };
      if (this.got.includes(payload)) resolve();
    });
    await Promise.race([came, this.#ended]);
    return this.got.includes(payload);
  }

  /** DISCONNECT, and the end of the connection. */
  async leave(): Promise<void> {
    this.#socket.end(DISCONNECT);
    await this.#ended;
  }

  #next(): Buffer {
    this.#number = (this.#number % 60_000) + 1;
    return Buffer.from([this.#number >> 8, this.#number & 255]);
  }

  #send(type: number, ...parts: readonly Buffer[]): void {
    const body = Buffer.concat(parts);
    this.#socket.write(Buffer.concat([Buffer.from([type]), remaining(body.length), body]));
  }

  /** The body of the packet with that name; undefined when the connection ends first. */
  #answer(name: string): Promise<Buffer | undefined> {
    const came = new Promise<Buffer>((resolve) => this.#waiting.set(name, resolve));
    return Promise.race([came, this.#ended.then(() => undefined)]);
  }

  #take(chunk: Buffer): void {
    let bytes = Buffer.concat([this.#rest, chunk]);
    for (;;) {
      let length = 0;
      let at = 1;
      let more = true;
      for (let shift = 1; more && at < bytes.length; shift *= 128) {
        const byte = bytes[at++] as number;
        length += (byte & 127) * shift;
        more = byte > 127;
      }
      if (more || bytes.length < at + length) break;
      this.#packet(bytes[0] as number, bytes.subarray(at, at + length));
      bytes = bytes.subarray(at + length);
    }
    this.#rest = bytes;
  }

  #packet(first: number, body: Buffer): void {
    const type = first >> 4;
    if (type === 3) {
      const at = 2 + body.readUInt16BE();
      const qos = (first >> 1) & 3;
      this.got.push(body.subarray(qos === 0 ? at : at + 2).toString());
      if (qos === 1) this.#socket.write(Buffer.concat([Buffer.from([0x40, 2]), body.subarray(at, at + 2)]));
      this.#onMessage?.();
      return;
    }
    const name = type === 2 ? '2' : `${type} ${body.readUInt16BE()}`;
    this.#waiting.get(name)?.(body);
    this.#waiting.delete(name);
  }
}
