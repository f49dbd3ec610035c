/** What the front makes of answers that no HTTP server gives, from a process that may run any code. */
import assert from 'node:assert/strict';
import http from 'node:http';
import net, { type AddressInfo } from 'node:net';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import { forward } from '../../../../src/admin/front/forward.ts';
import { scratch } from '../../../harness/scratch.ts';

/** A front before a process that answers each request with these bytes. @returns what a client gets */
async function answerTo(t: TestContext, text: string): Promise<{ status: number | undefined; body: string }> {
  const socketPath = path.join(scratch(t, 'forward'), 'up.sock');
  const up = net.createServer((socket) => {
    socket.on('error', () => {});
    socket.once('data', () => socket.end(text, 'latin1'));
  });
  const front = http.createServer((req, res) => {
    void forward(req, res, { socketPath, kind: 'http-in', path: '/', headers: { host: 'g' } });
  });
  t.after(() => {
    up.close();
    front.close();
    front.closeAllConnections();
  });
  await new Promise<void>((resolve) => up.listen(socketPath, resolve));
  await new Promise<void>((resolve) => front.listen(0, '127.0.0.1', resolve));
  const { port } = front.address() as AddressInfo;
  return new Promise((resolve, reject) => {
    const asked = http.get({ port, host: '127.0.0.1', path: '/', agent: false }, (res) => {
      const chunks: Buffer[] = [];
      res.on('data', (chunk: Buffer) => chunks.push(chunk));
      res.on('end', () => resolve({ status: res.statusCode, body: Buffer.concat(chunks).toString() }));
      res.on('error', reject);
    });
    asked.on('error', reject);
  });
}

test('a switch of protocols that nobody asked for is an answer that failed, at once', async (t) => {
  const { status, body } = await answerTo(t, 'HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\nabc');
  assert.equal(status, 502);
  assert.match(body, /flows-failed/);
});

test('answers that are framed twice or wrongly fail, and whole ones come as they are', async (t) => {
  const ok = 'HTTP/1.1 200 OK\r\n';
  for (const wrong of [
    'no HTTP',
    'HTTP/1.1 099 x\r\nContent-Length: 0\r\n\r\n',
    `${ok}Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n`,
    `${ok}Content-Length: 3\r\nContent-Length: 5\r\n\r\nhello`,
    `${ok}X-A: a\u0000b\r\nContent-Length: 2\r\n\r\nok`,
  ])
    assert.equal((await answerTo(t, wrong)).status, 502, JSON.stringify(wrong));
  const early = 'HTTP/1.1 103 Early Hints\r\nLink: </x>; rel=preload\r\n\r\n';
  assert.deepEqual(await answerTo(t, `${early}${ok}Content-Length: 2\r\n\r\nok`), { status: 200, body: 'ok' });
});
