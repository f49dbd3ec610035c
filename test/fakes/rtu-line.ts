/**
 * Instruments on an RS-485 line behind a converter (RTU over TCP): a script says what each request gets, and every byte
 * that a master wrote is kept.
 */
import { type AddressInfo, createServer, type Socket } from 'node:net';
import type { TestContext } from 'node:test';
import { crc } from './modbus-device.ts';

export interface LineRequest {
  readonly n: number;
  readonly unit: number;
  readonly code: number;
  /** Function and data. */
  readonly pdu: Buffer;
  /** The first address, of functions 1 to 6, 15 and 16. */
  readonly start: number;
  readonly count: number;
}
/** Gives bytes to the line; may be called any number of times, whenever. */
export type LineScript = (request: LineRequest, send: (bytes: Uint8Array) => void) => void;

export interface RtuLine {
  readonly port: number;
  readonly requests: LineRequest[];
  /** Accepted so far. */
  readonly connections: number;
  script: LineScript;
}

/** Unit, PDU and checksum. */
export function rtuFrame(unit: number, ...pdu: number[]): Buffer {
  const body = Buffer.from([unit, ...pdu]);
  const sum = crc(body);
  return Buffer.concat([body, Buffer.from([sum & 255, sum >> 8])]);
}

/** The same with one bit turned over. */
export function damagedFrame(unit: number, ...pdu: number[]): Buffer {
  const frame = rtuFrame(unit, ...pdu);
  const at = frame.length - 3;
  frame[at] = (frame[at] ?? 0) ^ 4;
  return frame;
}

export async function rtuLine(t: TestContext, script: LineScript): Promise<RtuLine> {
  const sockets = new Set<Socket>();
  const line = { port: 0, requests: [] as LineRequest[], connections: 0, script };
  const server = createServer((socket) => {
    line.connections++;
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => {});
    let rest = Buffer.alloc(0);
    socket.on('data', (chunk: Buffer) => {
      rest = Buffer.concat([rest, chunk]);
      for (let length = requestLength(rest); length !== undefined && rest.length >= length; length = requestLength(rest)) {
        const pdu = Buffer.from(rest.subarray(1, length - 2));
        if (crc(rest.subarray(0, length - 2)) !== rest.readUInt16LE(length - 2)) throw new Error('a request is damaged');
        const [start, count] = pdu.length >= 5 ? [pdu.readUInt16BE(1), pdu.readUInt16BE(3)] : [0, 0];
        const request = { n: line.requests.length + 1, unit: rest[0] as number, code: pdu[0] as number, pdu, start, count };
        rest = rest.subarray(length);
        line.requests.push(request);
        line.script(request, (bytes) => void (socket.destroyed || socket.write(bytes)));
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  line.port = (server.address() as AddressInfo).port;
  return line;
}

function requestLength(bytes: Buffer): number | undefined {
  const code = bytes[1];
  if (code === undefined) return undefined;
  if (code <= 6) return 8;
  if (code === 43) return 7;
  return bytes[6] === undefined ? undefined : 9 + bytes[6];
}
