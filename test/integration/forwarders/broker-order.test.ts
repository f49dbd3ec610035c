/** Orders of packets, connections and commits that take the whole broker: bare bytes, and a disk that answers when a test says so. */
import assert from 'node:assert/strict';
import test, { type TestContext } from 'node:test';
import * as limits from '../../../src/forwarders/broker/limits.ts';
import { openAccess } from '../../fakes/open-access.ts';
import { BrokerBench, Raw, text } from '../../harness/embedded-broker.ts';
import { waitFor } from '../../harness/wait-for.ts';

/** Flags of a CONNECT that asks for a session. */
const KEEPS = 0;
const PUBREC = 0x50;

async function start(t: TestContext): Promise<BrokerBench> {
  const bench = new BrokerBench(t, { access: openAccess('plant/#') });
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

test('unreleased messages of a session count over its connections, and the client is told', async (t) => {
  const bench = await start(t);
  const half = limits.MAX_INCOMING / 2;
  const first = await join(t, bench, 'c', KEEPS);
  for (let i = 1; i <= half; i++) publish(first, 'plant/x', 2, i, 'm');
  await waitFor('the first half', () => answers(first, PUBREC) === half);
  first.socket.destroy();
  const second = await join(t, bench, 'c', KEEPS);
  for (let i = half + 1; i <= limits.MAX_INCOMING; i++) publish(second, 'plant/x', 2, i, 'm');
  await waitFor('the second half', () => answers(second, PUBREC) === half);
  assert.equal(bench.broker.status().refused.incoming, 0);
  publish(second, 'plant/x', 2, limits.MAX_INCOMING + 1, 'm');
  await waitFor('the end', () => second.closed && bench.broker.status().refused.incoming === 1);
  assert.equal(answers(second, PUBREC), half);
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
