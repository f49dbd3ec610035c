/** Random operations on the world of the store, in one process or in many that are killed. */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { TestContext } from 'node:test';
import { startChild } from '../harness/child.ts';
import { LANES, World } from './store-world.ts';

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
/** Blocks under delivery are compacted meanwhile. */
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
  for (const f of w.forwarders) if (f.connected) f.outlet?.passUnwanted();
}

async function run(world: World, steps: number, saved?: Uint8Array): Promise<void> {
  if (saved === undefined) {
    await world.open();
    world.add(world.forwarders[0] as (typeof world.forwarders)[0]);
    await world.forwarders[0]?.ready;
  } else await world.resume(saved);
  while (world.step < steps && world.faults.length === 0) {
    world.step++;
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

/** All of it in this process: kills and power cuts leave the files as an orderly end leaves them, with the tail. */
export async function play(folder: string, seed: number, steps: number): Promise<World> {
  const dir = path.join(folder, String(seed));
  mkdirSync(dir);
  const world = new World(dir, seed);
  await guarded(world, () => run(world, steps));
  return world;
}
async function guarded(world: World, go: () => Promise<void>): Promise<void> {
  try {
    await go();
  } catch (thrown) {
    world.fault(`threw ${thrown instanceof Error ? thrown.stack : String(thrown)}`);
    await world.log?.abandon();
  }
}

/** What a run in processes of its own ends with. */
export interface Played {
  readonly faults: readonly string[];
  readonly trace: readonly string[];
  readonly counts: Readonly<Record<string, number>>;
}

/** Each kill and each power cut ends a real process, in the middle of what its threads do; the next one has what it left. */
export async function playInProcesses(t: TestContext, folder: string, seed: number, steps: number): Promise<Played> {
  const dir = path.join(folder, String(seed));
  mkdirSync(dir);
  for (let starts = 0; starts <= steps; starts++) {
    const child = startChild(t, process.execPath, [import.meta.filename, dir, String(seed), String(steps)]);
    const how = await child.ended;
    if (how !== 'SIGKILL') {
      assert.equal(how, 0, child.stderr.join('\n'));
      return JSON.parse(child.stdout.join('\n')) as Played;
    }
  }
  throw new Error('it was killed more often than it has operations');
}

async function main(dir: string, seed: number, steps: number): Promise<void> {
  const file = path.join(dir, 'model');
  const world = new World(dir, seed, (saved) => {
    writeFileSync(file, saved);
    // A commit is begun, done, or under way.
    if (world.random(3) > 0) world.log.commitSoon();
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, world.random(12));
    process.kill(process.pid, 'SIGKILL');
    // The signal may be a moment late.
    for (;;) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
  });
  const saved = existsSync(file) ? readFileSync(file) : undefined;
  await guarded(world, () => run(world, steps, saved));
  const { faults, trace, counts } = world;
  process.stdout.write(JSON.stringify({ faults, trace, counts } satisfies Played));
}

if (process.argv[1] === import.meta.filename) {
  const [dir, seed, steps] = process.argv.slice(2) as [string, string, string];
  await main(dir, Number(seed), Number(steps));
}
