/** A restart of Node-RED that somebody asks for: in which states, what comes of it, and that there is never a second one. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { described } from '../../../src/admin/respond.ts';
import { nodeRedSection } from '../../../src/config/node-red.ts';
import { Commands } from '../../../src/control/commands.ts';
import type { Principal } from '../../../src/core/commands.ts';
import { silentLogger } from '../../../src/core/logger.ts';
import type { GatewayEvent } from '../../../src/core/ports.ts';
import { CRASHES } from '../../../src/node-red/machine.ts';
import { AT_ONCE, REFILL, RESTARTED_WITHIN, Restarts } from '../../../src/node-red/restarts.ts';
import { Supervisor } from '../../../src/node-red/supervisor.ts';
import { FlowWorld } from '../../fakes/flow-way.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';

const CONFIG = nodeRedSection.parse({ enabled: true, user: 'sluice-flows' });

function restartsBench() {
  const clock = new ManualClock();
  const world = new FlowWorld(clock);
  let [configured, deploying] = [true, false];
  const supervisor: Supervisor = new Supervisor({
    ...{ clock, logger: silentLogger, tell: () => {}, random: () => 1, way: () => world.way() },
    secret: async () => 'secret',
    title: () => 'Gateway',
    savedSafeMode: async () => undefined,
    saveSafeMode: async () => {},
    changed: (state) => restarts.changed(state),
  });
  const restarts = new Restarts({
    ...{ clock, deploying: () => deploying },
    status: () => (configured ? supervisor.status() : undefined),
    restart: () => supervisor.restart(),
  });
  /** What came of one, as soon as something did. */
  const ask = () => {
    const asked: { came: string | undefined } = { came: undefined };
    restarts.run().then(
      ({ state }) => {
        asked.came = state;
      },
      (thrown: { code: string; message: string }) => {
        asked.came = `${thrown.code}: ${thrown.message}`;
      },
    );
    return asked;
  };
  return {
    ...{ clock, world, supervisor, restarts, ask },
    apply: (on: boolean) => supervisor.prepare(on ? CONFIG : undefined).apply(),
    leave: () => {
      configured = false;
    },
    deploys: (now: boolean) => {
      deploying = now;
    },
  };
}

test('one that runs is ended and started again, which is no crash', async () => {
  const { clock, world, supervisor, ask, apply } = restartsBench();
  await apply(true);
  await clock.advance(1000);
  const asked = ask();
  await clock.advance(1);
  assert.equal(supervisor.status().state, 'stopping');
  assert.equal(supervisor.flowAddress, undefined, 'it takes no flows any more');
  assert.equal(asked.came, undefined);
  await clock.advance(1000);
  assert.equal(asked.came, 'running');
  const { crashes, restarts } = supervisor.status();
  assert.deepEqual([world.starts, world.ends, world.kills, crashes, restarts], [2, 1, 0, 0, 0]);
  // And again.
  const next = ask();
  await clock.advance(1100);
  assert.deepEqual([next.came, world.starts, world.faults], ['running', 3, []]);
});

test('a second one, and one while it starts or ends by itself, is busy and does nothing', async () => {
  const { clock, world, ask, apply } = restartsBench();
  await apply(true);
  const early = ask();
  await clock.advance(1000);
  assert.match(early.came ?? '', /^busy: Node-RED is starting already; nothing was done/);
  const first = ask();
  await clock.advance(1);
  const second = ask();
  await clock.advance(200);
  const third = ask();
  await clock.advance(1000);
  assert.equal(first.came, 'running');
  for (const { came } of [second, third]) assert.match(came ?? '', /^busy: a restart of Node-RED is under way already/);
  assert.deepEqual([world.starts, world.ends], [2, 1]);
});

test('one that gets other flows is not ended before it has them', async () => {
  const { clock, world, ask, apply, deploys } = restartsBench();
  await apply(true);
  await clock.advance(1000);
  deploys(true);
  const early = ask();
  await clock.advance(1100);
  assert.match(early.came ?? '', /^busy: Node-RED is getting other flows; nothing was done/);
  assert.deepEqual([world.starts, world.ends], [1, 0]);
  deploys(false);
  const asked = ask();
  await clock.advance(1100);
  assert.deepEqual([asked.came, world.starts, world.ends], ['running', 2, 1]);
});

test('one that ended Node-RED and failed is reported as failed, one that did nothing as refused', async () => {
  const { clock, world, restarts, apply } = restartsBench();
  const events: GatewayEvent[] = [];
  const tell = (event: GatewayEvent) => events.push(event);
  const commands = new Commands({ 'restart-flows': () => restarts.run() }, { clock, logger: silentLogger, tell });
  const ben: Principal = { who: 'ben', door: 'https', role: 'flow-editor' };
  const statuses: number[] = [];
  const ask = () =>
    commands.run({ do: 'restart-flows' }, ben).then(
      () => statuses.push(200),
      (thrown: unknown) => statuses.push(described(thrown).status),
    );
  await ask();
  await apply(true);
  await clock.advance(1000);
  const crashed = ask();
  await clock.advance(100);
  world.crash();
  await clock.advance(50);
  await crashed;
  await clock.advance(40_000);
  const off = ask();
  await clock.advance(1);
  await apply(false);
  await clock.advance(1000);
  await off;
  assert.deepEqual(
    events.map(({ data }) => [data?.result, data?.code]),
    [
      ['refused', 'not-running'],
      ['failed', 'restart-failed'],
      ['failed', 'restart-failed'],
    ],
  );
  assert.deepEqual(statuses, [503, 502, 502]);
});

test('where it is off or stopped, nothing is started', async () => {
  const { clock, world, ask, apply, leave } = restartsBench();
  const before = ask();
  await clock.advance(1);
  assert.match(before.came ?? '', /^not-running: Node-RED is stopped/);
  await apply(true);
  await clock.advance(1000);
  await apply(false);
  await clock.advance(1000);
  leave();
  const after = ask();
  await clock.advance(1);
  assert.match(after.came ?? '', /^not-running: this gateway has no Node-RED: write nodeRed into its configuration/);
  assert.equal(world.starts, 1);
});

test('one that does not end is killed, and the next one answers', async () => {
  const { clock, world, ask, apply } = restartsBench();
  await apply(true);
  await clock.advance(1000);
  world.stubborn = true;
  const asked = ask();
  await clock.advance(14_000);
  assert.deepEqual([asked.came, world.kills], [undefined, 0]);
  await clock.advance(3000);
  assert.deepEqual([asked.came, world.starts, world.ends, world.kills, world.faults], ['running', 2, 1, 1, []]);
});

test('one that hangs is restarted without waiting for its third check', async () => {
  const { clock, world, supervisor, ask, apply } = restartsBench();
  await apply(true);
  await clock.advance(1000);
  world.hangs = true;
  while (supervisor.status().state !== 'unhealthy') await clock.advance(1000);
  const asked = ask();
  await clock.advance(1);
  world.hangs = false;
  await clock.advance(17_000);
  assert.deepEqual([asked.came, world.starts, supervisor.status().crashes], ['running', 2, 0]);
});

test('while it backs off it starts at once; one that ends again is said to the caller', async () => {
  const { clock, world, supervisor, ask, apply } = restartsBench();
  await apply(true);
  await clock.advance(1000);
  world.crash();
  await clock.advance(30);
  assert.equal(supervisor.status().state, 'backing-off');
  const asked = ask();
  await clock.advance(950);
  assert.deepEqual([asked.came, world.starts], ['running', 2]);
  const again = ask();
  await clock.advance(100);
  world.crash('of http://ann:secret@example.org');
  await clock.advance(50);
  assert.match(again.came ?? '', /^restart-failed: Node-RED was ended and did not start; the gateway tries again later/);
  assert.doesNotMatch(again.came ?? '', /secret/, 'words of a flow stay here');
});

test('safe mode outlives it', async () => {
  const { clock, world, supervisor, ask, apply } = restartsBench();
  await apply(true);
  for (let crash = 1; crash <= CRASHES; crash++) {
    await clock.advance(1000);
    world.crash();
    await clock.advance(40_000);
  }
  assert.equal(supervisor.status().state, 'safe-mode');
  const asked = ask();
  await clock.advance(1100);
  assert.equal(asked.came, 'safe-mode');
  assert.notEqual(world.orders.at(-1)?.safeMode, undefined, 'its flows are not started');
});

test('a switch-off and a stop of the gateway end it, and so does its time', async () => {
  for (const end of ['off', 'stop', 'time'] as const) {
    const { clock, world, supervisor, ask, apply } = restartsBench();
    await apply(true);
    await clock.advance(1000);
    if (end === 'time') world.slow = true;
    const asked = ask();
    await clock.advance(1);
    if (end === 'off') await apply(false);
    if (end === 'stop') void supervisor.stop(1000);
    await clock.advance(end === 'time' ? RESTARTED_WITHIN : 1000);
    assert.match(asked.came ?? 'nothing', /^restart-failed: Node-RED was ended/, end);
    if (end !== 'time') assert.deepEqual([world.starts, world.alive], [1, 0], end);
  }
});

test('five thousand that ask at once are one restart, and Node-RED is back', async () => {
  const { clock, world, supervisor, restarts, apply } = restartsBench();
  const events: GatewayEvent[] = [];
  const tell = (event: GatewayEvent) => events.push(event);
  const commands = new Commands({ 'restart-flows': () => restarts.run() }, { clock, logger: silentLogger, tell });
  const ben: Principal = { who: 'ben', door: 'mqtt', role: 'operator' };
  await apply(true);
  await clock.advance(1000);
  const asked = Array.from({ length: 5000 }, () => commands.run({ do: 'restart-flows' }, ben).catch(({ code }) => String(code)));
  await clock.advance(2000);
  const came = await Promise.all(asked);
  assert.equal(came.filter((one) => one === 'busy').length, 4999);
  assert.deepEqual([supervisor.status().state, world.starts, world.faults], ['running', 2, []]);
  await clock.advance(60_000);
  // 60 refusals, the one that was done, and the number of the others.
  assert.equal(events.length, 62);
  assert.equal(events.at(-1)?.data?.refused, 4939);
});

test('who restarts without end is held back, and Node-RED runs in between', async () => {
  const { clock, world, supervisor, ask, apply } = restartsBench();
  await apply(true);
  await clock.advance(1000);
  const begin = clock.monotonic();
  let [done, busy, running] = [0, 0, 0];
  for (let n = 0; n < 5000; n++) {
    const asked = ask();
    await clock.advance(1100);
    if (asked.came === 'running') done++;
    else if (/^busy: Node-RED was restarted 5 times shortly before; .* ask again in \d+ s$/.test(asked.came ?? '')) busy++;
    if (supervisor.status().state === 'running') running++;
  }
  const minutes = (clock.monotonic() - begin) / REFILL;
  assert.ok(done >= Math.floor(minutes) && done <= AT_ONCE + minutes, `${done} restarts in ${minutes} minutes`);
  assert.deepEqual([done + busy, running, world.starts, world.faults], [5000, 5000, 1 + done, []]);
  // After a pause all of them are there again.
  await clock.advance(AT_ONCE * REFILL);
  for (let n = 0; n <= AT_ONCE; n++) {
    const asked = ask();
    await clock.advance(1100);
    assert.match(asked.came ?? '', n < AT_ONCE ? /^running$/ : /^busy/);
  }
});
