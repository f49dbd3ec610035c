/**
 * What the regression of `nowcast-ozone` costs, which a gateway computes once an hour for each such point: ms of one result over the
 * example data of the EPA, with windows that end at each of their hours in turn.
 */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { nowcastOzone } from '../src/drivers/derived/formulas/nowcast-ozone.ts';
import { percentile, printConditions, printTable } from './lib/conditions.ts';

const ROUNDS = Number(process.env.SLUICE_BENCH_ROUNDS ?? 300);
const file = path.join(import.meta.dirname, '../test/cases/ozone/epa-example.json');
const { hours } = JSON.parse(readFileSync(file, 'utf8')) as { hours: (number | null)[] };
const example = hours.map((hour) => hour ?? undefined).reverse();

printConditions('The NowCast of ozone');
const times: number[] = [];
const before = process.cpuUsage();
for (let round = 0; round < ROUNDS; round++) {
  const now = round % 24;
  const window = [...example.slice(now), ...example.slice(0, now)];
  const from = performance.now();
  const result = nowcastOzone(window);
  times.push(performance.now() - from);
  if (result === undefined) throw new Error('the example data have a NowCast');
}
const { user, system } = process.cpuUsage(before);
printTable([
  ['results', 'the first, ms', 'p50, ms', 'p99, ms', 'CPU ms a result'],
  [
    ROUNDS,
    (times[0] ?? Number.NaN).toFixed(1),
    percentile(times, 0.5).toFixed(1),
    percentile(times, 0.99).toFixed(1),
    ((user + system) / 1000 / ROUNDS).toFixed(1),
  ],
]);
