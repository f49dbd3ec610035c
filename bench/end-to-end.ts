/**
 * Readings per CPU second of the gateway process alone: Modbus TCP devices polled as fast as they answer, through the
 * log, to Mosquitto, acknowledged; a subscriber counts what arrived. `npm run bench:end-to-end`
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { waitFor } from '../test/harness/wait-for.ts';
import { printConditions, printTable } from './lib/conditions.ts';
import { dataSetNamed } from './lib/data-sets.ts';
import { cpuSeconds, memory } from './lib/proc.ts';
import { countPolls, pidOf, startGateway, startMosquitto, startResponder, writeSite } from './lib/site.ts';
import { recordsOf, Subscriber } from './lib/subscriber.ts';
import { Workspace } from './lib/workspace.ts';

const WARM = 6000;
const MEASURE = Number(process.env.SLUICE_BENCH_MS ?? 15_000);

interface Row {
  readonly label: string;
  readonly dataSet: string;
  readonly points: number;
  /** Registers that one request of the device carries. */
  readonly perRecord: number;
}
const ROWS: Row[] = [
  { label: '125 × int16, scale 0.01', dataSet: 'words', points: 125, perRecord: 125 },
  { label: 'decimal, 100 points', dataSet: 'decimal', points: 100, perRecord: 100 },
  { label: '62 × float32, noisy', dataSet: 'float32', points: 62, perRecord: 62 },
];
const BUSES = 8;
/** Each asks to be read every 10 ms, which no bus can do: all of them are read as fast as they answer. */
const DEVICES = Number(process.env.SLUICE_BENCH_DEVICES ?? 64);

async function measure(row: Row): Promise<(string | number)[]> {
  return Workspace.use(async (space) => {
    const dataSet = dataSetNamed(row.dataSet, row.points);
    const upstream = await startMosquitto(space);
    const responder = await startResponder(space, row.dataSet, String(row.points), String(DEVICES), '64');
    const config = await writeSite(space, {
      dataSet,
      devices: DEVICES,
      buses: BUSES,
      responder: responder.port,
      interval: '10ms',
      upstream,
    });
    let records = 0;
    const seen = { data: 0, history: 0 };
    const subscriber = new Subscriber(upstream, ['sluice/bench/data', 'sluice/bench/history'], ({ topic, payload }) => {
      const n = recordsOf(payload);
      records += n;
      seen[topic.endsWith('data') ? 'data' : 'history'] += n;
    });
    space.after(() => subscriber.close());
    await subscriber.ready();
    const gateway = startGateway(space, config);
    await waitFor(
      () => `readings:\n${[...gateway.stdout, ...gateway.stderr].join('\n')}`,
      () => records > 0,
    );
    await sleep(WARM);
    const pid = pidOf(gateway);
    const before = { cpu: cpuSeconds(pid), records, at: performance.now(), polls: await countPolls(responder) };
    await sleep(MEASURE);
    const cpu = cpuSeconds(pid) - before.cpu;
    const delivered = records - before.records;
    const polled = (await countPolls(responder)) - before.polls;
    const readings = delivered * row.perRecord;
    const seconds = (performance.now() - before.at) / 1000;
    const { rss } = memory(pid);
    return [
      row.label,
      Math.round(readings / cpu).toLocaleString('en'),
      Math.round(readings / seconds).toLocaleString('en'),
      `${Math.round((cpu / seconds) * 100)} %`,
      `${Math.round((100 * seen.history) / (seen.data + seen.history))} %`,
      `${((100 * delivered) / polled).toFixed(1)} %`,
      rss.toFixed(0),
    ];
  });
}

printConditions('End to end: Modbus TCP → log (commitEvery 10s) → Mosquitto acknowledged, the gateway process alone');
const rows: (string | number)[][] = [
  ['data', 'readings/CPU-s', 'readings/s', 'CPU of one core', 'on history', 'delivered of polled', 'RSS MB'],
];
for (const row of ROWS) {
  if (process.argv[2] !== undefined && row.dataSet !== process.argv[2]) continue;
  rows.push(await measure(row));
}
printTable(rows);
process.exit(0);
