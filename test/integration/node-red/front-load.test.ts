/** What many and slow clients of the front cost: polls all happen, and the memory of the gateway stays bounded. */
// Needs a quiet machine: it counts polls beside what takes all of the processor.
import '../../harness/no-outside.ts';
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { connect as connectTcp } from 'node:net';
import test from 'node:test';
import { connect, type TLSSocket } from 'node:tls';
import { frontSite } from '../../harness/front-site.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { nodeRedPeer } from '../../peers/peers.ts';

const MB = 1024 ** 2;
/** Node-RED reads it from the disk as its readers take it, so they cost Node-RED no memory either. */
const LARGE = '/vendor/monaco/dist/editor.js';
/** Beyond what it had before. Whole answers that are kept for the readers below would be 40 times 4 MB. */
const MORE = 100 * MB;
function resident(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1024;
}

test('slow readers, huge bodies and thousands of sockets hold up no poll and fill no memory', async (t) => {
  if (!nodeRedPeer(t)) return;
  const site = await frontSite(t);
  const { ports, gateway, ask1 } = site;
  const editor = await site.logIn('editor', 'anna');
  const headers = { 'content-type': 'application/json' };
  const large = await ask1('editor', 'GET', LARGE, { cookie: editor });
  assert.ok(large.status === 200 && large.text.length > 3 * MB, `${large.status}: ${large.text.length} bytes`);
  const before = resident(gateway.pid);
  let most = before;
  const watch = setInterval(() => {
    most = Math.max(most, resident(gateway.pid));
  }, 50);
  t.after(() => clearInterval(watch));
  const sockets: { destroy(): void }[] = [];
  t.after(() => {
    for (const socket of sockets) socket.destroy();
  });
  const open = (from: string): Promise<TLSSocket> =>
    new Promise((resolve) => {
      const raw = connectTcp({ host: '127.0.0.1', port: ports.editor, localAddress: from });
      raw.on('error', () => {});
      const socket = connect({ socket: raw, rejectUnauthorized: false, ALPNProtocols: ['http/1.1'] });
      sockets.push(socket);
      socket.on('error', () => {});
      socket.once('secureConnect', () => resolve(socket));
      socket.once('close', () => resolve(socket));
    });

  // Readers that ask for 4 MB and take nothing.
  const readers = await Promise.all(
    Array.from({ length: 40 }, async (_, i) => {
      const socket = await open(`127.0.2.${1 + (i % 8)}`);
      socket.pause();
      socket.write(`GET ${LARGE} HTTP/1.1\r\nHost: 127.0.0.1:${ports.editor}\r\nCookie: ${editor}\r\n\r\n`);
      return socket;
    }),
  );
  await waitFor('connections of slow readers', async () => (await site.door('editor')).connections >= 30);

  // Bodies beyond the bound, said before and found out.
  for (const fields of [{ 'content-length': String(6 * MB) }, { 'transfer-encoding': 'chunked', 'content-length': undefined }]) {
    const body = 'x'.repeat(6 * MB);
    const answer = await ask1('editor', 'POST', '/flows', {
      cookie: editor,
      own: true,
      body,
      headers: { ...headers, ...fields },
    }).catch(() => undefined);
    assert.ok(answer === undefined || answer.status === 413, `${answer?.status}`);
  }

  // 10,000 connections, a thousand at a time: some say nothing, some half of a request. A gateway that stands still takes none of a round.
  const counted = async (): Promise<number> => (await site.door('editor')).refused.connections;
  for (let round = 0; round < 10 || (round < 100 && (await counted()) <= 1000); round++) {
    const batch = Array.from({ length: 1000 }, (_, i) => {
      const socket = connectTcp({ host: '127.0.0.1', port: ports.editor, localAddress: `127.0.3.${1 + (i % 200)}` });
      socket.on('error', () => {});
      if (i % 2 === 0) socket.write('\x16\x03\x01');
      return socket;
    });
    await Promise.all(batch.map((socket) => new Promise((resolve) => setImmediate(resolve, socket))));
    await new Promise((resolve) => setTimeout(resolve, 200));
    for (const socket of batch) socket.destroy();
  }
  for (const socket of readers) socket.destroy();

  // Whoever is logged in gets in again, and nothing was missed.
  await waitFor(
    'an answer after it',
    async () => (await ask1('editor', 'GET', '/settings', { cookie: editor }).catch(() => undefined))?.status === 200,
  );
  const { connections, refused } = await waitFor('the end of all that were closed', async () => {
    const door = await site.door('editor');
    return door.connections < 100 ? door : undefined;
  });
  t.diagnostic(`${connections} connections are left`);
  assert.ok(refused.connections > 1000, `${refused.connections} were counted`);
  assert.ok(most - before < MORE, `${Math.round((most - before) / MB)} MB more`);
  assert.ok((await site.polls()).replies > 3);
  await site.assertPolled();
  t.diagnostic(
    `resident memory: ${Math.round(before / MB)} MB before, at most ${Math.round(most / MB)} MB; ${refused.connections} refused`,
  );
  assert.equal(await gateway.stop(), 0);
});

test('one session has 8 WebSockets, and they end with Node-RED', async (t) => {
  if (!nodeRedPeer(t)) return;
  const site = await frontSite(t);
  const cookie = await site.logIn('editor', 'finn');
  const origin = site.origin('editor');
  const joined = [];
  for (let i = 0; i < 8; i++) joined.push(await site.join('editor', '/comms', { cookie, origin }));
  assert.ok(joined.every((one) => typeof one !== 'string'));
  const ninth = await site.join('editor', '/comms', { cookie, origin });
  assert.ok(typeof ninth === 'string' && ninth.startsWith('HTTP/1.1 503 '), String(ninth));
  assert.equal((await site.door('editor')).refused.sockets, 1);
  const other = await site.logIn('editor', 'anna');
  assert.ok(typeof (await site.join('editor', '/comms', { cookie: other, origin })) !== 'string', 'another person');
  for (const one of joined) if (typeof one !== 'string') one.destroy();
  await waitFor('their places', async () => (await site.door('editor')).sockets === 1);
  assert.ok(typeof (await site.join('editor', '/comms', { cookie, origin })) !== 'string', 'a place again');
  // Node-RED ends: so do they, and the page says what is wrong.
  const [pid] = site.processes();
  process.kill(pid ?? 0, 'SIGKILL');
  await waitFor('no WebSocket', async () => (await site.door('editor')).sockets === 0);
  // Until the gateway has seen its end, there is only no answer.
  const down = await waitFor('what the gateway says of it', async () => {
    const answer = await site.ask1('editor', 'GET', '/', { cookie, headers: { accept: 'text/html' } });
    return answer.status === 502 ? undefined : answer;
  });
  if (down.status !== 200) {
    assert.equal(down.status, 503);
    assert.match(down.text, /Node-RED does not run/);
  }
  assert.equal(await site.gateway.stop(), 0);
});
