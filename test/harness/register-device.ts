/** A Modbus TCP device in this process whose registers a test reads and sets at once, without a peer. It takes reads and writes of one register. */
import type { TestContext } from 'node:test';
import { type FakeDevice, fakeTcp, withMbap } from '../fakes/modbus-device.ts';

export interface RegisterDevice extends FakeDevice {
  readonly registers: Uint16Array;
  /** Register and value, in the order in which they came. */
  readonly writes: [address: number, value: number][];
  /** Units that never answer. */
  readonly silent: Set<number>;
}

export async function registerDevice(t: TestContext): Promise<RegisterDevice> {
  const registers = new Uint16Array(256);
  const writes: [number, number][] = [];
  const silent = new Set<number>();
  const device = await fakeTcp(t, (request, reply) => {
    if (silent.has(request.unit)) return;
    if (request.code === 6) {
      registers[request.start] = request.count;
      writes.push([request.start, request.count]);
      const echo = Buffer.from([request.unit, 6, 0, 0, 0, 0]);
      echo.writeUInt16BE(request.start, 2);
      echo.writeUInt16BE(request.count, 4);
      reply.send(withMbap(echo, request.transaction));
      return;
    }
    const pdu = Buffer.alloc(3 + request.count * 2);
    pdu.set([request.unit, request.code, request.count * 2]);
    for (let i = 0; i < request.count; i++) pdu.writeUInt16BE(registers[request.start + i] ?? 0, 3 + i * 2);
    reply.send(withMbap(pdu, request.transaction));
  });
  return Object.assign(device, { registers, writes, silent });
}
