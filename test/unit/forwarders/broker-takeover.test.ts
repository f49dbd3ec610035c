/** A session whose client is taken over while its queue is on the way: nothing is lost between the two connections. */
import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import test from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { OutgoingPacket } from '../../../src/forwarders/broker/queue.ts';
import { KeptBench } from '../../fakes/kept-bench.ts';
import { SlowDisk } from '../../fakes/slow-disk.ts';

/** A session with five messages, and what aedes asks of it for the connection that has its id. */
async function siteOf(qos: 1 | 2) {
  const bench = await KeptBench.open();
  await bench.client('a', 't', qos);
  bench.sessions.away('a');
  for (let n = 1; n <= 5; n++) await bench.publish('t', String(n), qos);
  let current: object | undefined;
  const persistence = bench.kept.persistence(
    () => Readable.from([]),
    () => true,
    undefined,
    (client) => client === current,
  );
  const connects = (): { readonly id: string } => {
    const client = { id: 'a' };
    current = client;
    bench.sessions.resume('a');
    return client;
  };
  return { bench, persistence, connects };
}

const contentOf = (packet: OutgoingPacket): string => (packet.cmd === 'publish' ? packet.payload.toString() : packet.cmd);

for (const qos of [1, 2] as const)
  test(`a message that the old connection was about to write goes to the new one: QoS ${qos}`, async () => {
    const { bench, persistence, connects } = await siteOf(qos);
    const old = connects();
    const [first] = (await persistence.outgoingStream(old).take(1).toArray()) as OutgoingPacket[];
    assert.ok(first !== undefined && contentOf(first) === '1');
    const next = connects();
    await assert.rejects(async () => await persistence.outgoingUpdate(old, { ...first }));
    await assert.rejects(async () => await persistence.outgoingUpdate(old, { cmd: 'pubrel', messageId: 1 }));
    // A CONNACK may be on its way to the old one: its replay begins late, and has nothing.
    assert.deepEqual(await persistence.outgoingStream(old).toArray(), []);
    const seen: string[] = [];
    for await (const packet of persistence.outgoingStream(next) as AsyncIterable<OutgoingPacket>) {
      seen.push(contentOf(packet));
      await persistence.outgoingUpdate(next, { ...packet, messageId: packet.messageId ?? seen.length });
    }
    assert.deepEqual(seen, ['1', '2', '3', '4', '5']);
    for (const { messageId } of [...(bench.sessions.get('a')?.queue.entries ?? [])])
      await persistence.outgoingClearMessageId(next, { cmd: 'puback', messageId });
    assert.deepEqual(bench.waiting('a'), [], 'nothing is left that nobody hands out');
  });

test('a session asks its connection which identifiers are in flight, for as long as it is there', async () => {
  const bench = await KeptBench.open();
  await bench.client('a', 't', 1);
  bench.sessions.away('a');
  for (const content of ['1', '2']) await bench.publish('t', content);
  const numbers: unknown[] = [];
  for (const inFlight of [(id: number) => id === 7, undefined]) {
    bench.sessions.resume('a', undefined, inFlight);
    const [packet] = (await bench.persistence.outgoingStream({ id: 'a' }).take(1).toArray()) as OutgoingPacket[];
    const sent = { ...packet, cmd: 'publish', messageId: 7 };
    await bench.persistence.outgoingUpdate({ id: 'a' }, sent);
    numbers.push(sent.messageId === 7);
    await bench.persistence.outgoingClearMessageId({ id: 'a' }, sent);
    bench.sessions.away('a');
    assert.equal(bench.sessions.get('a')?.queue.inFlight(7), false);
  }
  assert.deepEqual(numbers, [false, true]);
  assert.deepEqual(bench.waiting('a'), []);
});

test('a PUBREL that a next connection gets waits for the disk as the first one did', async () => {
  const disk = new SlowDisk();
  disk.hangs = false;
  const bench = await KeptBench.open({ store: disk });
  await bench.client('a', 'plant/#', 2);
  await bench.publish('plant/t', 'once', 2);
  const [packet] = await bench.persistence.outgoingStream({ id: 'a' }).take(1).toArray();
  const sent = { cmd: 'publish', brokerCounter: packet.brokerCounter, messageId: packet.messageId };
  await bench.persistence.outgoingUpdate({ id: 'a' }, sent);
  disk.hangs = true;
  const order: string[] = [];
  const release = (connection: string) =>
    Promise.resolve(bench.persistence.outgoingUpdate({ id: 'a' }, { cmd: 'pubrel', messageId: sent.messageId })).then(() =>
      order.push(connection),
    );
  const first = release('first');
  // Its connection breaks, and the next one gets what is left of the message: its PUBREL.
  bench.sessions.away('a');
  bench.sessions.resume('a');
  const [again] = await bench.persistence.outgoingStream({ id: 'a' }).take(1).toArray();
  assert.deepEqual(again, { cmd: 'pubrel', messageId: sent.messageId });
  const second = release('second');
  await nextTurn();
  order.push('the disk has it');
  disk.answer();
  await Promise.all([first, second]);
  assert.deepEqual(order, ['the disk has it', 'first', 'second']);
  // Now it is known: a further one waits for nothing.
  await release('third');
});
