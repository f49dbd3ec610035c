/** Cost of the rule engine per record and per reading: `node bench/rules.ts`. Conditions are printed with the table. */
import os from 'node:os';
import type { ResolvedRule } from '../src/config/kinds.ts';
import type { Sample, Shape } from '../src/core/point.ts';
import { RuleEngine } from '../src/rules/engine.ts';

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
    point: `p${Math.floor(i / DEVICES)}`,
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
