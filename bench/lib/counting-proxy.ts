/** A TCP proxy that counts: `node counting-proxy.ts PORT`. A line `count` prints `bytes UP DOWN`; `open` starts to accept. */
import { connect, createServer } from 'node:net';
import { createInterface } from 'node:readline';

const target = Number(process.argv[2]);
let up = 0;
let down = 0;
const server = createServer((client) => {
  const broker = connect({ port: target, host: '127.0.0.1', noDelay: true });
  client.setNoDelay(true);
  client.on('data', (chunk) => {
    up += chunk.length;
    broker.write(chunk);
  });
  broker.on('data', (chunk) => {
    down += chunk.length;
    client.write(chunk);
  });
  for (const [one, other] of [
    [client, broker],
    [broker, client],
  ] as const) {
    one.on('error', () => other.destroy());
    one.on('close', () => other.destroy());
  }
});
server.listen(0, '127.0.0.1', () => {
  const address = server.address();
  if (typeof address === 'object') console.log(`listening ${address?.port}`);
});
createInterface(process.stdin).on('line', () => console.log(`bytes ${up} ${down}`));
