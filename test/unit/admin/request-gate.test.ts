/** Requests of one connection, one at a time, in front of a real HTTP server. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import test, { type TestContext } from 'node:test';
import { RequestGate } from '../../../src/admin/request-gate.ts';
import { systemClock } from '../../../src/core/clock.ts';
import { waitFor } from '../../harness/wait-for.ts';

interface Bench {
  readonly open: () => Promise<{ socket: Socket; got: () => string }>;
  /** Requests whose answers were asked for, with what answers them. */
  readonly asked: { readonly url: string; readonly end: () => void }[];
  /** Requests that the server made. */
  readonly made: () => number;
  /** The connections at the server. */
  readonly sockets: Socket[];
  readonly gate: RequestGate;
  readonly server: Server;
}

async function bench(t: TestContext, answer?: (req: IncomingMessage, res: ServerResponse) => void): Promise<Bench> {
  const gate = new RequestGate(systemClock);
  const asked: { url: string; end: () => void }[] = [];
  const sockets: Socket[] = [];
  let made = 0;
  const server = createServer((req, res) => {
    made++;
    gate.asked(req, res, () => {
      asked.push({ url: req.url ?? '', end: () => res.end(req.url) });
      answer?.(req, res);
    });
  });
  server.on('connection', (socket) => {
    sockets.push(socket);
    gate.admit(socket);
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  const { port } = server.address() as AddressInfo;
  const open = async () => {
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    socket.on('error', () => {});
    let text = '';
    socket.setEncoding('latin1').on('data', (more: string) => {
      text += more;
    });
    t.after(() => socket.destroy());
    await once(socket, 'connect');
    return { socket, got: () => text };
  };
  return { open, asked, made: () => made, sockets, gate, server };
}

const get = (at: string): string => `GET ${at} HTTP/1.1\r\nHost: a\r\n\r\n`;

test('many requests at once are answered one at a time, in order, and few are made', async (t) => {
  const b = await bench(t);
  const { socket, got } = await b.open();
  const many = Array.from({ length: 120 }, (_, i) => `/${i}`);
  socket.write(many.map(get).join(''));
  for (const [i, at] of many.entries()) {
    const first = await waitFor(at, () => b.asked[i]);
    assert.equal(first.url, at);
    assert.equal(b.asked.length, i + 1, 'one at a time');
    assert.ok(b.made() - i <= 1024 / get('/').length + 1, `${b.made()} made for ${i} answered`);
    first.end();
  }
  await waitFor('all answers', () => got().match(/HTTP\/1\.1 200/g)?.length === many.length);
});

test('a body in pieces arrives whole, however large, and the next request follows it', async (t) => {
  const b = await bench(t, (req, res) => {
    let bytes = 0;
    req.on('data', (more: Buffer) => {
      bytes += more.length;
    });
    req.on('end', () => res.end(`${req.url} ${bytes};`));
  });
  const { socket, got } = await b.open();
  const body = 'x'.repeat(300_000);
  const post = `POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
  for (let at = 0; at < post.length; at += 7_777) socket.write(post.slice(at, at + 7_777));
  socket.write(get('/b'));
  await waitFor('both answers', () => /\/a 300000;[\s\S]*\/b 0;/.test(got()));
});

test('a body that nobody takes stays with the client', async (t) => {
  let request: IncomingMessage | undefined;
  const b = await bench(t, (req) => {
    request = req;
  });
  const { socket, got } = await b.open();
  const body = 'x'.repeat(4_000_000);
  socket.write(`POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
  const req = await waitFor('the request', () => request);
  let most = 0;
  for (let i = 0; i < 20; i++) {
    await new Promise((resolve) => setTimeout(resolve, 10));
    most = Math.max(most, req.readableLength);
  }
  assert.ok(most > 0 && most < 200_000, `${most} bytes of a body in memory`);
  let bytes = 0;
  req.on('data', (more: Buffer) => {
    bytes += more.length;
  });
  await waitFor('the whole body', () => bytes === body.length);
  b.asked[0]?.end();
  await waitFor('the answer', () => got().includes('/a'));
});

test('a client that ends its side gets its answers, and the connection ends', async (t) => {
  const b = await bench(t, (req, res) => res.end(`${req.url};`));
  const { socket, got } = await b.open();
  socket.end(get('/a') + get('/b'));
  await once(socket, 'end');
  assert.match(got(), /\/a;[\s\S]*\/b;/);
  await waitFor('the end at the server', () => b.sockets[0]?.destroyed);
});

test('a connection that is gone has none of its further requests answered', async (t) => {
  const b = await bench(t);
  const { socket } = await b.open();
  socket.write(get('/a') + get('/b') + get('/c'));
  await waitFor('the first', () => b.asked.length === 1);
  socket.destroy();
  await waitFor('the end at the server', () => b.sockets[0]?.destroyed);
  b.asked[0]?.end();
  const other = await b.open();
  other.socket.write(get('/d'));
  await waitFor('another connection', () => b.asked.some(({ url }) => url === '/d'));
  assert.deepEqual(
    b.asked.map(({ url }) => url),
    ['/a', '/d'],
  );
});

test('after an upgrade the new owner reads the connection, however much comes', async (t) => {
  const b = await bench(t);
  const { server } = b;
  let bytes = 0;
  server.on('upgrade', (_req: IncomingMessage, socket: Socket, head: Buffer) => {
    b.gate.release(socket);
    bytes = head.length;
    socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n');
    socket.on('data', (more: Buffer) => {
      bytes += more.length;
    });
  });
  const { socket } = await b.open();
  socket.write(`GET /a HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n${'y'.repeat(200_000)}`);
  await waitFor(
    () => `200,000 bytes, not ${bytes}`,
    () => bytes === 200_000,
  );
});

test('a connection at rest is read again afterwards', async (t) => {
  const b = await bench(t, (req, res) => res.end(`${req.url};`));
  const { socket, got } = await b.open();
  socket.write(get('/a'));
  await waitFor('an answer', () => got().includes('/a;'));
  b.gate.rest(b.sockets[0] as Socket);
  b.gate.rest(b.sockets[0] as Socket);
  socket.write(get('/b'));
  await waitFor('the other answer', () => got().includes('/b;'));
});
