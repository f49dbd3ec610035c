/**
 * The consumers of examples/consumer against a gateway, a Mosquitto and a PostgreSQL. All of them are killed or stopped while they
 * work. Afterwards the tables have every reading that the gateway exports once, with equal values.
 */
import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import Database from 'better-sqlite3';
import { seeded } from '../../../src/core/seeded.ts';
import { startChild } from '../../harness/child.ts';
import { CONSUMERS, Restarted, worker } from '../../harness/consumer-run.ts';
import { freePort } from '../../harness/free-port.ts';
import { type Gateway, MAIN, makeGateway, sluice } from '../../harness/start-gateway.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { Mosquitto } from '../../peers/mosquitto.ts';
import { pythonPeer } from '../../peers/peers.ts';
import { Postgres } from '../../peers/postgres.ts';

/** How often a consumer is killed. */
const KILLS = Number(process.env.SLUICE_CONSUMER_KILLS ?? 32);
/** Which consumer is killed, and how long after it is at work. */
const SEED = Number(process.env.SLUICE_SEED ?? Math.floor(Math.random() * 2 ** 31));
/** Mosquitto forgets the shared subscriptions of w1 and w2 when it restarts; `all` takes what came meanwhile. */
const WORKERS = [['w1'], ['w2'], ['all', '--plain']] as const;

async function threeDevices(t: TestContext, upstream: number): Promise<Gateway> {
  const port = await freePort();
  const points = `{number: {table: holding, address: 0, type: float32}, counter: {table: holding, address: 10, type: uint64},
        on: {table: coil, address: 0, type: bool}}`;
  const devices = ['a', 'b', 'c'].map(
    (name, i) => `  ${name}: {bus: plant, unit: ${i + 1}, interval: 50ms, points: ${points}}\n`,
  );
  const gateway = makeGateway(
    t,
    (g) => `${g.section}
buses:
  plant: {protocol: modbus-tcp, host: 127.0.0.1, port: ${port}, timeout: 500ms}
devices:
${devices.join('')}rules:
  high: {point: a.number, above: 1e30}
buffer: {commitEvery: 200ms}
forwarders:
  cloud: {type: mqtt, url: 'mqtt://127.0.0.1:${upstream}', batch: {maxReadings: 30, maxAge: 50ms}}
`,
  );
  const simulator = startChild(t, process.execPath, [MAIN, 'simulate', gateway.config], { stdin: true });
  await simulator.line(/plant: modbus-tcp on/);
  return gateway;
}

async function exported(t: TestContext, gateway: Gateway): Promise<string[]> {
  const { code, stdout, stderr } = await sluice(t, 'export', '-c', gateway.config);
  assert.equal(code, 0, stderr);
  writeFileSync(path.join(gateway.folder, 'export.csv'), `${stdout}\n`);
  return stdout.split('\n').slice(1).filter(Boolean);
}

/** `log,seq,boot,device,point,time,value,,quality,reason`, as the export writes it, from the two columns of a value. */
const ROWS = `select log, seq, boot, device, point, to_char(time at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
  coalesce(text, value::text), '', quality, reason from reading`;

/** A line of the export with numbers as JavaScript writes them. */
function plain(line: string): string {
  const cells = line.split(',');
  const value = cells[6] as string;
  if (value !== '' && !['true', 'false'].includes(value) && cells[4] !== 'counter') cells[6] = String(Number(value));
  cells[7] = '';
  return cells.join(',');
}

function inSqlite(file: string): string[] {
  if (!existsSync(file)) return [];
  const db = new Database(file, { readonly: true });
  db.pragma('busy_timeout = 5000');
  try {
    const rows = db.prepare('select log, seq, device, point, value, quality from reading').all() as Record<string, unknown>[];
    return rows.map(
      ({ log, seq, device, point, value, quality }) => `${log},${seq},${device},${point},${value ?? ''},${quality}`,
    );
  } finally {
    db.close();
  }
}

/** The same of a line of the export. SQLite has 1 and 0 for a bool. */
function likeSqlite(line: string): string {
  const [log, seq, , device, point, , value, , quality] = plain(line).split(',');
  return `${log},${seq},${device},${point},${value === 'true' ? '1' : value === 'false' ? '0' : value},${quality}`;
}

test('killed consumers store each record once, over ends of broker, database, gateway', { timeout: 600_000 }, async (t) => {
  const python = pythonPeer(t, 'paho.mqtt.client, psycopg2', 'apt-get install -y python3-paho-mqtt python3-psycopg2');
  const postgres = await Postgres.start(t);
  const broker = await Mosquitto.start(t, { persistence: true });
  if (python === undefined || postgres === undefined || broker === undefined) return;
  t.diagnostic(`seed ${SEED}`);
  const random = seeded(SEED);
  await postgres.psql(['-f', path.join(CONSUMERS, 'postgres.sql')]);
  const gateway = await threeDevices(t, broker.port);
  const file = path.join(gateway.folder, 'readings.db');
  const workers = WORKERS.map((words) => worker(t, python, broker.port, postgres.dsn(), ...words));
  const sqlite = new Restarted(t, python, ['-u', path.join(CONSUMERS, 'consumer.py'), '127.0.0.1', String(broker.port), file]);
  const all = [...workers, sqlite];
  const said = () => all.map((one) => one.said.slice(-6).join('\n')).join('\n---\n');
  const busy = (one: Restarted) =>
    waitFor(
      () => `a consumer to store something: ${said()}`,
      () => one.lines.some((line) => / new/.test(line)),
    );
  await Promise.all(all.map((one) => waitFor(said, () => one.lines.some((line) => line.startsWith('connected')))));
  await gateway.up();

  for (let kill = 0; kill < KILLS; kill++) {
    const one = all[Math.floor(random() * all.length)] as Restarted;
    await busy(one);
    await sleep(random() * 60);
    await one.again();
    if (kill % 10 === 4) await broker.restart();
    if (kill % 10 === 7) {
      await postgres.crash();
      await one.again();
      await postgres.up();
    }
    if (kill === Math.floor(KILLS / 2)) {
      await broker.stop();
      await gateway.waitForLog(/readings are kept/);
      await gateway.kill();
      await gateway.up();
      await broker.start();
    }
  }
  await gateway.stop();
  await gateway.up();
  const first = await exported(t, gateway);
  let counts: number[] = [];
  const have = ({ length }: readonly string[]) =>
    waitFor(
      () => `${length} readings, of which ${counts.join(' and ')} came: ${said()}`,
      async () => {
        counts = [Number((await postgres.sql('select count(*) from reading'))[0]), inSqlite(file).length];
        return counts.every((came) => came >= length);
      },
      { every: 200 },
    );
  await have(first);
  await gateway.stop();
  const lines = await exported(t, gateway);
  await have(lines);
  const rows = (await postgres.sql(ROWS)).map(plain);
  assert.deepEqual(new Set(rows), new Set(lines.map(plain)));
  assert.equal(rows.length, lines.length);
  const there = inSqlite(file);
  assert.deepEqual(new Set(there), new Set(lines.map(likeSqlite)));
  assert.equal(there.length, lines.length);
  assert.deepEqual(await postgres.sql('select count from refused_count'), ['0'], said());

  // As the page compares them.
  const csv = readFileSync(path.join(gateway.folder, 'export.csv'), 'utf8').trimEnd();
  const compared = await postgres.psql(['--csv', '-f', path.join(CONSUMERS, 'compare.sql')], 'sluice', 'owner', csv);
  assert.deepEqual(compared.slice(0, 2), [
    'exported,same,not_here_yet,missing,different',
    `${lines.length},${lines.length},0,0,0`,
  ]);
  assert.deepEqual(compared.slice(3), [], 'no fault');
  const repeats = workers.flatMap(({ said: words }) =>
    words.map((line) => / (\d+) of (\d+) readings? new/.exec(line)).filter((found) => found !== null && found[1] !== found[2]),
  );
  t.diagnostic(`${KILLS} kills, ${lines.length} readings, ${repeats.length} transactions of workers with repeats`);
});
