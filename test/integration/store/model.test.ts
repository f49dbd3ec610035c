/**
 * The store against a model: random operations, acknowledgements lost, kills, power cuts and restarts of the real log
 * and its outlets. SLUICE_MODEL_SEED and SLUICE_MODEL_STEPS run one seed for longer; a failure prints both and the trace.
 */
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { Lanes } from '../../../src/store/delivery/lanes.ts';
import { Outlet } from '../../../src/store/delivery/outlet.ts';
import { Mirror } from '../../../src/store/tail/mirror.ts';
import { scratch } from '../../harness/scratch.ts';
import { LANES, World } from '../../oracles/store-world.ts';

const STEPS = Number(process.env.SLUICE_MODEL_STEPS ?? 900);
const SEED = process.env.SLUICE_MODEL_SEED;
/** Lines of the trace that a failure prints. */
const TOLD = 900;

type Step = (world: World) => void | Promise<void>;

const some = (w: World) => w.random.pick(w.forwarders);
const size = (w: World) => w.random.pick([1, 3, 10, 100, 1000]);

/** How often, and what. */
const OPERATIONS: readonly (readonly [weight: number, step: Step])[] = [
  [300, (w) => w.append(1 + w.random(w.random(10) === 0 ? 60 : 5))],
  [40, (w) => w.notice()],
  [150, (w) => w.ask(some(w), 'data', size(w))],
  [100, (w) => w.ask(some(w), 'history', size(w))],
  [60, (w) => both(w)],
  [60, (w) => w.askNotices(some(w), w.random(6) === 0)],
  [180, (w) => w.arrive(some(w), w.random.pick(LANES))],
  [160, (w) => w.acknowledge(some(w), w.random.pick(LANES))],
  [10, (w) => w.refuse(some(w), w.random.pick(LANES))],
  [80, (w) => w.settle(some(w))],
  [120, (w) => w.connect(some(w))],
  [12, (w) => w.drop(some(w))],
  [150, (w) => flow(w)],
  [80, (w) => pass(w, w.random.pick([50, 1000, 3000, 11_000]))],
  [30, (w) => w.log.commitSoon()],
  [30, (w) => w.log.flush()],
  [25, (w) => w.setClock()],
  [10, (w) => w.setInventory()],
  [20, (w) => w.saveAlarm()],
  [12, (w) => w.add(some(w))],
  [6, (w) => w.remove(some(w))],
  [15, (w) => w.compact()],
  [60, (w) => overtaken(w)],
  [3, (w) => w.close()],
  [8, (w) => w.kill()],
  [7, (w) => w.powerCut()],
  [3, (w) => w.loseState()],
];
const TOTAL = OPERATIONS.reduce((sum, [weight]) => sum + weight, 0);

/** Both lanes and the notices are under way at once, as the drain loop does it. */
async function both(w: World): Promise<void> {
  const f = some(w);
  for (const lane of LANES) w.ask(f, lane, size(w));
  w.askNotices(f, false);
  if (w.random(2) === 0) w.append(2);
  if (w.random(4) === 0) w.setClock();
  await w.settle(f);
}
/** A good network. */
async function flow(w: World): Promise<void> {
  const f = some(w);
  for (let i = 0; i < 3; i++) {
    for (const lane of LANES) w.ask(f, lane, 1000);
    await w.settle(f);
    for (const lane of LANES) {
      w.arrive(f, lane);
      w.acknowledge(f, lane);
    }
  }
}
/** What is being delivered is compacted under the reader's hands. */
async function overtaken(w: World): Promise<void> {
  const f = some(w);
  await w.log.flush();
  for (const most of [1, 1000]) {
    w.ask(f, 'history', most);
    await w.settle(f);
    w.arrive(f, 'history');
    w.acknowledge(f, 'history');
    if (most === 1) await w.compact();
    if (w.random(2) === 0) w.append(3);
  }
}
async function pass(w: World, ms: number): Promise<void> {
  await w.clock.advance(ms);
  for (const f of w.forwarders) w.tend(f);
}

async function run(world: World, steps: number): Promise<void> {
  await world.open();
  world.add(world.forwarders[0] as (typeof world.forwarders)[0]);
  await world.forwarders[0]?.ready;
  for (let i = 0; i < steps && world.faults.length === 0; i++) {
    let at = world.random(TOTAL);
    const step = OPERATIONS.find(([weight]) => {
      at -= weight;
      return at < 0;
    });
    await step?.[1](world);
  }
  if (world.faults.length === 0) await world.drain();
  if (world.faults.length === 0) world.judge();
  await world.log.abandon();
}

async function play(folder: string, seed: number, steps: number): Promise<World> {
  const dir = path.join(folder, String(seed));
  mkdirSync(dir);
  const world = new World(dir, seed);
  try {
    await run(world, steps);
  } catch (thrown) {
    world.fault(`threw ${thrown instanceof Error ? thrown.stack : String(thrown)}`);
    await world.log?.abandon();
  }
  return world;
}

const counts: Record<string, number> = {};
const seeds = SEED !== undefined ? [Number(SEED)] : Array.from({ length: 8 }, (_, i) => 1000 + i);
for (const seed of seeds)
  test(`the store keeps its promises through ${STEPS} random operations, seed ${seed}`, async (t) => {
    const world = await play(scratch(t, 'model'), seed, STEPS);
    const told = world.trace.slice(-TOLD).join('\n');
    assert.deepEqual(world.faults, [], `SLUICE_MODEL_SEED=${seed} SLUICE_MODEL_STEPS=${STEPS}; the last operations:\n${told}`);
    for (const [op, n] of Object.entries(world.counts)) counts[op] = (counts[op] ?? 0) + n;
  });
test('and the runs met everything', { skip: SEED !== undefined && 'one seed' }, (t) => {
  t.diagnostic(JSON.stringify(counts));
  for (const op of [
    'append',
    'send',
    'ack',
    'refuse',
    'compact',
    'unit',
    'kill',
    'powerCut',
    'loseState',
    'close',
    'lag',
    'resume',
    'add',
    'remove',
  ])
    assert.ok((counts[op] ?? 0) > 0, `no run came to ${op}`);
});

/** Each takes away one rule of the contract; a model that is any good then finds a fault within a few runs. */
const MUTATIONS: readonly { readonly words: string; readonly of: object; readonly name: string; readonly to: () => unknown }[] = [
  { words: 'the tail is not mirrored', of: Mirror.prototype, name: 'write', to: () => undefined },
  {
    words: 'lanes are not mirrored',
    of: Outlet.prototype,
    name: 'tailState',
    to: () => ({ type: 'alarm', rule: 'x', state: null }),
  },
  { words: 'cursor and lanes are not saved', of: Outlet.prototype, name: 'takeStates', to: () => [] },
  { words: 'a hand-over does not fix the lane', of: Lanes.prototype, name: 'handOver', to: () => false },
  { words: 'the beginning of a commit does not fix the lane', of: Lanes.prototype, name: 'commitBegins', to: () => undefined },
  { words: 'a new mapping reaches back to what was sent', of: Lanes.prototype, name: 'handedOver', to: () => [] },
];
/** Runs until the fault has to be found. */
const TRIES = 60;

if (SEED === undefined)
  for (const { words, of, name, to } of MUTATIONS)
    test(`a model that would not notice is worth nothing: ${words}`, async (t) => {
      const original = Object.getOwnPropertyDescriptor(of, name);
      assert.equal(typeof original?.value, 'function', 'the method that is taken away exists');
      const folder = scratch(t, 'mutation');
      t.after(() => Object.defineProperty(of, name, original as PropertyDescriptor));
      Object.defineProperty(of, name, { ...original, value: to });
      for (let seed = 1; seed <= TRIES; seed++) {
        const world = await play(folder, seed, 500);
        if (world.faults.length === 0) continue;
        t.diagnostic(`run ${seed}: ${world.faults[0]?.slice(0, 160)}`);
        return;
      }
      assert.fail(`${TRIES} runs did not notice it`);
    });
