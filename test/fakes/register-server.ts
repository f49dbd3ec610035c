/** A Modbus TCP device in this process, whose holding registers a test sets. Registers that nobody set are 0. */
import { type AddressInfo, createServer, type Socket } from 'node:net';
import type { TestContext } from 'node:test';
import { withMbap } from './modbus-device.ts';

export interface RegisterServer {
  readonly port: number;
  /** By address. */
  readonly registers: Map<number, number>;
  /** Writes to these addresses are acknowledged and change nothing. */
  readonly stubborn: Set<number>;
  /** Before each read. */
  before: () => void;
}

export async function registerServer(t: TestContext): Promise<RegisterServer> {
  const sockets = new Set<Socket>();
  const device = { port: 0, registers: new Map<number, number>(), stubborn: new Set<number>(), before: () => {} };
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => sockets.delete(socket));
    let rest = Buffer.alloc(0);
    socket.on('data', (chunk: Buffer) => {
      rest = Buffer.concat([rest, chunk]);
      while (rest.length >= 6 && rest.length >= 6 + rest.readUInt16BE(4)) {
        const length = rest.readUInt16BE(4);
        socket.write(withMbap(answer(device, rest.subarray(6, 6 + length)), rest.readUInt16BE(0)));
        rest = rest.subarray(6 + length);
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

/** @param adu unit, function, data */
function answer(device: RegisterServer, adu: Buffer): Buffer {
  const { registers, stubborn } = device;
  const [unit = 0, code = 0] = adu;
  const start = adu.readUInt16BE(2);
  const write = (address: number, value: number): void => {
    if (!stubborn.has(address)) registers.set(address, value);
  };
  if (code === 3) {
    device.before();
    const count = adu.readUInt16BE(4);
    const reply = Buffer.alloc(3 + 2 * count);
    reply.set([unit, code, 2 * count]);
    for (let i = 0; i < count; i++) reply.writeUInt16BE(registers.get(start + i) ?? 0, 3 + 2 * i);
    return reply;
  }
  if (code === 6) write(start, adu.readUInt16BE(4));
  else if (code === 16) for (let i = 0; i < adu.readUInt16BE(4); i++) write(start + i, adu.readUInt16BE(7 + 2 * i));
  else return Buffer.from([unit, code | 0x80, 1]);
  return Buffer.from(adu.subarray(0, 6));
}
