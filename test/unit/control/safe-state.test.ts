/** When points are set to their safe value, and what is reported of it. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { SafeState } from '../../../src/control/safe-state.ts';
import { SluiceError } from '../../../src/core/errors.ts';
import { silentLogger } from '../../../src/core/logger.ts';
import type { GatewayEvent, SafePoint } from '../../../src/core/ports.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';

const speed: SafePoint = { device: 'pump', point: 'speed', value: 20, onStop: true, offline: 600_000 };
const valve: SafePoint = { device: 'valve', point: 'open', value: false, onStop: false, offline: 5000 };
const lamp: SafePoint = { device: 'lamp', point: 'on', value: true, onStop: true };

function safeBench(points: SafePoint[]) {
  const clock = new ManualClock();
  const world = {
    clock,
    points,
    connected: true,
    /** `device.point`, and when; what could not be written too. */
    writes: [] as [string, number][],
    events: [] as GatewayEvent[],
    fault: (_point: SafePoint): SluiceError | undefined => undefined,
    hang: false,
    results: () => world.events.map((e) => `${String(e.data?.point ?? '')} ${String(e.data?.result)}`.trim()),
  };
  const safe = new SafeState({
    ...{ clock, logger: silentLogger },
    tell: (event) => world.events.push(event),
    points: () => world.points,
    connected: () => world.connected,
    write: async (point) => {
      world.writes.push([`${point.device}.${point.point}`, clock.monotonic()]);
      if (world.hang) await new Promise(() => {});
      const fault = world.fault(point);
      if (fault) throw fault;
    },
  });
  return { world, safe };
}

test('each point is set once in an outage, after its own time, and nothing is written back', async () => {
  const { world, safe } = safeBench([speed, valve, lamp]);
  safe.start();
  await world.clock.advance(3_600_000);
  assert.equal(world.writes.length, 0);
  world.connected = false;
  await world.clock.advance(4000);
  world.connected = true; // too short
  await world.clock.advance(2000);
  world.connected = false;
  await world.clock.advance(2 * 3_600_000);
  assert.deepEqual(
    world.writes.map(([point]) => point),
    ['valve.open', 'pump.speed'],
  );
  const [first, second] = world.writes.map(([, at]) => at) as [number, number];
  assert.equal(second - first, 595_000);
  world.connected = true;
  await world.clock.advance(60_000);
  assert.deepEqual(world.results(), ['valve.open done', 'pump.speed done', 'back']);
  assert.deepEqual(world.events[2]?.data, { result: 'back', done: 2, failed: 0 });
  world.connected = false;
  await world.clock.advance(10_000);
  assert.deepEqual(world.results().slice(3), ['valve.open done'], 'the next outage is another one');
});

test('a silent device is set soon after it answers again; its failure is told once', async () => {
  const { world, safe } = safeBench([valve]);
  world.connected = false;
  world.fault = () => new SluiceError('timeout', 'it does not answer', { data: { sent: false } });
  safe.start();
  await world.clock.advance(60_000);
  assert.deepEqual(world.results(), ['valve.open failed']);
  assert.equal(world.events[0]?.severity, 'critical');
  assert.ok(world.writes.length > 10, 'asking costs nothing');
  world.fault = () => undefined;
  await world.clock.advance(4000);
  assert.deepEqual(world.results(), ['valve.open failed', 'valve.open done']);
  const asked = world.writes.length;
  await world.clock.advance(3_600_000);
  assert.equal(world.writes.length, asked);
});

test('a device that refuses is asked at growing pauses, and no more once upstream is back', async () => {
  const { world, safe } = safeBench([valve]);
  world.connected = false;
  world.fault = () => new SluiceError('exception', 'exception 4');
  safe.start();
  await world.clock.advance(24 * 3_600_000);
  assert.ok(world.writes.length > 100 && world.writes.length < 200, `${world.writes.length} in a day`);
  world.connected = true;
  await world.clock.advance(2000);
  assert.deepEqual(world.results(), ['valve.open failed', 'back']);
  assert.deepEqual(world.events[1]?.data, { result: 'back', done: 0, failed: 1 });
  const asked = world.writes.length;
  await world.clock.advance(3_600_000);
  assert.equal(world.writes.length, asked);
});

test('a reload writes nothing again, but another value is another thing to do', async () => {
  const { world, safe } = safeBench([valve]);
  world.connected = false;
  safe.start();
  await world.clock.advance(10_000);
  safe.start();
  await world.clock.advance(10_000);
  assert.equal(world.writes.length, 1);
  world.points = [{ ...valve, value: true }];
  safe.start();
  await world.clock.advance(10_000);
  assert.equal(world.writes.length, 2);
  world.points = [];
  safe.start();
  await world.clock.advance(3_600_000);
  assert.equal(world.writes.length, 2);
});

test('at a stop what asks for it is set, all at once, and what does not answer in time is told', async () => {
  const { world, safe } = safeBench([speed, valve, lamp]);
  safe.start();
  await safe.stop(1500);
  assert.deepEqual(world.results().sort(), ['lamp.on done', 'pump.speed done']);
  assert.ok(world.events.every((e) => e.severity === 'info' && e.data?.why === 'stop'));
  world.connected = false;
  await world.clock.advance(3_600_000);
  assert.equal(world.writes.length, 2, 'after the stop nobody looks any more');

  const hanging = safeBench([lamp]);
  hanging.world.hang = true;
  const stopped = hanging.safe.stop(1500);
  await hanging.world.clock.advance(1500);
  await stopped;
  assert.deepEqual(hanging.world.results(), ['lamp.on failed']);
  assert.match(hanging.world.events[0]?.message ?? '', /the gateway ended before that/);
});
