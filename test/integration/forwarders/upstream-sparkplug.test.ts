/**
 * The dialect `sparkplug-b` against a foreign host application that keeps the state machine of the specification, over a real
 * Mosquitto. The host decodes by the proto of the specification, and writes down every violation.
 */
import assert from 'node:assert/strict';
import test from 'node:test';
import type { Shape } from '../../../src/core/point.ts';
import { SparkplugSite } from '../../harness/sparkplug-site.ts';
import { waitFor } from '../../harness/wait-for.ts';

const shapeOf = (device: string): Shape => ({
  device,
  points: [
    { name: 'n', type: 'uint32', storage: 'number', unit: 'Cel' },
    { name: 'on', type: 'bool', storage: 'boolean' },
  ],
});
const [PUMP, TANK, FAN] = [shapeOf('pump'), shapeOf('tank'), shapeOf('fan')];
/** The same each time, so that a failure can be repeated. */
function dice(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

test('births, data and deaths keep their order over 100 lost connections, and nothing is lost', async (t) => {
  const s = await SparkplugSite.open(t);
  if (s === undefined) return;
  const random = dice(20261126);
  s.has(PUMP, TANK, FAN);
  s.forwarder.start();
  let n = 0;
  const poll = (): void => {
    for (const shape of [PUMP, TANK]) s.add(shape, [n, n % 2 === 0]);
    // The fan answers now and then: it dies and is born again.
    if (n % 40 < 20) s.add(FAN, [n, true]);
    else s.add(FAN, [0, false], 'timeout');
    n++;
  };
  for (let cut = 0; cut < 100; cut++) {
    const before = s.forwarder.status().counters.connects;
    const connections = s.proxy.counts.connections;
    const until = Math.floor(random() * 4);
    await waitFor('another connection', () => s.proxy.counts.connections > connections || s.proxy.open > 0, { every: 2 });
    // Some are cut before they are greeted, some in the middle of a batch.
    if (random() < 0.8)
      await waitFor('the births', () => s.forwarder.status().counters.connects > before || s.forwarder.connected, { every: 2 });
    for (let i = 0; i < until; i++) {
      poll();
      await new Promise((resolve) => setTimeout(resolve, random() * 25));
    }
    poll();
    s.proxy.cut();
  }
  await s.connected();
  poll();
  await s.delivered();
  await s.forwarder.stop(60_000);
  await waitFor('the last death', () => s.host.heard('ndeath').at(-1)?.mine);
  assert.deepEqual(s.host.violations, []);
  assert.deepEqual(s.missing(), []);
  const known = new Set(s.readings.map(({ device, point, time, value }) => `${device} ${point} ${time} ${String(value)}`));
  const made = s
    .values()
    .filter(({ of, name, time, value }) => value !== null && !known.has(`${of} ${name} ${time} ${String(value)}`));
  assert.deepEqual(made, [], 'the host heard nothing that nobody read');
  assert.ok(s.readings.length > 300, `${s.readings.length} readings`);
  // Every connection that was born died, and its number is one more than that of the connection before.
  const births = s.host.heard('nbirth');
  const deaths = s.host.heard('ndeath');
  assert.ok(births.length > 50, `${births.length} births`);
  assert.equal(deaths.filter(({ mine }) => mine).length, births.filter(({ again }) => !again).length);
  const numbers = births.filter(({ again }) => !again).map(({ bd }) => bd);
  numbers.forEach((bd, i) => {
    const step = (bd - (numbers[i - 1] ?? bd) + 256) % 256;
    assert.ok(i === 0 || (step > 0 && step < 20), `bdSeq ${bd} behind ${numbers[i - 1]}`);
  });
  assert.ok(s.host.heard('ddeath').length > 0, 'the fan died');
  assert.ok(s.values().some(({ historical }) => historical));
  assert.ok(s.values().some(({ historical }) => !historical));
});
