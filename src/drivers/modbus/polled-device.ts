/** A device of the configuration as its bus polls it: who it is, and the requests that read it. */
import type { CounterMemory } from '../../codecs/counter.ts';
import { DeviceMemory } from '../../codecs/modbus-memory.ts';
import { shapeOf } from '../../codecs/modbus-point.ts';
import type { SunspecModel } from '../../codecs/sunspec.ts';
import type { ResolvedDevice } from '../../config/kinds.ts';
import type { Clock } from '../../core/clock.ts';
import type { Logger } from '../../core/logger.ts';
import type { AnswerTime } from './answer-time.ts';
import { pointsOf } from './check.ts';
import { Device } from './device.ts';
import { DevicePlan } from './device-plan.ts';
import type { NewJob } from './jobs.ts';
import { ModelSearch } from './model-search.ts';
import { readAsIs, readOfModel } from './placed.ts';
import type { PlannedRead } from './plan.ts';
import { costOf, readsOf } from './reads.ts';
import type { DeviceSettings } from './schema.ts';
import { modelWishes } from './sunspec.ts';
import type { WireTiming } from './wire-cost.ts';
import type { Wire } from './words.ts';

export interface PolledOptions {
  readonly wire: Wire;
  readonly timing: WireTiming;
  /** The time-out of the bus, where the device has none of its own. */
  readonly timeout: number;
  readonly retries: number;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly counters: CounterMemory | undefined;
  /** The answer time that is known at the start. */
  readonly answer: AnswerTime;
  /** Keeps what was measured, ms. */
  readonly remember?: ((ms: number) => void) | undefined;
  /** Which of the devices of the bus it is, from 0: its polls are later than those of the ones before it. */
  readonly place: { readonly index: number; readonly of: number };
}

/**
 * A serial line is slow: its polls are spread over the interval. On a network they go one behind the other (as many at once as
 * `inFlight` says): spread out they would wake the process for each, and a batch would wait for the last.
 */
export function offsetOf(interval: number, { index, of }: PolledOptions['place'], { serial }: Wire): number {
  return serial ? (index / of) * interval : 0;
}

export interface PolledDevice {
  readonly device: Device;
  readonly jobs: readonly NewJob[];
  readonly plan: DevicePlan;
}

export function polledDevice(resolved: ResolvedDevice, options: PolledOptions): PolledDevice {
  const { name } = resolved;
  // The config room has parsed the device by the schema of this room.
  const settings = resolved.settings as unknown as DeviceSettings;
  const { unit: unitId, limits, turnaround, connectDelay, timeout = options.timeout, retries = options.retries } = settings;
  const points = pointsOf(resolved);
  const memory = new DeviceMemory(points, name, options.counters);
  const wishes = modelWishes(settings);
  const of = {
    ...{ name, unitId, patience: { timeout, retries, turnaround, connectDelay } },
    points: new Map(points.map((p) => [p.name, p])),
    writesMultiple: limits.writeMultiple,
    models: wishes.length === 0 ? undefined : new ModelSearch(wishes, points, memory),
  };
  const device = new Device(of, options.wire, options.clock, options.logger);
  const jobOf = (read: PlannedRead): NewJob => {
    const { interval, model: role } = read;
    const shape = shapeOf(name, read.points);
    const place = (model: SunspecModel) => readOfModel(shape, read, memory, model);
    const model = role === undefined ? undefined : { role, place };
    return {
      ...readAsIs(shape, read, memory),
      model,
      device,
      shape,
      interval,
      offset: offsetOf(interval, options.place, options.wire),
    };
  };
  const plan = new DevicePlan(device, {
    answer: options.answer,
    readsFor: (answer) => readsOf(options.timing, resolved, answer),
    costFor: (answer) => costOf(options.timing, resolved, answer),
    jobOf,
    remember: options.remember,
    logger: options.logger,
  });
  return { device, jobs: plan.jobs(), plan };
}
