/** Cumulative values over stops, kills and power cuts, with a real log; and what is saved beside it, and when. */
import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import type { CounterKey } from '../../../src/codecs/counter.ts';
import { DeviceMemory } from '../../../src/codecs/modbus-memory.ts';
import type { ModbusPoint } from '../../../src/codecs/modbus-point.ts';
import { shapeOf } from '../../../src/codecs/modbus-point.ts';
import { compileRequest } from '../../../src/codecs/modbus-registers.ts';
import { systemClock } from '../../../src/core/clock.ts';
import { reasonAt, type Shape } from '../../../src/core/point.ts';
import { seeded } from '../../../src/core/seeded.ts';
import { Counters } from '../../../src/pipeline/counters.ts';
import { Log } from '../../../src/store/log.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';
import { scratch } from '../../harness/scratch.ts';

const MODULUS = 1000;
const BIG = 10n ** 18n;
const points: ModbusPoint[] = [
  { name: 'n', table: 'holding', address: 0, type: 'uint16', counter: { modulus: MODULUS } },
  { name: 'big', table: 'holding', address: 1, type: 'uint64', counter: { modulus: '1000000000000000000' } },
];
const shape = shapeOf('d', points);

/** One start of a gateway, as far as counters are concerned. */
class CounterRun {
  readonly log: Log;
  readonly counters: Counters;
  readonly #decode: ReturnType<typeof compileRequest>;
  #at = 0;

  private constructor(log: Log, counters: Counters) {
    this.log = log;
    this.counters = counters;
    this.#decode = compileRequest(shape, points, 0, new DeviceMemory(points, 'd', counters));
  }

  static async start(t: TestContext, folder: string): Promise<CounterRun> {
    const log = await Log.open({
      ...{ stateDir: path.join(folder, 'state'), runtimeDir: path.join(folder, 'run'), clock: systemClock },
      ...{ maxSize: 64e6, maxAge: 1e12, commitEvery: 3_600_000 },
    });
    log.setClock(1_000_000, false);
    const counters = new Counters({ log, clock: systemClock, moment: () => ({ at: 0, wall: 1_000_000, wallKnown: true }) });
    await counters.restore([shape]);
    log.setInventory('{}');
    t.after(() => log.abandon());
    return new CounterRun(log, counters);
  }

  /** @returns both cumulative values after this reading; undefined for one that the device did not answer */
  read(n: number, big: bigint): { n: unknown; big: unknown } {
    const bytes = Buffer.alloc(10);
    bytes.writeUInt16BE(n, 0);
    bytes.writeBigUInt64BE(big, 2);
    this.#at += 1000;
    const sample = this.#decode(bytes, this.#at);
    this.log.append(sample);
    const told = (i: number) => (reasonAt(sample, i) === 0 ? sample.values[i] : undefined);
    return { n: told(2), big: told(3) };
  }
}

/** What is kept of a counter: the facts, as a person would write them down. */
interface Model {
  value: number;
  total: number;
}
function count(model: Model | undefined, value: number): Model {
  if (model === undefined) return { value, total: value };
  const { value: old, total } = model;
  if (value >= old) return { value, total: total + value - old };
  return { value, total: total + (old > 0.9 * MODULUS ? value + MODULUS - old : value) };
}

const ENDS = ['stop', 'kill', 'power cut'] as const;

test('stops, kills and power cuts: the cumulative value goes on from what the log has', async (t) => {
  const met = new Set<string>();
  for (let seed = 1; seed <= 3; seed++) {
    const random = seeded(seed);
    const below = (n: number) => Math.floor(random() * n);
    const folder = scratch(t, 'counters');
    let raw = below(MODULUS);
    let now: Model | undefined;
    /** What a power cut leaves. */
    let safe: Model | undefined;
    for (let round = 0; round < 4; round++) {
      const run = await CounterRun.start(t, folder);
      for (let i = below(8); i >= 0; i--) {
        if (below(12) === 0 && raw > 100 && raw < 850) raw = below(20);
        else raw = (raw + below(90)) % MODULUS;
        now = count(now, raw);
        const told = run.read(raw, BIG - 10n + BigInt(raw % 5));
        assert.equal(told.n, now.total, `seed ${seed}, round ${round}`);
        if (below(3) === 0) {
          await run.log.flush();
          if (below(2) === 0) await run.log.compact();
          safe = now;
          met.add('committed');
        }
      }
      const end = ENDS[(seed + round) % 3] as (typeof ENDS)[number];
      met.add(end);
      if (end === 'stop') {
        run.counters.stop();
        await run.log.close(5000);
        safe = now;
      } else {
        await run.log.abandon();
        if (end === 'power cut') {
          rmSync(path.join(folder, 'run'), { recursive: true, force: true });
          now = safe;
        } else safe = now;
      }
      // The counter may go on, be reset, or lose its memory, while nobody looks.
      if (below(4) > 0 && raw > 100 && raw < 850) raw = below(30);
    }
  }
  assert.deepEqual([...met].sort(), ['committed', 'kill', 'power cut', 'stop']);
});

test('a kill loses nothing, not even what was reset and read a moment before', async (t) => {
  const folder = scratch(t, 'counters');
  const first = await CounterRun.start(t, folder);
  assert.deepEqual(first.read(500, BIG - 1n), { n: 500, big: BIG - 1n });
  first.read(510, 3n);
  assert.deepEqual(first.read(7, 3n), { n: 517, big: BIG + 3n });
  await first.log.abandon();
  const second = await CounterRun.start(t, folder);
  assert.deepEqual(second.read(9, 4n), { n: 519, big: BIG + 4n });
  await second.log.abandon();
});

test('readings after the last saved state are found in the log, also in its history', async (t) => {
  const folder = scratch(t, 'counters');
  const first = await CounterRun.start(t, folder);
  for (let n = 0; n <= 400; n += 100) first.read(n, 0n);
  await first.log.flush();
  await first.log.compact();
  await first.log.flush();
  assert.ok(first.log.status().historyBytes > 0);
  first.read(500, 0n);
  await first.log.flush();
  await first.log.abandon();
  rmSync(path.join(folder, 'run'), { recursive: true, force: true });
  const second = await CounterRun.start(t, folder);
  // It was reset while nobody looked: 500 had been counted.
  assert.equal(second.read(20, 0n).n, 520);
  await second.log.abandon();
});

interface Saved {
  readonly key: string;
  readonly state: { readonly cumulative: string; readonly seq: number };
}
/** A log of which only the saved states matter. */
function fakeLog(alarms: [string, unknown][], newest: Log['keeper']['newest']) {
  const saved: Saved[] = [];
  const log = {
    ...{ id: 'log1', next: 77, keeper: { newest } as Log['keeper'] },
    opened: {
      savedStates: alarms.map(([name, state]) => [name, JSON.stringify(state)]),
      logs: [{ ordinal: 3, name: 'log1', last: 70 }],
    } as unknown as Log['opened'],
    saveState: (key: string, state: unknown) => void saved.push({ key, state: state as Saved['state'] }),
  };
  return { log, saved };
}
const key: CounterKey = { device: 'd', point: 'n', total: 'n-total', fingerprint: '[1]' };
const never: Log['keeper']['newest'] = () => assert.fail('the log need not be read');
const moment = () => ({ at: 5000, wall: 1_005_000, wallKnown: true });
const saved = (over: object = {}) => ({
  ...{ ...key, value: '40', cumulative: '1040', time: 1_001_000, log: 'log1', seq: 50 },
  ...over,
});

test('a state is saved when the distance changes, hourly and at a stop, not per reading', async () => {
  const clock = new ManualClock();
  const { log, saved: states } = fakeLog([], never);
  const counters = new Counters({ log, clock, moment });
  await counters.restore([shape]);
  counters.start();
  counters.set(key, { value: 1, total: 1, at: 0 }, true);
  for (let i = 2; i < 100; i++) counters.set(key, { value: i, total: i, at: 0 }, false);
  assert.deepEqual(
    states.map((s) => [s.key, s.state.cumulative, s.state.seq]),
    [['d.n', '1', 77]],
  );
  await clock.advance(3_600_000);
  await clock.advance(3_600_000);
  assert.deepEqual(
    states.map((s) => s.state.cumulative),
    ['1', '99'],
    'nothing changed in the second hour',
  );
  counters.set(key, { value: 100, total: 100, at: 0 }, false);
  counters.stop();
  await clock.advance(7_200_000);
  assert.deepEqual(
    states.map((s) => s.state.cumulative),
    ['1', '99', '100'],
  );
});

const limited: Shape = { device: 'd', points: ['n', 'n-total'].map((name) => ({ name, type: 'float64', storage: 'number' })) };

test('a record behind the saved state is newer; without one the state holds', async () => {
  const asked: unknown[] = [];
  const found = { values: [60, 1060], time: 1_002_000, estimated: false };
  for (const [answer, expected] of [
    [found, { value: 60, total: 1060, at: 1000 }],
    [undefined, { value: 40, total: 1040, at: 1000 }],
  ] as const) {
    const { log } = fakeLog([['d.n', saved()]], async ({ wanted }) => {
      asked.push(...wanted);
      return { id: 1, found: [answer] };
    });
    const counters = new Counters({ log, clock: new ManualClock(), moment });
    await counters.restore([limited]);
    assert.deepEqual(counters.get(key), expected);
    assert.equal(counters.get({ ...key, fingerprint: '[2]' }), undefined, 'another counter');
  }
  assert.deepEqual(asked[0], { device: 'd', points: ['n', 'n-total'], log: 3, seq: 50 });
});

test('a log that does not answer in time, or is another one, does not stop a start', async () => {
  const clock = new ManualClock();
  const silent = fakeLog([['d.n', saved()]], () => new Promise(() => {}));
  const counters = new Counters({ log: silent.log, clock, moment });
  const restored = assert.rejects(counters.restore([limited]), { code: 'log-read' });
  await clock.advance(5000);
  await restored;
  assert.equal(counters.get(key)?.total, 1040);
  const asked: unknown[] = [];
  const other = fakeLog([['d.n', saved({ log: 'gone' })]], async ({ wanted }) => {
    asked.push(...wanted);
    return { id: 1, found: [undefined] };
  });
  await new Counters({ log: other.log, clock, moment }).restore([limited]);
  assert.deepEqual(asked, [{ device: 'd', points: ['n', 'n-total'], log: 0, seq: 0 }]);
});

test('states of rules, of devices that are gone, and what makes no sense are let be', async () => {
  const { log } = fakeLog(
    [
      ['warm', { rule: 'warm', state: 'normal' }],
      ['d.x', saved({ point: 'x', value: 'much' })],
      ['d.y', null],
      ['gone.n', saved({ device: 'gone' })],
    ],
    never,
  );
  const counters = new Counters({ log, clock: new ManualClock(), moment });
  await counters.restore([limited]);
  assert.equal(counters.get(key), undefined);
  assert.equal(counters.get({ ...key, point: 'x' }), undefined);
  assert.equal(counters.get({ ...key, device: 'gone' })?.total, 1040, 'it may come back');
});

test('how long ago it moved is unknown where either clock was', async () => {
  for (const [state, wallKnown, expected] of [
    [saved(), true, 1000],
    [saved({ time: undefined }), true, undefined],
    [saved(), false, undefined],
    [saved({ time: 2_000_000 }), true, 5000],
  ] as const) {
    const { log } = fakeLog([['d.n', state]], async () => ({ id: 1, found: [undefined] }));
    const counters = new Counters({ log, clock: new ManualClock(), moment: () => ({ ...moment(), wallKnown }) });
    await counters.restore([limited]);
    assert.equal(counters.get(key)?.at, expected);
  }
});
