/** What a damaged log may say of actions, outputs and figures: the start takes up what is sound, acts on nothing else, and stays bounded. */
import assert from 'node:assert/strict';
import test from 'node:test';
import type { ResolvedAction } from '../../../../src/config/actions.ts';
import type { ResolvedRule } from '../../../../src/config/kinds.ts';
import { MOST_JOBS, parseBook } from '../../../../src/control/actions/job.ts';
import { AlarmFigures } from '../../../../src/rules/alarm-figures.ts';
import { actionsBench, ruleOf, silent } from '../../../fakes/actions-bench.ts';
import { hostileJson } from '../../../harness/hostile-json.ts';
import { random } from '../../../oracles/store-samples.ts';

const SEEDS = Number(process.env.SLUICE_STATE_SEEDS ?? 150);
const write = (point: string, value: number, more: Partial<ResolvedAction> = {}): ResolvedAction =>
  ({ kind: 'write', on: ['active'], point, value, retries: 3, ...more }) as ResolvedAction;
const RULES: readonly ResolvedRule[] = [
  ruleOf('dry', {
    actions: [
      write('pump.run', 0, { orElse: write('valve.open', 1) }),
      { kind: 'publish', on: ['active'], topic: 'siren', payload: '{message} {time} {value}' } as ResolvedAction,
      { kind: 'output', on: ['active'], point: 'lamp.on', set: 1, clear: 0, while: 'active' },
    ],
    escalation: { after: 60_000, repeat: 60_000, actions: [write('horn.on', 1)] },
  }),
  ruleOf('wet', { actions: [write('gate.open', 1)] }),
];
/** All that these rules may ever write. */
const ALLOWED = /^(rule rule (dry|wet): (pump\.run=0|valve\.open=1|gate\.open=1|horn\.on=1|lamp\.on=[01])$|publish .*siren: )/;

/** The books of a gateway that ended in the middle of everything. */
async function left(): Promise<Map<string, unknown>> {
  const bench = actionsBench(RULES);
  for (const point of ['pump.run', 'valve.open', 'gate.open']) bench.points.set(point, silent);
  await bench.turn('dry', 'active-unacknowledged', { message: 'The tank is empty' });
  await bench.turn('wet', 'active-unacknowledged');
  await bench.clock.advance(90_000);
  bench.actions.stop();
  return bench.saved;
}

test('hostile books: nothing is written that no rule writes, and what is kept is bounded', async () => {
  const saved = await left();
  assert.ok(saved.size >= 3, `${[...saved.keys()]}`);
  for (let seed = 1; seed <= SEEDS; seed++) {
    const next = random(seed * 104_729);
    const harmed = new Map<string, unknown>();
    for (const [key, state] of saved) {
      harmed.set(key, JSON.parse(JSON.stringify(hostileJson(state, next, seed % 3 === 0 ? 0.6 : 0.15))));
      if (next(3) === 0) harmed.set(`${key}${next.pick(['x', '.', '\u0000', '__proto__', ''])}`, state);
    }
    const again = actionsBench(RULES, { saved: harmed, wallKnown: seed % 2 === 0 });
    await again.clock.advance(10);
    for (const name of ['dry', 'wet']) await again.turn(name, 'active-unacknowledged');
    await again.clock.advance(600_000);
    for (const did of again.did) assert.match(did, ALLOWED, `seed ${seed}`);
    // The alarm of this run was acted on, whatever the book of the last one said.
    assert.ok(again.did.includes('rule rule dry: pump.run=0'), `seed ${seed}: ${again.did.join('; ')}`);
    assert.ok(again.did.includes('rule rule dry: lamp.on=1'), `seed ${seed}: ${again.did.join('; ')}`);
    for (const [key, state] of again.saved)
      if (/^@action\.(dry|wet)$/.test(key)) {
        const book = parseBook(state);
        assert.notEqual(book, undefined, `seed ${seed}: ${key} is not understood: ${JSON.stringify(state).slice(0, 1000)}`);
        assert.ok((book?.jobs.length ?? 0) <= MOST_JOBS);
      }
    again.actions.stop();
  }
});

test('hostile figures of alarms: sums stay finite, and the next save is understood', () => {
  const WALL = 1_795_000_000_000;
  const moment = (at: number) => ({ at, wall: WALL + at, wallKnown: true });
  const first = new AlarmFigures(moment(0));
  for (let i = 0; i < 200; i++)
    first.take({ rule: `r${i % 20}`, state: 'active-unacknowledged', at: i * 20_000, observed: undefined });
  const saved = first.save(moment(4_000_000));
  assert.ok(saved !== undefined);
  for (let seed = 1; seed <= SEEDS; seed++) {
    const next = random(seed * 15_485_863);
    const figures = new AlarmFigures(
      moment(5000),
      JSON.parse(JSON.stringify(hostileJson(saved, next, seed % 3 === 0 ? 0.5 : 0.1))),
    );
    for (let i = 0; i < 20; i++) figures.take({ rule: 'r1', state: 'active-unacknowledged', at: 6000 + i, observed: undefined });
    const view = figures.view(moment(7000), [{ rule: 'r1', since: 6000 }]);
    for (const [key, number] of Object.entries({ ...view, ...view.flood }))
      if (typeof number === 'number') assert.ok(Number.isFinite(number), `seed ${seed}: ${key} is ${number}`);
    assert.ok(view.annunciated >= 20, `seed ${seed}`);
    const kept = figures.save(moment(8000));
    assert.equal(
      new AlarmFigures(moment(9000), JSON.parse(JSON.stringify(kept))).view(moment(9000), []).annunciated,
      view.annunciated,
      `seed ${seed}: ${JSON.stringify(kept).slice(0, 800)}`,
    );
  }
});
