/** Orders of packets, connections and commits that take the whole broker: bare bytes, and a disk that answers when a test says so. */
import assert from 'node:assert/strict';
import test, { type TestContext } from 'node:test';
import { systemClock } from '../../../src/core/clock.ts';
import * as limits from '../../../src/forwarders/broker/limits.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';
import { openAccess } from '../../fakes/open-access.ts';
import { SlowDisk } from '../../fakes/slow-disk.ts';
import { BrokerBench, Raw, ROOT, remaining, text } from '../../harness/embedded-broker.ts';
import { waitFor } from '../../harness/wait-for.ts';

/** Flags of a CONNECT that asks for a session. */
const KEEPS = 0;
const PUBREC = 0x50;

async function start(t: TestContext, store?: SlowDisk): Promise<BrokerBench> {
  // A disk of the test is not late, however long the test takes.
  const clock = store === undefined ? systemClock : new ManualClock();
  const bench = new BrokerBench(t, { access: openAccess('plant/#'), store, clock });
  await bench.start();
  return bench;
}
async function join(t: TestContext, { port }: BrokerBench, id: string, flags: number): Promise<Raw> {
  const raw = await Raw.open(t, port);
  assert.equal(await raw.connect(id, flags), 0);
  return raw;
}
function publish(raw: Raw, topic: string, qos: 0 | 1 | 2, id: number, payload: string): void {
  raw.packet(
    0x30 | (qos << 1),
    text(topic),
    qos === 0 ? Buffer.alloc(0) : Buffer.from([id >> 8, id & 255]),
    Buffer.from(payload),
  );
}
/** Packets of four bytes behind the CONNACK. */
function answers(raw: Raw, first: number): number {
  let found = 0;
  for (let at = 4; at + 4 <= raw.bytes.length; at += 4) if (raw.bytes[at] === first) found++;
  return found;
}

test('unreleased messages of a session count over its connections and have a bound', async (t) => {
  const bench = await start(t);
  const half = limits.MAX_INCOMING / 2;
  const first = await join(t, bench, 'c', KEEPS);
  for (let i = 1; i <= half; i++) publish(first, 'plant/x', 2, i, 'm');
  await waitFor('the first half', () => answers(first, PUBREC) === half);
  first.socket.destroy();
  // It repeats them, without DUP as some clients do: they are no new messages.
  const second = await join(t, bench, 'c', KEEPS);
  for (let i = 1; i <= limits.MAX_INCOMING; i++) publish(second, 'plant/x', 2, i, 'm');
  await waitFor('both halves', () => answers(second, PUBREC) === limits.MAX_INCOMING);
  assert.equal(bench.broker.status().refused.incoming, 0);
  publish(second, 'plant/x', 2, limits.MAX_INCOMING + 1, 'm');
  await waitFor('the end', () => second.closed && bench.broker.status().refused.incoming === 1);
  assert.equal(answers(second, PUBREC), limits.MAX_INCOMING);
  // One that has forgotten them is not cut off for them.
  const third = await join(t, bench, 'c', KEEPS);
  for (let i = 1; i <= limits.MAX_INCOMING; i++) publish(third, 'plant/x', 2, 1000 + i, 'm');
  await waitFor('new messages', () => answers(third, PUBREC) === limits.MAX_INCOMING);
  assert.equal(third.closed, false);
});

test('a topic of more than 1 kB ends the connection with a counter of its own rule', async (t) => {
  const bench = await start(t);
  const client = await join(t, bench, 'c', KEEPS);
  publish(client, `plant/${'x'.repeat(limits.MAX_TOPIC - 6)}`, 2, 1, 'm');
  await waitFor('the longest topic to be taken', () => answers(client, PUBREC) === 1);
  publish(client, `plant/${'x'.repeat(limits.MAX_TOPIC - 5)}`, 2, 2, 'm');
  await waitFor('the end', () => client.closed && bench.broker.status().refused.topic === 1);
  assert.equal(answers(client, PUBREC), 1);
});

/** Contents of the PUBLISH packets that it got, which begin with a given text and end with `;`. */
function contents(raw: Raw, prefix: string): string[] {
  return raw.bytes.toString('latin1').match(new RegExp(`${prefix}[^;]*;`, 'g')) ?? [];
}
const acknowledge = (raw: Raw, id: number): void => raw.packet(0x40, Buffer.from([id >> 8, id & 255]));
/** The packet identifier behind this topic. */
function identifier(raw: Raw, topic: string): number {
  const at = raw.bytes.lastIndexOf(text(topic));
  assert.ok(at >= 0);
  return raw.bytes.readUInt16BE(at + text(topic).length);
}

test('what comes while a subscription waits for the disk is left in no queue', async (t) => {
  const disk = new SlowDisk();
  disk.hangs = false;
  const bench = await start(t, disk);
  const client = await join(t, bench, 'c', KEEPS);
  const event = (seq: number, word: string) =>
    bench.broker.notice({ kind: 'event', key: 'e', seq, json: `{"word":"${word};"}`, unnumbered: true });
  disk.hangs = true;
  client.subscribe([`${ROOT}/event`], 1);
  await waitFor('the row of the filter', () => disk.filters().length === 1);
  event(1, 'early');
  assert.equal(bench.broker.status().queuedMessages, 0);
  disk.hangs = false;
  disk.answer();
  await waitFor('SUBACK', () => client.bytes.includes(Buffer.from([0x90, 3, 0, 9, 1])));
  event(2, 'late');
  assert.equal(bench.broker.status().queuedMessages, 1);
  await waitFor('the later event', () => contents(client, 'late').length === 1);
  acknowledge(client, identifier(client, `${ROOT}/event`));
  await waitFor('an empty queue', () => bench.broker.status().queuedMessages === 0);
  assert.deepEqual(contents(client, 'early'), []);
});

test('a message whose client leaves before the disk has it is handed on then, and leaves no row', async (t) => {
  for (const leaves of ['with DISCONNECT', 'without a word'] as const) {
    const disk = new SlowDisk();
    disk.hangs = false;
    const bench = await start(t, disk);
    const reader = await join(t, bench, 'r', KEEPS);
    reader.subscribe(['plant/#'], 1);
    await waitFor('SUBACK', () => reader.bytes.includes(Buffer.from([0x90, 3, 0, 9, 1])));
    const publisher = await join(t, bench, 'p', 2);
    disk.hangs = true;
    const body = Buffer.concat([text('plant/x'), Buffer.from([0, 1]), Buffer.from('once;')]);
    publisher.send(0x32, remaining(body.length), body, ...(leaves === 'with DISCONNECT' ? [0xe0, 0] : []));
    await waitFor('the row of the message', () => disk.of('message').length === 1);
    if (leaves === 'without a word') publisher.socket.resetAndDestroy();
    await waitFor('its end', () => bench.broker.status().clients === 1);
    assert.deepEqual(contents(reader, 'once'), []);
    disk.hangs = false;
    disk.answer();
    await waitFor('the message', () => contents(reader, 'once').length > 0);
    acknowledge(reader, identifier(reader, 'plant/x'));
    await waitFor('an empty queue', () => bench.broker.status().queuedMessages === 0);
    assert.deepEqual(contents(reader, 'once'), ['once;']);
    assert.deepEqual([disk.of('message'), disk.of('place')], [[], []]);
    await bench.broker.stop();
  }
});
