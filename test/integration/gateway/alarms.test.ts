/**
 * Alarms of a real device over stops and kills: no activation is told twice or lost, delays run on, and an alarm does
 * not wait for a backlog or a disk. Times are judged by the `time` fields of messages, never by the clock of the test.
 */
// Takes minutes: it starts before the others.
import assert from 'node:assert/strict';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import { LOG_FILE } from '../../../src/store/files/layout.ts';
import type { Peek } from '../../harness/mqtt-peek.ts';
import { Relay } from '../../harness/relay.ts';
import { site } from '../../harness/site.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { Consumer } from '../../oracles/consumer.ts';
import type { Subscriber } from '../../peers/mosquitto.ts';
import { SettableDevice } from '../../peers/settable-device.ts';

interface Alarm {
  readonly log: string;
  readonly seq: number;
  readonly rule: string;
  readonly occurrence: number;
  readonly state: string;
  readonly value: unknown;
  readonly time: number;
}

/** Transitions as they came upstream, repeats dropped by key as the contract's consumer does. */
function alarms(subscriber: Subscriber, rule?: string): Alarm[] {
  const seen = new Map<string, Alarm>();
  for (const m of subscriber.messages()) {
    if (m.retained || m.payload === '' || !m.topic.startsWith('sluice/g1/alarm/')) continue;
    const alarm = JSON.parse(m.payload) as Alarm;
    if (rule === undefined || alarm.rule === rule)
      seen.set(`${alarm.log}/${alarm.seq}`, seen.get(`${alarm.log}/${alarm.seq}`) ?? alarm);
  }
  return [...seen.values()];
}
const short = (all: readonly Alarm[]) =>
  all.map((a) => `${a.rule} ${a.occurrence} ${a.state === 'normal' ? 'normal' : 'active'}`);

/** @param rules YAML */
const bench = (t: TestContext, rules: string, options: { commitEvery?: string; maxReadings?: number } = {}) =>
  site(t, {
    device: SettableDevice.start,
    upstream: { topics: ['sluice/#'], through: Relay.start },
    devices: `  d1: {bus: plant, unit: 1, interval: 30ms, points: {n: {table: holding, address: 0, type: uint16}, m: {table: holding, address: 1, type: uint16}}}`,
    rules,
    buffer: `commitEvery: ${options.commitEvery ?? '1h'}`,
    broker: true,
    cloud: `batch: {maxAge: 50ms, maxReadings: ${options.maxReadings ?? 20}}`,
  });

for (const end of ['SIGKILL', 'SIGTERM'] as const)
  test(`an active alarm survives ${end}: not raised again, retained, occurrence counted on`, async (t) => {
    const b = await bench(t, '  high: {point: d1.n, above: 5, severity: critical}');
    if (b === undefined) return;
    const { device, subscriber, gateway } = b;
    await device.set(0, 3, 0);
    await gateway.up();
    await device.set(0, 10);
    await waitFor('the alarm', () => alarms(subscriber).length === 1);
    for (let i = 0; i < 3; i++) {
      if (end === 'SIGKILL') await gateway.kill();
      else assert.equal(await gateway.stop(), 0);
      await gateway.up();
      const peek: Peek = await b.peek();
      const kept = await waitFor('the retained alarm', () => peek.last(/alarm\/high$/));
      assert.equal(kept.retained, true);
      const first = alarms(subscriber)[0] as Alarm;
      assert.deepEqual(JSON.parse(kept.text), first, 'the very message that went upstream');
      assert.deepEqual(
        (await gateway.status()).alarms.map((a) => [a.rule, a.occurrence]),
        [['high', 1]],
      );
      // Readings of this run have been judged when they are upstream.
      const boot = (await gateway.status()).gateway.boot;
      await waitFor('readings of this run', () =>
        new Consumer()
          .feedAll(subscriber.messages())
          .records()
          .some((r) => r.boot === boot && r.values.n === 10),
      );
      peek.stop();
    }
    await device.set(0, 3);
    await waitFor('the end of the alarm', () => alarms(subscriber).length >= 2);
    await device.set(0, 10);
    await waitFor('the next alarm', () => alarms(subscriber).length >= 3);
    assert.deepEqual(short(alarms(subscriber)), ['high 1 active', 'high 1 normal', 'high 2 active']);
    assert.deepEqual(new Consumer().feedAll(subscriber.messages()).judge(), []);
    assert.equal(await gateway.stop(), 0);
  });

test('what changed while the gateway was off: an alarm that is over ends, one that began begins', async (t) => {
  const b = await bench(t, '  high: {point: d1.n, above: 5}\n  low: {point: d1.m, below: 5}');
  if (b === undefined) return;
  const { device, subscriber, gateway } = b;
  await device.set(0, 10, 10);
  await gateway.up();
  await waitFor('the first alarm', () => alarms(subscriber).length === 1);
  await gateway.kill();
  await device.set(0, 3, 3);
  await gateway.up();
  await waitFor('both transitions', () => alarms(subscriber).length >= 3);
  assert.deepEqual(short(alarms(subscriber, 'high')), ['high 1 active', 'high 1 normal']);
  assert.deepEqual(short(alarms(subscriber, 'low')), ['low 1 active']);
  assert.equal(await gateway.stop(), 0);
});

for (const end of ['SIGKILL', 'SIGTERM'] as const)
  test(`a delay that runs when ${end} comes ends when it would have ended`, async (t) => {
    // `at-once` has in its `time` when the condition began; both rules see the same readings. A slow restart fits into the delay.
    const b = await bench(t, '  at-once: {point: d1.n, above: 5}\n  slow: {point: d1.n, above: 5, onDelay: 45s}');
    if (b === undefined) return;
    const { device, subscriber, gateway } = b;
    await device.set(0, 3, 0);
    await gateway.up();
    await device.set(0, 10);
    const began = await waitFor('the start of the condition', () => alarms(subscriber, 'at-once')[0]);
    if (end === 'SIGKILL') await gateway.kill();
    else assert.equal(await gateway.stop(), 0);
    await gateway.up();
    const slow = await waitFor('the delayed alarm', () => alarms(subscriber, 'slow')[0]);
    // Two boots, each with a mapping of its own from monotonic to wall time.
    assert.ok(Math.abs(slow.time - began.time - 45_000) <= 50, `${slow.time - began.time} ms`);
    assert.deepEqual(short(alarms(subscriber)), ['at-once 1 active', 'slow 1 active']);
    assert.equal(await gateway.stop(), 0);
  });

test('a delay whose condition ended while the gateway was off raises nothing', async (t) => {
  const b = await bench(t, '  at-once: {point: d1.n, above: 5}\n  slow: {point: d1.n, above: 5, onDelay: 30s}');
  if (b === undefined) return;
  const { device, subscriber, gateway } = b;
  await device.set(0, 10, 0);
  await gateway.up();
  const began = await waitFor('the start of the condition', () => alarms(subscriber, 'at-once')[0]);
  await gateway.kill();
  await device.set(0, 3);
  await gateway.up();
  await waitFor('the end of the condition', () => alarms(subscriber, 'at-once')[1]);
  await waitFor('readings past the end of the delay', () =>
    new Consumer()
      .feedAll(subscriber.messages())
      .records()
      .some((r) => r.time > began.time + 31_000),
  );
  assert.deepEqual(alarms(subscriber, 'slow'), []);
  assert.equal(await gateway.stop(), 0);
});

test('an alarm overtakes the history of an outage; its transitions come once and in order', async (t) => {
  const b = await bench(t, '  high: {point: d1.n, above: 5}', { commitEvery: '200ms', maxReadings: 2 });
  if (b === undefined) return;
  // One record a batch: hundreds of batches of history against eleven alarms.
  const { device, subscriber, link, gateway } = b;
  await device.set(0, 3, 0);
  await gateway.up();
  await waitFor('deliveries', () => new Consumer().feedAll(subscriber.messages()).records().length > 5);
  await link.stop();
  for (let i = 0; i < 5; i++) {
    for (const [value, active] of [
      [10, 1],
      [3, 0],
    ] as const) {
      await device.set(0, value);
      await waitFor('a transition', async () => (await gateway.status()).alarms.length === active);
    }
  }
  await gateway.waitForLog(/go to history/);
  await gateway.kill();
  await gateway.up();
  // A slow machine makes history before the outage too.
  const before = subscriber.messages().length;
  await link.start();
  const since = () => subscriber.messages().slice(before);
  const history = () => since().filter((m) => m.topic.endsWith('/history')).length;
  await waitFor('history to be drained', () => history() > 0, { every: 1 });
  await device.set(0, 10);
  await waitFor('all transitions', () => alarms(subscriber).length >= 11);
  assert.deepEqual(
    short(alarms(subscriber)),
    [1, 2, 3, 4, 5].flatMap((n) => [`high ${n} active`, `high ${n} normal`]).concat('high 6 active'),
  );
  const order = since().filter((m) => /\/(history|alarm\/high)$/.test(m.topic) && !m.retained);
  const old = order.findIndex((m) => m.topic.endsWith('alarm/high') && (JSON.parse(m.payload) as Alarm).occurrence === 5);
  const last = order.findLastIndex((m) => m.topic.endsWith('/history'));
  assert.ok(old < last, 'the transitions of the outage did not wait for its history');
  const times = alarms(subscriber).map((a) => a.time);
  assert.deepEqual(
    times,
    times.toSorted((x, y) => x - y),
  );
  assert.equal(await gateway.stop(), 0);
  const consumer = new Consumer().feedAll(subscriber.messages());
  assert.deepEqual(consumer.judge(), []);
});

test('an alarm reaches upstream and the local broker while the disk is busy', async (t) => {
  const b = await bench(t, '  high: {point: d1.n, above: 5}', { commitEvery: '50ms' });
  if (b === undefined) return;
  const { device, subscriber, gateway } = b;
  await device.set(0, 3, 0);
  await gateway.up();
  const peek = await b.peek('sluice/g1/alarm/#');
  await waitFor('deliveries', () => new Consumer().feedAll(subscriber.messages()).records().length > 5);
  // Another program holds the file locked, as a backup of the card would: no commit can end.
  const { default: Database } = await import('better-sqlite3');
  const lock = new Database(path.join(gateway.stateDir, LOG_FILE));
  t.after(() => lock.close());
  lock.exec('begin immediate');
  const { commits } = (await gateway.status()).log;
  await device.set(0, 10);
  await waitFor('the alarm upstream', () => alarms(subscriber).length === 1);
  await waitFor('the alarm here', () => peek.last(/alarm\/high$/));
  await device.set(0, 3);
  await waitFor('its end upstream', () => alarms(subscriber).length === 2);
  const during = (await gateway.status()).log.commits;
  assert.ok(during - commits <= 1, 'no commit ended meanwhile');
  lock.exec('rollback');
  await waitFor('commits again', async () => (await gateway.status()).log.commits > during + 1);
  await gateway.kill();
  await gateway.up();
  await device.set(0, 10);
  await waitFor('the next alarm', () => alarms(subscriber).length >= 3);
  assert.deepEqual(short(alarms(subscriber)), ['high 1 active', 'high 1 normal', 'high 2 active']);
  assert.deepEqual(new Consumer().feedAll(subscriber.messages()).judge(), []);
  assert.equal(await gateway.stop(), 0);
});
