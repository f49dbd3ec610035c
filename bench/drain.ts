/**
 * A backlog through a real broker (Mosquitto): readings per CPU second of the gateway by dialect, all of its threads, TCP and MQTT
 * included; how long live readings and alarms take meanwhile; the same with TLS. `npm run bench:drain`. SLUICE_DRAIN_READINGS: 1000000.
 */
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import { freePort } from '../test/harness/free-port.ts';
import { waitFor } from '../test/harness/wait-for.ts';
import { writeBrokerConfig } from '../test/peers/mosquitto.ts';
import { findProgram } from '../test/peers/peers.ts';
import { percentile, printConditions, printTable } from './lib/conditions.ts';
import type { DrainPlan, DrainResult } from './lib/drain-gateway.ts';
import { DEVICES, fillLog, POINTS } from './lib/full-log.ts';
import { Workspace } from './lib/workspace.ts';

const READINGS = Number(process.env.SLUICE_DRAIN_READINGS ?? 1_000_000);
const DATA = process.env.SLUICE_DRAIN_DATA ?? 'decimal';
/** Bytes of a reading in units, a little less than it is, so that there are enough. */
const BYTES = DATA === 'decimal' ? 0.4 : 2.5;
const ALONE = 5000;
const LONGEST = 10 * 60_000;

type Row = readonly [
  words: string,
  keys: { readonly format: string; readonly batch?: object; readonly [more: string]: unknown },
  tls?: true,
];
const ROWS: readonly Row[] = [
  ['json, 1,000', { format: 'json' }],
  ['json, 1,000, mqtts', { format: 'json' }, true],
  ['json, 10,000', { format: 'json', batch: { maxReadings: 10_000 } }],
  ['json, 10,000, gzip', { format: 'json', compress: 'gzip', batch: { maxReadings: 10_000 } }],
  ['columns, 1,000', { format: 'columns' }],
  ['columns, 10,000', { format: 'columns', batch: { maxReadings: 10_000 } }],
  ['columns, 10,000, mqtts', { format: 'columns', batch: { maxReadings: 10_000 } }, true],
  ['columns, 100,000', { format: 'columns', batch: { maxReadings: 100_000 } }],
  ['columns, 360,000', { format: 'columns', batch: { maxReadings: 360_000 } }],
  ['line-protocol, 1,000', { format: 'line-protocol' }],
  ['senml, 1,000', { format: 'senml' }],
  ['senml CBOR, 1,000', { format: 'senml', senml: { encoding: 'cbor' } }],
  ['thingsboard, 1,000', { format: 'thingsboard' }],
  ['sparkplug-b, 1,000', { format: 'sparkplug-b', 'sparkplug-b': { group: 'plant' } }],
];

await Workspace.use(async (space) => {
  const program = findProgram('mosquitto');
  if (program === undefined) throw new Error('this measurement needs Mosquitto: apt-get install -y mosquitto');
  const [cert, key] = [path.join(space.folder, 'cert.pem'), path.join(space.folder, 'key.pem')];
  const words = `req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=IP:127.0.0.1 -keyout ${key} -out ${cert}`;
  execFileSync('openssl', words.split(' '), { stdio: 'ignore' });
  const [port, tlsPort] = [await freePort(), await freePort()];
  const extra = ['set_tcp_nodelay true', `listener ${tlsPort} 127.0.0.1`, `certfile ${cert}`, `keyfile ${key}`];
  const broker = space.spawn(program, ['-c', writeBrokerConfig(space.folder, port, { extra })]);
  await waitFor('Mosquitto to run', () => broker.stderr.some((line) => /running/.test(line)));

  const full = path.join(space.folder, 'full');
  const { readings } = fillLog(path.join(full, 'state'), DATA, READINGS * BYTES);
  const asked = process.argv.slice(2).filter((word) => word !== '--');
  printConditions(
    `A backlog of ${readings.toLocaleString('en')} readings (${DATA}, ${DEVICES} devices of ${POINTS} points) through Mosquitto, live readings at 1 Hz and 10 alarms a second beside it`,
  );
  const p = (values: readonly number[], share: number) => percentile(values, share).toFixed(1);
  const rows: (string | number)[][] = [
    [
      ...['dialect, readings of a batch', 'readings', 'readings/CPU-s', 'CPU-s', 'B/reading', 'readings/s'],
      ...['live p50, p99 ms', 'the same, alone', 'alarms p50, p99 ms', 'the same, alone'],
    ],
  ];
  for (const [name, keys, tls] of ROWS.filter(([name]) => asked.length === 0 || asked.some((word) => name.startsWith(word)))) {
    const folder = path.join(space.folder, 'run');
    mkdirSync(folder);
    cpSync(full, folder, { recursive: true });
    const url = tls ? `mqtts://127.0.0.1:${tlsPort}` : `mqtt://127.0.0.1:${port}`;
    const batch = { maxAge: '10ms', ...keys.batch };
    const plan: DrainPlan = {
      stateDir: path.join(folder, 'state'),
      runtimeDir: path.join(folder, 'runtime'),
      ...{ data: DATA, devices: DEVICES, points: POINTS, alone: ALONE },
      settings: { ...keys, url, batch },
      ca: tls ? cert : undefined,
    };
    // The flags of bin/sluice.
    const flags = ['--disable-warning=ExperimentalWarning', '--max-semi-space-size=1', '--max-old-space-size=96'];
    const child = space.spawn(
      process.execPath,
      [...flags, path.join(import.meta.dirname, 'lib', 'drain-gateway.ts'), JSON.stringify(plan)],
      { env: { MALLOC_ARENA_MAX: '2' } },
    );
    await waitFor(
      () => `${name}:\n${child.stderr.slice(-20).join('\n')}`,
      () => child.over !== undefined,
      { every: 100, timeout: LONGEST },
    );
    if (child.over !== 0) throw new Error(`${name} ended (${child.over}):\n${child.stderr.slice(-20).join('\n')}`);
    const result = JSON.parse(child.stdout.at(-1) ?? '') as DrainResult;
    if (result.fault !== undefined) throw new Error(`${name}: ${result.fault}`);
    if (result.readings !== readings) console.error(`${name}: ${result.readings} of ${readings} readings were acknowledged`);
    rows.push([
      ...[name, result.readings.toLocaleString('en')],
      Math.round(result.readings / result.cpu).toLocaleString('en'),
      ...[result.cpu.toFixed(2), (result.bytes / result.readings).toFixed(2)],
      Math.round(result.readings / result.seconds).toLocaleString('en'),
      ...[`${p(result.live, 0.5)}, ${p(result.live, 0.99)}`, `${p(result.aloneLive, 0.5)}, ${p(result.aloneLive, 0.99)}`],
      ...[`${p(result.alarms, 0.5)}, ${p(result.alarms, 0.99)}`, `${p(result.aloneAlarms, 0.5)}, ${p(result.aloneAlarms, 0.99)}`],
    ]);
    console.error(rows.at(-1)?.join(' | '));
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  }
  printTable(rows);
});
process.exit(0);
