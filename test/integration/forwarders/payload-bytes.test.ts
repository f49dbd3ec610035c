/** A payload format that writes bytes needs its own file and its line in the table: from memory and from the files, to the wire. */
import assert from 'node:assert/strict';
import path from 'node:path';
import test from 'node:test';
import { unpacked } from '../../fakes/bytes-format.ts';
import { site } from '../../harness/site.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { Consumer } from '../../oracles/consumer.ts';
import { CountingDevice } from '../../peers/counting-device.ts';

const FORMAT = path.join(import.meta.dirname, '../../fakes/bytes-format.ts');

test('bytes arrive as the format wrote them, live and from the log, and are counted as they are', async (t) => {
  const devices = '  d1: {bus: plant, unit: 1, interval: 20ms, points: {n: {table: holding, address: 0, type: uint32}}}';
  const s = await site(t, {
    device: (t) => CountingDevice.start(t, [1]),
    upstream: { topics: ['sluice/g1/data', 'sluice/g1/history'] },
    devices,
    cloud: 'format: packed, batch: {maxReadings: 7, maxAge: 50ms}',
  });
  if (s === undefined) return;
  const { device, subscriber, gateway } = s;
  gateway.write(s.yaml({ upstream: false }));
  gateway.start({ NODE_OPTIONS: `--import=${FORMAT}` }, undefined, 'sources');
  await waitFor('readings before there is a forwarder', () => device.answers().length > 40);
  // Readings from before the forwarder are history, and history comes from the files.
  gateway.write(s.yaml());
  gateway.signal('SIGHUP');
  const received = () => subscriber.messages().map((m) => ({ ...m, ...unpacked(m.bytes) }));
  await waitFor(
    () => `batches on both topics\n${gateway.tail()}`,
    () => {
      const all = received();
      return all.some((m) => m.lane === 1) && all.filter((m) => m.lane === 2).length > 3;
    },
  );
  const consumer = new Consumer();
  for (const { topic, lane, text } of received()) {
    assert.equal(topic, lane === 1 ? 'sluice/g1/data' : 'sluice/g1/history');
    consumer.feed(topic, text);
  }
  assert.deepEqual(consumer.judge(), []);
  const values = new Set(consumer.records().map((r) => r.values.n));
  assert.ok([...values].every((value) => device.answers().some((a) => a.value === value)));

  // No message was sent twice, so the acknowledged bytes are those that the subscriber got.
  await waitFor('the same count of bytes on both sides', async () => {
    const { forwarders } = await gateway.status();
    const [cloud] = forwarders;
    return cloud?.counters.bytes === subscriber.messages().reduce((sum, m) => sum + m.bytes.length, 0);
  });
  assert.equal(await gateway.stop(), 0);
});
