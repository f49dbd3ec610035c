/**
 * A front whose HTTP-in nodes answer everybody, before a Node-RED that joins each WebSocket: `web-socket-networks.ts HOST FOLDER`. It runs in
 * a network of its own and opens WebSockets of it by order, one line each: `ADDRESS COUNT`. The answer is a line of their statuses.
 */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import http from 'node:http';
import net from 'node:net';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { Front } from '../../src/admin/front/front.ts';
import { FrontAudit } from '../../src/admin/front/front-audit.ts';
import { systemClock } from '../../src/core/clock.ts';
import type { FlowStatus } from '../../src/core/flow-supervisor.ts';
import { silentLogger } from '../../src/core/logger.ts';
import { claimedAccess } from '../fakes/test-access.ts';
import { waitFor } from './wait-for.ts';

const [host = '', folder = ''] = process.argv.slice(2);
const KEY = Buffer.alloc(16, 1).toString('base64');
const proof = createHash('sha1').update(`${KEY}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');

const nodeRed = http.createServer();
nodeRed.on('upgrade', (_req, socket: net.Socket) => {
  socket.on('error', () => {});
  socket.write(
    `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${proof}\r\n\r\n`,
  );
});
const editor = path.join(folder, 'editor.sock');
nodeRed.listen(editor);
await once(nodeRed, 'listening');
const { access } = await claimedAccess({ after: () => {} }, folder);
const front = new Front({
  logger: silentLogger,
  side: {
    ...{ clock: systemClock, people: access.people, names: () => [], title: () => 'Gateway', open: () => true, font: undefined },
    flows: {
      editor,
      status: (): FlowStatus => {
        throw new Error('nobody asks for it');
      },
    },
    deploys: { deploying: () => () => {} },
    audit: new FrontAudit({ clock: systemClock, logger: silentLogger, tell: () => {} }),
  },
});
front.set({ editor: [], 'http-in': [{ host, port: 0, door: 'open', key: 'open' }] });
const port = await waitFor('the address', () => front.status()['http-in']?.listeners[0]?.port || undefined);

/** It stays open. @returns the status of the answer; 0: the connection ended without one */
function open(from: string): Promise<number> {
  return new Promise((resolve) => {
    const socket = net.connect({ host, port, localAddress: from });
    socket.on('error', () => {});
    socket.once('data', (bytes: Buffer) => resolve(Number(/^HTTP\/1\.1 (\d+) /.exec(bytes.toString('latin1'))?.[1])));
    socket.once('close', () => resolve(0));
    const fields = `Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${KEY}`;
    socket.write(`GET /ws HTTP/1.1\r\nHost: [${host}]:${port}\r\n${fields}\r\n\r\n`);
  });
}

const say = (what: unknown): void => void process.stdout.write(`${JSON.stringify(what)}\n`);
say('ready');
for await (const line of createInterface({ input: process.stdin })) {
  const [from = '', count] = line.split(' ');
  const statuses: number[] = [];
  for (let n = 0; n < Number(count); n++) statuses.push(await open(from));
  const { sockets, refused } = front.status()['http-in'] ?? {};
  say({ statuses, sockets, refused: refused?.sockets });
}
process.exit(0);
