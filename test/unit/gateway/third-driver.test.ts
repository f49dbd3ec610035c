/** A driver that nobody knows is one line in the registry: configuration, buses, and what can be done on a wire follow from its own type. */
import assert from 'node:assert/strict';
import test from 'node:test';
import * as z from 'zod';
import { WireAccess } from '../../../src/admin/wire-access.ts';
import { loadConfigText } from '../../../src/config/load.ts';
import { listenTo, readNow } from '../../../src/control/read-now.ts';
import type { FrameListener } from '../../../src/core/bus-frames.ts';
import type { Principal } from '../../../src/core/commands.ts';
import { silentLogger } from '../../../src/core/logger.ts';
import type { Sample, Shape } from '../../../src/core/point.ts';
import type { Bus } from '../../../src/core/ports.ts';
import type { Driver } from '../../../src/drivers/driver.ts';
import { DRIVERS, kinds } from '../../../src/gateway/registry.ts';
import { createBus } from '../../../src/gateway/registry-create.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';

const text = `
gateway: {id: g1, stateDir: /tmp}
buses: {hill: {protocol: smoke, from: north}}
devices: {fire: {bus: hill, colour: white, points: {puffs: {}}}}
rules: {many: {point: fire.puffs, above: 3}}
`;

/** What it can do beside being read. */
type Can = Pick<Bus, 'exchange' | 'capture'>;

/** Signals by smoke. A reading is how many puffs were seen. */
const smoke = (can: (see: Set<FrameListener>) => Can): Driver => ({
  protocol: 'smoke',
  family: 'smoke',
  heard: 'asked',
  bus: z.strictObject({ from: z.string().describe('Which hill.') }),
  device: z.strictObject({ colour: z.enum(['white', 'black']).describe('Of the smoke.') }),
  point: z.strictObject({ type: z.literal('int64').default('int64'), unit: z.string().optional() }),
  line: z.strictObject({}),
  wire: (bus) => String(bus.from),
  address: (device) => String(device.colour),
  create: (bus, [device], { clock }) => {
    const shape: Shape = {
      device: device?.name ?? '',
      points: [{ name: 'puffs', type: 'int64', storage: 'integer64', unit: undefined, writable: false }],
    };
    const seen = new Set<FrameListener>();
    return {
      ...{ name: bus.name, shapes: [shape] },
      start() {},
      stop: async () => {},
      read: async (): Promise<Sample[]> => {
        for (const listener of seen) listener('in', Uint8Array.of(7), clock.monotonic());
        return [{ shape, at: clock.monotonic(), values: [7n], reasons: null }];
      },
      status: () => ({ name: bus.name, protocol: 'smoke', state: 'open', devices: [] }),
      ...can(seen),
    };
  },
});
const capture = (seen: Set<FrameListener>): Required<Pick<Bus, 'capture'>> => ({
  capture: (listener) => {
    seen.add(listener);
    return () => seen.delete(listener);
  },
});

function thirdBus(can: (see: Set<FrameListener>) => Can) {
  const drivers = [...DRIVERS, smoke(can)];
  const { config, faults } = loadConfigText(text, 'gateway.yaml', { ...kinds, drivers }, { profileDirs: [] });
  assert.ok(config !== undefined, JSON.stringify(faults));
  const hill = config.buses.get('hill');
  assert.ok(hill !== undefined);
  const clock = new ManualClock();
  const context = { clock, logger: silentLogger, emit: () => {}, tell: () => {} };
  const bus = createBus(hill, [...config.devices.values()], context, drivers);
  const watch = { offset: 1000, known: true };
  const wire = new WireAccess(() => ({ clock, config, watch, plant: { buses: [bus] }, commands: { permit() {} } }));
  return { bus, wire };
}
const by: Principal = { who: 'test', door: 'socket', role: 'operator' };
const look = { bus: 'hill', unit: 1, request: { kind: 'identify', code: 1, object: 0 } } as const;

test('it is configured, read, asked by hand and captured', async () => {
  const { bus, wire } = thirdBus((seen) => ({
    ...capture(seen),
    exchange: async (unit) => ({ frames: [], pdu: Uint8Array.of(43, unit), at: 5, latency: 2 }),
  }));
  const { samples } = await readNow(bus, 'fire');
  assert.deepEqual(samples[0]?.values, [7n]);
  const reply = await wire.exchange(look, by);
  assert.deepEqual([reply.pdu, reply.latency, reply.time, reply.error], ['2b01', 2, 1005, null]);
  const frames: string[] = [];
  const seen = wire.capture(
    'hill',
    (frame) => frames.push(frame.bytes),
    () => {},
    by,
  );
  await bus.read('fire');
  seen.stop();
  await bus.read('fire');
  assert.deepEqual([frames, seen.head.protocol], [['07'], 'smoke']);
  assert.equal(listenTo(bus), undefined, 'what it was asked shows its own frames');
});

test('one that can only be listened to shows what passes while it is read', async () => {
  const { bus, wire } = thirdBus(capture);
  const { frames } = await readNow(bus, 'fire', listenTo(bus));
  assert.deepEqual(
    frames?.map(({ way, bytes }) => [way, ...bytes]),
    [['in', 7]],
  );
  await assert.rejects(wire.exchange(look, by), {
    code: 'request-invalid',
    message: /no device on the bus hill can be read on request/,
  });
});

test('one that can do neither is read all the same, and refuses the rest in words', async () => {
  const { bus, wire } = thirdBus(() => ({}));
  assert.equal(listenTo(bus), undefined);
  assert.equal((await readNow(bus, 'fire')).samples.length, 1);
  await assert.rejects(wire.exchange(look, by), { code: 'request-invalid' });
  assert.throws(
    () =>
      wire.capture(
        'hill',
        () => {},
        () => {},
        by,
      ),
    { code: 'request-invalid', message: /nothing can be seen/ },
  );
});

test('without its line in the registry it is not known, and says which are', () => {
  const { faults } = loadConfigText(text, 'gateway.yaml', kinds, { profileDirs: [] });
  assert.match(faults[0]?.message ?? '', /"smoke" is not known in this version/);
});
