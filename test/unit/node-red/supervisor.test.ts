/** The life of Node-RED with a process that does what the test says: what comes when, and, for any course, what never comes. */
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { type NodeRedConfig, nodeRedSection } from '../../../src/config/node-red.ts';
import { silentLogger } from '../../../src/core/logger.ts';
import type { GatewayEvent } from '../../../src/core/ports.ts';
import { BACKOFF, CRASHES, START_WITHIN, STOP_WITHIN } from '../../../src/node-red/machine.ts';
import { MOST_MISSING, parseFromChild } from '../../../src/node-red/messages.ts';
import { Supervisor } from '../../../src/node-red/supervisor.ts';
import { FlowWorld } from '../../fakes/flow-way.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';

const HOUR = 3_600_000;
const config = (keys: object = {}): NodeRedConfig => nodeRedSection.parse({ enabled: true, user: 'sluice-flows', ...keys });

function supervisorBench(saved?: string) {
  const clock = new ManualClock();
  const world = new FlowWorld(clock);
  const events: GatewayEvent[] = [];
  const kept: (string | undefined)[] = [];
  /** What the watcher of flows heard. */
  const heard: string[] = [];
  const supervisor = new Supervisor({
    ...{ clock, logger: silentLogger, tell: (event) => void events.push(event), random: () => 1, way: () => world.way() },
    secret: async () => 'secret',
    title: () => 'Gateway',
    savedSafeMode: async () => saved,
    saveSafeMode: async (why) => void kept.push(why),
    watcher: {
      deployed: () => void heard.push('deployed'),
      lost: () => void heard.push('lost'),
      passed: () => {},
      ended: () => void heard.push('ended'),
    },
  });
  const apply = (next: NodeRedConfig | undefined) => supervisor.prepare(next).apply();
  return { clock, world, events, kept, heard, supervisor, apply, state: () => supervisor.status().state };
}

test('starts, answers checks and ends', async () => {
  const { clock, world, supervisor, apply, state } = supervisorBench();
  assert.equal(state(), 'stopped');
  await apply(config());
  assert.equal(state(), 'starting');
  await clock.advance(1000);
  assert.equal(state(), 'running');
  assert.equal(supervisor.editor, '/state/node-red.sock');
  const [{ flowKey, ...order } = assert.fail('no order')] = world.orders;
  assert.match(flowKey, /^[0-9a-f]{32}$/);
  assert.deepEqual(supervisor.flowAddress, { socket: '/state/node-red.sock', key: flowKey });
  assert.deepEqual(
    { ...order, allow: [...order.allow] },
    {
      ...{ type: 'start', folder: '/flows', socket: '/flows/editor.sock', credentialSecret: 'secret', title: 'Gateway' },
      ...{ allow: [], safeMode: undefined },
    },
  );
  await clock.advance(60_000);
  assert.equal(state(), 'running');
  assert.equal(supervisor.status().checkTime, 3);
  await apply(undefined);
  assert.equal(state(), 'stopping');
  await clock.advance(1000);
  assert.equal(state(), 'stopped');
  assert.equal(supervisor.editor, undefined);
  assert.deepEqual([world.starts, world.ends, world.kills, world.alive], [1, 1, 0, 0]);
});

test('a section that did not change disturbs nothing, another one starts it again', async () => {
  const { clock, world, supervisor, apply } = supervisorBench();
  await apply(config());
  await clock.advance(1000);
  assert.deepEqual(supervisor.prepare(config()).changed, []);
  const changed = supervisor.prepare(config({ allow: { exec: true } }));
  assert.deepEqual(changed.changed, ['nodeRed']);
  assert.equal(world.starts, 1);
  await changed.apply();
  await clock.advance(2000);
  assert.equal(supervisor.status().state, 'running');
  assert.deepEqual(
    world.orders.map(({ allow }) => allow),
    [[], ['exec']],
  );
  assert.deepEqual([world.starts, world.ends, world.kills], [2, 1, 0]);
  assert.equal(supervisor.status().restarts, 0);
});

test('waits longer after each crash, and starts with its flows stopped after five', async () => {
  const { clock, world, events, kept, supervisor, apply, state } = supervisorBench();
  await apply(config());
  const waits: number[] = [];
  for (let crash = 1; crash <= CRASHES; crash++) {
    await clock.advance(1000);
    assert.equal(state(), 'running');
    world.crash('of a fault');
    await clock.advance(20);
    assert.equal(state(), 'backing-off');
    waits.push((supervisor.status().nextStart ?? 0) - clock.monotonic());
    await clock.advance(waits.at(-1) ?? 0);
  }
  assert.deepEqual(
    waits,
    [1, 2, 4, 8, 16].map((n) => n * BACKOFF.first),
  );
  await clock.advance(1000);
  assert.equal(state(), 'safe-mode');
  assert.match(supervisor.status().safeMode ?? '', /5 times within an hour, the last time because of a fault/);
  assert.deepEqual(
    world.orders.map(({ safeMode }) => safeMode !== undefined),
    [false, false, false, false, false, true],
  );
  assert.deepEqual(kept, [supervisor.status().safeMode]);
  assert.deepEqual(
    events.filter(({ severity }) => severity === 'critical').map(({ data }) => data),
    [{ what: 'safe-mode' }],
  );
  world.deploy();
  await clock.advance(1);
  assert.equal(state(), 'running');
  assert.equal(supervisor.status().safeMode, undefined);
  assert.deepEqual(kept.at(-1), undefined);
  assert.equal(events.at(-1)?.data?.what, 'safe-mode-left');
});

test('flows on the disk that would never start end in safe mode, and in no crash', async () => {
  const { clock, world, events, kept, supervisor, apply, state } = supervisorBench();
  world.held = 'the subflow s is inside of itself';
  await apply(config());
  await clock.advance(1000);
  const { safeMode, reason, crashes, restarts } = supervisor.status();
  assert.deepEqual([state(), safeMode, reason, crashes, restarts], ['safe-mode', world.held, world.held, 0, 0]);
  assert.deepEqual(
    events.map(({ severity, data, message }) => [severity, data?.what, message.includes('the subflow s is inside of itself')]),
    [['critical', 'held', true]],
  );
  // Each start looks anew, and nothing is kept of it.
  await apply(config({ memory: '200MB' }));
  await clock.advance(2000);
  assert.deepEqual([state(), world.starts, kept.length, events.length], ['safe-mode', 2, 0, 1]);
  world.deploy();
  await clock.advance(1);
  assert.deepEqual([state(), supervisor.status().safeMode, events.at(-1)?.data?.what], ['running', undefined, 'safe-mode-left']);
  assert.ok(world.orders.every((order) => order.safeMode === undefined));
  world.held = undefined;
  await apply(config());
  await clock.advance(2000);
  assert.deepEqual([state(), world.faults], ['running', []]);
});

test('lost flows wait until nothing else holds flows back, and no revision is made of none', async () => {
  const { clock, world, heard, apply, state } = supervisorBench('it ended five times');
  [world.held, world.lost] = ['the file is no JSON', true];
  await apply(config());
  await clock.advance(1000);
  assert.deepEqual([state(), heard], ['safe-mode', []]);
  await apply(config({ safeMode: 'never' }));
  await clock.advance(2000);
  assert.deepEqual(heard, ['ended', 'lost']);
  // What took their place is flows again.
  world.deploy();
  await clock.advance(1);
  assert.deepEqual([state(), heard.at(-1)], ['running', 'deployed']);
});

test('slow crashes lead to safe mode as well, those of earlier hours do not', async () => {
  for (const [every, expected] of [
    [HOUR / CRASHES - 60_000, 'safe-mode'],
    [HOUR / CRASHES + 300_000, 'running'],
  ] as const) {
    const { clock, world, apply, state } = supervisorBench();
    await apply(config());
    for (let crash = 0; crash < 3 * CRASHES; crash++) {
      await clock.advance(every);
      world.crash();
    }
    await clock.advance(600_000);
    assert.equal(state(), expected, `a crash each ${every / 1000} s`);
  }
});

test('flows that need a missing type have a fault in the status until they start', async () => {
  const { clock, world, supervisor, apply, state } = supervisorBench();
  await apply(config());
  await clock.advance(1000);
  assert.equal(supervisor.status().fault, undefined);
  world.block('exec', 'modbus-read');
  assert.equal(
    supervisor.status().fault,
    'these types of nodes are missing: exec, modbus-read; deploy flows without them, or set nodeRed.allow.exec for the exec node',
  );
  assert.equal(state(), 'running');
  world.block();
  assert.equal(supervisor.status().fault, undefined);
  world.block('exec');
  world.crash();
  await clock.advance(20);
  assert.equal(supervisor.status().fault, undefined);
});

test('names of missing types are bounded before anything uses them', () => {
  const line = (message: object) => parseFromChild(JSON.stringify({ type: 'blocked', ...message }));
  const names = Array.from({ length: 5000 }, (_, i) => `t${i}`);
  assert.deepEqual(line({ missing: 'types', names }), { type: 'blocked', missing: 'types', names: names.slice(0, MOST_MISSING) });
  assert.deepEqual(line({ missing: 'modules', names: [1, '', 'm'.repeat(999)] }), {
    ...{ type: 'blocked', missing: 'modules', names: ['m'.repeat(200)] },
  });
  assert.equal(line({ names: 'exec' }), undefined);
});

test('safeMode: never lets the flows start however often it crashes', async () => {
  const { clock, world, apply, state } = supervisorBench('an earlier reason');
  await apply(config({ safeMode: 'never' }));
  for (let crash = 0; crash < 2 * CRASHES; crash++) {
    await clock.advance(400_000);
    world.crash();
  }
  await clock.advance(400_000);
  assert.equal(state(), 'running');
  assert.ok(world.orders.every(({ safeMode }) => safeMode === undefined));
});

test('safe mode outlives the daemon', async () => {
  const { clock, world, apply, state, supervisor } = supervisorBench('it ended too often');
  await apply(config());
  await clock.advance(1000);
  assert.equal(state(), 'safe-mode');
  assert.equal(supervisor.status().reason, 'it ended too often');
  assert.equal(world.orders[0]?.safeMode, 'it ended too often');
});

test('a process that passes no messages is unhealthy, recovers, or is killed', async () => {
  const { clock, world, events, apply, state } = supervisorBench();
  await apply(config());
  await clock.advance(5000);
  world.hangs = true;
  await clock.advance(20_000);
  assert.equal(state(), 'unhealthy');
  world.hangs = false;
  await clock.advance(20_000);
  assert.equal(state(), 'running');
  assert.equal(world.kills, 0);
  world.hangs = true;
  await clock.advance(45_000);
  assert.equal(world.kills, 1);
  world.hangs = false;
  await clock.advance(10_000);
  assert.equal(state(), 'running');
  assert.equal(world.starts, 2);
  assert.deepEqual(
    events.map(({ data }) => data?.what),
    ['hang', 'crash'],
  );
  assert.match(events[1]?.message ?? '', /no message passes through it/);
});

test('a process that does not end is killed after 15 s, one that does not get ready after 2 min', async () => {
  const { clock, world, apply, state } = supervisorBench();
  world.stubborn = true;
  await apply(config());
  await clock.advance(2000);
  await apply(undefined);
  await clock.advance(STOP_WITHIN - 1);
  assert.deepEqual([state(), world.kills], ['stopping', 0]);
  await clock.advance(100);
  assert.deepEqual([state(), world.kills, world.alive], ['stopped', 1, 0]);
  world.slow = true;
  await apply(config());
  await clock.advance(START_WITHIN + 100);
  assert.equal(world.kills, 2);
  assert.equal(state(), 'backing-off');
});

test('what is missing is reported once, and looked for again', async () => {
  const { clock, world, events, supervisor, apply, state } = supervisorBench();
  world.refuses = true;
  await apply(config());
  await clock.advance(600_000);
  assert.equal(state(), 'backing-off');
  assert.equal(supervisor.status().reason, 'Node-RED is not installed');
  assert.equal(supervisor.status().crashes, 0);
  assert.deepEqual(
    events.map(({ message }) => message),
    ['Node-RED cannot start: Node-RED is not installed'],
  );
  world.refuses = false;
  await clock.advance(BACKOFF.longest + 2000);
  assert.equal(state(), 'running');
});

test('a stop of the daemon leaves nothing, whatever state it finds', async () => {
  for (const at of [0, 3, 8, 500, 2000, 30_000]) {
    const { clock, world, supervisor, apply, state } = supervisorBench();
    world.stubborn = true;
    world.hangs = at > 20_000;
    await apply(config());
    await clock.advance(at);
    let stopped = false;
    void supervisor.stop(3500).then(() => {
      stopped = true;
    });
    await clock.advance(3600);
    assert.ok(stopped, `stopped at ${at} ms`);
    assert.deepEqual([state(), world.alive], ['stopped', 0], `at ${at} ms`);
    await apply(config());
    await clock.advance(5000);
    assert.equal(world.alive, 0, 'nothing starts after the stop');
  }
});

const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant('advance' as const), ms: fc.integer({ min: 1, max: 30_000 }) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('advance' as const), ms: fc.integer({ min: 30_000, max: 900_000 }) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('crash' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('deploy' as const) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('apply' as const), as: fc.constantFrom('off', 'a', 'b', 'never') }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('become' as const),
      what: fc.constantFrom('hangs', 'stubborn', 'slow', 'refuses'),
      on: fc.boolean(),
    }),
  },
);
const WAYS = { off: undefined, a: config(), b: config({ memory: '200MB' }), never: config({ safeMode: 'never' }) };

test('for any course of events there is one process at most, and the state tells the truth', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 60 }), async (steps) => {
      const { clock, world, supervisor, apply, state } = supervisorBench();
      let wanted: keyof typeof WAYS = 'off';
      for (const one of steps) {
        switch (one.do) {
          case 'advance':
            await clock.advance(one.ms);
            break;
          case 'crash':
            world.crash();
            break;
          case 'deploy':
            world.deploy();
            break;
          case 'become':
            world[one.what] = one.on;
            break;
          case 'apply':
            wanted = one.as;
            await apply(WAYS[one.as]);
        }
        assert.deepEqual(world.faults, []);
        assert.ok(world.alive <= 1, 'two processes');
        if (['stopped', 'backing-off'].includes(state())) assert.equal(world.alive, 0, `${state()} with a process`);
        if (wanted === 'never') assert.equal(supervisor.status().safeMode, undefined);
      }
      // Everything is well again: it gets where it is wanted, with the settings that stand.
      Object.assign(world, { hangs: false, stubborn: false, slow: false, refuses: false });
      await clock.advance(START_WITHIN + BACKOFF.longest + STOP_WITHIN + 60_000);
      const safe = supervisor.status().safeMode !== undefined;
      assert.equal(state(), wanted === 'off' ? 'stopped' : safe ? 'safe-mode' : 'running');
      assert.equal(world.alive, wanted === 'off' ? 0 : 1);
      if (wanted !== 'off') assert.equal(world.orders.at(-1)?.safeMode, supervisor.status().safeMode);
      if (world.crashes.length + world.kills < CRASHES) assert.equal(safe, false, 'safe mode without crashes');
      const stopping = supervisor.stop(3500);
      await clock.advance(20_000);
      await stopping;
      assert.deepEqual([state(), world.alive, world.faults], ['stopped', 0, []]);
    }),
    { numRuns: 300 },
  );
});
