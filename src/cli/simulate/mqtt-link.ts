/**
 * The little of an MQTT 3.1.1 client that simulated devices need: QoS 0, one connection that comes back by itself, TCP only.
 * Bounds: what waits for a socket is dropped with it; a packet that comes is at most MAX_PACKET.
 */
import { connect, type Socket } from 'node:net';
import { publishPacket } from '../../drivers/mqtt/packet.ts';

const RETRY_MS = 1000;
const KEEP_ALIVE_S = 30;
const MAX_PACKET = 64 * 1024;

export interface LinkOptions {
  readonly host: string;
  readonly port: number;
  readonly username: string;
  readonly password: string;
  readonly clientId: string;
  readonly filters: readonly string[];
  readonly opened: () => void;
  /** Once for each stretch without a connection. */
  readonly lost: (why: string) => void;
  readonly message: (topic: string, payload: Uint8Array) => void;
}

export class MqttLink {
  readonly #o: LinkOptions;
  #socket: Socket | undefined;
  #open = false;
  #wanted = false;
  #reported = false;
  #timer: NodeJS.Timeout | undefined;
  #beat: NodeJS.Timeout | undefined;
  #came: Buffer = Buffer.alloc(0);

  constructor(options: LinkOptions) {
    this.#o = options;
  }

  start(): void {
    this.#wanted = true;
    this.#connect();
  }

  stop(): void {
    this.#wanted = false;
    clearTimeout(this.#timer);
    clearInterval(this.#beat);
    if (this.#open) this.#socket?.end(Buffer.from([0xe0, 0]));
    this.#socket?.destroy();
  }

  publish(topic: string, payload: Uint8Array): void {
    if (this.#open) this.#socket?.write(publishPacket(topic, payload, false));
  }

  #connect(): void {
    const { host, port, username, password, clientId } = this.#o;
    this.#came = Buffer.alloc(0);
    const socket = connect(port, host);
    this.#socket = socket;
    socket.on('connect', () => {
      const flags = 2 | (username === '' ? 0 : 0xc0);
      const body = [Buffer.from([0, 4, 0x4d, 0x51, 0x54, 0x54, 4, flags, 0, KEEP_ALIVE_S]), text(clientId)];
      if (username !== '') body.push(text(username), text(password));
      socket.write(packet(0x10, Buffer.concat(body)));
    });
    socket.on('data', (chunk: Buffer) => this.#hear(socket, chunk));
    let why = 'the connection was closed';
    socket.on('error', (error) => {
      why = error.message;
    });
    socket.on('close', () => this.#lost(why));
  }

  #lost(why: string): void {
    this.#open = false;
    clearInterval(this.#beat);
    if (!this.#wanted) return;
    if (!this.#reported) this.#o.lost(why);
    this.#reported = true;
    this.#timer = setTimeout(() => this.#connect(), RETRY_MS);
  }

  #hear(socket: Socket, chunk: Buffer): void {
    this.#came = Buffer.concat([this.#came, chunk]);
    for (;;) {
      const head = lengthOf(this.#came);
      if (head === undefined) return;
      if (head.length > MAX_PACKET) {
        socket.destroy();
        return;
      }
      if (this.#came.length < head.at + head.length) return;
      const type = (this.#came[0] as number) >> 4;
      const body = this.#came.subarray(head.at, head.at + head.length);
      this.#came = this.#came.subarray(head.at + head.length);
      if (type === 2) this.#accepted(socket, body[1] ?? 5);
      else if (type === 3 && body.length >= 2) {
        const end = 2 + body.readUInt16BE(0);
        this.#o.message(body.toString('utf8', 2, end), body.subarray(end));
      }
    }
  }

  #accepted(socket: Socket, code: number): void {
    if (code !== 0) {
      if (!this.#reported)
        this.#o.lost(code === 4 || code === 5 ? 'the broker refuses the name or the password' : `refused with ${code}`);
      this.#reported = true;
      socket.destroy();
      return;
    }
    this.#open = true;
    this.#reported = false;
    const filters = this.#o.filters.map((filter) => Buffer.concat([text(filter), Buffer.from([0])]));
    if (filters.length > 0) socket.write(packet(0x82, Buffer.concat([Buffer.from([0, 1]), ...filters])));
    this.#beat = setInterval(() => socket.write(Buffer.from([0xc0, 0])), (KEEP_ALIVE_S * 1000) / 2);
    this.#o.opened();
  }
}

/** Where the rest of a packet begins, and how long it is; undefined: that is not here yet. */
function lengthOf(bytes: Buffer): { readonly at: number; readonly length: number } | undefined {
  let length = 0;
  for (let i = 1; i <= 4 && i < bytes.length; i++) {
    const byte = bytes[i] as number;
    length += (byte & 127) * 128 ** (i - 1);
    if (byte < 128) return { at: i + 1, length };
  }
  return bytes.length > 4 ? { at: 5, length: MAX_PACKET + 1 } : undefined;
}

function packet(type: number, body: Buffer): Buffer {
  const length: number[] = [];
  let rest = body.length;
  do {
    length.push((rest & 127) | (rest > 127 ? 128 : 0));
    rest = Math.floor(rest / 128);
  } while (rest > 0);
  return Buffer.concat([Buffer.from([type, ...length]), body]);
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([Buffer.from([bytes.length >> 8, bytes.length & 255]), bytes]);
}
