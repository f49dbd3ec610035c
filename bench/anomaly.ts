/**
 * How well unusual readings are found, and what that costs: the Numenta Anomaly Benchmark with its data, its labels and its
 * standard profile. The data are no part of Sluice; fetch them once and say where they are:
 *
 *     git clone --depth 1 https://github.com/numenta/NAB /tmp/nab
 *     SLUICE_NAB=/tmp/nab npm run bench:anomaly
 *
 * No method sees a label. One threshold holds for all files; it is the best one for the profile, as the benchmark does it for each
 * detector. Our scorer is checked first against what the benchmark published of other detectors. The benchmark's own scorer, in
 * Python, then scores the same detections; it needs `python3-numpy` and `python3-pandas`, and is left out without them.
 */
import { existsSync } from 'node:fs';
import path from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { ResolvedRule } from '../src/config/kinds.ts';
import type { Shape } from '../src/core/point.ts';
import { Detector } from '../src/rules/anomaly/detector.ts';
import { RuleEngine } from '../src/rules/engine.ts';
import { SENSITIVITIES } from '../src/rules/kinds/anomaly.ts';
import { METHODS, type Method } from './lib/anomaly-methods.ts';
import { printConditions, printTable } from './lib/conditions.ts';
import { publishedAnomalies, publishedScore, readCorpus, readProfile } from './lib/nab-corpus.ts';
import { INSTALL, ownScores, scorerPython } from './lib/nab-own.ts';
import { type NabFile, nabScore } from './lib/nab-score.ts';

const ROUNDS = Number(process.env.SLUICE_BENCH_ROUNDS ?? 5);
const PROFILES = ['standard', 'reward_low_FP_rate', 'reward_low_FN_rate'] as const;
const HOUR = 3_600_000;
const DAY = 24 * HOUR;

const nab = process.env.SLUICE_NAB ?? '';
if (!existsSync(path.join(nab, 'labels', 'combined_windows.json'))) {
  console.error('The data of the Numenta Anomaly Benchmark are not here. Fetch them, then run this again:');
  console.error('  git clone --depth 1 https://github.com/numenta/NAB /tmp/nab');
  console.error('  SLUICE_NAB=/tmp/nab npm run bench:anomaly');
  process.exit(1);
}
const files = readCorpus(nab);
const times = files.map((file) => file.timestamps.map((text) => Date.parse(`${text.replace(' ', 'T')}Z`)));
const records = files.reduce((sum, file) => sum + file.values.length, 0);

/** A threshold of 0 to 1 as the method's own; above 1 it lets nothing through. */
const words = (threshold: number) => (threshold > 1 ? 'none' : (threshold / (1 - threshold)).toPrecision(2));
/** A score from 0 on as one from 0 to 1. */
const bounded = (score: number) => score / (1 + score);

function run(method: Method): Float64Array[] {
  return files.map((file, k) => {
    const judge = method.start();
    const at = times[k] as number[];
    return Float64Array.from(file.values, (value, i) => bounded(judge(at[i] as number, value)));
  });
}

/** CPU ns a reading: the median of the rounds, the first one left out. */
function cost(method: Method): number {
  const costs: number[] = [];
  for (let round = 0; round <= ROUNDS; round++) {
    const before = process.cpuUsage();
    run(method);
    const { user, system } = process.cpuUsage(before);
    costs.push(((user + system) * 1000) / records);
  }
  return costs.slice(1).toSorted((a, b) => a - b)[Math.floor(ROUNDS / 2)] as number;
}

/** Each half of the files with the threshold that is best for the other half. */
function halves(scores: readonly Float64Array[]): number {
  const standard = readProfile(nab, 'standard');
  const pick = (odd: boolean): [NabFile[], Float64Array[]] => [
    files.filter((_, i) => (i % 2 === 1) === odd),
    scores.filter((_, i) => (i % 2 === 1) === odd),
  ];
  const [even, odd] = [pick(false), pick(true)];
  const parts = [
    nabScore(...even, standard, nabScore(...odd, standard).threshold),
    nabScore(...odd, standard, nabScore(...even, standard).threshold),
  ];
  const windows = parts.reduce((sum, part) => sum + part.windows, 0);
  return parts.reduce((sum, part) => sum + part.score * part.windows, 0) / windows;
}

/** Bytes that a point costs after a month of readings, in the heap and as saved. */
function memory(): { heap: number; saved: number } {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const POINTS = 1000;
  const made = () => new Detector({ hourly: true, margin: 0, enough: SENSITIVITIES.normal });
  const feed = (detector: Detector) => {
    for (let at = 0; at < 31 * DAY; at += HOUR / 4) detector.observe(at, Math.floor((at % DAY) / HOUR), 20 + Math.sin(at / 7e6));
    return detector;
  };
  feed(made());
  collect();
  const before = process.memoryUsage().heapUsed;
  const all = Array.from({ length: POINTS }, () => feed(made()));
  collect();
  const heap = (process.memoryUsage().heapUsed - before) / POINTS;
  return { heap, saved: JSON.stringify(all[0]?.save(31 * DAY)).length };
}

printConditions('Unusual readings: the Numenta Anomaly Benchmark');
console.log(`${files.length} files, ${records} records, ${files.reduce((sum, file) => sum + file.windows.length, 0)} windows`);

const checked = ['windowedGaussian', 'numenta', 'knncad', 'relativeEntropy', 'null'].filter((name) =>
  existsSync(path.join(nab, 'results', name)),
);
for (const detector of checked) {
  const { score } = nabScore(files, publishedAnomalies(nab, detector, files), readProfile(nab, 'standard'));
  const published = publishedScore(nab, detector, 'standard');
  if (!(Math.abs(score - published) < 1e-6)) throw new Error(`${detector} scores ${score} here, and ${published} is published`);
}
console.log(`The scorer gives the published standard score of ${checked.join(', ') || 'no detector (no results/ here)'}.`);

const table: (string | number)[][] = [
  ['method', ...PROFILES, 'threshold of the other half', 'found', 'false records', 'threshold', 'CPU ns a reading'],
];
for (const method of METHODS) {
  const scores = run(method);
  const each = PROFILES.map((profile) => nabScore(files, scores, readProfile(nab, profile)));
  const [standard] = each;
  table.push([
    method.name,
    ...each.map(({ score }) => score.toFixed(1)),
    halves(scores).toFixed(1),
    `${standard?.found} of ${standard?.windows}`,
    standard?.falseRecords ?? 0,
    words(standard?.threshold ?? 1),
    cost(method).toFixed(0),
  ]);
}
printTable(table);

/** The two forms of the shipped method, by the names that they have in the result files. */
const OWN = [
  ['sluiceUsualRange', METHODS[0] as Method],
  ['sluiceNoSeason', METHODS[1] as Method],
] as const;
const python = scorerPython();
if (python === undefined) {
  console.log(`\nThe benchmark's own scorer did not run: it needs numpy and pandas (${INSTALL}).`);
} else {
  const known = checked.filter((name) => name !== 'null').slice(0, 1);
  const detections = OWN.map(([detector, method]) => ({ detector, scores: run(method) }));
  const own = ownScores(nab, files, detections, known);
  console.log(`\nThe benchmark's own scorer (run.py --optimize --score --normalize; ${python}), beside ours:`);
  printTable([
    ['detector', ...PROFILES.flatMap((profile) => [`${profile}, its own`, 'ours'])],
    ...OWN.map(([detector], k) => [
      detector,
      ...PROFILES.flatMap((profile) => [
        (own.get(detector)?.[profile] ?? Number.NaN).toFixed(4),
        nabScore(files, detections[k]?.scores ?? [], readProfile(nab, profile)).score.toFixed(4),
      ]),
    ]),
    ...known.map((detector) => [
      `${detector}, as published`,
      ...PROFILES.flatMap((profile) => [
        (own.get(detector)?.[profile] ?? Number.NaN).toFixed(4),
        nabScore(files, publishedAnomalies(nab, detector, files), readProfile(nab, profile)).score.toFixed(4),
      ]),
    ]),
  ]);
}

const days = times.reduce((sum, at) => sum + ((at.at(-1) as number) - (at[0] as number)), 0) / DAY;
const shipped = run(METHODS[0] as Method);
console.log('\nThe shipped method at the thresholds of `sensitivity:`, standard profile:');
printTable([
  ['sensitivity', 'threshold', 'score', 'found', 'false records', 'days of a point between two'],
  ...Object.entries(SENSITIVITIES).map(([name, threshold]) => {
    const { score, found, windows, falseRecords } = nabScore(files, shipped, readProfile(nab, 'standard'), bounded(threshold));
    return [name, threshold, score.toFixed(1), `${found} of ${windows}`, falseRecords, (days / falseRecords).toFixed(0)];
  }),
]);
/** CPU ns of a record of one point through the engine, with the rules: the median of the rounds. */
function engineCost(rules: readonly ResolvedRule[]): number {
  const shape: Shape = { device: 'd', points: [{ name: 'p', type: 'float64', storage: 'number' }] };
  const start = { at: 0, wall: 1_795_000_000_000, wallKnown: true };
  const costs: number[] = [];
  const COUNT = 300_000;
  for (let round = 0; round <= ROUNDS; round++) {
    const engine = new RuleEngine({ rules, start, shapes: [shape] });
    const before = process.cpuUsage();
    for (let i = 0; i < COUNT; i++) engine.sample({ shape, at: i * 10_000, values: [20 + Math.sin(i / 500)], reasons: null });
    const { user, system } = process.cpuUsage(before);
    costs.push(((user + system) * 1000) / COUNT);
  }
  return costs.slice(1).toSorted((a, b) => a - b)[Math.floor(ROUNDS / 2)] as number;
}

const rule = { name: 'r', device: 'd', point: 'p', deadband: 0, onDelay: 0, offDelay: 0, severity: 'warning' } as const;
const unusual = engineCost([{ ...rule, kind: 'anomaly', setting: { season: 'day', sensitivity: 'normal' } }]);
const above = engineCost([{ ...rule, kind: 'above', setting: 100 }]);
console.log(
  `\nA record of one point through the engine: ${unusual.toFixed(0)} ns with anomaly, ${above.toFixed(0)} ns with above.`,
);

const { heap, saved } = memory();
console.log(`A point costs ${heap.toFixed(0)} B of heap and ${saved} B as saved, after 31 days.`);
