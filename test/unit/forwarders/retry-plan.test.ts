/** When a forwarder tries again: the plan by kind of failure, and the loop that follows it on a clock that the test moves. */
import assert from 'node:assert/strict';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import { systemClock } from '../../../src/core/clock.ts';
import { SluiceError } from '../../../src/core/errors.ts';
import type { ForwarderContext } from '../../../src/forwarders/forwarder-kind.ts';
import type { Connection } from '../../../src/forwarders/mqtt/connection.ts';
import { jsonDialect } from '../../../src/forwarders/mqtt/dialects/json/dialect.ts';
import { FAILURES, type Failure } from '../../../src/forwarders/mqtt/failure.ts';
import type { LinkOptions } from '../../../src/forwarders/mqtt/link.ts';
import { LogForwarder } from '../../../src/forwarders/mqtt/log-forwarder.ts';
import { networkMark } from '../../../src/forwarders/mqtt/network-watch.ts';
import { ConnectError, failureOf, failureOfCode, RetryPlan } from '../../../src/forwarders/mqtt/retry-plan.ts';
import { mqttForwarderSchema } from '../../../src/forwarders/mqtt/schema.ts';
import { Log } from '../../../src/store/log.ts';
import { forwarderContext } from '../../fakes/forwarder-context.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';
import { scratch } from '../../harness/scratch.ts';

const waits = (failure: Failure, count: number, random: number): number[] => {
  const plan = new RetryPlan();
  return Array.from({ length: count }, () => plan.next(failure, random));
};

test('a port that refuses at once is asked every two seconds at the latest, for ever', () => {
  assert.deepEqual(waits('refused', 6, 1), [500, 1000, 2000, 2000, 2000, 2000]);
  assert.deepEqual(waits('refused', 4, 0), [250, 500, 1000, 1000]);
  assert.ok(waits('refused', 5000, 1).every((wait) => wait <= 2000));
  assert.deepEqual(waits('unreachable', 4, 1), [500, 1000, 2000, 2000]);
});

test('silence, refused log-ins and broken rules keep the long back-off; a proxy is in between', () => {
  for (const failure of ['silent', 'login', 'protocol', 'lost'] as const)
    assert.deepEqual(waits(failure, 9, 1), [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000], failure);
  assert.deepEqual(waits('hung-up', 7, 1), [500, 1000, 2000, 4000, 8000, 10_000, 10_000]);
});

test('each kind of failure grows by itself, and a good connection forgets all', () => {
  const plan = new RetryPlan();
  for (let i = 0; i < 100; i++) plan.next('refused', 1);
  assert.equal(plan.next('login', 1), 500);
  assert.equal(plan.next('refused', 1), 2000);
  assert.equal(plan.next('login', 1), 1000);
  plan.succeeded();
  for (const failure of FAILURES) assert.equal(plan.next(failure, 1), 500, failure);
});

test('a broker that takes something and hangs up is asked every two seconds at the latest', () => {
  const plan = new RetryPlan();
  for (let i = 0; i < 5; i++) plan.next('silent', 1);
  const waits = Array.from({ length: 6 }, () => {
    plan.carried('lost');
    return plan.next('lost', 1);
  });
  assert.deepEqual(waits, [500, 1000, 2000, 2000, 2000, 2000]);
  assert.equal(plan.next('silent', 1), 500, 'the silence before is over');
  assert.deepEqual([plan.next('lost', 1), plan.next('lost', 1)], [4000, 8000], 'without anything carried the waits grow');
});

test('what ended a connection is one of the kinds', () => {
  assert.equal(failureOfCode('ECONNREFUSED'), 'refused');
  assert.equal(failureOfCode('ENETUNREACH'), 'unreachable');
  assert.equal(failureOfCode('ECONNRESET'), 'hung-up');
  assert.equal(failureOfCode('EAI_AGAIN'), 'silent');
  assert.equal(failureOfCode('ETIMEDOUT'), 'silent');
  assert.equal(failureOfCode(5), 'login');
  assert.equal(failureOf(new ConnectError('silent', 'no answer', undefined)), 'silent');
  assert.equal(failureOf(new SluiceError('upstream-protocol')), 'protocol');
  assert.equal(failureOf(new SluiceError('upstream-timeout')), 'lost');
});

async function forwarder(
  t: TestContext,
  clock: ManualClock,
  connect: () => Promise<Connection>,
  special: Partial<ForwarderContext & LinkOptions> = {},
): Promise<LogForwarder> {
  // Before the folder goes.
  let close = async () => {};
  t.after(() => close());
  const folder = scratch(t, 'retry');
  const log = await Log.open({
    ...{ stateDir: path.join(folder, 'state'), runtimeDir: path.join(folder, 'run'), clock: systemClock },
    ...{ maxSize: 64e6, maxAge: 1e12, commitEvery: 50 },
  });
  log.setClock(0, false);
  log.setInventory('{}');
  const upstream = new LogForwarder({
    ...forwarderContext(log, { clock, random: () => 1 }),
    ...{ name: 'cloud', dialect: jsonDialect, connect },
    settings: mqttForwarderSchema([jsonDialect]).parse({ url: 'mqtt://127.0.0.1:1' }) as never,
    ...special,
  });
  close = async () => {
    await upstream.stop(0);
    await log.close(10_000);
  };
  upstream.start();
  return upstream;
}

test('the loop tries as the plan says, by the kind of failure it meets', async (t) => {
  const clock = new ManualClock();
  const tries: number[] = [];
  let failure: Failure = 'refused';
  const upstream = await forwarder(t, clock, () => {
    tries.push(clock.monotonic());
    return Promise.reject(new ConnectError(failure, 'the broker cannot be reached', undefined));
  });
  // The forwarder's start is committed first, in real time.
  while (tries.length === 0) await clock.advance(0);
  await clock.advance(9500);
  assert.deepEqual(tries, [0, 500, 1500, 3500, 5500, 7500, 9500]);
  failure = 'silent';
  tries.length = 0;
  await clock.advance(40_000);
  assert.deepEqual(tries, [11_500, 12_000, 13_000, 15_000, 19_000, 27_000, 43_000]);
  assert.deepEqual({ state: upstream.status().state, next: upstream.status().nextTry }, { state: 'waiting', next: 73_000 });
  failure = 'refused';
  tries.length = 0;
  await clock.advance(73_000 + 10_000 - clock.monotonic());
  assert.deepEqual(tries, [73_000, 75_000, 77_000, 79_000, 81_000, 83_000], 'a refused port does not wait for the silence');
});

test('a change of the network or of the clock leads to a try at once, every 2 s at most', async (t) => {
  const clock = new ManualClock();
  const tries: number[] = [];
  const world = { network: 'eth0 up', clockKnown: false };
  const connect = () => {
    tries.push(clock.monotonic());
    return Promise.reject(new ConnectError('silent', 'no answer', undefined));
  };
  await forwarder(t, clock, connect, { network: () => world.network, clockKnown: () => world.clockKnown });
  while (tries.length === 0) await clock.advance(0);
  const until = (at: number) => clock.advance(at - clock.monotonic());
  await until(40_000);
  assert.deepEqual(tries.slice(-2), [15_500, 31_500], 'the next one would be at 61,500');
  world.network = 'eth0 up, 192.0.2.7';
  await until(41_000);
  assert.equal(tries.at(-1), 40_500, 'the next look');
  await until(48_500);
  assert.deepEqual(tries.slice(-3), [40_500, 42_500, 46_500], 'the waits are short again');
  world.clockKnown = true;
  await until(50_000);
  assert.equal(tries.at(-1), 49_500);
  // An interface that comes and goes all the time.
  tries.length = 0;
  for (let i = 0; i < 100; i++) {
    world.network = `veth${i}`;
    await clock.advance(200);
  }
  assert.ok(tries.length >= 5, String(tries));
  assert.ok(
    tries.every((at, i) => i === 0 || at - (tries[i - 1] as number) >= 2000),
    String(tries),
  );
});

test('the mark of the network stays the same while nothing changes', () => {
  assert.equal(networkMark(), networkMark());
});
