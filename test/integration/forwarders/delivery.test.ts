/**
 * Delivery as a whole, with foreign programs on both ends: pymodbus as the device, Mosquitto as upstream. The subscriber
 * ends, with the consumer of the contract, with every answer of the device exactly once.
 */
// Takes minutes: it starts before the others.
import assert from 'node:assert/strict';
import test, { type TestContext } from 'node:test';
import { request } from '../../../src/admin/client.ts';
import { seeded } from '../../../src/core/seeded.ts';
import { DropProxy } from '../../harness/drop-proxy.ts';
import { site } from '../../harness/site.ts';
import { type Gateway, sluice } from '../../harness/start-gateway.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { type AcceptedRecord, Consumer } from '../../oracles/consumer.ts';
import { CountingDevice, inTime, monotonicSeconds } from '../../peers/counting-device.ts';
import { Mosquitto, Subscriber } from '../../peers/mosquitto.ts';

const UNITS = [1, 2, 3];
/** Answers behind one that a gateway has kept for sure, if it was not killed before them. */
const TURNS = 20;
/** Told with a failure, which can then be run again: SLUICE_SEED=… npm test -- test/integration/forwarders/delivery.test.ts */
const SEED = Number(process.env.SLUICE_SEED ?? Math.floor(Math.random() * 2 ** 31));

const DEVICES = UNITS.map(
  (unit) => `  d${unit}: {bus: plant, unit: ${unit}, interval: 20ms, points: {n: {table: holding, address: 0, type: uint32}}}`,
).join('\n');
const parts = (commitEvery: string) => ({
  device: (t: TestContext) => CountingDevice.start(t, UNITS),
  devices: DEVICES,
  bus: 'timeout: 10s',
  rules: '  silent: {point: d1.n, stale: 1h}',
  buffer: `commitEvery: ${commitEvery}`,
  cloud: 'batch: {maxReadings: 40, maxAge: 100ms}',
});
async function dropProxy(t: TestContext, port: number): Promise<DropProxy> {
  const proxy = new DropProxy(port);
  await proxy.start();
  t.after(() => proxy.stop());
  return proxy;
}

/** Everything that `sluice export` shows, as `unit/value`. */
async function exported(t: TestContext, gateway: Gateway): Promise<{ seq: string; key: string }[]> {
  const { code, stdout, stderr } = await sluice(t, 'export', '-c', gateway.config, '--format', 'jsonl');
  assert.equal(code, 0, stderr);
  return stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as { log: string; seq: number; device: string; values: { n?: number } })
    .filter((r) => r.values.n !== undefined)
    .map((r) => ({ seq: `${r.log}/${r.seq}`, key: `${r.device.slice(1)}/${r.values.n}` }));
}

const consumed = (subscriber: Subscriber) => new Consumer().feedAll(subscriber.messages());
const keysOf = (consumer: Consumer) =>
  consumer
    .records()
    .filter((r) => r.values.n !== undefined)
    .map((r) => `${r.device.slice(1)}/${r.values.n}`);

/** What has to arrive of the first `count` answers. The look is made when more have come, since those tell whether one was late. */
const wantedOf = (device: CountingDevice, count: number) => (): string[] =>
  inTime(device.answers(), count).map((a) => `${a.unit}/${a.value}`);

/** The last answer of each unit has arrived, so (per lane in order) it has drained. */
async function drained(gateway: Gateway, subscriber: Subscriber, wanted: () => string[]): Promise<Consumer> {
  await waitFor(
    () => {
      const have = new Set(keysOf(consumed(subscriber)));
      const missing = wanted().filter((key) => !have.has(key));
      return `${missing.length} answers to arrive: ${missing.slice(0, 10)}\n${gateway.tail(20)}`;
    },
    () => {
      const have = new Set(keysOf(consumed(subscriber)));
      return wanted().every((key) => have.has(key));
    },
    { every: 250 },
  );
  return consumed(subscriber);
}

/** Waits, and when it was in vain says what the gateway says of itself. */
async function patiently(gateway: Gateway, what: () => string, probe: () => boolean): Promise<void> {
  try {
    await waitFor(what, probe, { every: 100 });
  } catch (thrown) {
    const status = await request(gateway.socket, 'GET', '/api/v1/status').catch((error: unknown) => `no status: ${error}`);
    throw new Error(`${thrown}\n${JSON.stringify(status)}\n${gateway.tail()}`);
  }
}

function exactlyOnce(consumer: Consumer): void {
  assert.deepEqual(consumer.judge(), []);
  const keys = keysOf(consumer);
  assert.equal(new Set(keys).size, keys.length, 'no answer came as two records');
}

/** Milliseconds from the clock of the device to UTC. A pause between the two looks makes it too small, so the largest of many counts. */
function toUtcNow(): number {
  return Math.max(...Array.from({ length: 200 }, () => Date.now() - monotonicSeconds() * 1000));
}
const TO_UTC_AT_FIRST = toUtcNow();

/** Each record has the time of its own answer: not before the device gave it, and before the device gave that unit's next one. */
function timesAreTheDevices(device: CountingDevice, records: readonly AcceptedRecord[]): void {
  // The wall clock may have been corrected meanwhile, by the gateway's look or by ours.
  const offsets = [TO_UTC_AT_FIRST, toUtcNow()];
  const [least, most] = [Math.min(...offsets), Math.max(...offsets)];
  // The gateway rounds.
  const ROUNDED = 2;
  for (const unit of UNITS) {
    const answers = device.answers().filter((a) => a.unit === unit);
    const next = new Map(answers.map((a, i) => [a.value, [a.at * 1000 + least, (answers[i + 1]?.at ?? Infinity) * 1000 + most]]));
    const own = records.filter((r) => r.device === `d${unit}`);
    assert.ok(own.length > 100);
    for (const { time, seq, values } of own) {
      const [given = Number.NaN, after = Number.NaN] = next.get(values.n as number) ?? [];
      assert.ok(
        time >= given - ROUNDED && time <= after + ROUNDED,
        `${unit} ${seq}: ${time}, answered ${given}, the next ${after}`,
      );
    }
  }
}

test('Mosquitto restarted under load: every kept reading once, the outage on history', async (t) => {
  const s = await site(t, { ...parts('500ms'), upstream: { topics: ['sluice/#'], mosquitto: { persistence: true } } });
  if (s === undefined) return;
  const { device, mosquitto: broker, subscriber, gateway } = s;
  gateway.start();
  await waitFor(
    () => `live readings\n${gateway.tail()}`,
    () => consumed(subscriber).records().length > 50,
  );
  /** Indexes of the device's answers: where readings began to go to history, and where the broker was back. */
  let outageAnswers: readonly [from: number, to: number] = [0, 0];
  for (let outage = 0; outage < 3; outage++) {
    await subscriber.pause();
    await broker.stop();
    // Long enough that data gives up being live (10 s) in the first outage; the others are short.
    if (outage === 0) await gateway.waitForLog(/go to history/);
    const lagged = device.answers().length;
    await waitFor('the device to be read on', () => device.answers().length > lagged + 100);
    if (outage === 0) outageAnswers = [lagged, device.answers().length];
    await broker.start();
    await subscriber.resume();
    const count = consumed(subscriber).records().length;
    await waitFor('delivery to go on', () => consumed(subscriber).records().length > count + 50);
  }
  const consumer = await drained(gateway, subscriber, wantedOf(device, device.answers().length));
  exactlyOnce(consumer);
  const records = consumer.records().filter((r) => r.values.n !== undefined);
  const sure = new Set(inTime(device.answers()).map(({ unit, value }) => `${unit}/${value}`));
  const during = device
    .answers()
    .slice(...outageAnswers)
    .filter(({ unit, value }) => sure.has(`${unit}/${value}`));
  const history = new Set(records.filter((r) => r.kind === 'history').map((r) => `${r.device.slice(1)}/${r.values.n}`));
  assert.ok(during.length > 50);
  assert.deepEqual(
    during.map((a) => `${a.unit}/${a.value}`).filter((key) => !history.has(key)),
    [],
    'every reading of the outage came on history',
  );
  timesAreTheDevices(device, records);
  assert.equal(await gateway.stop(), 0);
});

test('connections cut between PUBLISH and PUBACK change nothing', async (t) => {
  const s = await site(t, { ...parts('300ms'), upstream: { topics: ['sluice/#'], through: dropProxy } });
  if (s === undefined) return;
  const { device, subscriber, link: proxy, gateway } = s;
  const random = seeded(SEED);
  proxy.dropWhen((seen) => seen.kind === 'puback' && random() < 0.2);
  gateway.start();
  await patiently(
    gateway,
    () => `20 cut connections, ${JSON.stringify(proxy.counts)}`,
    () => proxy.counts.drops >= 20,
  );
  proxy.dropWhen(undefined);
  const consumer = await drained(gateway, subscriber, wantedOf(device, device.answers().length));
  exactlyOnce(consumer);
  assert.ok(consumer.duplicates > 0, 'the cut connections made repeats, and the consumer dropped them');
  assert.equal(await gateway.stop(), 0);
});

test('killed at 50 random moments, upstream up and down: nothing lost, no number used twice', async (t) => {
  t.diagnostic(`seed ${SEED}`);
  const random = seeded(SEED);
  const s = await site(t, { ...parts('1s'), upstream: { topics: ['sluice/#'], through: dropProxy } });
  if (s === undefined) return;
  const { device, subscriber, link: proxy, gateway } = s;
  /** Answers that the device gave in one run, in time, at least half a second and so many answers before its kill. */
  const owed: string[] = [];
  let seen = 0;
  let up = true;
  for (let kill = 0; kill < 50; kill++) {
    if (random() < 0.3) {
      up = !up;
      if (up) await proxy.start();
      else await proxy.stop();
    }
    gateway.start();
    // Any moment: in a fifth of the runs during the start itself, else after so many answers, however slow the machine is.
    const early = random() < 0.2;
    const enough = seen + Math.floor(random() * 300);
    if (early) await new Promise((resolve) => setTimeout(resolve, random() * 500));
    // The deadline is that of the next answer: a busy machine gives 300 of them in more than 30 s.
    else
      for (let have = seen; have <= enough; )
        have = await waitFor(
          () => `the device to be read\n${gateway.tail(20)}`,
          () => {
            const now = device.answers().length;
            return now > have ? now : undefined;
          },
          { every: 10 },
        );
    const killed = monotonicSeconds();
    await gateway.kill();
    const answers = device.answers();
    // A machine that stands still gives the gateway no turn in that half second: it had one when the device was asked again.
    const run = answers.slice(seen);
    for (const a of inTime(run, Math.max(0, run.length - TURNS))) if (a.at < killed - 0.5) owed.push(`${a.unit}/${a.value}`);
    seen = answers.length;
  }
  if (!up) await proxy.start();
  gateway.start();
  const count = seen;
  await waitFor(
    () => `the last run to read\n${gateway.tail(20)}`,
    () => device.answers().length > count + 30,
  );
  assert.equal(await gateway.stop(), 0, gateway.tail());
  const log = await exported(t, gateway);
  gateway.start();
  await gateway.waitForLog(/is running/);
  const consumer = await drained(gateway, subscriber, () => [...owed, ...log.map((r) => r.key)]);
  exactlyOnce(consumer);
  assert.ok(owed.length > 100, `the kills left enough to judge: ${owed.length}`);
  assert.equal(new Set(log.map((r) => r.seq)).size, log.length, 'no number stands twice in the log');
  const numbers = new Map(consumer.records().map((r) => [`${r.log}/${r.seq}`, `${r.device.slice(1)}/${r.values.n}`]));
  for (const { seq, key } of log) assert.equal(numbers.get(seq), key, `${seq} holds upstream what it holds here`);
  assert.equal(await gateway.stop(), 0);
});

test('a broker that never takes a large message gets smaller ones, until it does', async (t) => {
  // Mosquitto ends the connection of whoever sends more than this; a full batch of the site is twice as long.
  const broker = await Mosquitto.create(t, { extra: ['max_packet_size 900'] });
  if (broker === undefined) return;
  const cloud = `cloud: {type: mqtt, url: '${broker.url}', batch: {maxReadings: 40, maxAge: 100ms}}`;
  const s = await site(t, { ...parts('300ms'), more: `forwarders: {${cloud}}` });
  if (s === undefined) return;
  const { device, gateway } = s;
  gateway.start();
  // More than a batch waits when the broker comes, so the first one is full.
  await waitFor('the device to be read', () => device.answers().length > 200);
  const wanted = device.answers().map((a) => `${a.unit}/${a.value}`);
  await broker.start();
  const subscriber = await Subscriber.start(t, broker.port, ['sluice/#']);
  if (subscriber === undefined) return;
  await waitFor(
    () => `readings to arrive\n${gateway.tail()}`,
    () => consumed(subscriber).records().length > wanted.length,
    { every: 200 },
  );
  assert.deepEqual(consumed(subscriber).judge(), []);
  assert.equal(await gateway.stop(), 0);
});
