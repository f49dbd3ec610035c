/** The samples of examples/ as a user takes them: the water point against its simulation, the consumer against Mosquitto. */
import assert from 'node:assert/strict';
import { cpSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import Database from 'better-sqlite3';
import { request } from '../../../src/admin/client.ts';
import { Child, startChild } from '../../harness/child.ts';
import { freePort } from '../../harness/free-port.ts';
import { type Gateway, MAIN, makeGateway, sluice } from '../../harness/start-gateway.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { Mosquitto } from '../../peers/mosquitto.ts';
import { pythonPeer } from '../../peers/peers.ts';

const EXAMPLES = path.join(import.meta.dirname, '..', '..', '..', 'examples');

/** The water point on ports that are free, with a faster pump and a commit each second, and its devices played. */
async function waterPoint(t: TestContext, upstream: number): Promise<{ gateway: Gateway; simulator: Child }> {
  const ports = { plant: await freePort(), broker: await freePort(), http: await freePort() };
  const gateway = makeGateway(t, ({ runtimeDir }) => {
    const changes: readonly [from: string, to: string][] = [
      ['port: 1502', `port: ${ports.plant}`],
      ['port: 1883', `port: ${ports.broker}`],
      ['port: 8080', `port: ${ports.http}`],
      ['mqtt://127.0.0.1:2883', `mqtt://127.0.0.1:${upstream}`],
      ['stateDir: state ', `runtimeDir: ${runtimeDir}\n  stateDir: state `],
      ['interval: 1s', 'interval: 100ms'],
      ['commitEvery: 10s', 'commitEvery: 1s'],
      ['maxAge: 1s', 'maxAge: 100ms'],
    ];
    let yaml = readFileSync(path.join(EXAMPLES, 'water-point', 'gateway.yaml'), 'utf8');
    for (const [from, to] of changes) {
      assert.equal(yaml.split(from).length, 2, `${from} stands once in the example`);
      yaml = yaml.replace(from, to);
    }
    return yaml;
  });
  const simulator = startChild(t, process.execPath, [MAIN, 'simulate', gateway.config], { stdin: true });
  await simulator.line(/plant: modbus-tcp on/);
  return { gateway, simulator };
}

test('the water point runs against its simulation, and raises its alarm', async (t) => {
  const { gateway, simulator } = await waterPoint(t, await freePort());
  gateway.start();
  await gateway.waitForLog(/is running/);
  const read = await sluice(t, 'read', 'pump.pressure', '-c', gateway.config);
  assert.equal(read.code, 0, read.stderr);
  assert.match(read.stdout, /pump\.pressure +[\d.]+ bar/);
  simulator.write('set pump.pressure 6.6');
  await gateway.waitForLog(/Pressure above 6 bar/);
  // One look may come during a try to connect, or behind a simulator that stood still.
  let status = '';
  const shown = [
    ...[/^ {2}pump +answering/m, /^ {2}tank +answering/m, /forwarder platform is not connected, tried again in /],
    /ALARM +overpressure \(critical\)/,
  ];
  await waitFor(
    () => `a status with all of it; it is\n${status}`,
    async () => {
      status = (await sluice(t, 'status', '-c', gateway.config)).stdout;
      return shown.every((words) => words.test(status));
    },
  );
  const chart = await sluice(t, 'export', '-c', gateway.config, '--format', 'svg', '--points', 'pump.pressure');
  assert.equal(chart.code, 0, chart.stderr);
  for (const words of ['pump.pressure, bar', 'overpressure: above 6 bar', 'Alarm overpressure (critical), since '])
    assert.ok(chart.stdout.includes(words), words);
  assert.equal(await gateway.stop(), 0);
});

/** `log/seq/device/point` of every reading in the consumer's table. */
function stored(file: string): string[] {
  if (!existsSync(file)) return [];
  const db = new Database(file, { readonly: true });
  try {
    return db.prepare<[], string>("select log || '/' || seq || '/' || device || '/' || point from reading").pluck().all();
  } finally {
    db.close();
  }
}

async function exportText(t: TestContext, gateway: Gateway): Promise<string> {
  const { code, stdout, stderr } = await sluice(t, 'export', '-c', gateway.config);
  assert.equal(code, 0, stderr);
  return stdout;
}

async function exported(t: TestContext, gateway: Gateway): Promise<string[]> {
  return (await exportText(t, gateway))
    .split('\n')
    .slice(1)
    .filter((line) => line !== '')
    .map((line) => line.split(','))
    .map(([log, seq, , device, point]) => `${log}/${seq}/${device}/${point}`);
}

test('the consumer has every reading once, although consumer, broker and gateway are killed', { timeout: 400_000 }, async (t) => {
  const python = pythonPeer(t, 'paho.mqtt.client', 'apt-get install -y python3-paho-mqtt');
  const broker = await Mosquitto.start(t, { persistence: true });
  if (python === undefined || broker === undefined) return;
  const { gateway, simulator } = await waterPoint(t, broker.port);
  const file = path.join(gateway.folder, 'readings.db');
  cpSync(path.join(EXAMPLES, 'consumer', 'consumer.py'), path.join(gateway.folder, 'consumer.py'));
  const consume = () =>
    startChild(t, python, ['-u', path.join(gateway.folder, 'consumer.py'), '127.0.0.1', String(broker.port), file]);
  const more = async (than: number) => {
    const before = stored(file).length;
    await waitFor(`${than} more readings in the consumer's table`, () => stored(file).length >= before + than);
  };

  let consumer = consume();
  await consumer.line(/connected/);
  gateway.start();
  await more(30);
  await consumer.stop('SIGKILL');
  simulator.write('set pump.pressure 6.6');
  await gateway.waitForLog(/Pressure above 6 bar/);
  consumer = consume();
  await consumer.line(/alarm overpressure/);
  await more(30);
  await broker.stop();
  await gateway.waitForLog(/readings are kept/);
  await gateway.kill();
  gateway.start();
  await gateway.waitForLog(/is running/);
  await broker.start();
  await consumer.stop('SIGKILL');
  consumer = consume();
  await more(30);
  assert.equal(await gateway.stop(), 0);

  // A stop delivers what is live; what became history meanwhile stays for the next start.
  gateway.start();
  await gateway.waitForLog(/is running/);
  const log = await exported(t, gateway);
  await waitFor('every exported reading in the table of the consumer', () => {
    const has = new Set(stored(file));
    return log.every((key) => has.has(key));
  });
  await gateway.stop();
  const table = stored(file);
  assert.equal(new Set(table).size, table.length);
  const kept = new Set(await exported(t, gateway));
  assert.deepEqual(
    table.filter((key) => !kept.has(key)),
    [],
    'nothing that the log never held',
  );
  assert.ok(kept.size >= 90);
  // The broker has the last ones before the consumer has stored them.
  await waitFor('the last readings in the table of the consumer', () => {
    const has = new Set(stored(file));
    return [...kept].every((key) => has.has(key));
  });

  writeFileSync(path.join(gateway.folder, 'export.csv'), await exportText(t, gateway));
  const words = ['--verify', file, path.join(gateway.folder, 'export.csv')];
  const verified = new Child(python, [path.join(gateway.folder, 'consumer.py'), ...words]);
  assert.equal(await verified.ended, 0, verified.stdout.join('\n'));
  assert.match(verified.stdout.join('\n'), new RegExp(`${kept.size} readings the same\\.\nComplete: every reading`));
});

test('the cold room runs against simulated radio devices, and switches its compressor', { timeout: 400_000 }, async (t) => {
  const ports = { plain: await freePort(), tls: await freePort() };
  const gateway = makeGateway(t, ({ runtimeDir }) => {
    let yaml = readFileSync(path.join(EXAMPLES, 'cold-room-radio', 'gateway.yaml'), 'utf8');
    for (const [from, to] of [
      ['port: 1883}', `port: ${ports.plain}}`],
      ['{host: 0.0.0.0, port: 8883', `{host: 127.0.0.1, port: ${ports.tls}`],
      ['stateDir: state ', `runtimeDir: ${runtimeDir}\n  stateDir: state `],
    ] as const) {
      assert.equal(yaml.split(from).length, 2, `${from} stands once in the example`);
      yaml = yaml.replace(from, to);
    }
    return yaml;
  });
  await gateway.up();
  await gateway.brokerPort();
  const add = (body: object) => request(gateway.socket, 'POST', '/api/v1/users/add', body) as Promise<{ password: string }>;
  await add({ name: 'anna', role: 'administrator', password: 'a long enough password' });
  const publish = ['zigbee2mqtt/#', 'tele/compressor/#', 'stat/compressor/#', 'hall/#'];
  const { password } = await add({ name: 'field', device: true, publish, subscribe: ['cmnd/compressor/#'] });
  const simulator = startChild(
    t,
    process.execPath,
    [MAIN, 'simulate', gateway.config, '--mqtt', `radio=mqtt://field@127.0.0.1:${ports.plain}`],
    { stdin: true, env: { SLUICE_SIMULATE_PASSWORD: password } },
  );
  await simulator.line(/radio: mqtt on mqtt:/);
  await waitFor('all devices', async () =>
    (await gateway.status()).buses.every(({ devices }) => devices.every(({ state }) => state === 'answering')),
  );
  const written = await sluice(t, 'write', 'compressor.relay', 'off', '-c', gateway.config);
  assert.equal(written.code, 0, written.stderr);
  simulator.write('set compressor.power 5');
  const tail = startChild(t, process.execPath, [MAIN, 'tail', '-c', gateway.config]);
  await tail.line(/compressor\.power +5 W/);
});
