/**
 * Modbus devices that misbehave on request: a script decides what each request gets. Registers hold a value that tells
 * their address, so an answer to another request shows.
 */
import { type AddressInfo, createServer, type Socket } from 'node:net';
import type { TestContext } from 'node:test';
import { SerialPort } from 'serialport';
import { startChild } from '../harness/child.ts';
import { pythonPeer } from '../peers/peers.ts';

export interface FakeRequest {
  /** Counts from 1. */
  readonly n: number;
  readonly transaction: number;
  readonly unit: number;
  readonly code: number;
  readonly start: number;
  readonly count: number;
}
export interface FakeReply {
  /** Bytes as they are. */
  send(bytes: Uint8Array): void;
  /** Closes the connection. */
  drop(): void;
}
export type Script = (request: FakeRequest, reply: FakeReply) => void;

export interface FakeDevice {
  readonly port: number;
  readonly path: string;
  readonly requests: FakeRequest[];
  /** Connections accepted so far. */
  readonly connections: number;
  script: Script;
  /** Sends bytes that nobody asked for. */
  send(bytes: Uint8Array): void;
}

/** What register `address` holds. */
export const registerOf = (address: number) => (address * 31 + 7) & 0xffff;

export function crc(bytes: Uint8Array): number {
  let value = 0xffff;
  for (const byte of bytes) {
    value ^= byte;
    for (let i = 0; i < 8; i++) value = value & 1 ? (value >>> 1) ^ 0xa001 : value >>> 1;
  }
  return value;
}

/** Unit, function, byte count, registers. */
export function rightPdu(request: FakeRequest): Buffer {
  const pdu = Buffer.alloc(3 + request.count * 2);
  pdu.set([request.unit, request.code, request.count * 2]);
  for (let i = 0; i < request.count; i++) pdu.writeUInt16BE(registerOf(request.start + i), 3 + i * 2);
  return pdu;
}
export const withCrc = (pdu: Uint8Array) => Buffer.concat([pdu, Buffer.from([crc(pdu) & 255, crc(pdu) >> 8])]);
export const withMbap = (pdu: Uint8Array, transaction: number, { length = pdu.length, protocol = 0 } = {}) => {
  const header = Buffer.alloc(6);
  header.writeUInt16BE(transaction, 0);
  header.writeUInt16BE(protocol, 2);
  header.writeUInt16BE(length, 4);
  return Buffer.concat([header, pdu]);
};

export const answerTcp: Script = (request, reply) => reply.send(withMbap(rightPdu(request), request.transaction));
export const answerRtu: Script = (request, reply) => reply.send(withCrc(rightPdu(request)));

export async function fakeTcp(t: TestContext, script: Script = answerTcp): Promise<FakeDevice> {
  const sockets = new Set<Socket>();
  const device = {
    port: 0,
    path: '',
    requests: [] as FakeRequest[],
    connections: 0,
    script,
    send: (bytes: Uint8Array) => sockets.forEach((s) => void s.write(bytes)),
  };
  const server = createServer((socket) => {
    device.connections++;
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => {});
    let rest = Buffer.alloc(0);
    socket.on('data', (chunk: Buffer) => {
      rest = Buffer.concat([rest, chunk]);
      while (rest.length >= 12) {
        const request = parse(rest.subarray(6), device.requests.length + 1, rest.readUInt16BE(0));
        rest = rest.subarray(12);
        device.requests.push(request);
        device.script(request, { send: (bytes) => void (socket.destroyed || socket.write(bytes)), drop: () => socket.destroy() });
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  device.port = (server.address() as AddressInfo).port;
  return device;
}

/** On one end of a paced pty; the path of the other end is `path`. Undefined after a skip. */
export async function fakeRtu(t: TestContext, baud: number, script: Script = answerRtu): Promise<FakeDevice | undefined> {
  const python = pythonPeer(t, 'pty', 'apt-get install -y python3');
  if (python === undefined) return undefined;
  const pty = startChild(t, python, [`${import.meta.dirname}/../peers/paced-pty.py`, String(baud)], { stdin: true });
  const [path = '', far = ''] = (await pty.line(/^\/dev\//)).split(' ');
  const serial = new SerialPort({ path: far, baudRate: 9600, autoOpen: false });
  await new Promise<void>((resolve, reject) => serial.open((error) => (error ? reject(error) : resolve())));
  // The pty may end before this does.
  serial.on('error', () => {});
  t.after(() => new Promise<void>((resolve) => serial.close(() => resolve())));
  const device = {
    port: 0,
    path,
    requests: [] as FakeRequest[],
    connections: 1,
    script,
    send: (bytes: Uint8Array) => void serial.write(Buffer.from(bytes)),
  };
  let rest = Buffer.alloc(0);
  serial.on('data', (chunk: Buffer) => {
    rest = Buffer.concat([rest, chunk]);
    while (rest.length >= 8) {
      if (crc(rest.subarray(0, 6)) !== rest.readUInt16LE(6)) {
        rest = rest.subarray(1);
        continue;
      }
      const request = parse(rest, device.requests.length + 1, 0);
      rest = rest.subarray(8);
      device.requests.push(request);
      device.script(request, { send: device.send, drop: () => {} });
    }
  });
  return device;
}

function parse(adu: Buffer, n: number, transaction: number): FakeRequest {
  return {
    n,
    transaction,
    unit: adu.readUInt8(0),
    code: adu.readUInt8(1),
    start: adu.readUInt16BE(2),
    count: adu.readUInt16BE(4),
  };
}
