/** A computed point in the pipeline: its rule reports in the turn of the sample that caused it, and its state survives restarts. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { loadConfigText } from '../../../src/config/load.ts';
import { silentLogger } from '../../../src/core/logger.ts';
import type { Sample, Shape } from '../../../src/core/point.ts';
import { DerivedHub } from '../../../src/drivers/derived/hub.ts';
import { kinds } from '../../../src/gateway/registry.ts';
import { createBus } from '../../../src/gateway/registry-create.ts';
import { DerivedStates } from '../../../src/pipeline/derived-states.ts';
import { Ingest } from '../../../src/pipeline/ingest.ts';
import { Latest } from '../../../src/pipeline/latest.ts';
import { RuleEngine } from '../../../src/rules/engine.ts';
import type { Log } from '../../../src/store/log.ts';
import { derivedText } from '../../fakes/derived-bench.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';

const TEXT = `${derivedText(
  { 'meter.power': 'W' },
  `
  calc:
    bus: sums
    points:
      energy: {compute: energy, from: meter.power, unit: W.h}
      double: {compute: sum, from: [meter.power, meter.power], unit: W}`,
)}rules:
  high: {point: calc.double, above: 100}
  base: {point: meter.power, above: 50}
`;

test('derive: the rule of a computed point reports in the call that brought the sample', () => {
  const { config } = loadConfigText(TEXT, '/tmp/gateway.yaml', kinds, { profileDirs: [] });
  assert.ok(config);
  const clock = new ManualClock();
  const log: string[] = [];
  const store = {
    append: (sample: Sample) => {
      log.push(`${sample.shape.device} ${sample.at}`);
      return { seq: log.length, sample };
    },
    saveState: () => {},
    notice: (kind: string, key: string) => {
      log.push(`${kind} ${key}`);
      return { kind, key, seq: 0, json: '{}' };
    },
  };
  const hub = new DerivedHub(() => ({ at: clock.monotonic(), offset: 0, known: true }));
  const bus = createBus(
    config.buses.get('sums') as never,
    [...config.devices.values()].filter((d) => d.bus === 'sums'),
    {
      ...{ clock, logger: silentLogger, tell: () => {}, feed: hub },
      emit: (sample) => ingest.sample(sample),
    },
  );
  const meter: Shape = { device: 'meter', points: [{ name: 'power', type: 'float64', storage: 'number', unit: 'W' }] };
  const shapes = [meter, ...bus.shapes];
  const latest = new Latest(() => 0);
  latest.setShapes(shapes);
  const rules = new RuleEngine({ rules: config.rules.values(), start: { at: 0, wall: 0, wallKnown: true }, shapes });
  const ingest = new Ingest({
    ...{ log: store as unknown as Log, clock, latest, rules },
    offset: () => 0,
    clockKnown: () => true,
    onAlarm: () => {},
    onObserved: () => {},
    derive: (sample) => hub.sample(sample),
  });
  bus.start();
  ingest.sample({ shape: meter, at: 5, values: [60], reasons: null });
  assert.deepEqual(log, ['meter 5', 'alarm base', 'calc 5', 'alarm high']);
  assert.equal(latest.get('calc', 'double')?.value, 120);
  ingest.stop();
  void bus.stop();
});

test('derive: a state goes on from the newest value in the log, and a damaged one is left out', async () => {
  const saved = new Map<string, unknown>();
  const asked: unknown[] = [];
  const states = (found: unknown) => {
    const log = {
      id: 'log2',
      next: 77,
      opened: {
        savedStates: [...saved].map(([name, state]) => [name, JSON.stringify(state)] as const),
        logs: [{ name: 'log2', ordinal: 3 }],
      },
      saveState: (key: string, state: unknown) => saved.set(key, JSON.parse(JSON.stringify(state))),
      keeper: {
        newest: async ({ wanted }: { wanted: unknown[] }) => {
          asked.push(...wanted);
          return { found: wanted.map(() => ({ values: [found] })) };
        },
      },
    };
    return new DerivedStates({ log: () => log as never, clock: new ManualClock() });
  };
  const shapes: Shape[] = [
    {
      device: 'calc',
      points: [
        { name: 'energy', type: 'float64', storage: 'number' },
        { name: 'double', type: 'float64', storage: 'number' },
      ],
    },
    { device: 'other', points: [] },
  ];
  const first = states(undefined);
  first.save('calc', { derived: 1 }, 5, ['energy']);
  assert.deepEqual(first.load('calc'), { state: { derived: 1 }, at: 5 });
  const next = states(12.5);
  await next.restore(shapes);
  assert.deepEqual(asked, [{ device: 'calc', points: ['energy'], log: 3, seq: 77 }]);
  assert.deepEqual([next.logged('calc', 'energy'), next.logged('calc', 'double')], [12.5, undefined]);
  assert.deepEqual(next.load('calc'), { state: { derived: 1 } });
  for (const damaged of [
    null,
    5,
    'x',
    [],
    { state: {} },
    { log: 1, seq: 2, resumed: [] },
    { log: 'log2', seq: 1.5, resumed: [] },
  ]) {
    saved.set('@derived.calc', damaged);
    const one = states(Number.NaN);
    await one.restore(shapes);
    assert.equal(one.load('calc'), undefined);
  }
});
