/** Readings of unchanged buses come while others are exchanged: what their alarms do and say then, and after a roll-back. */
import assert from 'node:assert/strict';
import test from 'node:test';
import type { GatewayConfig, ResolvedRule } from '../../../src/config/kinds.ts';
import { Actions } from '../../../src/control/actions/actions.ts';
import type { Logger } from '../../../src/core/logger.ts';
import type { Sample, Shape } from '../../../src/core/point.ts';
import type { Parts } from '../../../src/gateway/parts.ts';
import { Reload } from '../../../src/gateway/reload.ts';
import { Ingest } from '../../../src/pipeline/ingest.ts';
import { Latest } from '../../../src/pipeline/latest.ts';
import { RuleEngine } from '../../../src/rules/engine.ts';
import type { Log } from '../../../src/store/log.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';
import { resolveRules } from '../../harness/rule-case.ts';

const shape: Shape = { device: 'd', points: [{ name: 'x', type: 'float64', storage: 'number' }] };

/** A write of this value when the alarm begins. */
function ruleOf(name: string, above: number, value: number): ResolvedRule {
  const [rule] = resolveRules({ [name]: { point: 'd.x', above } });
  assert.ok(rule !== undefined);
  return { ...rule, actions: [{ kind: 'write', on: ['active'], point: 'd.out', value, retries: 1 }] };
}

function bench(...first: ResolvedRule[]) {
  const clock = new ManualClock();
  const configOf = (rules: readonly ResolvedRule[]): GatewayConfig =>
    ({
      ...{ gateway: { id: 'g1' }, buffer: {}, buses: new Map(), hooks: new Map(), nodeRed: undefined },
      rules: new Map(rules.map((rule) => [rule.name, rule])),
    }) as unknown as GatewayConfig;
  let config = configOf(first);
  const told: string[] = [];
  const did: string[] = [];
  const later = { fault: undefined as Error | undefined, silent: false };
  let corrected = 0;
  const kept = { newest: [] as string[], gone: [] as string[] };
  /** Bytes that the log keeps: 9 before, and what a configuration says that is in force for good. */
  const bounds = { maxSize: 9 };
  const log = {
    options: bounds,
    append: (sample: Sample) => ({ seq: 1, sample }),
    saveState: () => {},
    notice: (kind: string, key: string, _at: number, body: { occurrence: number; state: string }) => {
      told.push(`${key} ${body.occurrence} ${body.state}`);
      return { kind, key, seq: 0, json: '{}' };
    },
  } as unknown as Log;
  const latest = new Latest(() => 0);
  latest.setShapes([shape]);
  const rules = new RuleEngine({ rules: first, start: { at: 0, wall: 0, wallKnown: true }, shapes: [shape] });
  const logger = { info() {}, warn() {}, error() {}, debug() {}, child: () => logger } as unknown as Logger;
  const actions: Actions = new Actions({
    ...{ clock, logger },
    gateway: () => 'g1',
    rules: () => config.rules,
    hooks: () => new Map(),
    moment: () => ingest.moment(),
    look: (rule) => rules.look(rule, ingest.moment()),
    commands: {
      run: async (command: { readonly value: unknown }) => {
        if (later.silent) throw new Error('no answer');
        did.push(String(command.value));
      },
    } as never,
    assertFree: () => {},
    busOf: () => 'plant',
    publish: () => true,
    deliver: async () => ({ result: 'acknowledged' }),
    shown: (facts) => facts,
    trigger: () => true,
    run: async () => '',
    save: () => {},
    remark: () => {},
    tell: () => {},
  });
  const ingest: Ingest = new Ingest({
    ...{ log, clock, latest, rules, actions },
    offset: () => 0,
    clockKnown: () => true,
    onAlarm: () => {},
    onObserved: () => {},
  });
  actions.restore([]);
  actions.start();
  const end = Promise.withResolvers<void>();
  let exchange = (): Promise<void> => end.promise;
  const nothing = { changed: [], apply: async () => {}, cancel: async () => {}, leaving: [] };
  const parts = {
    ...{ actions, safe: { start() {} }, alarmed: { changed() {} } },
    plant: { shapes: [shape], prepare: () => ({ changed: [], shapes: [shape], apply: () => exchange() }) },
    newest: { rules: (names: Set<string>) => void kept.newest.splice(0, kept.newest.length, ...names) },
    broker: { prepare: async () => nothing, rules() {} },
    forwarders: { prepare: () => nothing, republish: (gone: string[]) => void kept.gone.push(...gone) },
    ...{
      flows: { prepare: () => ({ ...nothing, apply: async () => later.fault && Promise.reject(later.fault) }) },
      web: { prepare: async () => nothing },
    },
  } as unknown as Parts;
  const reload = new Reload(
    {
      ...{ logger, log, ingest, rules, running: true, stopping: false },
      get config() {
        return config;
      },
      setConfig: (next, trial) => {
        config = next;
        if (!trial) bounds.maxSize = 1;
      },
      corrected: () => void corrected++,
      setInventory: () => {},
    },
    parts,
  );
  const read = (value: number) => {
    ingest.sample({ shape, at: clock.monotonic(), values: [value], reasons: null });
  };
  const settled = () => new Promise<void>((resolve) => setImmediate(() => setImmediate(resolve)));
  return {
    reload: (...next: ResolvedRule[]) => reload.run(configOf(next)),
    trial: (...next: ResolvedRule[]) => reload.run(configOf(next), true),
    /** The next exchange of buses ends at once. */
    exchanges: (fault?: Error) => {
      exchange = async () => {
        if (fault !== undefined) throw fault;
      };
    },
    stands: () => rules.alarms(ingest.moment()).map(({ rule, occurrence }) => `${rule} ${occurrence}`),
    corrected: () => corrected,
    ...{ end, later, read, settled, told, did, kept, rules, bounds },
  };
}

test('a new rule acts on what comes while buses are exchanged', async () => {
  const b = bench();
  const done = b.reload(ruleOf('hot', 5, 1));
  await b.settled();
  b.read(9);
  await b.settled();
  assert.deepEqual([b.told, b.did], [['hot 1 active-unacknowledged'], ['1']]);
  b.end.resolve();
  await done;
  assert.deepEqual([b.told.length, b.did.length], [1, 1], 'and once');
});

test('the end of the alarm before is told before the alarm of the changed rule', async () => {
  const b = bench(ruleOf('hot', 5, 1));
  b.read(9);
  const done = b.reload(ruleOf('hot', 7, 2));
  await b.settled();
  b.read(9);
  b.end.resolve();
  await done;
  await b.settled();
  assert.deepEqual(b.told, ['hot 1 active-unacknowledged', 'hot 1 normal', 'hot 2 active-unacknowledged']);
  assert.deepEqual(b.did, ['1', '2']);
});

test('after a roll-back the rules of before act, and alarms of the others are over', async () => {
  const b = bench(ruleOf('old', 50, 1));
  const done = b.reload(ruleOf('hot', 5, 2));
  await b.settled();
  b.read(9);
  b.end.reject(new Error('the port is taken'));
  await assert.rejects(done, /the port is taken/);
  assert.deepEqual(b.told, ['hot 1 active-unacknowledged', 'hot 1 normal']);
  assert.deepEqual([b.kept.newest, b.kept.gone], [['old'], ['hot']]);
  b.read(60);
  await b.settled();
  assert.equal(b.told.at(-1), 'old 1 active-unacknowledged');
  assert.deepEqual(b.did, ['2', '1']);
});

test('after a reload that failed, alarms and delays of rules that it lacked or changed go on', async () => {
  for (const next of [[], [ruleOf('hot', 7, 2)]]) {
    const b = bench(ruleOf('hot', 5, 1));
    b.read(9);
    b.exchanges(new Error('the port is taken'));
    await assert.rejects(b.reload(...next), /the port is taken/);
    assert.deepEqual(b.stands(), ['hot 1']);
    assert.equal(b.told.includes('hot 1 normal'), false, 'nobody hears of an end');
    b.read(9);
    await b.settled();
    assert.deepEqual([b.stands(), b.did], [['hot 1'], ['1']], 'it begins no second time');
    // And the same file once more, with the port free.
    b.exchanges();
    await b.reload(...next);
    assert.deepEqual([b.told.at(-1), b.stands()], ['hot 1 normal', []]);
  }
});

test('a write that waits for its device goes on after a reload that failed and after a trial', async () => {
  const changes = [ruleOf('hot', 7, 2), ruleOf('hot', 5, 2)];
  for (const [how, next] of ['failed', 'rolled back', 'kept'].flatMap((word) => changes.map((rule) => [word, rule] as const))) {
    const b = bench(ruleOf('hot', 5, 1));
    b.later.silent = true;
    b.read(9);
    await b.settled();
    b.later.silent = false;
    b.exchanges(how === 'failed' ? new Error('the port is taken') : undefined);
    if (how === 'failed') await assert.rejects(b.reload(next), /the port is taken/);
    else if (how === 'kept') await b.reload(next);
    else {
      await b.trial(next);
      await b.settled();
      assert.deepEqual(b.did, [], 'nobody does it during the trial');
      await b.reload(ruleOf('hot', 5, 1));
    }
    await b.settled();
    assert.deepEqual(b.did, how === 'kept' ? [] : ['1'], how);
  }
});

test('a roll-back that fails and comes again gives back the rules of before the trial', async () => {
  const b = bench(ruleOf('hot', 5, 1));
  b.read(9);
  b.exchanges();
  await b.trial(ruleOf('hot', 7, 2));
  for (let tries = 0; tries < 3; tries++) {
    b.exchanges(new Error('the port is taken'));
    await assert.rejects(b.reload(ruleOf('hot', 5, 1)), /the port is taken/);
  }
  assert.deepEqual(b.stands(), [], 'the trial is in force, and its rule has heard nothing');
  assert.equal(b.bounds.maxSize, 9, 'and the log drops nothing');
  b.exchanges();
  await b.reload(ruleOf('hot', 5, 1));
  assert.deepEqual(b.stands(), ['hot 1']);
  b.read(9);
  assert.deepEqual(
    b.told.filter((one) => one.endsWith('normal')),
    [],
  );
});

test('a file is called in force only when all of it is', async () => {
  const b = bench();
  b.end.reject(new Error('the port is taken'));
  await assert.rejects(b.reload(ruleOf('hot', 5, 1)), /the port is taken/);
  assert.equal(b.corrected(), 0, 'buses that rolled back');

  const c = bench();
  c.later.fault = new Error('no such folder');
  const done = c.reload(ruleOf('hot', 5, 1));
  c.end.resolve();
  await assert.rejects(done, /no such folder/);
  assert.equal(c.corrected(), 0, 'a later part that failed');
  c.later.fault = undefined;
  await c.reload(ruleOf('hot', 5, 1));
  assert.equal(c.corrected(), 1);
});
