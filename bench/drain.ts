/**
 * A backlog through a real broker (Mosquitto): readings per CPU second of the gateway by dialect, all of its threads, TCP and MQTT
 * included; how long live readings and alarms take meanwhile; the same with TLS. `npm run bench:drain`. SLUICE_DRAIN_READINGS: 1000000.
 * `-- tls`: what TLS costs, see lib/tls-cost.ts.
 */
import { percentile, printConditions, printTable } from './lib/conditions.ts';
import { type DrainKeys, DrainRun } from './lib/drain-run.ts';
import { alone } from './lib/fleet-net.ts';
import { DEVICES, POINTS } from './lib/full-log.ts';
import { tlsCost } from './lib/tls-cost.ts';
import { Workspace } from './lib/workspace.ts';

const READINGS = Number(process.env.SLUICE_DRAIN_READINGS ?? 1_000_000);
const DATA = process.env.SLUICE_DRAIN_DATA ?? 'decimal';
const ALONE = 5000;

type Row = readonly [words: string, keys: DrainKeys, tls?: true];
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

const asked = process.argv.slice(2).filter((word) => word !== '--');

async function dialects(space: Workspace): Promise<void> {
  const drains = await DrainRun.open(space, DATA, READINGS);
  const { readings } = drains;
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
    const result = await drains.drain(name, { keys, tls: tls === true, alone: ALONE });
    rows.push([
      ...[name, result.readings.toLocaleString('en')],
      Math.round(result.readings / result.cpu).toLocaleString('en'),
      ...[result.cpu.toFixed(2), (result.bytes / result.readings).toFixed(2)],
      Math.round(result.readings / result.seconds).toLocaleString('en'),
      ...[`${p(result.live, 0.5)}, ${p(result.live, 0.99)}`, `${p(result.aloneLive, 0.5)}, ${p(result.aloneLive, 0.99)}`],
      ...[`${p(result.alarms, 0.5)}, ${p(result.alarms, 0.99)}`, `${p(result.aloneAlarms, 0.5)}, ${p(result.aloneAlarms, 0.99)}`],
    ]);
    console.error(rows.at(-1)?.join(' | '));
  }
  printTable(rows);
}

const [mode, ...parts] = asked;
if (mode === 'tls') alone();
await Workspace.use((space) => (mode === 'tls' ? tlsCost(space, { data: DATA, readings: READINGS, parts }) : dialects(space)));
process.exit(0);
