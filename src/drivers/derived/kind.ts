/** The `derived` protocol: points that the gateway computes from others. What the registry lists. */
import * as z from 'zod';
import type { DriverKind, ResolvedBus, ResolvedDevice } from '../../config/kinds.ts';
import type { Clock } from '../../core/clock.ts';
import type { DerivedMemory, SampleFeed } from '../../core/derived-points.ts';
import type { Expressions } from '../../core/expressions.ts';
import type { PointInfo } from '../../core/point.ts';
import type { Bus, SampleSink } from '../../core/ports.ts';
import { DerivedBus } from './bus.ts';
import { checkAmong, checkDevice } from './check.ts';
import type { GraphDevice } from './graph.ts';
import { planned } from './plan.ts';
import { type DerivedDeviceSettings, derivedBus, derivedDevice, derivedPoint } from './schema.ts';

interface DerivedDriverContext {
  readonly clock: Clock;
  readonly emit: SampleSink;
  /** Absent: nothing is given, as in a tool that opens single buses. */
  readonly feed?: SampleFeed | undefined;
  readonly derived?: DerivedMemory | undefined;
}

const forgetful: DerivedMemory = { load: () => undefined, logged: () => undefined, save: () => {} };

/** The devices of a graph, as the configuration says them. */
export function graphDevices(devices: readonly ResolvedDevice[], expressions: Expressions): GraphDevice[] {
  return devices.map((device) => {
    const points = planned(device, expressions);
    const infos = points.map(
      ({ name, unit }): PointInfo => ({ name, type: 'float64', storage: 'number', unit, writable: false }),
    );
    const { every } = device.settings as DerivedDeviceSettings;
    return { name: device.name, points, infos, reports: points.map(({ settings }) => settings.report), every };
  });
}

function create(
  bus: ResolvedBus,
  devices: readonly ResolvedDevice[],
  context: DerivedDriverContext,
  expressions: Expressions,
): Bus {
  const { clock, emit, derived: memory = forgetful } = context;
  const silent: SampleFeed = { listen: () => () => {}, now: () => ({ at: clock.monotonic(), offset: 0, known: false }) };
  const made = graphDevices(devices, expressions);
  return new DerivedBus(bus.name, made, { clock, emit, memory, feed: context.feed ?? silent });
}

/** @param expressions the language of `expression` */
export const derivedDriver = (expressions: Expressions) =>
  ({
    protocol: 'derived',
    family: 'derived',
    heard: 'gateway',
    bus: derivedBus,
    device: derivedDevice,
    point: derivedPoint,
    line: z.strictObject({}),
    wire: () => 'the computed points',
    // Each device has points of its own.
    beside: () => [],
    pointInputs: (device) =>
      new Map(planned(device, expressions).map(({ name, inputs }) => [name, inputs.map(({ point }) => point)])),
    checkDevice,
    checkAmong: (devices, find) => checkAmong(devices, find, expressions),
    create: (bus: ResolvedBus, devices: readonly ResolvedDevice[], context: DerivedDriverContext) =>
      create(bus, devices, context, expressions),
  }) satisfies DriverKind & { create: unknown };
