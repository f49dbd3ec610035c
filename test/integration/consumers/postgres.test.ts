/** examples/consumer/postgres.py: ends at exact points, hostile messages, two brokers, a database that is away, workers that go. */
import assert from 'node:assert/strict';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import { gzipSync } from 'node:zlib';
import mqtt from 'mqtt';
import { Child, startChild } from '../../harness/child.ts';
import { batch, HOSTILE, HOSTILE_FOR_POSTGRES, NASTY } from '../../harness/consumer-messages.ts';
import { CONSUMERS, worker } from '../../harness/consumer-run.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { Mosquitto } from '../../peers/mosquitto.ts';
import { pythonPeer } from '../../peers/peers.ts';
import { Postgres } from '../../peers/postgres.ts';

interface Bench {
  readonly python: string;
  readonly postgres: Postgres;
  readonly broker: Mosquitto;
  /** Publishes with QoS 1; resolves when the broker has it. */
  readonly publish: (topic: string, payload: string | Buffer) => Promise<unknown>;
}

async function bench(t: TestContext): Promise<Bench | undefined> {
  const python = pythonPeer(t, 'paho.mqtt.client, psycopg2', 'apt-get install -y python3-paho-mqtt python3-psycopg2');
  const postgres = await Postgres.start(t);
  const broker = await Mosquitto.start(t, { persistence: true });
  if (python === undefined || postgres === undefined || broker === undefined) return undefined;
  await postgres.psql(['-f', path.join(CONSUMERS, 'postgres.sql')]);
  const client = await mqtt.connectAsync(broker.url);
  t.after(() => client.end(true));
  return { python, postgres, broker, publish: (topic, payload) => client.publishAsync(topic, payload, { qos: 1 }) };
}

async function stored(postgres: Postgres, gateway = 'g1'): Promise<number[]> {
  const rows = await postgres.sql(`select seq from reading where gateway = '${gateway}' and point = 'n' order by seq`);
  return rows.map(Number);
}
const upTo = (last: number) => Array.from({ length: last }, (_, i) => i + 1);

async function has(postgres: Postgres, sql: string, value: string, words: () => string): Promise<void> {
  await waitFor(
    () => `${sql} to give ${value}: ${words()}`,
    async () => (await postgres.sql(sql))[0] === value,
    { every: 100 },
  );
}

/**
 * Ends itself with SIGKILL at the given place, when it has the record with the given number. It does not count its turns: the worker
 * before it may have been stopped between commit and acknowledgement, and then a batch of that one comes once more.
 */
const DYING = `import os, runpy, sys
place, last, folder = sys.argv[1], int(sys.argv[2]), sys.argv[3]
sys.path.insert(0, folder)
import postgres
newest = 0
decoded = postgres.decoded
def noted(payload):
    global newest
    message = decoded(payload)
    newest = max(newest, message["last"])
    return message
postgres.decoded = noted
def die():
    if newest >= last: os.kill(os.getpid(), 9)
def wrap(owner, name, before=False):
    old = getattr(owner, name)
    def new(*args):
        if before: die()
        result = old(*args)
        if not before: die()
        return result
    setattr(owner, name, new)
if place == "before the inserts": wrap(postgres.Rows, "write", True)
if place == "between inserts and commit": wrap(postgres.Rows, "write")
if place == "between commit and acknowledgement": wrap(postgres.Store, "take")
if place == "after the acknowledgement": wrap(postgres.Worker, "commit")
sys.argv = ["postgres.py", *sys.argv[4:]]
postgres.main()`;

test('a worker that ends at any step loses nothing and stores nothing twice', { timeout: 400_000 }, async (t) => {
  const b = await bench(t);
  if (b === undefined) return;
  const { python, postgres, broker, publish } = b;
  let last = 0;
  for (const place of [
    'before the inserts',
    'between inserts and commit',
    'between commit and acknowledgement',
    'after the acknowledgement',
  ]) {
    const words = ['127.0.0.1', String(broker.port), postgres.dsn(), 'w1'];
    const dying = startChild(t, python, ['-u', '-c', DYING, place, `${last + 15}`, CONSUMERS, ...words]);
    await dying.line(/connected/);
    const before = last;
    for (let i = 0; i < 6; i++) {
      await publish('sluice/g1/data', batch(last + 1, last + 5));
      last += 5;
      // One message in each transaction, as long as it lives.
      if (i < 2)
        await waitFor(
          () => `the first batches, ${place}: ${dying.stderr.join('\n')}`,
          async () => (await stored(postgres)).length === last,
        );
    }
    assert.equal(await dying.ended, 'SIGKILL', place);
    const left = await stored(postgres);
    assert.ok(left.length >= before + 10 && left.length <= last, `${place}: ${left.length}`);
    assert.deepEqual(left, upTo(left.length), place);
    const next = worker(t, python, broker.port, postgres.dsn(), 'w1');
    await has(postgres, 'select max(seq) from reading', String(last), () => `${place}: ${next.said.join('\n')}`);
    // Only between commit and acknowledgement it has stored what comes again.
    const again = next.said
      .map((line) => / (\d+) of (\d+) readings? new/.exec(line))
      .map((found) => Number(found?.[2] ?? 0) - Number(found?.[1] ?? 0));
    // Its last acknowledgement may be lost with the connection.
    if (place !== 'after the acknowledgement')
      assert.equal(
        again.some((repeats) => repeats > 0),
        place === 'between commit and acknowledgement',
        next.said.join('\n'),
      );
    await next.child.stop('SIGTERM');
  }
  assert.deepEqual(await stored(postgres), upTo(last));
  assert.deepEqual(await postgres.sql('select count(*) from reading'), [String(2 * last)]);
});

test('hostile messages stop no worker, and are put aside with a reason', { timeout: 400_000 }, async (t) => {
  const b = await bench(t);
  if (b === undefined) return;
  const { python, postgres, broker, publish } = b;
  // A stack of this size is too small for a deep JSON, which is a fault of class 54.
  await postgres.sql("alter role owner set max_stack_depth = '100kB'");
  const one = worker(t, python, broker.port, postgres.dsn(), 'w1');
  await one.child.line(/connected/);
  const words = () => one.said.slice(-5).join('\n').slice(0, 2000);
  const hostile = [...HOSTILE, ...HOSTILE_FOR_POSTGRES];
  let last = 0;
  for (const [topic, payload] of hostile) {
    await publish(topic, payload);
    await publish('sluice/g1/data', batch(last + 1, last + 2));
    last += 2;
  }
  for (const nasty of NASTY) {
    await publish('sluice/g1/history', batch(last + 1, last + 1, { device: nasty }));
    await publish(
      `sluice/g1/alarm/${nasty.replace(/[%]/g, 'p').replaceAll('/', '')}`,
      JSON.stringify({ v: 1, log: nasty, seq: 1, time: 1, rule: nasty, message: nasty }),
    );
    await publish('sluice/g3/data', batch(last, last, { gateway: 'g3', point: nasty, value: nasty }));
    last++;
  }
  await has(postgres, 'select max(seq) from reading', String(last), words);
  await has(postgres, 'select count(*) from notice', String(NASTY.length), words);
  await has(postgres, "select count(*) from reading where gateway = 'g3'", String(2 * NASTY.length), words);
  assert.deepEqual(await stored(postgres), upTo(last));
  assert.deepEqual(
    new Set(
      await postgres.sql("select text from reading where gateway = 'g3' and text = point").then((rows) => rows.map(unquoted)),
    ),
    new Set(NASTY),
  );
  await has(postgres, 'select count from refused_count', String(hostile.length), words);
  const refused = (await postgres.sql("select replace(why, ',', ';'), topic, size from refused order by slot")).map(unquoted);
  assert.equal(refused.length, hostile.length);
  hostile.forEach(([topic, payload, why], i) => {
    assert.match(refused[i] ?? '', why);
    const size = payload[0] === 0x1f && why.source.startsWith('larger') ? (16 << 20) + 1 : Buffer.byteLength(payload);
    assert.ok(refused[i]?.endsWith(`,${topic},${size}`), `${refused[i]} of ${topic}`);
  });
  assert.deepEqual(
    await postgres.sql('select max(length(payload)) from refused'),
    [String(256 << 10)],
    'what is kept is bounded',
  );

  // A flood of them keeps the newest, counts all, and lets readings through.
  for (let i = 0; i < 1100; i += 50)
    await Promise.all(Array.from({ length: 50 }, () => publish('sluice/g1/data', Buffer.from([0, i & 255]))));
  await publish('sluice/g1/data', gzipSync(batch(last + 1, last + 1)));
  await has(postgres, 'select max(seq) from reading', String(last + 1), words);
  await has(postgres, 'select count(*), (select count from refused_count) from refused', `1000,${hostile.length + 1100}`, words);
  assert.equal(one.child.over, undefined);
});

/** One cell of psql's CSV. */
function unquoted(line: string): string {
  return line.replace(/^"(.*)"(,|$)/, (_, text: string, comma: string) => text.replaceAll('""', '"') + comma);
}

test('two brokers with the same records in opposite orders give each record once', { timeout: 400_000 }, async (t) => {
  const b = await bench(t);
  const second = await Mosquitto.start(t);
  if (b === undefined || second === undefined) return;
  const { python, postgres, broker, publish } = b;
  const other = await mqtt.connectAsync(second.url);
  t.after(() => other.end(true));
  const workers = [
    worker(t, python, broker.port, postgres.dsn(), 'one', '--plain'),
    worker(t, python, second.port, postgres.dsn(), 'two', '--plain'),
  ];
  await Promise.all(workers.map(({ child }) => child.line(/connected/)));
  const count = 300;
  const sent: Promise<unknown>[] = [];
  for (let i = 0; i < count; i++) {
    sent.push(publish('sluice/g1/data', batch(10 * i + 1, 10 * i + 10)));
    // Cut in another way, and from the end.
    const from = 10 * (count - 1 - i);
    sent.push(other.publishAsync('sluice/g1/history', batch(from + 1, from + 4), { qos: 1 }));
    sent.push(other.publishAsync('sluice/g1/data', batch(from + 5, from + 10), { qos: 1 }));
  }
  await Promise.all(sent);
  const words = () => workers.map(({ said }) => said.slice(-4).join('\n')).join('\n');
  const handled = () =>
    workers
      .flatMap(({ said }) => said.map((line) => Number(/ of (\d+) reading/.exec(line)?.[1] ?? 0)))
      .reduce((a, n) => a + n, 0);
  await waitFor(words, () => handled() >= 2 * 2 * 10 * count);
  assert.deepEqual(await stored(postgres), upTo(10 * count));
  assert.deepEqual(await postgres.sql('select count(*) from reading'), [String(2 * 10 * count)]);
  assert.deepEqual(await postgres.sql('select * from gaps'), []);
  assert.ok(!workers.some(({ said }) => said.some((line) => /deadlock/.test(line))), words());
});

test('a worker waits for a database that has no tables, is away or hangs', { timeout: 400_000 }, async (t) => {
  const b = await bench(t);
  if (b === undefined) return;
  const { python, postgres, broker, publish } = b;
  await postgres.sql('alter table reading rename to elsewhere');
  const one = worker(t, python, broker.port, postgres.dsn(), 'w1');
  await one.child.line(/connected/);
  await publish('sluice/g1/data', batch(1, 5));
  await one.child.line(/does not take anything: relation "reading" does not exist/);
  await postgres.sql('alter table elsewhere rename to reading');
  await one.child.line(/takes readings again/);
  await postgres.crash();
  for (let i = 1; i < 40; i++) await publish('sluice/g1/data', batch(5 * i + 1, 5 * i + 5));
  await one.child.line(/does not take anything: .*(refused|closed|terminat)/i);
  await postgres.up();
  await has(postgres, 'select max(seq) from reading', '200', () => one.said.join('\n'));
  // Another session holds a key of a batch and does not commit.
  const holder = startChild(
    t,
    python,
    [
      '-u',
      '-c',
      `import psycopg2, sys
db = psycopg2.connect(${JSON.stringify(postgres.dsn())}); c = db.cursor()
c.execute("insert into reading select gateway, log, 201, point, device, boot, lane, time, value, text, quality, reason, estimated from reading where seq = 200")
print("holds", flush=True); sys.stdin.read()`,
    ],
    { stdin: true },
  );
  await holder.line(/holds/);
  await publish('sluice/g1/data', batch(201, 205));
  await waitFor(
    'the worker to wait for the other session',
    async () => (await postgres.sql("select count(*) from pg_stat_activity where wait_event_type = 'Lock'"))[0] === '1',
  );
  holder.endInput();
  await has(postgres, 'select max(seq) from reading', '205', () => one.said.join('\n'));
  assert.deepEqual(await stored(postgres), upTo(205));
  assert.deepEqual(await postgres.sql('select count from refused_count'), ['0']);
});

test('a worker that is away keeps its share; --drain takes it and ends the session', { timeout: 400_000 }, async (t) => {
  const b = await bench(t);
  if (b === undefined) return;
  const { python, postgres, broker, publish } = b;
  const workers = ['w1', 'w2'].map((name) => worker(t, python, broker.port, postgres.dsn(), name));
  await Promise.all(workers.map(({ child }) => child.line(/connected/)));
  await workers[1]?.child.stop('SIGKILL');
  for (let i = 0; i < 40; i++) await publish('sluice/g1/data', batch(i + 1, i + 1));
  const words = () => workers.map(({ said }) => said.slice(-4).join('\n')).join('\n');
  await waitFor(words, async () => (await stored(postgres)).length >= 20);
  const missing = (await postgres.sql('select coalesce(sum(last - first + 1), 0) from gaps')).map(Number)[0] as number;
  assert.ok(missing > 0, 'w2 owes some');
  const drain = new Child(python, [
    '-u',
    path.join(CONSUMERS, 'postgres.py'),
    '127.0.0.1',
    String(broker.port),
    postgres.dsn(),
    'w2',
    '--drain',
  ]);
  assert.equal(await drain.ended, 0, drain.stderr.join('\n'));
  assert.match(drain.stdout.at(-1) ?? '', /^drained: /);
  assert.deepEqual(await stored(postgres), upTo(40));
  // Everything goes to the worker that is left.
  for (let i = 40; i < 60; i++) await publish('sluice/g1/data', batch(i + 1, i + 1));
  await waitFor(words, async () => (await stored(postgres)).length === 60);
});

test('Mosquitto forgets shared subscriptions at a restart; a plain worker has what came', { timeout: 400_000 }, async (t) => {
  const b = await bench(t);
  if (b === undefined) return;
  const { python, postgres, broker } = b;
  for (const words of [['w1'], ['all', '--plain', '--gateways', 'g1,g9']]) {
    const one = worker(t, python, broker.port, postgres.dsn(), ...words);
    await one.child.line(/the session is new/);
    await one.child.stop('SIGKILL');
  }
  await broker.restart();
  const client = await mqtt.connectAsync(broker.url, { protocolVersion: 5 });
  t.after(() => client.end(true));
  for (const gateway of ['g1', 'g2', 'g9'])
    await client.publishAsync(`sluice/${gateway}/data`, batch(1, 3, { gateway }), { qos: 1 });
  const shared = worker(t, python, broker.port, postgres.dsn(), 'w1');
  await shared.child.line(/the broker kept the session/);
  await client.publishAsync('sluice/g1/data', batch(4, 4), { qos: 1 });
  await has(postgres, 'select max(seq) from reading', '4', () => shared.said.join('\n'));
  assert.deepEqual(await stored(postgres), [4], 'what came before its subscription is lost');
  const plain = worker(t, python, broker.port, postgres.dsn(), 'all', '--plain', '--gateways', 'g1,g9');
  await has(postgres, 'select count(*) from reading', '14', () => plain.said.join('\n'));
  assert.deepEqual(await stored(postgres), upTo(4));
  assert.deepEqual(await stored(postgres, 'g2'), [], 'no worker had a plain subscription to it');
});

test('what the broker or the command line refuses is said in words', async (t) => {
  const python = pythonPeer(t, 'paho.mqtt.client, psycopg2', 'apt-get install -y python3-paho-mqtt python3-psycopg2');
  const broker = await Mosquitto.start(t, { extra: ['allow_anonymous false'] });
  if (python === undefined || broker === undefined) return;
  const one = worker(t, python, broker.port, 'dbname=none', 'w1');
  await one.child.line(/refuses this program: Not authorized/);
  assert.equal(await one.child.stop('SIGTERM'), 0);
  const program = path.join(CONSUMERS, 'postgres.py');
  const missing = new Child(python, ['-S', program, '127.0.0.1', '1883', 'dbname=none', 'w1']);
  assert.equal(await missing.ended, 2);
  assert.match(
    missing.stderr.join('\n'),
    /is missing\. Install both:\n {2}sudo apt-get install -y python3-paho-mqtt python3-psycopg2/,
  );
});

test('compare.sql names what is missing, different and still to come', { timeout: 400_000 }, async (t) => {
  const b = await bench(t);
  if (b === undefined) return;
  const { python, postgres, broker, publish } = b;
  const one = worker(t, python, broker.port, postgres.dsn(), 'w1');
  await one.child.line(/connected/);
  await publish('sluice/g1/data', batch(1, 4));
  await publish('sluice/g1/data', batch(6, 6, { value: true }));
  await publish('sluice/g1/data', batch(7, 7, { value: '=1+1' }));
  await has(postgres, 'select max(seq) from reading', '7', () => one.said.join('\n'));
  const line = (seq: number, value: string, quality = 'good') =>
    `k1,${seq},b1,d,n,${new Date(1_795_000_000_000 + seq).toISOString()},${value},,${quality},`;
  const lines = [
    ...[
      'log,seq,boot,device,point,time,value,unit,quality,reason',
      line(1, '1'),
      line(2, '2.5'),
      line(3, 'true'),
      line(4, '', 'bad'),
    ],
    ...[line(5, 'false'), line(6, 'true'), line(7, "'=1+1"), line(8, '8'), `k1,1,b1,d,x,2026-11-18T11:06:40.001Z,,,bad,timeout`],
  ];
  const found = await postgres.psql(['--csv', '-f', path.join(CONSUMERS, 'compare.sql')], 'sluice', 'owner', lines.join('\n'));
  assert.deepEqual(
    found.map((row) => row.replace(/2026[^,]*/, 'T')),
    [
      ...['exported,same,not_here_yet,missing,different', '9,4,1,1,3', 'log,seq,device,point,time,value,fault'],
      ...['k1,2,d,n,T,2.5,different', 'k1,3,d,n,T,true,different', 'k1,4,d,n,T,,different', 'k1,5,d,n,T,false,missing'],
    ],
  );
});
