/**
 * The store against a model: random operations, acknowledgements lost, kills, power cuts and restarts of the real log
 * and its outlets. SLUICE_MODEL_SEED and SLUICE_MODEL_STEPS run one seed for longer; a failure prints both and the trace.
 */
// Takes minutes: it starts before the others.
import assert from 'node:assert/strict';
import test from 'node:test';
import { Lanes } from '../../../src/store/delivery/lanes.ts';
import { Outlet } from '../../../src/store/delivery/outlet.ts';
import { Mirror } from '../../../src/store/tail/mirror.ts';
import { scratch } from '../../harness/scratch.ts';
import { type Played, play, playInProcesses } from '../../oracles/store-runs.ts';

const STEPS = Number(process.env.SLUICE_MODEL_STEPS ?? 900);
const SEED = process.env.SLUICE_MODEL_SEED;
/** Lines of the trace that a failure prints. */
const TOLD = 900;

const counts: Record<string, number> = {};
const seeds = SEED !== undefined ? [Number(SEED)] : Array.from({ length: 8 }, (_, i) => 1000 + i);
function judge(played: Played, seed: number): void {
  const told = played.trace.slice(-TOLD).join('\n');
  assert.deepEqual(played.faults, [], `SLUICE_MODEL_SEED=${seed} SLUICE_MODEL_STEPS=${STEPS}; the last operations:\n${told}`);
  for (const [op, n] of Object.entries(played.counts)) counts[op] = (counts[op] ?? 0) + n;
}
for (const seed of seeds)
  test(`the store keeps its promises through ${STEPS} random operations, seed ${seed}`, async (t) => {
    judge(await play(scratch(t, 'model'), seed, STEPS), seed);
  });
/** A share of the runs: each kill costs a process. */
const killed = SEED !== undefined ? [Number(SEED)] : [2000, 2001];
for (const seed of killed)
  test(`the same where kills and power cuts end real processes, seed ${seed}`, { timeout: 600_000 }, async (t) => {
    const played = await playInProcesses(t, scratch(t, 'model'), seed, STEPS);
    judge(played, seed);
    t.diagnostic(`${(played.counts.kill ?? 0) + (played.counts.powerCut ?? 0)} processes were killed`);
    if (SEED === undefined)
      assert.ok((played.counts.kill ?? 0) > 0 && (played.counts.powerCut ?? 0) > 0, 'there were kills and power cuts');
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
    test(`control: the model notices when ${words}`, async (t) => {
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
