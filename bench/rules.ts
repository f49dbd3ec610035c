/**
 * Rules: the cost of the engine per record and per reading, evaluations per CPU second, memory per 1,000 rules, and the time from a
 * reply to its alarm and to its write. `npm run bench:rules`; `-- engine`, `-- memory` and `-- latency` are its parts.
 */
import os from 'node:os';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { ResolvedRule } from '../src/config/kinds.ts';
import type { Sample, Shape } from '../src/core/point.ts';
import { RuleEngine } from '../src/rules/engine.ts';
import { printConditions, printTable } from './lib/conditions.ts';
import { latencyTable } from './lib/rule-latency.ts';

const DEVICES = 10;
const POINTS = 100;
const ROUNDS = 200_000;

const shapes: Shape[] = Array.from({ length: DEVICES }, (_, d) => ({
  device: `d${d}`,
  points: Array.from({ length: POINTS }, (_, p) => ({ name: `p${p}`, type: 'float64', storage: 'number' })),
}));
/** Random walks at 0.01 resolution around 20. */
const samples: Sample[] = shapes.flatMap((shape, d) =>
  Array.from({ length: 50 }, (_, i) => ({
    shape,
    at: i,
    values: shape.points.map((_, p) => Math.round(2000 + 400 * Math.sin(d + p + i / 7)) / 100),
    reasons: null,
  })),
);

function rules(count: number, kind: string, setting: unknown, onDelay = 0): ResolvedRule[] {
  return Array.from({ length: count }, (_, i) => ({
    name: `r${i}`,
    device: `d${i % DEVICES}`,
    point: `p${Math.floor(i / DEVICES) % POINTS}`,
    kind,
    setting,
    deadband: 0.5,
    onDelay,
    offDelay: 0,
    severity: 'warning',
  }));
}

/** Nanoseconds per record, the median of seven rounds. */
function measure(set: ResolvedRule[]): number {
  const engine = new RuleEngine({ rules: set, start: { at: 0, wall: 0, wallKnown: true }, shapes });
  let at = 0;
  const costs: number[] = [];
  let made = 0;
  for (let round = 0; round < 8; round++) {
    const began = process.hrtime.bigint();
    for (let i = 0; i < ROUNDS; i++) {
      const sample = samples[i % samples.length] as Sample & { at: number };
      sample.at = at += 1;
      made += engine.sample(sample).length;
      const due = engine.nextDue();
      if (due !== undefined && due <= at) made += engine.tick(at).length;
    }
    costs.push(Number(process.hrtime.bigint() - began) / ROUNDS);
  }
  if (made < 0) throw new Error('unreachable, keeps the work alive');
  return costs.slice(1).toSorted((a, b) => a - b)[3] as number;
}

/** Evaluations per CPU second: thresholds on every reading of every record. */
function evaluations(set: ResolvedRule[], perRecord: number): number {
  const engine = new RuleEngine({ rules: set, start: { at: 0, wall: 0, wallKnown: true }, shapes });
  let at = 0;
  const round = (): number => {
    const before = process.cpuUsage();
    for (let i = 0; i < ROUNDS / 10; i++) {
      const sample = samples[i % samples.length] as Sample & { at: number };
      sample.at = at += 1;
      engine.sample(sample);
    }
    const { user, system } = process.cpuUsage(before);
    return ((ROUNDS / 10) * perRecord) / ((user + system) / 1e6);
  };
  const all = Array.from({ length: 8 }, round).slice(1);
  return all.toSorted((a, b) => a - b)[3] as number;
}

/** Bytes of the heap for each 1,000 rules. */
function memory(set: (count: number) => ResolvedRule[], active: boolean): number {
  const collect = (): number => {
    gc();
    gc();
    return process.memoryUsage().heapUsed;
  };
  const rules = set(10_000);
  const before = collect();
  const engine = new RuleEngine({ rules, start: { at: 0, wall: 0, wallKnown: true }, shapes });
  if (active) for (const shape of shapes) engine.sample({ shape, at: 1, values: shape.points.map(() => 1000), reasons: null });
  engine.takeDirty({ at: 2, wall: 2, wallKnown: true });
  const after = collect();
  if (engine.nextDue() === 0) throw new Error('unreachable, keeps the engine alive');
  return (after - before) / 10;
}

function gc(): void {
  (globalThis as { gc?: () => void }).gc?.();
}

function engineTable(): void {
  const rows = [
    { set: 'no rules at all', perRecord: 0, rules: rules(0, 'above', 0) },
    { set: 'one rule a record, above, quiet', perRecord: 1, rules: rules(DEVICES, 'above', 100) },
    { set: 'one rule a reading, above, quiet', perRecord: POINTS, rules: rules(DEVICES * POINTS, 'above', 100) },
    {
      set: 'one rule a reading, above 20, onDelay 1m (delays start and stop)',
      perRecord: POINTS,
      rules: rules(DEVICES * POINTS, 'above', 20, 60_000),
    },
    { set: 'one rule a reading, stale 5m', perRecord: POINTS, rules: rules(DEVICES * POINTS, 'stale', 300_000) },
  ];
  for (const { rules } of rows) measure(rules);
  const empty = measure([]);
  console.log(`${os.cpus()[0]?.model}, Node ${process.version}; ${DEVICES} devices of ${POINTS} points, one record each 1 ms`);
  console.table(
    rows.map(({ set, perRecord, rules }) => {
      const cost = measure(rules);
      return {
        rules: set,
        'ns a record': Math.round(cost),
        'ns a reading': Math.round((cost / POINTS) * 10) / 10,
        'ns a ruled reading': perRecord === 0 ? '' : Math.round(((cost - empty) / perRecord) * 10) / 10,
      };
    }),
  );
}

function evaluationTable(): void {
  const many = rules(10_000, 'above', 100);
  printTable([
    ['rules', 'evaluations per CPU second'],
    ['1,000 thresholds, one each point, quiet', count(evaluations(rules(1000, 'above', 100), POINTS))],
    ['10,000 thresholds over 1,000 points, quiet', count(evaluations(many, POINTS * 10))],
    ['1,000 thresholds with an onDelay that starts and stops', count(evaluations(rules(1000, 'above', 20, 60_000), POINTS))],
    ['1,000 stale', count(evaluations(rules(1000, 'stale', 300_000), POINTS))],
  ]);
}

function memoryTable(): void {
  if ((globalThis as { gc?: () => void }).gc === undefined) setFlagsFromString('--expose-gc');
  (globalThis as { gc?: () => void }).gc ??= runInNewContext('gc') as () => void;
  const thresholds = (n: number): ResolvedRule[] => rules(n, 'above', 100);
  const related = (n: number): ResolvedRule[] =>
    rules(n, 'above', 100).map((rule, i) => ({ ...rule, group: `g${i % 100}`, ...(i > 0 && { suppressedBy: ['r0'] }) }));
  printTable([
    ['rules', 'kB per 1,000 rules'],
    ['thresholds, quiet', kilobytes(memory(thresholds, false))],
    ['thresholds, all active', kilobytes(memory(thresholds, true))],
    ['thresholds in groups, suppressed by one', kilobytes(memory(related, false))],
  ]);
}

const kilobytes = (bytes: number): string => String(Math.round(bytes / 1024));
const count = (n: number): string => Math.round(n).toLocaleString('en');

const part = process.argv[2];
printConditions('Rules');
if (part === undefined || part === 'engine') engineTable();
if (part === undefined || part === 'engine') evaluationTable();
if (part === undefined || part === 'memory') memoryTable();
if (part === undefined || part === 'latency') printTable(await latencyTable());
process.exit(0);
