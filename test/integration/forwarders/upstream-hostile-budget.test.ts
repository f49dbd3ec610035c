/**
 * A day under a budget before brokers that never acknowledge, acknowledge late, cut each visit, or send without end, in accelerated time.
 * The budget holds, nothing is lost, and everything arrives once the broker is a good one. And `history.rate` before one that cuts.
 */
// Takes minutes: it starts before the others.
import assert from 'node:assert/strict';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import type { Shape } from '../../../src/core/point.ts';
import { jsonDialect } from '../../../src/forwarders/mqtt/dialects/json/dialect.ts';
import { LogForwarder } from '../../../src/forwarders/mqtt/log-forwarder.ts';
import { mqttForwarderSchema } from '../../../src/forwarders/mqtt/schema.ts';
import { Log } from '../../../src/store/log.ts';
import { forwarderContext } from '../../fakes/forwarder-context.ts';
import { type Attack, CONNACK, HostileBroker, publish, times } from '../../fakes/hostile-broker.ts';
import { type Message, Mqtt5Peer } from '../../fakes/mqtt5-peer.ts';
import { SkipClock } from '../../fakes/skip-clock.ts';
import { scratch } from '../../harness/scratch.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { Consumer } from '../../oracles/consumer.ts';

const MINUTE = 60_000;
const BUDGET = 15 * 1024;
const shape: Shape = { device: 'd', points: [{ name: 'n', type: 'uint32', storage: 'number' }] };

/** @param settings as a person writes them */
async function thriftySite(t: TestContext, settings: object) {
  const folder = scratch(t, 'hostile-budget');
  const clock = new SkipClock(new Date(2026, 10, 26).getTime() + 1000);
  const log = await Log.open({
    ...{ stateDir: path.join(folder, 'state'), runtimeDir: path.join(folder, 'run'), clock },
    ...{ maxSize: 64e6, maxAge: 1e12, commitEvery: 600_000 },
  });
  log.setClock(clock.wall() - Math.round(clock.monotonic()), false);
  log.setInventory('{}');
  const forwarder = new LogForwarder({
    ...forwarderContext(log, { clock, random: () => 0.5 }),
    ...{ name: 'cloud', dialect: jsonDialect },
    settings: mqttForwarderSchema([jsonDialect]).parse({ batch: { maxAge: '1m' }, ...settings }) as never,
  });
  t.after(async () => {
    await forwarder.stop(0);
    await log.close(10_000);
  });
  let appended = 0;
  const add = (count: number): void => {
    for (let i = 0; i < count; i++)
      assert.ok(log.append({ shape, at: clock.monotonic(), values: [appended++], reasons: null }), 'the log takes it');
  };
  const spent = (): number => forwarder.status().wire?.today ?? 0;
  /** Until no visit is under way. */
  const settled = (): Promise<unknown> =>
    waitFor(
      () => `the end of a visit: ${JSON.stringify(forwarder.status())}`,
      async () => {
        if (forwarder.status().state === 'waiting') return true;
        await clock.skip(500);
        return false;
      },
      { every: 5 },
    );
  /** @returns the most that was spent */
  const pass = async (minutes: number, perHour: number): Promise<number> => {
    let most = 0;
    for (let minute = 0; minute < minutes; minute += 15) {
      add(perHour / 4);
      await clock.skip(15 * MINUTE);
      await new Promise((resolve) => setTimeout(resolve, 10));
      await settled();
      most = Math.max(most, spent());
    }
    return most;
  };
  return { log, forwarder, clock, add, spent, settled, pass, appended: () => appended };
}

const isBatch = ({ topic }: Message): boolean => /\/(data|history)$/.test(topic);

/** Everything arrives on the next days, once each. */
async function arrives(s: Awaited<ReturnType<typeof thriftySite>>, peer: Mqtt5Peer): Promise<void> {
  const consumer = () =>
    new Consumer().feedAll(peer.messages.filter(isBatch).map(({ topic, payload }) => ({ topic, payload: payload.toString() })));
  for (let day = 0; day < 4 && consumer().records().length < s.appended(); day++) {
    await s.pass(24 * 60, 0);
    assert.ok(s.spent() <= BUDGET, `${s.spent()} B on a later day`);
  }
  assert.deepEqual(consumer().judge(), []);
  assert.deepEqual(
    consumer()
      .records()
      .map(({ values }) => values.n),
    Array.from({ length: s.appended() }, (_, i) => i),
  );
}

const ANSWERS: readonly (readonly [string, Mqtt5Peer['answer']])[] = [
  ['never acknowledges', () => undefined],
  ['ends each visit in its middle', (message) => (isBatch(message) ? { disconnect: 0x83 } : 0)],
  ['acknowledges everything but readings', (message) => (isBatch(message) ? undefined : 0)],
];

for (const [what, answer] of ANSWERS)
  test(`a broker that ${what}: within the budget, no reading lost`, async (t) => {
    const peer = await Mqtt5Peer.start(t);
    const s = await thriftySite(t, { url: peer.url, protocol: 5, budget: { perDay: '15kB' } });
    peer.answer = answer;
    s.forwarder.start();
    const most = await s.pass(23 * 60, 8);
    assert.ok(most <= BUDGET, `${most} B`);
    const { counters } = s.forwarder.status();
    assert.ok(peer.connects.length >= 3 && peer.connects.length < 60, `${peer.connects.length} connections`);
    assert.deepEqual([counters.readings, counters.refused], [0, 0]);
    peer.answer = () => 0;
    peer.messages.length = 0;
    await arrives(s, peer);
  });

for (const [what, answer] of ANSWERS.slice(0, 2))
  test(`a broker that ${what}: within its window, no reading lost`, async (t) => {
    const peer = await Mqtt5Peer.start(t);
    const s = await thriftySite(t, { url: peer.url, protocol: 5, budget: { perDay: '15kB', between: ['01:00', '03:00'] } });
    const visited = new Set<number>();
    peer.answer = (message) => {
      visited.add(new Date(s.clock.wall()).getHours());
      return answer(message);
    };
    s.forwarder.start();
    const most = await s.pass(23 * 60, 8);
    assert.ok(most <= BUDGET, `${most} B`);
    assert.ok(visited.size > 0 && [...visited].every((hour) => hour >= 1 && hour <= 3), [...visited].join());
    assert.equal(s.forwarder.status().counters.readings, 0);
    peer.answer = () => 0;
    peer.messages.length = 0;
    await arrives(s, peer);
  });

test('a broker that takes no alarm now: readings leave, each visit ends, and the alarm follows', async (t) => {
  const peer = await Mqtt5Peer.start(t);
  const s = await thriftySite(t, { url: peer.url, protocol: 5, budget: { perDay: '15kB', between: ['01:00', '05:00'] } });
  const isAlarm = ({ topic }: Message): boolean => topic.includes('/alarm/');
  peer.answer = (message) => (isAlarm(message) ? 135 : 0);
  s.forwarder.start();
  await s.pass(75, 8);
  s.log.notice('alarm', 'warm', s.clock.monotonic(), { v: 1, rule: 'warm', state: 'active', severity: 'critical' });
  await s.pass(22 * 60, 8);
  assert.ok(s.forwarder.status().counters.readings > 0);
  const offers = peer.messages.filter(isAlarm).length;
  // One on each visit, and visits as rare as those to a broker that never answers.
  assert.ok(offers >= 5 && offers <= peer.connects.length && peer.connects.length < 60, `${offers}, ${peer.connects.length}`);
  assert.match(s.forwarder.status().fault ?? '', /not authorized/);
  peer.answer = () => 0;
  peer.messages.length = 0;
  await s.pass(120, 0);
  assert.equal(peer.messages.filter(isAlarm).length, 1);
  assert.equal(s.forwarder.status().fault, undefined);
  assert.equal(s.forwarder.status().counters.refused, 0);
});

test('alarms of one topic that a broker takes later: those of other topics leave, each once', async (t) => {
  const peer = await Mqtt5Peer.start(t);
  const s = await thriftySite(t, { url: peer.url, protocol: 5, budget: { perDay: '15kB', between: ['01:00', '05:00'] } });
  const rules = () =>
    peer.messages
      .filter(({ topic }) => topic.includes('/alarm/'))
      .map(({ payload }) => JSON.parse(`${payload}`) as { rule: string; seq: number });
  let kept = true;
  peer.answer = ({ topic }) => (kept && topic.endsWith('/warm') ? 0x97 : 0);
  s.forwarder.start();
  const alarm = (rule: string): void => {
    s.log.notice('alarm', rule, s.clock.monotonic(), { v: 1, rule, state: 'active', severity: 'critical' });
  };
  alarm('warm');
  await s.pass(60, 0);
  const others = () => rules().filter(({ rule }) => rule !== 'warm');
  for (let i = 1; i <= 6; i++) {
    alarm(i % 3 === 0 ? 'door' : 'wet');
    await waitFor(`alarm ${i}`, async () => {
      await s.clock.skip(500);
      return others().length >= i;
    });
    // Its answer is on the way: the clock jumps afterwards.
    await s.settled();
  }
  alarm('warm');
  await s.pass(60, 0);
  const seqs = others().map(({ seq }) => seq);
  assert.deepEqual(
    seqs,
    [...new Set(seqs)].sort((a, b) => a - b),
    'each once',
  );
  assert.equal(seqs.length, 6);
  assert.match(s.forwarder.status().fault ?? '', /quota/);
  kept = false;
  peer.messages.length = 0;
  await s.pass(60, 0);
  assert.deepEqual(
    rules().map(({ rule, seq }) => [rule, seq]),
    [
      ['warm', 1],
      ['warm', 8],
    ],
  );
  assert.equal(s.forwarder.status().fault, undefined);
});

test('acknowledgements of what nobody sent move nothing and cost no reading', async (t) => {
  const puback = (id: number) => Uint8Array.of(0x40, 2, id >> 8, id & 0xff);
  const hostile = await HostileBroker.start(t, function* () {
    yield CONNACK;
    for (let id = 1; id <= 200; id++) yield puback(id);
    for (let i = 0; i < 50; i++) yield puback(1);
  });
  const s = await thriftySite(t, { url: `mqtt://127.0.0.1:${hostile.port}`, budget: { perDay: '15kB' } });
  s.forwarder.start();
  const most = await s.pass(23 * 60, 8);
  assert.ok(most <= BUDGET, `${most} B`);
  assert.ok(hostile.victims.length >= 1);
  // What was acknowledged before it was sent is not delivered.
  assert.equal((await s.log.unsent('cloud'))?.readings, s.appended());
});

const FLOODS: readonly (readonly [string, Attack])[] = [
  [
    'messages without end',
    function* () {
      yield CONNACK;
      for (let sent = 0; sent < 50e6; sent += 101_000) yield times(1000, publish(0, 0, 96));
    },
  ],
  [
    'a message of 60 kB in each visit',
    function* () {
      yield CONNACK;
      yield publish(0, 0, 60_000);
    },
  ],
];

for (const [what, attack] of FLOODS)
  test(`a broker that sends ${what} is cut off within the budget`, async (t) => {
    const hostile = await HostileBroker.start(t, attack);
    const s = await thriftySite(t, { url: `mqtt://127.0.0.1:${hostile.port}`, budget: { perDay: '15kB' } });
    s.forwarder.start();
    await s.pass(23 * 60, 8);
    const { counters } = s.forwarder.status();
    assert.ok(hostile.victims.length >= 1);
    assert.ok(hostile.victims.every(({ cut }) => cut));
    assert.equal(counters.readings, 0);
    // What the system took from the line before the gateway could close it counts as well: a piece that it reads has 64 KiB.
    assert.ok(s.spent() <= BUDGET + 65_536 * 1.1, `${s.spent()} B`);
    assert.ok(hostile.victims.length <= 6, `${hostile.victims.length} visits`);
    assert.match(s.forwarder.status().fault ?? '', /the broker sends more than/);
    assert.equal((await s.log.unsent('cloud'))?.readings, s.appended());
  });

test('a broker that cuts each connection gets no more than history.rate allows', async (t) => {
  const peer = await Mqtt5Peer.start(t);
  const s = await thriftySite(t, { url: peer.url, protocol: 5, history: { rate: '2kB' } });
  s.add(2000);
  await s.log.flush();
  let bytes = 0;
  let cuts = 0;
  peer.answer = (message) => {
    if (!isBatch(message)) return 0;
    bytes += message.payload.length;
    return cuts++ < 12 && cuts % 3 !== 0 ? { disconnect: 0x83 } : 0;
  };
  const begun = s.clock.monotonic();
  s.forwarder.start();
  let largest = 0;
  await waitFor(
    () => `the backlog: ${JSON.stringify(s.forwarder.status())}`,
    async () => {
      await s.clock.skip(200);
      largest = Math.max(largest, ...peer.messages.filter(isBatch).map(({ payload }) => payload.length));
      const allowed = 2048 * ((s.clock.monotonic() - begun) / 1000 + 2) + largest;
      assert.ok(bytes <= allowed, `${bytes} of ${allowed}`);
      return s.forwarder.status().counters.readings === s.appended();
    },
    { every: 5 },
  );
  assert.ok(cuts > 12);
  const taken = peer.messages.filter(isBatch).map(({ topic, payload }) => ({ topic, payload: payload.toString() }));
  assert.deepEqual(new Consumer().feedAll(taken).judge(), []);
});
