/** Bytes of MQTT 3.1.1, for clients that do nothing else. */
import { connect, type Socket } from 'node:net';
import { remaining, text } from '../../test/harness/embedded-broker.ts';

/** Absent: the broker asks for none. */
export interface LogIn {
  readonly name: string;
  readonly password: string;
}
export const PACKET = { connack: 2, publish: 3, puback: 4, suback: 9 } as const;

export function frame(first: number, ...parts: readonly Buffer[]): Buffer {
  const body = Buffer.concat(parts);
  return Buffer.concat([Buffer.from([first]), remaining(body.length), body]);
}

export function connecting(id: string, logIn: LogIn | undefined, clean = true): Buffer {
  const flags = (clean ? 2 : 0) | (logIn === undefined ? 0 : 0xc0);
  const who = logIn === undefined ? [] : [text(logIn.name), text(logIn.password)];
  return frame(0x10, text('MQTT'), Buffer.from([4, flags, 0, 0]), text(id), ...who);
}

export function subscribing(filter: string, qos = 0, number = 1): Buffer {
  return frame(0x82, Buffer.from([number >> 8, number & 255]), text(filter), Buffer.from([qos]));
}

/** @param number of QoS 1 */
export function publishing(topic: string, payload: Buffer, number?: number, retain = false): Buffer {
  const id = number === undefined ? [] : [Buffer.from([number >> 8, number & 255])];
  return frame(0x30 | (number === undefined ? 0 : 2) | (retain ? 1 : 0), text(topic), ...id, payload);
}

export const DISCONNECT: Buffer = Buffer.from([0xe0, 0]);
export const PING: Buffer = Buffer.from([0xc0, 0]);

/** @returns what is not whole yet */
export function packetsOf(bytes: Buffer, take: (first: number, body: Buffer) => void): Buffer {
  let at = 0;
  while (at + 2 <= bytes.length) {
    let length = 0;
    let i = at + 1;
    let ends = false;
    for (let shift = 1; i < bytes.length && !ends; shift *= 128) {
      const byte = bytes[i++] as number;
      length += (byte & 127) * shift;
      ends = byte < 128;
    }
    if (!ends || i + length > bytes.length) break;
    take(bytes[at] as number, bytes.subarray(i, i + length));
    at = i + length;
  }
  return bytes.subarray(at);
}

export interface Message {
  readonly topic: string;
  readonly payload: Buffer;
}

/** @param body of a PUBLISH, whose first byte is `first` */
export function messageOf(first: number, body: Buffer): Message & { readonly number?: number } {
  const end = 2 + body.readUInt16BE(0);
  const topic = body.toString('utf8', 2, end);
  if ((first & 6) === 0) return { topic, payload: body.subarray(end) };
  return { topic, number: body.readUInt16BE(end), payload: body.subarray(end + 2) };
}

export function acknowledging(number: number): Buffer {
  return Buffer.from([0x40, 2, number >> 8, number & 255]);
}

/** @param first the bytes that it begins with @param take its packets; absent: what comes is thrown away */
export function dial(port: number, first: Buffer, take?: (first: number, body: Buffer) => void): Socket {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  socket.on('error', () => socket.destroy());
  socket.on('connect', () => socket.write(first));
  let rest: Buffer = Buffer.alloc(0);
  if (take === undefined) socket.resume();
  else
    socket.on('data', (chunk) => {
      rest = packetsOf(rest.length === 0 ? chunk : Buffer.concat([rest, chunk]), take);
    });
  return socket;
}
