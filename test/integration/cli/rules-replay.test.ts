/** Replay equals live: random readings through the engine of a gateway, and `sluice rules test` on the log that it left. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import fc from 'fast-check';
import type { Report } from '../../../src/cli/rules/report.ts';
import { loadConfigText } from '../../../src/config/load.ts';
import type { AlarmTransition } from '../../../src/core/alarm.ts';
import { type Clock, systemClock } from '../../../src/core/clock.ts';
import { type PointInfo, plainValue, type Sample, type Shape } from '../../../src/core/point.ts';
import { ABSENT, GOOD, reasonCode } from '../../../src/core/reasons.ts';
import { rulesOf } from '../../../src/gateway/kept-state.ts';
import { kinds } from '../../../src/gateway/registry.ts';
import { Ingest } from '../../../src/pipeline/ingest.ts';
import { Latest } from '../../../src/pipeline/latest.ts';
import { Log } from '../../../src/store/log.ts';
import { scratch } from '../../harness/scratch.ts';
import { sluice } from '../../harness/start-gateway.ts';

/** A setting for each kind, of the point that suits it. */
const SETTINGS: Readonly<Record<string, string>> = {
  above: 'point: d.x, above: 8, deadband: 1, onDelay: 10m, offDelay: 3m',
  below: 'point: d.x, below: 3, deadband: 0.5',
  outside: 'point: d.y, outside: {min: 3, max: 8}, onDelay: 4m, observe: true',
  inside: 'point: d.x, inside: {min: 4, max: 6}, offDelay: 5m',
  equals: 'point: d.on, equals: true, onDelay: 5m',
  notEquals: 'point: d.y, notEquals: 5, onDelay: 2m',
  bits: 'point: d.n, bits: {set: [1]}, onDelay: 1m',
  deviation: 'point: d.x, deviation: {from: d.y, by: 3}, onDelay: 2m',
  stale: 'point: d.x, stale: 30m, offDelay: 4m',
  stuck: 'point: d.y, stuck: {for: 25m, within: 0.2}',
  rate: 'point: d.x, rate: {above: 10, per: 1h, over: 20m}',
  delta: 'point: d.n, delta: {above: 40, over: 1h}',
  total: 'point: d.n, total: {above: 100, per: day}',
  beyond: 'point: d.x, beyond: {above: 7, for: 30m, within: 6h}',
  average: 'point: d.x, average: {above: 7, over: 30m}, deadband: 0.5',
  minimum: 'point: d.x, minimum: {above: 4, over: 20m}',
  maximum: 'point: d.y, maximum: {below: 6, over: 20m}',
  percentile: 'point: d.x, percentile: {p: 90, above: 8, over: 1h}',
  all: 'all: [{point: d.x, above: 6}, {point: d.on, equals: true}], onDelay: 1m',
  any: 'any: [{point: d.x, above: 9}, {point: d.y, below: 2}], offDelay: 2m',
  not: 'not: {point: d.x, inside: {min: 2, max: 8}}',
  atLeast: 'atLeast: {count: 2, of: [{point: d.x, above: 6}, {point: d.y, above: 6}, {point: d.on, equals: true}]}',
  expression: "expression: 'd.x > d.y && d.on', onDelay: 1m",
  anomaly: 'point: d.x, anomaly: {sensitivity: high}, severity: info',
};
const used = kinds.rules.filter(({ key }) => SETTINGS[key] !== undefined);
const START = Date.UTC(2026, 10, 20);
const MINUTE = 60_000;

const point = (name: string, type: PointInfo['type'], storage: PointInfo['storage'], unit?: string): PointInfo => ({
  name,
  type,
  storage,
  unit,
});
const registers: Shape = {
  device: 'd',
  points: [point('x', 'int16', 'number', 'Cel'), point('y', 'int16', 'number', 'Cel'), point('n', 'uint32', 'number')],
};
const coils: Shape = { device: 'd', points: [point('on', 'bool', 'boolean')] };

interface Step {
  /** Milliseconds since the step before. */
  readonly wait: number;
  readonly x: number;
  readonly y: number;
  readonly n: number;
  readonly on: boolean;
  /** 0..99, for what is wrong with the readings. */
  readonly fault: number;
  readonly coils: boolean;
}

const step: fc.Arbitrary<Step> = fc.record({
  wait: fc.oneof(
    { weight: 12, arbitrary: fc.integer({ min: 1000, max: 6 * MINUTE }) },
    { weight: 1, arbitrary: fc.integer({ min: MINUTE, max: 90 * MINUTE }) },
  ),
  x: fc.integer({ min: 0, max: 120 }),
  y: fc.integer({ min: 0, max: 100 }),
  n: fc.integer({ min: 0, max: 30 }),
  on: fc.boolean(),
  fault: fc.integer({ min: 0, max: 99 }),
  coils: fc.boolean(),
});

function sampleOf(step: Step, at: number, count: number): Sample {
  if (step.coils)
    return { shape: coils, at, values: [step.on], reasons: step.fault < 5 ? Uint8Array.of(reasonCode('timeout')) : null };
  const values = [step.x / 10, step.y / 10, count];
  if (step.fault < 6) return { shape: registers, at, values: [0, 0, 0], reasons: new Uint8Array(3).fill(reasonCode('timeout')) };
  if (step.fault < 12) return { shape: registers, at, values, reasons: Uint8Array.of(reasonCode('out-of-range'), GOOD, ABSENT) };
  return step.fault < 16
    ? { shape: registers, at, values, reasons: Uint8Array.of(reasonCode('not-a-number'), GOOD, GOOD) }
    : { shape: registers, at, values, reasons: null };
}

const fact = (t: Pick<AlarmTransition, 'rule' | 'state' | 'occurrence' | 'message' | 'cause'>, time: number, value: unknown) =>
  JSON.stringify([Math.round(time), t.rule, t.state, t.occurrence, value ?? null, t.message, t.cause]);

async function live(t: TestContext, folder: string, yaml: string, boots: readonly (readonly Step[])[]): Promise<string[]> {
  const file = path.join(folder, 'gateway.yaml');
  writeFileSync(file, yaml);
  const { config, faults } = loadConfigText(yaml, file, kinds, { profileDirs: [], env: {}, readSecrets: false });
  assert.deepEqual(
    faults.map(({ message }) => message),
    [],
  );
  assert.ok(config !== undefined);
  const facts: string[] = [];
  let wall = START;
  let count = 0;
  for (const [boot, steps] of boots.entries()) {
    // Each start has a monotonic clock of its own.
    let now = 5000 + boot * 777;
    const clock: Clock = { ...systemClock, monotonic: () => now, wall: () => wall, after: systemClock.after };
    const log = await Log.open({
      ...{ stateDir: path.join(folder, 'state'), runtimeDir: path.join(folder, 'run'), clock },
      ...{ maxSize: 64e6, maxAge: 1e13, commitEvery: 10_000 },
    });
    t.after(() => log.abandon().catch(() => {}));
    const first = steps[0] as Step;
    now += boot === 0 ? 0 : first.wait;
    wall += boot === 0 ? 0 : first.wait;
    const offset = wall - now;
    log.setClock(offset, false);
    log.setInventory('{}');
    const rules = rulesOf(config, { log, start: { at: now, wall, wallKnown: true }, shapes: [registers, coils] });
    const latest = new Latest(() => offset);
    latest.setShapes([registers, coils]);
    const take = (transition: AlarmTransition): void => {
      const value = transition.value === undefined ? undefined : plainValue(transition.value, transition.type);
      facts.push(fact(transition, transition.at + offset, value));
    };
    const ingest = new Ingest({
      ...{ log, clock: { ...clock, after: () => () => {} }, latest, rules },
      ...{ offset: () => offset, clockKnown: () => true, onAlarm: take, onObserved: take },
    });
    ingest.tick();
    for (const [i, step] of steps.entries()) {
      const at = i === 0 ? now : now + step.wait;
      for (let due = rules.nextDue(); due !== undefined && due <= at; due = rules.nextDue()) {
        now = due;
        wall = now + offset;
        ingest.tick();
      }
      now = at;
      wall = now + offset;
      count = (count + step.n) % 60_000;
      ingest.sample(sampleOf(step, at, count));
    }
    ingest.stop();
    await log.close(60_000);
  }
  return facts.sort();
}

test('every kind of rule that is here has a setting in this test', () => {
  // A new kind is added above, so that its replay is held against its life.
  assert.deepEqual(
    kinds.rules.map(({ key }) => key).filter((key) => SETTINGS[key] === undefined),
    [],
  );
});

test('what rules test prints of a log is what the rules of the gateway did', { timeout: 600_000 }, async (t) => {
  const rules = used.map(({ key }) => `  ${key.toLowerCase()}: {${SETTINGS[key]}}`).join('\n');
  let alarms = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.array(step, { minLength: 1, maxLength: 150 }), { minLength: 1, maxLength: 3 }),
      async (boots) => {
        const folder = scratch(t, 'replay');
        const yaml = `gateway: {id: g1, stateDir: ${folder}/state, runtimeDir: ${folder}/run, timezone: Asia/Dhaka}
buses: {field: {protocol: modbus-tcp, host: 127.0.0.1}}
devices:
  d:
    bus: field
    unit: 1
    points:
      x: {table: holding, address: 0, type: int16, scale: 0.1, unit: Cel}
      y: {table: holding, address: 1, type: int16, scale: 0.1, unit: Cel}
      n: {table: holding, address: 2, type: uint32}
      on: {table: coil, address: 0, type: bool}
rules:
${rules}
`;
        const facts = await live(t, folder, yaml, boots);
        const { code, stdout, stderr } = await sluice(t, 'rules', 'test', '-c', path.join(folder, 'gateway.yaml'), '--json');
        assert.deepEqual([code, stderr], [0, '']);
        const { transitions, notTested } = JSON.parse(stdout) as Report;
        const tested = facts.filter((text) => !notTested.includes((JSON.parse(text) as unknown[])[1] as string));
        assert.deepEqual(transitions.map((entry) => fact(entry, entry.time, entry.value)).sort(), tested);
        alarms += transitions.length;
      },
    ),
    { numRuns: Number(process.env.SLUICE_RUNS ?? 12), endOnFailure: true },
  );
  t.diagnostic(`${alarms} transitions of ${used.length} kinds are the same`);
  assert.ok(alarms > 100);
});
