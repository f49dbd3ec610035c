/**
 * `every` of a forwarder: the windows that leave are those of the log, whatever happens on the way. Outages, lanes, kills,
 * power cuts, restarts, compaction, lost acknowledgements and other sizes of batches change no value and no number.
 * SLUICE_SEED runs one seed again.
 */
import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import type { Shape } from '../../../src/core/point.ts';
import { ABSENT, reasonCode } from '../../../src/core/reasons.ts';
import type { Outlet } from '../../../src/store/delivery/outlet.ts';
import type { Lane } from '../../../src/store/files/lane-state.ts';
import { Log } from '../../../src/store/log.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';
import { payloadText } from '../../harness/payload-text.ts';
import { scratch } from '../../harness/scratch.ts';
import { type Random, random } from '../../oracles/store-samples.ts';
import { asCame, type Kept, type Way, type WindowOf, windowsOf } from '../../oracles/windows.ts';

const EVERY = 60_000;
const LANES: readonly Lane[] = ['data', 'history'];
const FAST: Shape = {
  device: 'fast',
  points: [
    { name: 'a', type: 'int16', storage: 'number', unit: 'Cel' },
    { name: 'count', type: 'uint64', storage: 'integer64' },
    { name: 'on', type: 'bool', storage: 'boolean' },
  ],
};
const SLOW: Shape = {
  device: 'slow',
  points: [
    { name: 'x', type: 'float64', storage: 'number' },
    { name: 'big', type: 'int64', storage: 'integer64' },
    { name: 'text', type: 'string', storage: 'string' },
  ],
};
const REASONS = [0, 0, ABSENT, reasonCode('timeout'), reasonCode('out-of-range')];

class World {
  readonly kept: Kept[] = [];
  /** What came, by number; a repeat has the same content. */
  readonly came = new Map<number, WindowOf>();
  readonly lanes = new Set<Lane>();
  log!: Log;
  outlet!: Outlet;
  clock = new ManualClock(Date.UTC(2026, 10, 26, 12));
  readonly #folder: string;
  readonly #random: Random;
  readonly #filter: object;
  #offset = 0;
  #connected = true;
  #steps = 0;
  /** The share of readings that come late, one of so many; 0: none. */
  late = 0;
  /** Windows (device, end, first number behind) that the clock was set back in. */
  readonly #torn: [string, number, number][] = [];

  constructor(t: TestContext, rnd: Random, filter: object) {
    this.#folder = scratch(t, 'windows');
    this.#random = rnd;
    this.#filter = filter;
    t.after(() => this.log.abandon());
  }

  async open(): Promise<void> {
    this.clock = new ManualClock(this.clock.wall() + 7000);
    this.log = await Log.open({
      ...{ stateDir: path.join(this.#folder, 'state'), runtimeDir: path.join(this.#folder, 'run'), clock: this.clock },
      ...{ maxSize: 64e6, maxAge: 1e13, commitEvery: 10_000 },
    });
    this.outlet = this.log.outlet('cloud', 'oldest', 'g1', 'json', {}, this.#filter);
    this.#offset = this.clock.wall();
    this.log.setClock(this.#offset, false);
    this.log.setInventory('{}');
    await this.outlet.ready();
    await this.log.flush();
  }

  append(): void {
    const rnd = this.#random;
    const shape = rnd.pick([FAST, FAST, FAST, SLOW]);
    const big = BigInt(rnd(1000)) * (shape === FAST ? 1n : rnd(2) === 0 ? -(2n ** 52n) : 3n);
    const values = shape === FAST ? [rnd(500) / 10, big, rnd(2) === 0] : [rnd(1000) / 7, big, `text ${rnd(9)}`];
    const reasons = rnd(4) === 0 ? Uint8Array.from(shape.points, () => rnd.pick(REASONS)) : null;
    const late = this.late > 0 && rnd(this.late) === 0 ? rnd(5 * EVERY) : rnd(900);
    const at = Math.max(0, Math.round(this.clock.monotonic()) - late);
    const record = this.log.append({ shape, at, values, reasons });
    assert.ok(record);
    const time = record.sample.at + this.#offset;
    this.kept.push({
      ...record,
      sample: { ...record.sample, values, reasons, shape, at },
      time,
      segment: this.#segment(),
    });
  }
  #segment(): string {
    return `b${this.log.opened.boot} ${this.#steps}`;
  }

  /** The clock is set back: what was not handed over has another time from now on. */
  setBack(by: number): void {
    this.#offset -= by;
    this.#steps++;
    const { fromSeq } = this.log.setClock(this.#offset, false);
    const boot = `b${this.log.opened.boot} `;
    for (const [i, k] of this.kept.entries()) {
      if (k.seq < fromSeq || !k.segment.startsWith(boot)) continue;
      this.#torn.push([k.sample.shape.device, (Math.floor(k.time / EVERY) + 1) * EVERY, fromSeq]);
      this.kept[i] = { ...k, segment: this.#segment(), time: k.sample.at + this.#offset };
    }
  }
  /** Its value would have come under a number that is of another window now. */
  torn(window: WindowOf): boolean {
    return this.#torn.some(([device, end, seq]) => device === window.device && end === window.time && window.seq < seq);
  }

  async ask(lane: Lane, lose: boolean, most: number): Promise<boolean> {
    if (!this.#connected) return false;
    const batch = await this.outlet.next(lane, most);
    if (batch === undefined || !this.outlet.handOver(batch)) return false;
    take(this.came, payloadText(batch), `${lane} ${batch.first}..${batch.last}`);
    this.lanes.add(lane);
    if (!lose) this.outlet.done(batch);
    return true;
  }

  async step(): Promise<void> {
    const rnd = this.#random;
    await this.clock.advance(rnd(6000));
    for (let i = rnd(5); i > 0; i--) this.append();
    if (rnd(20) === 0) this.log.notice('event', 'start', this.clock.monotonic(), { time: 1 });
    if (rnd(6) === 0) await this.log.flush();
    if (rnd(30) === 0) await this.log.compact();
    if (rnd(25) === 0) this.#connected = !this.#connected;
    // An outage in which data gives up being live.
    const late = rnd(8) === 0 ? 200_000 : 0;
    this.outlet.tend(this.#connected, this.clock.monotonic() + late);
    for (const lane of LANES) if (rnd(3) === 0) await this.ask(lane, rnd(3) === 0, rnd.pick([1, 3, 10, 1000]));
    if (rnd(60) === 0) {
      await this.log.abandon();
      await this.open();
    } else if (rnd(100) === 0) await this.#powerCut();
    else if (rnd(120) === 0) {
      await this.log.close(60_000);
      await this.open();
    }
  }

  /** What was not committed is gone; no window has left with it. */
  async #powerCut(): Promise<void> {
    await this.log.abandon();
    rmSync(path.join(this.#folder, 'run'), { recursive: true, force: true });
    await this.open();
    // A commit may have been under way.
    const committed = this.log.opened.logs.at(-1)?.last ?? 0;
    while ((this.kept.at(-1)?.seq ?? 0) > committed) this.kept.pop();
  }

  /** The last windows are over, and everything is delivered. */
  async finish(): Promise<void> {
    this.#connected = true;
    await this.clock.advance(3 * EVERY);
    await this.log.flush();
    for (let round = 0; round < 3; round++) for (const lane of LANES) while (await this.ask(lane, false, 100));
  }
}

function take(came: Map<number, WindowOf>, payload: string, where: string): void {
  const body = JSON.parse(payload) as { first: number; last: number; every: number; records: WindowOf[] };
  assert.equal(body.every, EVERY);
  let before = body.first - 1;
  for (const record of body.records) {
    assert.ok(record.seq > before && record.seq <= body.last, `${record.seq} in ${where}`);
    before = record.seq;
    assert.deepEqual(record, came.get(record.seq) ?? record, `${record.seq} has one content, ${where}`);
    came.set(record.seq, record);
  }
}

const seeds = process.env.SLUICE_SEED === undefined ? [1, 2, 3, 4] : [Number(process.env.SLUICE_SEED)];
for (const seed of seeds) {
  const as: Way = (['mean', 'min', 'max', 'last'] as const)[seed % 4] as Way;
  test(`windows live, after outages and after kills are those of the log: ${as}, seed ${seed}`, async (t) => {
    const rnd = random(seed);
    const points = seed % 2 === 0 ? undefined : ['fast.a', '*.big', 'slow.text'];
    const filter = { points, thinning: { every: EVERY, as, last: ['fast.count'] } };
    const world = new World(t, rnd, filter);
    await world.open();
    for (let i = 0; i < 200; i++) await world.step();
    await world.finish();
    const wants = (name: string) => points === undefined || ['fast.a', 'slow.big', 'slow.text'].includes(name);
    const expected = windowsOf(world.kept, EVERY, as, ['fast.count'], wants);
    const came = [...world.came.values()].sort((a, b) => a.seq - b.seq);
    assert.deepEqual(came, asCame(expected, came));
    assert.ok(expected.length > 15 && world.lanes.size === 2, `${expected.length} windows on ${[...world.lanes]}`);

    // A platform that comes now gets the same from the files.
    const late = world.log.outlet('late', 'oldest', 'g1', 'json', {}, filter);
    await late.ready();
    const again = new Map<number, WindowOf>();
    for (const lane of LANES)
      for (;;) {
        const batch = await late.next(lane, 7);
        if (batch === undefined) break;
        take(again, payloadText(batch), 'late');
        assert.ok(late.handOver(batch));
        late.done(batch);
      }
    assert.deepEqual([...again.values()], came, 'a backlog has the windows that were live');
  });
}

for (const seed of process.env.SLUICE_SEED === undefined ? [11, 12, 13, 14] : [Number(process.env.SLUICE_SEED)])
  test(`readings late by minutes make a window again, with all of its readings: seed ${seed}`, async (t) => {
    const rnd = random(seed);
    const filter = { thinning: { every: EVERY, as: 'max' as const, last: ['fast.count'] } };
    const world = new World(t, rnd, filter);
    world.late = 6;
    await world.open();
    for (let i = 0; i < 120; i++) {
      await world.step();
      if (i === 70) world.setBack(10 * EVERY);
    }
    await world.finish();
    const check = (came: ReadonlyMap<number, WindowOf>, of: string) => {
      for (const [seq, value] of came) {
        const until = world.kept.filter((k) => k.seq <= seq);
        const expected = windowsOf(until, EVERY, 'max', ['fast.count'], () => true).find((w) => w.seq === seq);
        assert.deepEqual(value, expected, `${seq} has all readings of its window up to it, ${of}`);
      }
      const whole = windowsOf(world.kept, EVERY, 'max', ['fast.count'], () => true);
      const missing = whole.filter((window) => !came.has(window.seq) && !world.torn(window));
      assert.deepEqual(missing, [], `each window came with all of its readings, ${of}`);
      return whole.length;
    };
    check(world.came, 'live');
    const other = world.log.outlet('other', 'oldest', 'g1', 'json', {}, filter);
    await other.ready();
    const again = new Map<number, WindowOf>();
    for (const lane of LANES)
      for (let batch = await other.next(lane, 7); batch !== undefined; batch = await other.next(lane, 7)) {
        take(again, payloadText(batch), 'other');
        assert.ok(other.handOver(batch));
        other.done(batch);
      }
    const windows = check(again, 'from the files');
    assert.ok(again.size > windows, `${again.size} values of ${windows} windows`);
  });

test('a mapping of the clock that differs a little within a minute makes no second value of it', async (t) => {
  const world = new World(t, random(1), { thinning: { every: EVERY, as: 'last', last: [] } });
  await world.open();
  const other = world.log.outlet('other', 'oldest', 'g1', 'json');
  await other.ready();
  for (let i = 0; i < 8; i++) {
    await world.clock.advance(500);
    world.append();
    if (i !== 3) continue;
    const batch = await other.next('data', 1000);
    assert.ok(batch !== undefined && other.handOver(batch));
    const { fromSeq } = world.log.setClock(world.clock.wall() - world.clock.monotonic() + 7, false);
    assert.equal(fromSeq, batch.last + 1, 'what was handed over keeps its time');
  }
  await world.finish();
  const expected = windowsOf(world.kept, EVERY, 'last', [], () => true);
  assert.deepEqual([...world.came.values()], expected);
});

test('a backlog of windows goes on at once; only the newest ones wait for others', async (t) => {
  const world = new World(t, random(1), { thinning: { every: EVERY, as: 'last', last: [] }, gather: 600_000 });
  await world.open();
  for (let i = 0; i < 20; i++) {
    await world.clock.advance(EVERY);
    world.append();
  }
  await world.clock.advance(10_000);
  await world.log.flush();
  while (await world.ask('data', false, 1));
  const over = windowsOf(world.kept, EVERY, 'last', [], () => true).slice(0, -1);
  assert.deepEqual([...world.came.values()], over);
  await world.clock.advance(EVERY);
  await world.log.flush();
  assert.equal(await world.ask('data', false, 1), false, 'the next one waits for more');
  await world.clock.advance(600_000);
  assert.equal(await world.ask('data', false, 1), true);
});
