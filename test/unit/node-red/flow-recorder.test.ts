/** Who a revision is named after, what a flow costs that deploys without end, and what becomes of flows that cannot be kept. */
import assert from 'node:assert/strict';
import { rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import type { Principal } from '../../../src/core/commands.ts';
import { SluiceError } from '../../../src/core/errors.ts';
import type { FlowsChange, FlowsResult } from '../../../src/core/flow-revisions.ts';
import { silentLogger } from '../../../src/core/logger.ts';
import type { GatewayEvent } from '../../../src/core/ports.ts';
import type { DeployOrder, PresentFlows } from '../../../src/node-red/revisions/flow-client.ts';
import { type DeskOptions, FlowDesk } from '../../../src/node-red/revisions/flow-desk.ts';
import { FlowRecorder, WELL_AFTER } from '../../../src/node-red/revisions/flow-recorder.ts';
import { bringBack } from '../../../src/node-red/revisions/lost-flows.ts';
import { RevisionStore } from '../../../src/node-red/revisions/revision-store.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';
import { scratch } from '../../harness/scratch.ts';
import { waitFor } from '../../harness/wait-for.ts';

const ANNA: Principal = { who: 'anna', door: 'https', role: 'flow-editor' };
const BEN: Principal = { who: 'ben', door: 'socket', role: 'administrator' };

function recorderBench(t: TestContext) {
  const folder = path.join(scratch(t, 'recorder'), 'r');
  const clock = new ManualClock();
  const store = new RevisionStore(folder);
  const events: GatewayEvent[] = [];
  const node = {
    text: 'one',
    runs: true,
    key: 'k',
    asked: 0,
    rev: 0,
    fault: undefined as Error | undefined,
    looked: () => {},
    flows: undefined as string | undefined,
  };
  /** What a deploy ends in; undefined: an answer. */
  const lost = { with: undefined as ((flows: string) => void) | undefined };
  const flowsOf = (): PresentFlows => ({
    rev: String(node.rev),
    summary: { tabs: [{ id: 't', label: node.text, nodes: 1, mark: node.text }], moreTabs: 0, nodes: 2, rest: 'r' },
    content: { flows: node.flows ?? JSON.stringify([{ text: node.text }]), credentials: '{}' },
  });
  const address = () => (node.runs ? { socket: '/s', key: node.key } : undefined);
  const recorder: FlowRecorder = new FlowRecorder({
    ...{ clock, logger: silentLogger, tell: (event: GatewayEvent) => events.push(event), store, address },
    time: () => ({ utc: clock.monotonic(), known: clock.monotonic() > 1000 }),
    lost: () => void recover(),
    ask: async () => {
      node.asked++;
      if (node.fault !== undefined) throw node.fault;
      const present = flowsOf();
      node.looked();
      return present;
    },
  });
  const orders: DeployOrder[] = [];
  /** Whether the desk says so, at each deploy. */
  const underWay: boolean[] = [];
  const desk: FlowDesk = new FlowDesk({
    ...{ clock, store, recorder, address, status: () => undefined },
    deploy: (...asked) => deployed(...asked),
  });
  const deployed: NonNullable<DeskOptions['deploy']> = async (_, order, { flows }) => {
    underWay.push(desk.deploying);
    if (order.rev !== String(node.rev)) throw new SluiceError('conflict', 'the flows were deployed');
    orders.push(order);
    if (lost.with !== undefined) {
      lost.with((JSON.parse(flows) as { text: string }[])[0]?.text ?? '');
      throw new SluiceError('outcome-unknown', 'Node-RED gave no answer');
    }
    node.text = (JSON.parse(flows) as { text: string }[])[0]?.text ?? '';
    node.rev++;
    recorder.deployed();
    return { flows: 'started', passwords: 'restored', added: [] };
  };
  const recover = (): Promise<void> =>
    bringBack({ logger: silentLogger, tell: (event) => events.push(event), store, recorder, address, deploy: deployed });
  const deploy = async (text: string): Promise<void> => {
    node.text = text;
    node.rev++;
    recorder.deployed();
    recorder.deployed();
    await recorder.exclusively(async () => {});
  };
  const names = (): string[] => store.all.map(({ who }) => who);
  const run = (change: FlowsChange) => desk.run(change, BEN).then(() => node.text);
  return { folder, clock, store, events, node, lost, recorder, recover, desk, orders, underWay, deploy, names, run };
}

test('a revision has the name of the person whose request went before it, once, and not later', async (t) => {
  const s = recorderBench(t);
  await s.deploy('at the start');
  s.recorder.deploying(ANNA, 'flows');
  await s.deploy('of anna');
  await s.deploy('of a flow');
  s.recorder.deploying(ANNA, 'flows');
  await s.clock.advance(16_000);
  await s.deploy('long after anna');
  s.recorder.deploying(ANNA, 'state');
  await s.deploy('after a stop of the flows');
  s.recorder.deploying(BEN, 'flows');
  s.recorder.deployed();
  await s.recorder.exclusively(async () => {});
  await s.deploy('after a deploy of ben that changed nothing');
  // Node-RED refused this one. A later request of somebody else stays named.
  s.recorder.deploying(ANNA, 'flows')();
  await s.deploy('after a refused deploy of anna');
  const refused = s.recorder.deploying(ANNA, 'flows');
  s.recorder.deploying(BEN, 'flows');
  refused();
  await s.deploy('of ben');
  assert.deepEqual(s.names(), ['unknown', 'anna', 'unknown', 'unknown', 'unknown', 'ben', 'unknown', 'ben']);
  assert.deepEqual(
    s.store.all.map(({ origin }) => origin),
    ['found', ...new Array<string>(7).fill('deploy')],
  );
  assert.equal(s.store.all[0]?.estimated, true);
  assert.equal(s.store.all[3]?.estimated, undefined);
});

test('flows that deploy without end are looked at 20 times, then once in 30 s', async (t) => {
  const s = recorderBench(t);
  for (let i = 0; i < 500; i++) await s.deploy(`flood ${i}`);
  assert.equal(s.node.asked, 20);
  assert.equal(s.recorder.held, 1);
  await s.clock.advance(30_000);
  await s.recorder.exclusively(async () => {});
  assert.equal(s.node.asked, 21);
  assert.equal((await s.store.read(s.store.newest?.number ?? 0)).flows, '[{"text":"flood 499"}]');
  await s.clock.advance(900_000);
  for (let i = 0; i < 500; i++) await s.deploy(`more ${i}`);
  assert.equal(s.node.asked, 41, 'a pause fills it up again, and to no more than 20');
});

test('an undo goes back, again further back, and a restore goes forward', async (t) => {
  const s = recorderBench(t);
  for (const text of ['one', 'two', 'three', 'four']) await s.deploy(text);
  assert.equal(await s.run({ act: 'undo', newest: 4 }), 'three');
  assert.equal(await s.run({ act: 'undo' }), 'two');
  assert.equal(await s.run({ act: 'restore', revision: 4 }), 'four');
  assert.equal(await s.run({ act: 'undo' }), 'two', 'what was there before the restore');
  assert.equal(await s.run({ act: 'undo' }), 'one');
  await assert.rejects(s.run({ act: 'undo' }), /there is nothing to undo: no revision before 1 is kept/);
  await assert.rejects(s.run({ act: 'restore', revision: 77 }), /there is no revision 77/);
  await assert.rejects(s.run({ act: 'undo', newest: 4 }), { code: 'conflict' });
  assert.deepEqual(s.names().slice(4), ['ben', 'ben', 'ben', 'ben', 'ben']);
  const { revisions } = await s.desk.list();
  assert.deepEqual([revisions[0]?.origin, revisions[0]?.of], ['undo', '1']);
  assert.deepEqual(revisions.at(-2)?.changes, { added: [], removed: [], changed: ['two'], other: false, passwords: false });
});

test('flows that have no revision are kept before an undo replaces them, or the undo is refused', async (t) => {
  const s = recorderBench(t);
  await s.deploy('one');
  s.node.text = 'nobody said so';
  s.node.rev++;
  assert.equal(await s.run({ act: 'undo' }), 'one');
  assert.equal((await s.store.read(2)).flows, '[{"text":"nobody said so"}]');
  s.node.fault = new SluiceError('request-invalid', 'the flows are too large');
  s.node.text = 'large';
  await assert.rejects(s.run({ act: 'undo' }), /too large/);
  assert.equal(s.node.text, 'large');
  s.node.runs = false;
  await assert.rejects(s.run({ act: 'undo' }), /this gateway has no Node-RED/);
});

test('the desk says that flows are under way while a deploy is, and no longer when it failed', async (t) => {
  const s = recorderBench(t);
  for (const text of ['one', 'two']) await s.deploy(text);
  assert.equal(await s.run({ act: 'undo' }), 'one');
  assert.deepEqual([s.underWay, s.desk.deploying], [[true], false]);
  s.node.looked = () => {
    s.node.rev++;
  };
  await assert.rejects(s.run({ act: 'restore', revision: 2 }), { code: 'conflict' });
  assert.deepEqual([s.underWay, s.desk.deploying], [[true, true], false]);
});

test('a Node-RED that was asked to end after the look gets no flows', async (t) => {
  const s = recorderBench(t);
  for (const text of ['one', 'two']) await s.deploy(text);
  const before = s.node.asked;
  s.node.looked = () => {
    s.node.runs = false;
  };
  await assert.rejects(s.run({ act: 'undo' }), { code: 'not-running' });
  assert.deepEqual([s.node.asked - before, s.orders, s.node.text], [1, [], 'two']);
});

test('what cannot be kept is reported once, tried again, and ends by itself', async (t) => {
  const s = recorderBench(t);
  writeFileSync(s.folder, 'a file in the place of the folder');
  await s.deploy('one').catch(() => {});
  await waitFor('a fault', () => s.recorder.fault !== undefined);
  for (let i = 0; i < 5; i++) {
    await s.clock.advance(60_000);
    await s.recorder.exclusively(async () => {}).catch(() => {});
  }
  assert.deepEqual(
    s.events.map(({ event, severity }) => `${event} ${severity}`),
    ['flows warning'],
  );
  assert.match((await s.desk.list()).faults.join(), /the folder of revisions of flows cannot be used/);
  rmSync(s.folder);
  await s.clock.advance(60_000);
  await waitFor('a revision', () => s.store.newest?.number === 1);
  await waitFor('no fault', () => s.recorder.fault === undefined);
});

test('flows that ran for ten minutes without an end of the process ran well', async (t) => {
  const s = recorderBench(t);
  await s.deploy('one');
  await s.clock.advance(WELL_AFTER - 1);
  s.recorder.passed();
  s.recorder.ended();
  s.recorder.deployed();
  await s.recorder.exclusively(async () => {});
  await s.clock.advance(WELL_AFTER - 1);
  s.recorder.passed();
  await s.recorder.exclusively(async () => {});
  assert.equal(s.store.well, undefined);
  await s.clock.advance(1);
  s.recorder.passed();
  await s.recorder.exclusively(async () => {});
  assert.equal(s.store.well, 1);
  assert.deepEqual(
    (await s.desk.list()).revisions.map(({ ranWell }) => ranWell),
    [true],
  );
});

test('more than eight changes at a time are refused, and none of the others is lost', async (t) => {
  const s = recorderBench(t);
  for (const text of ['one', 'two']) await s.deploy(text);
  const storm = await Promise.allSettled(Array.from({ length: 30 }, (_, i) => s.run({ act: 'restore', revision: 1 + (i % 2) })));
  const refused = storm.filter(({ status }) => status === 'rejected');
  assert.equal(refused.length, 22);
  for (const one of refused) if (one.status === 'rejected') assert.equal(one.reason.code, 'busy');
  assert.equal(s.orders.length, 8);
  assert.equal(s.store.newest?.number, 2 + 8);
});

test('a deploy without an answer is done, not done or open, as the flows afterwards tell', async (t) => {
  const s = recorderBench(t);
  for (const text of ['one', 'two']) await s.deploy(text);
  s.lost.with = () => {
    s.node.key = 'of the next process';
  };
  await assert.rejects(s.run({ act: 'undo' }), (thrown: SluiceError) => {
    assert.equal(thrown.code, 'not-running');
    assert.match(thrown.message, /^Node-RED gave no answer\. It has the flows of before: nothing was changed, so ask again$/);
    return true;
  });
  assert.deepEqual([s.node.text, s.store.newest?.number, s.desk.deploying], ['two', 2, false]);

  // It had them before it ended.
  s.lost.with = (text) => {
    s.node.text = text;
    s.node.rev++;
  };
  const done = await s.desk.run({ act: 'undo' }, BEN);
  assert.deepEqual(done, { revision: 3, flows: 'started', passwords: 'restored', added: [] });
  assert.deepEqual([s.store.newest?.who, s.store.newest?.origin, s.store.newest?.of], ['ben', 'undo', '1']);

  s.lost.with = () => {
    s.node.text = 'of somebody else';
  };
  await assert.rejects(s.run({ act: 'restore', revision: 2 }), /other flows now than before and than those/);
});

test('a process that is still at a deploy is waited for, and its flows of before prove nothing', async (t) => {
  const s = recorderBench(t);
  for (const text of ['one', 'two']) await s.deploy(text);
  const slow = async (arrives: boolean): Promise<FlowsResult | SluiceError> => {
    const taken: string[] = [];
    s.lost.with = (text) => void taken.push(text);
    const asked = s.desk.run({ act: 'restore', revision: 1 }, BEN).catch((thrown: SluiceError) => thrown);
    await waitFor('the deploy', async () => taken.length > 0);
    for (let i = 0; i < 40; i++) await s.clock.advance(500);
    assert.equal(s.desk.deploying, true);
    if (arrives) {
      s.node.text = taken[0] ?? '';
      s.node.rev++;
    }
    await waitFor('the end of the wait', async () => {
      await s.clock.advance(500);
      return !s.desk.deploying;
    });
    return asked;
  };
  const open = await slow(false);
  assert.ok(open instanceof SluiceError);
  assert.equal(open.code, 'outcome-unknown', 'not that nothing was changed');
  assert.match(open.message, /not back yet or not done/);
  const done = await slow(true);
  assert.ok(!(done instanceof SluiceError));
  assert.deepEqual([done.flows, s.node.text, s.store.newest?.who], ['started', 'one', 'ben']);
  // One that answered is not at it any more.
  s.lost.with = () => {
    throw new SluiceError('outcome-unknown', 'Node-RED refused: no', { data: { answered: true } });
  };
  await assert.rejects(s.run({ act: 'restore', revision: 2 }), { code: 'not-running', message: /nothing was changed/ });
});

test('the same change once more, after one of which nobody knew the outcome, adds nothing twice', async (t) => {
  const s = recorderBench(t);
  await s.deploy('one');
  const flows = [{ id: 'a', type: 'tab', label: 'Mine', text: 'imported' }];
  const change: FlowsChange = { act: 'import', mode: 'replace', flows };
  const lose = async (arrives: boolean): Promise<void> => {
    s.lost.with = (text) => {
      s.node.runs = false;
      if (arrives) s.node.flows = JSON.stringify(flows);
      if (arrives) s.node.text = text;
    };
    const asked = assert.rejects(s.desk.run(change, BEN), (thrown: SluiceError) => {
      assert.equal(thrown.code, 'outcome-unknown');
      assert.match(thrown.message, /is not back yet .* open whether it has the flows/);
      return true;
    });
    await waitFor('the end of the wait', async () => {
      await s.clock.advance(1000);
      return !s.desk.deploying;
    });
    await asked;
    s.node.runs = true;
    s.lost.with = undefined;
  };
  await lose(false);
  assert.equal((await s.desk.run(change, BEN)).added.length, 0);
  assert.equal(s.orders.length, 2, 'it had not arrived, so it was deployed');
  s.node.flows = undefined;
  await s.deploy('two');
  await lose(true);
  const again = await s.desk.run(change, BEN);
  assert.deepEqual([again.flows, s.orders.length], ['started', 3], 'it had arrived, and nothing was deployed');
  assert.equal(again.revision, s.store.newest?.number);
  // Another change is another one.
  await s.run({ act: 'undo' });
  assert.equal(s.orders.length, 4);
});

test('flows that were lost come back from the last revision that ran well, and nobody is named', async (t) => {
  const s = recorderBench(t);
  for (const text of ['one', 'well', 'newest']) await s.deploy(text);
  await s.recorder.exclusively(() => s.store.markWell(2));
  const lose = async (): Promise<void> => {
    s.node.text = 'nothing';
    s.node.rev++;
    s.recorder.lost();
    await s.recorder.exclusively(async () => {});
  };
  await lose();
  assert.deepEqual([s.node.text, s.orders.at(-1)?.mode], ['well', 'restore']);
  const [last] = s.store.all.slice(-1);
  assert.deepEqual([last?.number, last?.who, last?.origin, last?.of], [4, 'gateway', 'restore', '2']);
  assert.deepEqual([s.events.at(-1)?.data?.what, s.events.at(-1)?.data?.revision], ['recovered', 2]);

  // What fails is said, and nothing throws.
  s.node.fault = new SluiceError('not-running', 'no answer');
  await s.recover();
  assert.match(s.events.at(-1)?.message ?? '', /could not be brought back: no answer/);
});

test('without a revision lost flows stay lost, and one whose flows cannot start is passed over', async (t) => {
  const s = recorderBench(t);
  s.recorder.lost();
  await s.recorder.exclusively(async () => {});
  assert.match(s.events.at(-1)?.message ?? '', /no revision is there/);
  assert.deepEqual([s.orders, s.store.newest?.origin], [[], 'found']);
  await s.deploy('good');
  for (const flows of ['{"no":"list"}', '7', JSON.stringify([{ id: 'g', type: 'group', g: 'g' }])]) {
    s.node.flows = flows;
    s.recorder.deployed();
    await s.recorder.exclusively(async () => {});
    await assert.rejects(s.run({ act: 'restore', revision: s.store.newest?.number ?? 0 }), { code: 'request-invalid' });
  }
  s.node.flows = undefined;
  s.recorder.lost();
  await s.recorder.exclusively(async () => {});
  assert.deepEqual([s.node.text, s.store.newest?.of], ['good', '2']);
});
