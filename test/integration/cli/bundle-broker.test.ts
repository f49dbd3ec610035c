/** Bundles into a real broker: receivers by mark and by key have each record once, whatever comes in which order and way. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { BundleSite } from '../../harness/bundle-site.ts';
import { freePort } from '../../harness/free-port.ts';
import { sluice } from '../../harness/start-gateway.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { Consumer } from '../../oracles/consumer.ts';
import { Mosquitto, Subscriber } from '../../peers/mosquitto.ts';

const LONG = { timeout: 600_000 };
interface Batch {
  readonly log: string;
  readonly part?: number;
  readonly records: readonly { readonly seq: number }[];
}

test('a bundle, then the network: a receiver by marks has each record once', LONG, async (t) => {
  const site = await BundleSite.make(t);
  const port = await freePort();
  const cloud = `  cloud: {type: mqtt, url: "mqtt://127.0.0.1:${port}", platform: "${site.platform}", batch: {maxAge: 50ms}}\n`;
  const gateway = await site.gateway('ghat-1', cloud);
  await site.trust(gateway);
  await site.waits(gateway, 60);
  const bundle = await site.bundle(gateway, 'a', '--forwarder', 'cloud');
  // The gateway stands still, so that the import is first.
  gateway.signal('SIGSTOP');
  const broker = await Mosquitto.start(t, { port });
  if (broker === undefined) return;
  const subscriber = await Subscriber.start(t, port, ['sluice/#']);
  if (subscriber === undefined) return;
  for (let run = 0; run < 2; run++) {
    const taken = await sluice(t, 'import', bundle, '--to', broker.url, '--keys', site.keys);
    assert.equal(taken.code, 0, taken.stderr);
    assert.match(taken.stdout, run === 0 ? /(\d+) of \1 records new/ : / 0 of \d+ records new/);
  }
  const imported = new Consumer().feedAll(subscriber.messages()).records().length;
  assert.ok(imported >= 30);
  gateway.signal('SIGCONT');
  await waitFor(
    'records behind the bundle',
    () => new Consumer().feedAll(subscriber.messages()).records().length > imported + 20,
  );
  const receipt = await sluice(t, 'receipt', bundle.replace('.sluice', '.receipt'), '-c', gateway.config);
  assert.equal(receipt.code, 0, receipt.stderr);
  await gateway.stop();
  const exported = await sluice(t, 'export', '-c', gateway.config, '--format', 'jsonl');
  const all = exported.stdout.split('\n').map((line) => (JSON.parse(line) as { seq: number }).seq);
  // The broker acknowledges the last ones before the subscriber has written them down.
  await waitFor('all of them', () => new Consumer().feedAll(subscriber.messages()).records().length >= all.length);
  const consumer = new Consumer().feedAll(subscriber.messages());
  assert.deepEqual(consumer.violations, []);
  assert.deepEqual(
    consumer.records().map(({ seq }) => seq),
    all,
  );
  const kinds = new Set(subscriber.messages().map(({ topic }) => topic.split('/')[2]));
  for (const kind of ['alarm', 'inventory', 'event']) assert.ok(kinds.has(kind), kind);
});

test('bundles in the wrong order: late records come beside the marks, and no key is missing', LONG, async (t) => {
  const site = await BundleSite.make(t);
  const gateway = await site.gateway();
  await site.trust(gateway);
  await site.waits(gateway, 40);
  const first = await site.bundle(gateway, 'a');
  // Another computer of the platform stores the first one, so the second does not have it again.
  assert.equal((await site.import('elsewhere.db', first)).code, 0);
  assert.equal((await sluice(t, 'receipt', first.replace('.sluice', '.receipt'), '-c', gateway.config)).code, 0);
  await site.waits(gateway, 40);
  const second = await site.bundle(gateway, 'a');
  const broker = await Mosquitto.start(t);
  const subscriber = broker && (await Subscriber.start(t, broker.port, ['sluice/#']));
  if (broker === undefined || subscriber === undefined) return;
  const taken = await sluice(t, 'import', second, first, second, '--to', broker.url, '--keys', site.keys);
  assert.equal(taken.code, 0, taken.stderr);
  assert.equal((await site.import('here.db', first, second)).code, 0);
  const numbers = (topics: RegExp): number[] =>
    subscriber
      .messages()
      .filter(({ topic }) => topics.test(topic))
      .flatMap(({ payload }) => (JSON.parse(payload) as Batch).records.map(({ seq }) => seq));
  const wanted = site.rows('here.db', 'select distinct seq from reading order by seq').flat();
  const sorted = (list: readonly number[]) => [...list].sort((a, b) => a - b);
  await waitFor('all records', () => numbers(/\/(data|history|resend\/.*)$/).length >= wanted.length);
  assert.deepEqual(sorted(numbers(/\/(data|history|resend\/.*)$/)), wanted);
  const late = new Set(site.rows('elsewhere.db', 'select distinct seq from reading order by seq').flat());
  assert.ok(numbers(/\/resend\/bundle-[0-9a-f]{8}$/).every((seq) => late.has(seq)));
  // A lane has marks of its own: what a slow gateway gave as history is late beside newer history only.
  for (const lane of [/\/data$/, /\/history$/]) {
    const came = numbers(lane);
    if (came.every((seq) => late.has(seq))) continue;
    assert.deepEqual(
      came.filter((seq) => late.has(seq)),
      [],
      `${lane}: what is late comes beside the marks`,
    );
  }
  // Alarms and events have keys, and no marks.
  const marked = subscriber.messages().filter(({ topic }) => /\/(data|history)$/.test(topic));
  assert.deepEqual(new Consumer().feedAll(marked).violations, []);
});

test('a broker that is not there, or refuses, is named, and nothing counts as played', LONG, async (t) => {
  const site = await BundleSite.make(t);
  const gateway = await site.gateway();
  await site.trust(gateway);
  await site.waits(gateway, 10);
  const bundle = await site.bundle(gateway, 'a');
  const none = await sluice(t, 'import', bundle, '--to', `mqtt://127.0.0.1:${await freePort()}`, '--keys', site.keys);
  assert.equal(none.code, 1);
  assert.match(none.stderr, /refuses the connection|nothing listens|refused/i);
  const strange = await sluice(t, 'import', bundle, '--to', 'readings.txt', '--keys', site.keys);
  assert.equal(strange.code, 2);
  assert.match(strange.stderr, /write mqtt:\/\/host:1883/);
});
