/** What the kernel says of a peer: the canary for the places of struct tcp_info, and for what moves when. */
import assert from 'node:assert/strict';
import { connect, createServer, type Socket } from 'node:net';
import test, { type TestContext } from 'node:test';
import { kernelStanding } from '../../../src/access/doors/standing.ts';
import { waitFor } from '../../harness/wait-for.ts';

const SOME = 1024 * 1024;

async function pair(t: TestContext): Promise<{ own: Socket; peer: Socket }> {
  const server = createServer();
  t.after(() => server.close());
  const taken = new Promise<Socket>((resolve) => server.once('connection', resolve));
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const peer = connect((server.address() as { port: number }).port, '127.0.0.1');
  const own = await taken;
  for (const socket of [own, peer]) t.after(() => socket.destroy());
  return { own, peer };
}

test('what a peer took or has room for stands still until its program reads', async (t) => {
  const ask = await kernelStanding();
  assert.ok(ask !== undefined);
  const { own, peer } = await pair(t);
  const edge = (): number => ask(own)?.edge ?? Number.NaN;
  const waiting = (): number => ask(own)?.waiting ?? Number.NaN;
  assert.equal(waiting(), 0);
  assert.ok(edge() > 0);
  own.write(Buffer.alloc(16 * SOME));
  await waitFor('a full peer', () => waiting() >= SOME && own.writableLength > 0);
  let before = Number.NaN;
  await waitFor('a window that has stopped growing', () => {
    const same = edge() === before;
    before = edge();
    return same;
  });
  const full = edge();
  let read = 0;
  peer.on('data', ({ length }: Buffer) => {
    read += length;
  });
  await waitFor('the rest', () => read === 16 * SOME);
  assert.ok(edge() >= 16 * SOME && edge() > full, `${full}, then ${edge()}`);
  await waitFor('the last acknowledgement', () => waiting() === 0);
  own.destroy();
  assert.equal(ask(own), undefined);
});
