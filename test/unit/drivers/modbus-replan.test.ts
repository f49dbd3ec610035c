/** Times measured of devices, and the plans that are exchanged for cheaper ones: on a clock and a wire of their own. */
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import type { ResolvedDevice } from '../../../src/config/kinds.ts';
import type { Sample } from '../../../src/core/point.ts';
import { Latency } from '../../../src/drivers/latency.ts';
import { modbusRtu } from '../../../src/drivers/modbus/kind.ts';
import { characterTime } from '../../../src/drivers/modbus/wire-cost.ts';
import { registerOf } from '../../fakes/modbus-device.ts';
import { World, type WorldOptions, type WorldRequest } from '../../fakes/modbus-world.ts';

const line = { baudRate: 19_200, dataBits: 8, parity: 'none', stopBits: 1 } as const;
const character = characterTime(line);
/** Milliseconds of the bytes of a request and its reply. */
const bytesOf = ({ count }: WorldRequest) => (8 + 5 + 2 * count) * character;

/** Places with holes of 6 to 30 registers: which of them pay depends on how long the device takes to answer. */
const ADDRESSES = [0, 7, 20, 36, 53, 75, 98, 124, 152, 183];

function resolved(unit: number, settings: Record<string, unknown> = {}, points: Record<string, object> = {}): ResolvedDevice {
  return {
    name: `d${unit}`,
    bus: 'field',
    settings: modbusRtu.device.parse({ unit, interval: '1s', ...settings }),
    points: new Map(
      ADDRESSES.map((address) => [
        `r${address}`,
        modbusRtu.point.parse({ table: 'holding', address, type: 'uint16', ...points[`r${address}`] }),
      ]),
    ),
  };
}

function world(devices: readonly ResolvedDevice[], wait: (request: WorldRequest) => number, options: Partial<WorldOptions> = {}) {
  return new World({
    ...{ transport: 'rtu', resolved: devices, line, character, known: { ms: 20, from: 'assumed' } },
    answer: (r) => r.send(r.frame(), bytesOf(r) + wait(r)),
    ...options,
  });
}

/** The longest time between two readings of a point, by its name. */
function longestGaps(samples: readonly Sample[], device: string): Map<string, number> {
  const gaps = new Map<string, number>();
  const last = new Map<string, number>();
  for (const { shape, at } of samples)
    for (const { name } of shape.device === device ? shape.points : []) {
      gaps.set(name, Math.max(gaps.get(name) ?? 0, at - (last.get(name) ?? at)));
      last.set(name, at);
    }
  return gaps;
}

test('latency: the typical time is a low percentile of the newest, once there are sixteen', () => {
  const latency = new Latency();
  for (let i = 0; i < 15; i++) latency.answered(12, 10);
  assert.equal(latency.typical, undefined);
  latency.answered(500, 10);
  assert.equal(latency.typical, 2, 'one that was held back does not show');
  for (let i = 0; i < 64; i++) latency.answered(9, 10);
  assert.equal(latency.typical, undefined, 'sooner than the bytes can be');
  for (let i = 0; i < 64; i++) latency.answered(i % 10 === 0 ? 10 : 15 + (i % 3), 10);
  assert.equal(latency.typical, 5, 'nor do a few that came too early');
});

test('a device that answers sooner than assumed is re-planned once, without a missed poll', async () => {
  const w = world([resolved(1)], () => 2);
  await w.until(9500);
  assert.equal(w.replanned.length, 0);
  const early = new Set(w.requests.map(({ start }) => start));
  w.requests.length = 0;
  await w.until(100_000);
  assert.equal(w.replanned.length, 1, 'once');
  const later = new Set(w.requests.slice(-40).map(({ start }) => start));
  assert.ok(later.size > early.size, `${later.size} requests a round, before ${early.size}`);
  const [change] = w.replanned;
  assert.deepEqual(
    change?.after.flatMap((shape) => shape.points.map(({ name }) => name)).sort(),
    ADDRESSES.map((address) => `r${address}`).sort(),
    'all its points',
  );
  assert.deepEqual(w.bus.shapes, change?.after, 'the bus says what it gives from now on');
  for (const [name, gap] of longestGaps(w.samples, 'd1')) assert.ok(gap <= 1100, `${name} waited ${gap} ms`);
  assert.equal(w.bus.status().devices[0]?.counters.missedPolls, 0);
  for (const { shape, values } of w.samples)
    for (const [i, { name }] of shape.points.entries()) assert.equal(values[i], registerOf(Number(name.slice(1))), name);
  assert.match(
    w.log.join('\n'),
    /info d1: read by \d+ requests from now on, before by \d+: it answers after 2ms, and 20ms were assumed\. This saves \d+(\.\d)? % of its time on the bus\./,
  );
  assert.deepEqual(w.bus.status().devices[0]?.answer, { planned: w.measured[0], from: 'measured', measured: w.measured[0] });
  assert.deepEqual(w.measured.map(Math.round), [2], 'it is to be kept once');
});

test('what stands in the configuration holds; what is measured is shown beside it', async () => {
  const w = world([resolved(1, { responseTime: '20ms' })], () => 2, { known: { ms: 20, from: 'configured' } });
  await w.until(120_000);
  assert.deepEqual(w.replanned, []);
  const { planned, from, measured = 0 } = w.bus.status().devices[0]?.answer ?? {};
  assert.deepEqual([planned, from, Math.round(measured)], [20, 'configured', 2]);
  assert.equal(w.measured.length, 1);
});

test('where the assumption was right nothing changes, and it counts as measured', async () => {
  const w = world([resolved(1)], () => 20.4);
  await w.until(120_000);
  assert.deepEqual(w.replanned, []);
  assert.equal(w.bus.status().devices[0]?.answer?.from, 'measured');
});

test('a line that is faster than it is said to be tells nothing of its devices', async () => {
  // As behind a converter with another baud rate than the configuration has.
  const w = world([resolved(1)], () => 0, { answer: (r) => r.send(r.frame(), bytesOf(r) / 3) });
  await w.until(120_000);
  assert.deepEqual([w.replanned.length, w.measured.length], [0, 0]);
  assert.deepEqual(w.bus.status().devices[0]?.answer, { planned: 20, from: 'assumed' });
});

test('each device is planned by its own time in one go; a silent one by what was known', async () => {
  const wait: Record<number, number> = { 1: 2, 2: 20, 3: 60 };
  const w = world(
    [1, 2, 3, 4].map((unit) => resolved(unit, { interval: '5s' })),
    ({ unit }) => wait[unit] ?? 0,
    {
      answer: (r) => void (r.unit !== 4 && r.send(r.frame(), bytesOf(r) + (wait[r.unit] ?? 0))),
    },
  );
  await w.until(200_000);
  const shapes = (unit: number) => w.bus.shapes.filter(({ device }) => device === `d${unit}`).length;
  assert.ok(shapes(1) > shapes(2) && shapes(2) >= shapes(3), [1, 2, 3, 4].map(shapes).join(' '));
  assert.equal(shapes(4), shapes(2), 'as assumed');
  const times = w.replanned.map(({ at }) => at);
  assert.ok(Math.max(...times) - Math.min(...times) < 5000, 'all in one round');
  const status = w.bus.status().devices.map(({ answer }) => `${answer?.from} ${Math.round(answer?.planned ?? 0)}`);
  assert.deepEqual(status, ['measured 2', 'measured 20', 'measured 60', 'assumed 20']);
});

test('times that go up and down move the plan at most once a minute, and less and less', async () => {
  let slow = false;
  const w = world([resolved(1, { interval: '500ms' })], () => (slow ? 45 : 2));
  for (let minute = 1; minute <= 120; minute++) {
    slow = minute % 2 === 0;
    await w.until(minute * 60_000);
  }
  const times = w.replanned.map(({ at }) => at);
  assert.ok(times.length >= 3 && times.length <= 8, `${times.length} times in two hours: ${times.join(' ')}`);
  for (const [i, at] of times.entries())
    if (i > 0) assert.ok(at - (times[i - 1] as number) >= 60_000 * 2 ** Math.min(i - 1, 6), times.join(' '));
  assert.equal(w.bus.status().devices[0]?.counters.missedPolls, 0);
});

test('property: no point misses a poll when plans change, and noise alone changes none again', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.record({
        base: fc.integer({ min: 0, max: 60 }),
        noise: fc.array(fc.integer({ min: 0, max: 30 }), { minLength: 5, maxLength: 40 }),
        slow: fc.constantFrom('1s', '2s', '7s', '60s'),
      }),
      async ({ base, noise, slow }) => {
        const points = { r20: { interval: slow }, r98: { interval: slow }, r152: { interval: '10s' } };
        let n = 0;
        const w = world([resolved(1, {}, points)], () => base + (n++ % 3 === 0 ? 0 : (noise[n % noise.length] as number)));
        await w.until(190_000);
        assert.ok(w.replanned.length <= 1, `${w.replanned.length} times`);
        const intervals: Record<string, number> = { r20: Number.parseInt(slow, 10) * 1000, r152: 10_000 };
        intervals.r98 = intervals.r20 as number;
        for (const [name, gap] of longestGaps(w.samples, 'd1'))
          assert.ok(gap <= (intervals[name] ?? 1000) + 900, `${name} waited ${gap} ms`);
        assert.equal(w.bus.status().devices[0]?.counters.missedPolls, 0);
      },
    ),
    { numRuns: 25 },
  );
});
