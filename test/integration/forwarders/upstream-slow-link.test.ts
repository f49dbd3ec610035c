/** Lines that carry few bytes a second, before a real Mosquitto: how large batches get, and what stands before an alarm, in bytes. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { type Clock, systemClock } from '../../../src/core/clock.ts';
import { CARRY, START } from '../../../src/forwarders/mqtt/link-pace.ts';
import { PacedRelay } from '../../harness/paced-relay.ts';
import { UpstreamSite } from '../../harness/upstream-site.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { Consumer } from '../../oracles/consumer.ts';
import { Mosquitto, Subscriber } from '../../peers/mosquitto.ts';

/** So many times as fast as real. */
const SPEED = 5;
const fast: Clock = {
  monotonic: () => systemClock.monotonic() * SPEED,
  wall: () => systemClock.wall(),
  after: (ms, run) => systemClock.after(ms / SPEED, run),
  exactly: (ms, run) => systemClock.exactly(ms / SPEED, run),
};
/** Bytes a second of the gateway's time. */
const RATE = 20_000;
/** Topic, headers and the messages of a beginning. */
const FRAMES = 1000;

test('on a slow line no alarm stands behind more than the line carries in the stated time', async (t) => {
  const broker = await Mosquitto.start(t, { persistence: true });
  const subscriber = broker && (await Subscriber.start(t, broker.port, ['sluice/#']));
  if (!broker || !subscriber) return;
  const relay = await PacedRelay.start(t, broker.port, RATE * SPEED);
  const site = await UpstreamSite.open(t, { url: relay.url, batch: { maxReadings: 10_000 } }, { clock: fast });
  const { forwarder, log } = site;
  const sizes = (): number[] =>
    subscriber
      .messages()
      .filter(({ topic }) => /\/(data|history)$/.test(topic))
      .map(({ bytes }) => bytes.length);
  site.add(9000);
  await log.flush();
  forwarder.start();
  const before: number[] = [];
  for (let i = 0; i < 4; i++) {
    await waitFor('some batches more', () => sizes().length >= 3 * (i + 1));
    const rule = `rule-${i}`;
    const from = relay.through;
    const seen = relay.sees(`/alarm/${rule}`);
    log.notice('alarm', rule, systemClock.monotonic(), { rule, state: 'active', severity: 'critical' });
    before.push((await seen) - from);
    assert.ok((forwarder.status().waiting.history ?? 0) > 0, 'a backlog still waits');
  }
  for (const bytes of before) assert.ok(bytes <= (RATE * CARRY) / 1000 + FRAMES, `bytes before the alarms: ${before}`);
  const first = sizes();
  assert.ok((first[0] ?? 0) <= START.connection * 1.1, `${first}`);
  assert.ok(Math.max(...first) > 2 * START.connection, `the line is used: ${first}`);
  assert.ok(Math.max(...first) <= ((RATE * CARRY) / 1000 / 2) * 1.25, `${first}`);

  // The line gets twenty times slower. What was under way is not answered in time, and comes again in small batches. On a busy machine
  // it may be small enough to be answered.
  relay.rate /= 20;
  const { connections } = relay;
  const isSmall = (): boolean => (forwarder.status().batchLimit ?? 0) <= ((RATE / 20) * CARRY) / 1000;
  await waitFor('a new connection, or small batches', () => relay.connections > connections || isSmall());
  const slow = sizes().length;
  await waitFor('batches on the slow line', () => sizes().length >= slow + 5);
  const small = sizes().slice(slow + 2, slow + 5);
  assert.ok(Math.max(...small) <= ((RATE / 20) * CARRY) / 1000, `${small}`);

  relay.rate = 10e6;
  const consumer = () => new Consumer().feedAll(subscriber.messages());
  // A machine that stands still for half a second looks like a line that does.
  await waitFor('everything', () => consumer().records().length === site.appended, { every: 200 });
  assert.deepEqual(consumer().judge(), []);
  await waitFor('its acknowledgements', () => forwarder.status().counters.readings >= site.appended);
  const { counters } = forwarder.status();
  assert.equal(counters.readings, site.appended);
  assert.equal(counters.refused, 0);
  const last = sizes().slice(slow + 5);
  assert.ok(Math.max(...last) > 2 * Math.max(...small), `it grows back: ${last}`);
});
