/** Events that outsiders cause: they are capped, they hold up no alarm, and each topic keeps its order over restarts. */
import assert from 'node:assert/strict';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import { systemClock } from '../../../src/core/clock.ts';
import type { Forwarder, GatewayEvent } from '../../../src/core/ports.ts';
import * as limits from '../../../src/forwarders/broker/limits.ts';
import { jsonDialect } from '../../../src/forwarders/mqtt/dialects/json/dialect.ts';
import { mqttForwarder } from '../../../src/forwarders/mqtt/kind.ts';
import { Log } from '../../../src/store/log.ts';
import { forwarderContext } from '../../fakes/forwarder-context.ts';
import { MqttPeer } from '../../fakes/mqtt-peer.ts';
import { BrokerBench, Raw, ROOT, Sub } from '../../harness/embedded-broker.ts';
import { freePort } from '../../harness/free-port.ts';
import { scratch } from '../../harness/scratch.ts';
import { site } from '../../harness/site.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { SettableDevice } from '../../peers/settable-device.ts';

const EVENTS = 300;
const EVENT = /^sluice\/g1\/event$/;

class EventSite {
  readonly #t: TestContext;
  readonly #dir: string;
  readonly peer = new MqttPeer();
  log!: Log;
  forwarder!: Forwarder;

  constructor(t: TestContext) {
    this.#t = t;
    this.#dir = scratch(t, 'events');
    t.after(() => this.peer.stop());
  }

  async open(): Promise<void> {
    this.log = await Log.open({
      ...{ stateDir: path.join(this.#dir, 'state'), runtimeDir: path.join(this.#dir, 'run'), clock: systemClock },
      ...{ maxSize: 64e6, maxAge: 1e13, commitEvery: 50 },
    });
    this.log.setClock(1_000_000, false);
    this.log.setInventory('{}');
    const { log } = this;
    const kind = mqttForwarder([jsonDialect]);
    const settings = kind.forwarder.parse({ url: `mqtt://127.0.0.1:${this.peer.port}` });
    this.forwarder = kind.create({ name: 'cloud', type: 'mqtt', settings }, forwarderContext(log));
    this.forwarder.start();
    this.#t.after(() => log.abandon());
  }

  async kill(): Promise<void> {
    await this.log.abandon();
    await this.forwarder.stop(0);
  }

  /** Numbers that came on a topic, repeats too. */
  came(topic: string): number[] {
    return this.peer.taken.filter((m) => m.topic === `sluice/g1/${topic}`).map((m) => JSON.parse(m.bytes.toString()).seq);
  }
}

test('an alarm waits for no event, and after a kill every topic goes on where it was', async (t) => {
  const site = new EventSite(t);
  await site.peer.start();
  site.peer.hold(EVENT);
  await site.open();
  await waitFor('the connection', () => site.forwarder.connected);
  const notice = (kind: 'alarm' | 'event', key: string) => site.log.notice(kind, key, systemClock.monotonic(), { key }).seq;
  const events = Array.from({ length: EVENTS }, () => notice('event', 'overload'));
  await waitFor('the first event to be under way', () => site.came('event').length === 1);
  const alarms = Array.from({ length: 40 }, (_, i) => notice('alarm', i % 2 === 0 ? 'warm' : 'wet'));
  const even = alarms.filter((_, i) => i % 2 === 0);
  const odd = alarms.filter((_, i) => i % 2 === 1);
  // No event was acknowledged until here.
  await waitFor('every alarm', () => site.came('alarm/warm').length === 20 && site.came('alarm/wet').length === 20);
  assert.deepEqual([site.came('event'), site.came('alarm/warm'), site.came('alarm/wet')], [events.slice(0, 1), even, odd]);
  await site.log.flush();

  await site.kill();
  await site.open();
  await waitFor('the event to come again', () => site.came('event').length === 2);
  const late = site.log.notice('alarm', 'warm', systemClock.monotonic(), { key: 'warm' }).seq;
  await waitFor('an alarm of the next start', () => site.came('alarm/warm').includes(late));
  site.peer.hold(undefined);
  await waitFor('every event', () => site.came('event').includes(events.at(-1) as number));
  // The one that was not acknowledged came twice; an alarm does only where its acknowledgement was not committed.
  assert.deepEqual(site.came('event'), [events[0], ...events]);
  assert.deepEqual([...new Set(site.came('alarm/warm'))], [...even, late]);
  assert.equal(Math.max(...site.peer.most.values()), 1, 'never two on one topic');
  await site.forwarder.stop(2000);
});

test('events of displaced sessions are capped in a minute, and the others are counted', async (t) => {
  const bench = new BrokerBench(t);
  const port = await bench.start();
  const sessions = 100;
  for (let i = 0; i < sessions; i++) {
    const raw = await Raw.open(t, port);
    assert.equal(await raw.connect(`s${i}`, 0), 0);
    raw.subscribe([`${ROOT}/event`], 1);
    await waitFor('a SUBACK', () => raw.bytes.length >= 9);
    raw.socket.destroy();
    await waitFor('it to be gone', () => bench.broker.status().clients === 0);
    // Something is queued for each of them.
    bench.broker.notice({ kind: 'event', key: 'e', seq: i, json: '{}' });
  }
  const lost = sessions - limits.MAX_SESSIONS;
  assert.equal(bench.events.length, 10);
  await bench.broker.stop();
  assert.equal(bench.events.length, 11);
  const rest = bench.events.at(-1) as GatewayEvent;
  assert.deepEqual([rest.event, rest.data?.suppressed], ['overload', lost - 10]);
});

/** Rounds of MAX_SESSIONS sessions each: every one after the first round takes the place of another one, with what waits in it. */
const ROUNDS = 8;
/** What the quota lets through in a minute, and the one event that says how many it did not. */
const IN_A_MINUTE = 10 + 1;
/** Commits of a minute that no event causes: the start of the forwarder, the clock, numbers that are reserved. Readings alone cause one an hour here. */
const OTHER_COMMITS = 20;

test('a flood of displaced sessions costs few events and commits, and no reading', { timeout: 300_000 }, async (t) => {
  const s = await site(t, {
    device: SettableDevice.start,
    buffer: 'maxSize: 4MB, commitEvery: 1h',
    broker: true,
    // Nobody listens there: every reading has to stay in the log.
    more: `forwarders: {cloud: {type: mqtt, url: 'mqtt://127.0.0.1:${await freePort()}'}}`,
  });
  if (s === undefined) return;
  const { gateway } = s;
  const status = () => gateway.status();
  const repliesOf = ({ buses }: Awaited<ReturnType<typeof status>>) =>
    buses.flatMap((bus) => bus.devices).reduce((sum, { counters }) => sum + counters.replies, 0);
  await gateway.up();
  const port = await gateway.brokerPort();
  const watching = await Sub.start(t, port, ['-t', `${ROOT}/event`, '-q', '1']);
  if (watching === undefined) return;
  const began = performance.now();
  const before = await status();
  for (let round = 0; round < ROUNDS; round++) {
    for (let i = 0; i < limits.MAX_SESSIONS; i++) {
      const raw = await Raw.open(t, port);
      assert.equal(await raw.connect(`s${round}-${i}`, 0), 0);
      raw.subscribe([`${ROOT}/data`], 1);
      await waitFor('a SUBACK', () => raw.bytes.length >= 9);
      raw.socket.destroy();
    }
    // At least one for each of them.
    await waitFor('messages for all of them', async () => {
      const { broker } = await status();
      return broker?.clients === 1 && broker.sessions === limits.MAX_SESSIONS && broker.queuedMessages > 2 * limits.MAX_SESSIONS;
    });
  }
  const { log, ...after } = await status();
  const minutes = Math.ceil((performance.now() - began) / 60_000);
  const overloads = watching.messages().filter((m) => JSON.parse(m.payload).event === 'overload').length;
  const commits = log.commits - before.log.commits;
  const displaced = (ROUNDS - 1) * limits.MAX_SESSIONS;
  t.diagnostic(`${displaced} sessions lost their place: ${overloads} events, ${commits} commits, ${minutes} minutes at most`);
  assert.ok(overloads >= 10 && overloads <= IN_A_MINUTE * minutes, `${overloads} events`);
  assert.ok(commits <= (IN_A_MINUTE + OTHER_COMMITS) * minutes, `${commits} commits`);
  assert.ok(commits < displaced / 2, `${commits} commits for ${displaced} sessions`);
  assert.deepEqual([log.dropped, log.thinned, log.removed], [0, 0, 0]);
  // Every poll of the flood is in the log. The two counts are not of the same moment: a poll may come between them.
  const polled = repliesOf({ log, ...after }) - repliesOf(before);
  const kept = log.appended - before.log.appended;
  assert.ok(polled > 0 && Math.abs(polled - kept) <= 2, `${polled} polls, ${kept} readings`);
  assert.equal(await gateway.stop(), 0);
});
