/** The subscribers of examples/ store each record of a real forwarder once, from a real Mosquitto, over kills and repeats. */
import assert from 'node:assert/strict';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import Database from 'better-sqlite3';
import mqtt from 'mqtt';
import { Child } from '../../harness/child.ts';
import { scratch } from '../../harness/scratch.ts';
import { UpstreamSite } from '../../harness/upstream-site.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { Mosquitto, Subscriber } from '../../peers/mosquitto.ts';
import { pythonPeer } from '../../peers/peers.ts';

const EXAMPLES = path.join(import.meta.dirname, '..', '..', '..', 'examples', 'subscribers');

interface Row {
  readonly gateway: string;
  readonly log: string;
  readonly seq: number;
  readonly kind: string;
  readonly name: string;
  readonly body: string;
}

/** What a subscriber stored, by number; nothing before it made its table. */
function rowsOf(file: string): Row[] {
  const db = new Database(file);
  db.pragma('busy_timeout = 5000');
  try {
    const there = db.prepare("select 1 from sqlite_master where name = 'record'").get();
    return there === undefined ? [] : (db.prepare('select * from record order by seq').all() as Row[]);
  } finally {
    db.close();
  }
}

async function storesOnce(t: TestContext, program: string, args: readonly string[]): Promise<void> {
  // Before its folder goes.
  let child: Child | undefined;
  t.after(() => child?.stop('SIGKILL'));
  const file = path.join(scratch(t, 'subscriber'), 'readings.db');
  const broker = await Mosquitto.start(t, { extra: ['log_type all'] });
  const witness = broker && (await Subscriber.start(t, broker.port, ['sluice/#'], { id: 'witness' }));
  if (broker === undefined || witness === undefined) return;
  const run = () => new Child(program, [...args, '127.0.0.1', String(broker.port), file]);
  const said = () => child?.stderr.join('\n') ?? '';
  const s = await UpstreamSite.open(t, { url: broker.url });
  const values = () =>
    rowsOf(file)
      .filter(({ kind }) => kind === 'data' || kind === 'history')
      .map(({ body }) => (JSON.parse(body) as { values: { n: number } }).values.n);
  child = run();
  const have = (count: number) =>
    waitFor(
      () => `${count} records, of which ${values().length} came: ${said()}`,
      () => values().length >= count,
    );

  s.forwarder.start();
  await waitFor(
    () => `the subscription: ${said()}`,
    () => broker.log.some((line) => /Sending SUBACK to sluice-subscriber/.test(line)),
  );
  s.add(40);
  await have(40);

  // Away: the broker keeps what comes.
  await child.stop('SIGKILL');
  s.add(40);
  s.log.notice('alarm', 'hot', 0, {
    rule: 'hot',
    occurrence: 1,
    state: 'normal',
    severity: 'info',
    value: 1,
    time: 1,
    message: 'm',
  });
  s.log.notice('event', 'start', 0, { time: 1, event: 'start', severity: 'info', message: 'm' });
  const kinds = () => new Set(witness.messages().map(({ topic }) => topic.split('/')[2]));
  await waitFor('alarm and event at the broker', () => kinds().has('alarm') && kinds().has('event'));
  child = run();
  await have(s.appended);

  // Everything again, as after lost acknowledgements, and the batches of data in the opposite order.
  const again = mqtt.connect({ host: '127.0.0.1', port: broker.port, reconnectPeriod: 0 });
  t.after(() => again.end(true));
  const came = witness.messages();
  for (const { topic, payload } of came.toReversed()) await again.publishAsync(topic, payload, { qos: 1 });
  await again.publishAsync('sluice/g1/alarm/hot', '', { qos: 1, retain: true });
  await again.endAsync();
  s.add(1);
  await have(s.appended);

  assert.deepEqual(
    values(),
    Array.from({ length: s.appended }, (_, i) => i),
  );
  const rows = rowsOf(file);
  assert.equal(new Set(rows.map(({ gateway, log, seq }) => `${gateway} ${log} ${seq}`)).size, rows.length);
  assert.deepEqual(
    rows.filter(({ kind }) => kind === 'alarm' || kind === 'event').map(({ kind, name, log }) => [kind, name, log]),
    [
      ['alarm', 'hot', s.log.id],
      ['event', 'start', s.log.id],
    ],
  );
  assert.deepEqual(new Set(rows.map(({ gateway }) => gateway)), new Set(['g1']));
  assert.equal(child.over, undefined, said());

  // It cannot store, so it does not acknowledge: it ends, and the broker keeps the record.
  const lock = new Database(file);
  lock.exec('begin exclusive');
  s.add(1);
  assert.equal(await child.ended, 1, said());
  assert.match(said(), /locked/);
  lock.exec('rollback');
  lock.close();
  child = run();
  await have(s.appended);
}

test('subscriber.ts stores each record once over a kill, repeats and another order', { timeout: 400_000 }, async (t) => {
  await storesOnce(t, process.execPath, ['--disable-warning=ExperimentalWarning', path.join(EXAMPLES, 'subscriber.ts')]);
});

test('subscriber.py stores each record once over a kill, repeats and another order', { timeout: 400_000 }, async (t) => {
  const python = pythonPeer(t, 'paho.mqtt.client', 'apt-get install -y python3-paho-mqtt');
  if (python !== undefined) await storesOnce(t, python, ['-u', path.join(EXAMPLES, 'subscriber.py')]);
});
