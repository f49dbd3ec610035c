/**
 * How fast the history of a log of 256 MB answers: a chart of a day, an hour of readings, an export. 1,000 points at 1 Hz,
 * units as the compaction makes them, the newest minutes in commit blocks of 10 s. Asked through the keeper thread, as the
 * gateway does; while it works, what others wait for the thread is measured as well. `npm run bench:query`
 *
 * `--mb N` for another size, `--data decimal` for another data set.
 */
import { rmSync, statSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { tryHistory } from '../src/store/archive/history-file.ts';
import { Agreement } from '../src/store/hot/agreement.ts';
import { exportHeader } from '../src/store/read/export-lines.ts';
import { built } from './lib/built.ts';
import { percentile, printConditions, printTable } from './lib/conditions.ts';
import { DEVICES, fillLog, POINTS } from './lib/full-log.ts';
import { Workspace } from './lib/workspace.ts';

const { Keeper } = (await import(
  await built('src/store/threads/threads.ts')
)) as typeof import('../src/store/threads/threads.ts');
type Keeper = InstanceType<typeof Keeper>;

const { values: options } = parseArgs({ options: { mb: { type: 'string' }, data: { type: 'string' } } });
const SIZE = Number(options.mb ?? 256) * 1024 ** 2;
const DATA = options.data ?? 'float32';
const DAY = 86_400_000;
const ROUNDS = 20;
/** Threads that are started for one question each. */
const COLD = 5;

/** The time for which another request waits for the thread meanwhile, ms. */
async function withOthers<T>(keeper: Keeper, work: () => Promise<T>): Promise<{ result: T; took: number; waits: number[] }> {
  const waits: number[] = [];
  let over = false;
  const others = (async () => {
    while (!over) {
      const asked = performance.now();
      await keeper.notices({ log: 1, only: 'alarm', after: 0, to: 1, limit: 1 });
      waits.push(performance.now() - asked);
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
  })();
  const began = performance.now();
  const result = await work();
  const took = performance.now() - began;
  over = true;
  await others;
  return { result, took, waits };
}

const pointOf = (i: number): string => (DATA === 'decimal' ? `t${i % 60}` : `v${(i * 7) % POINTS}`);
const ms = (v: number): string => v.toFixed(1);

async function main(space: Workspace): Promise<void> {
  const began = performance.now();
  const { file, historyFile, end, readings } = fillLog(path.join(space.folder, 'state'), DATA, SIZE);
  const seconds = ((performance.now() - began) / 1000).toFixed(0);
  const mb = ((statSync(file).size + statSync(historyFile).size) / 1024 ** 2).toFixed(0);
  const { history } = tryHistory(historyFile);
  const units = history?.db.prepare('select count(*) from unit').pluck().get();
  history?.close();
  printConditions(
    `History of a log of ${mb} MB, ${DATA}: ${readings.toLocaleString('en')} readings, ${units} units (built in ${seconds} s)`,
  );
  const fails = () => {
    throw new Error('the keeper repairs this log, so that it answers for another one');
  };
  const start = () =>
    new Keeper(file, historyFile, new Agreement().buffer, {
      ...{ damaged: fails, corrupt: fails },
      ...{ mending: fails, repaired: fails },
    });
  const rows: (string | number)[][] = [
    ['question', 'answer', 'new thread, median ms', 'first ms', 'median ms', 'worst ms', 'others wait at most ms'],
  ];
  const keeper = start();
  for (const [name, span, buckets] of [
    ['24 h of one point, 1,440 buckets', DAY, 1440],
    ['24 h of one point, 300 buckets', DAY, 300],
    ['1 h of one point, readings', 3_600_000, 5000],
  ] as const) {
    const cold: number[] = [];
    for (let i = 0; i < COLD; i++) {
      const fresh = start();
      const asked = performance.now();
      await fresh.query({ device: `d${i % DEVICES}`, point: pointOf(i), from: end - span, to: end, buckets });
      cold.push(performance.now() - asked);
      await fresh.close();
    }
    const times: number[] = [];
    let waited = 0;
    let answer = '';
    for (let i = 0; i < ROUNDS; i++) {
      const to = end - (i % 5) * 600_000;
      const query = { device: `d${i % DEVICES}`, point: pointOf(i) };
      const { result, took, waits } = await withOthers(keeper, () => keeper.query({ ...query, from: to - span, to, buckets }));
      times.push(took);
      waited = Math.max(waited, ...waits);
      const { found } = result;
      answer = found?.width === undefined ? `${found?.readings.length} readings` : `${found.buckets.length} buckets`;
    }
    rows.push([
      name,
      answer,
      ms(percentile(cold, 0.5)),
      ms(times[0] as number),
      ms(percentile(times, 0.5)),
      ms(Math.max(...times)),
      ms(waited),
    ]);
  }
  printTable(rows);
  const exported: (string | number)[][] = [
    ['export', 'lines', 'MB', 'seconds', 'readings/s', 'others wait median ms', 'worst ms'],
  ];
  for (const [name, span, every] of [
    ['1 h, csv', 3_600_000, undefined],
    ['24 h, csv, --every 1m', DAY, 60_000],
  ] as const) {
    let bytes = exportHeader('csv', every).length;
    let lines = 0;
    const { took, waits } = await withOthers(keeper, async () => {
      for (let after: number | undefined = 0; after !== undefined; ) {
        const slice: { text: string; next: number | undefined } = await keeper.export({
          ...{ after, from: end - span, to: end, format: 'csv', every },
        });
        bytes += slice.text.length;
        for (let at = slice.text.indexOf('\n'); at >= 0; at = slice.text.indexOf('\n', at + 1)) lines++;
        after = slice.next;
      }
    });
    const covered = (span / 1000) * DEVICES * POINTS;
    exported.push([
      ...[name, lines.toLocaleString('en'), (bytes / 1024 ** 2).toFixed(0), (took / 1000).toFixed(1)],
      ...[Math.round((covered * 1000) / took).toLocaleString('en'), ms(percentile(waits, 0.5)), ms(Math.max(...waits))],
    ]);
  }
  printTable(exported);
  await keeper.close();
  rmSync(file);
}

await Workspace.use(main);
process.exit(0);
