/**
 * Modbus TCP devices that note when each poll arrives: `late-devices.ts COUNT REGISTERS`. Each has a loopback address of its own,
 * 127.0.0.2 and following. Register 0 has the number of the poll (0 to 9,999), and 20,000 more in every second poll: with a rule
 * between them each poll begins or ends an alarm.
 *
 * A line `take` on standard input prints what came since the last one: JSON, for each device `[number, arrived, replied, ...]`,
 * microseconds of CLOCK_MONOTONIC.
 */
import { createServer, type Socket } from 'node:net';
import { createInterface } from 'node:readline';

const [count = 1, registers = 100] = process.argv.slice(2).map(Number);
const polls = Array.from({ length: count }, () => ({ number: 0, seen: [] as number[] }));
const now = () => Number(process.hrtime.bigint() / 1000n);

function serve(device: number, socket: Socket): void {
  const of = polls[device];
  if (of === undefined) return;
  socket.setNoDelay(true);
  socket.on('error', () => socket.destroy());
  socket.on('data', (request) => {
    const arrived = now();
    for (let o = 0; o + 12 <= request.length; o += 12) {
      const start = request.readUInt16BE(o + 8);
      const words = Math.min(request.readUInt16BE(o + 10), registers);
      const reply = Buffer.alloc(9 + words * 2);
      request.copy(reply, 0, o, o + 4);
      reply.writeUInt16BE(3 + words * 2, 4);
      reply[6] = request[o + 6] as number;
      reply[7] = 3;
      reply[8] = words * 2;
      if (start === 0) {
        of.number = (of.number + 1) % 10_000;
        reply.writeUInt16BE(of.number + (of.number % 2) * 20_000, 9);
        of.seen.push(of.number, arrived, now());
      }
      socket.write(reply);
    }
  });
}

let port = 0;
for (let i = 0; i < count; i++) {
  const server = createServer((socket) => serve(i, socket));
  await new Promise<void>((resolve) => server.listen(port, `127.0.0.${i + 2}`, resolve));
  const address = server.address();
  if (typeof address === 'object' && address !== null) port = address.port;
}
console.log(`listening ${port}`);
createInterface(process.stdin).on('line', () => {
  console.log(`polls ${JSON.stringify(polls.map(({ seen }) => seen.splice(0)))}`);
});
