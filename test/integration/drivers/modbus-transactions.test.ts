/** Modbus TCP numbers its requests with 16 bits: the numbers begin again, and each answer still belongs to its request. */
import assert from 'node:assert/strict';
import { createServer, type Socket } from 'node:net';
import test from 'node:test';
import { startSite, words } from '../../harness/modbus-site.ts';
import { waitFor } from '../../harness/wait-for.ts';

const REQUESTS = 70_000;

test('transaction ids begin again after 65,536 requests, and no answer is taken for another', async (t) => {
  const used = new Uint32Array(65_536);
  let last = -1;
  let outOfOrder = 0;
  const serve = (socket: Socket) => {
    let kept = Buffer.alloc(0);
    socket.setNoDelay(true);
    socket.on('error', () => socket.destroy());
    socket.on('data', (chunk) => {
      kept = Buffer.concat([kept, chunk]);
      const replies: Buffer[] = [];
      for (; kept.length >= 12; kept = kept.subarray(12)) {
        const id = kept.readUInt16BE(0);
        used[id] = (used[id] as number) + 1;
        if (last >= 0 && id !== ((last + 1) & 0xffff)) outOfOrder++;
        last = id;
        // The register holds its own address.
        const reply = Buffer.from([0, 0, 0, 0, 0, 5, 1, 3, 2, 0, 0]);
        reply.writeUInt16BE(id, 0);
        kept.copy(reply, 9, 8, 10);
        replies.push(reply);
      }
      if (replies.length > 0) socket.write(Buffer.concat(replies));
    });
  };
  const server = createServer(serve);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const site = startSite(
    t,
    { host: '127.0.0.1', port, timeout: '10s' },
    { meter: { unit: 1, interval: '1h', points: words(1) } },
  );
  await waitFor('the port', () => site.bus.status().state === 'open');

  let wrong = 0;
  const ask = async (from: number) => {
    for (let i = from; i < REQUESTS; i += 4) {
      const start = i & 0xffff;
      const { pdu } = await site.bus.ask(1, { kind: 'read', table: 'holding', start, count: 1 });
      if (Buffer.from(pdu).readUInt16BE(2) !== start) wrong++;
    }
  };
  await Promise.all([0, 1, 2, 3].map(ask));
  assert.equal(wrong, 0);
  assert.equal(outOfOrder, 0, 'ids follow each other, also from 65,535 to 0');
  assert.equal(
    used.every((times) => times >= 1),
    true,
    'every id was used',
  );
  assert.ok(
    used.some((times) => times >= 2),
    'some of them twice',
  );
  assert.equal(site.bus.status().devices[0]?.counters.lateReplies ?? 0, 0);
});
