/**
 * Devices on one TCP port, as cheap as they can be: `node responder.ts DATASET POINTS [DEVICES] [STEPS]`. Each unit
 * answers holding registers from a ring of replies made before the first connection; every poll of address 0 moves its
 * ring on. Other tables are refused.
 *
 * A line `set UNIT REGISTER VALUE` on standard input changes a register from the next reply on; with that reply it prints
 * `sent NANOSECONDS` (CLOCK_MONOTONIC, taken just before the bytes are given to the kernel). `count` prints requests.
 * A write of one register (function 6) is answered and prints `wrote NANOSECONDS`, taken when the request came. `silent UNIT...`: these
 * do not answer from then on. `delay MS`: every reply takes so long.
 */
import { createServer, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { dataSetNamed } from './data-sets.ts';

const [name = 'decimal', points = '100', devices = '16', steps = '256'] = process.argv.slice(2);
const set = dataSetNamed(name, Number(points));
const units = Array.from({ length: Number(devices) }, (_, i) => {
  const device = set.device(i + 1);
  const ring = Array.from({ length: Number(steps) }, () => {
    device.step();
    return Buffer.from(device.registers);
  });
  return { ring, at: 0 };
});
let requests = 0;
let silent = new Set<number>();
let delay = 0;
let change: { unit: number; register: number; value: number } | undefined;

function serve(socket: Socket): void {
  socket.setNoDelay(true);
  socket.on('error', () => socket.destroy());
  socket.on('data', (request) => {
    for (let o = 0; o + 12 <= request.length; o += 12) {
      const unit = request[o + 6] as number;
      if (silent.has(unit)) continue;
      const device = units[unit - 1];
      if (device !== undefined && request[o + 7] === 6) {
        console.log(`wrote ${process.hrtime.bigint()}`);
        for (const each of device.ring) each.writeUInt16BE(request.readUInt16BE(o + 10), request.readUInt16BE(o + 8) * 2);
        socket.write(request.subarray(o, o + 12));
        continue;
      }
      const start = request.readUInt16BE(o + 8);
      const bytes = request.readUInt16BE(o + 10) * 2;
      if (device === undefined || request[o + 7] !== 3) {
        socket.write(
          Buffer.from([request[o] as number, request[o + 1] as number, 0, 0, 0, 3, unit, (request[o + 7] as number) | 0x80, 1]),
        );
        continue;
      }
      requests++;
      if (start === 0) device.at = (device.at + 1) % device.ring.length;
      const registers = device.ring[device.at] as Buffer;
      const reply = Buffer.allocUnsafe(9 + bytes);
      request.copy(reply, 0, o, o + 4);
      reply.writeUInt16BE(3 + bytes, 4);
      reply[6] = unit;
      reply[7] = 3;
      reply[8] = bytes;
      registers.copy(reply, 9, start * 2, start * 2 + bytes);
      if (change?.unit === unit && change.register * 2 >= start * 2 && change.register * 2 < start * 2 + bytes) {
        for (const each of device.ring) each.writeUInt16BE(change.value & 0xffff, change.register * 2);
        reply.writeUInt16BE(change.value & 0xffff, 9 + change.register * 2 - start * 2);
        change = undefined;
        const now = process.hrtime.bigint();
        socket.write(reply);
        console.log(`sent ${now}`);
        continue;
      }
      if (delay > 0) setTimeout(() => socket.write(reply), delay);
      else socket.write(reply);
    }
  });
}

function listen(host: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer(serve);
    server.once('error', reject);
    server.listen(port, host, () => {
      const address = server.address();
      resolve(typeof address === 'object' && address !== null ? address.port : port);
    });
  });
}

// Each device has a loopback address of its own as well, for gateways that take one address for one wire.
const port = await listen('127.0.0.1', 0);
for (let i = 1; i < units.length; i++) await listen(`127.0.0.${i + 1}`, port);
console.log(`listening ${port}`);
createInterface(process.stdin).on('line', (line) => {
  const [word, ...rest] = line.split(' ');
  const [unit, register, value] = rest;
  if (word === 'set') change = { unit: Number(unit), register: Number(register), value: Number(value) };
  else if (word === 'silent') silent = new Set(rest.map(Number));
  else if (word === 'delay') delay = Number(unit);
  else if (word === 'count') console.log(`requests ${requests}`);
});
