/** A bare MQTT 3.1.1 subscriber (QoS 0): as little work as possible between the socket and the time that is noted. */
import { connect, type Socket } from 'node:net';

export interface Arrival {
  readonly topic: string;
  readonly payload: Buffer;
  /** CLOCK_MONOTONIC, nanoseconds. */
  readonly at: bigint;
  /** Milliseconds UTC. */
  readonly wall: number;
}

export class Subscriber {
  readonly #socket: Socket;
  #rest: Buffer = Buffer.alloc(0);
  readonly #ready: Promise<void>;
  #subscribed = (): void => {};
  readonly #take: (arrival: Arrival) => void;

  constructor(port: number, topics: readonly string[], take: (arrival: Arrival) => void) {
    this.#take = take;
    this.#ready = new Promise((resolve) => {
      this.#subscribed = resolve;
    });
    this.#socket = connect({ port, host: '127.0.0.1', noDelay: true });
    this.#socket.on('error', () => this.#socket.destroy());
    this.#socket.on('connect', () => {
      const id = text(`bench-${process.pid}-${Math.random().toString(36).slice(2)}`);
      this.#send(0x10, Buffer.concat([text('MQTT'), Buffer.from([4, 2, 0, 0]), id]));
      this.#send(0x82, Buffer.concat([Buffer.from([0, 1]), ...topics.flatMap((t) => [text(t), Buffer.from([0])])]));
    });
    this.#socket.on('data', (chunk) => this.#receive(chunk));
  }

  /** Resolves when the broker has taken the subscription. */
  ready(): Promise<void> {
    return this.#ready;
  }
  close(): void {
    this.#socket.destroy();
  }

  #send(type: number, body: Buffer): void {
    this.#socket.write(Buffer.concat([Buffer.from([type, ...lengthBytes(body.length)]), body]));
  }

  #receive(chunk: Buffer): void {
    const at = process.hrtime.bigint();
    const wall = Date.now();
    let bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    for (;;) {
      let length = 0;
      let shift = 0;
      let o = 1;
      for (; o < bytes.length; o++) {
        length += ((bytes[o] as number) & 127) << shift;
        shift += 7;
        if ((bytes[o] as number) < 128) break;
      }
      if (o >= bytes.length || bytes.length < o + 1 + length) break;
      const type = (bytes[0] as number) >> 4;
      const body = bytes.subarray(o + 1, o + 1 + length);
      if (type === 9) this.#subscribed();
      else if (type === 3) {
        const topicLength = body.readUInt16BE(0);
        this.#take({ topic: body.toString('utf8', 2, 2 + topicLength), payload: body.subarray(2 + topicLength), at, wall });
      }
      bytes = bytes.subarray(o + 1 + length);
    }
    this.#rest = bytes;
  }
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([Buffer.from([bytes.length >> 8, bytes.length & 255]), bytes]);
}
function lengthBytes(length: number): number[] {
  const out: number[] = [];
  let rest = length;
  do {
    out.push((rest & 127) | (rest > 127 ? 128 : 0));
    rest >>= 7;
  } while (rest > 0);
  return out;
}

/** Records that a batch covers, from its head alone. Alarms and events between them count as well; there are few. */
export function recordsOf(payload: Buffer): number {
  const m = /"first":(\d+),"last":(\d+)/.exec(payload.toString('latin1', 0, 300));
  return m === null ? 0 : Number(m[2]) - Number(m[1]) + 1;
}
