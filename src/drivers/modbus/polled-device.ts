/** A device of the configuration as its bus polls it: who it is, and the requests that read it. */
import type { CounterMemory } from '../../codecs/counter.ts';
import { DeviceMemory } from '../../codecs/modbus-memory.ts';
import { shapeOf } from '../../codecs/modbus-point.ts';
import type { SunspecModel } from '../../codecs/sunspec.ts';
import type { ResolvedDevice } from '../../config/kinds.ts';
import type { Clock } from '../../core/clock.ts';
import type { Logger } from '../../core/logger.ts';
import { pointsOf } from './check.ts';
import { Device } from './device.ts';
import type { NewJob } from './jobs.ts';
import { ModelSearch } from './model-search.ts';
import { readAsIs, readOfModel } from './placed.ts';
import { readsOf } from './reads.ts';
import type { DeviceSettings } from './schema.ts';
import { modelWishes } from './sunspec.ts';
import type { WireTiming } from './wire-cost.ts';
import type { Wire } from './words.ts';

export interface PolledOptions {
  readonly wire: Wire;
  readonly timing: WireTiming;
  /** Of the bus, where the device has none of its own. */
  readonly timeout: number;
  readonly retries: number;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly counters: CounterMemory | undefined;
  /** Part of the interval, 0 up to 1, by which its polls are later than those of others. */
  readonly offset: number;
}

export function polledDevice(resolved: ResolvedDevice, options: PolledOptions): { device: Device; jobs: NewJob[] } {
  const { name } = resolved;
  // The config room has parsed the device by the schema of this room.
  const settings = resolved.settings as unknown as DeviceSettings;
  const { unit, limits, turnaround, connectDelay, timeout = options.timeout, retries = options.retries } = settings;
  const points = pointsOf(resolved);
  const memory = new DeviceMemory(points, name, options.counters);
  const wishes = modelWishes(settings);
  const of = {
    ...{ name, unit, patience: { timeout, retries, turnaround, connectDelay } },
    points: new Map(points.map((p) => [p.name, p])),
    writesMultiple: limits.writeMultiple,
    models: wishes.length === 0 ? undefined : new ModelSearch(wishes, points, memory),
  };
  const device = new Device(of, options.wire, options.clock, options.logger);
  const jobs = readsOf(options.timing, resolved).map((read): NewJob => {
    const { interval, model: role } = read;
    const shape = shapeOf(name, read.points);
    const place = (model: SunspecModel) => readOfModel(shape, read, memory, model);
    const model = role === undefined ? undefined : { role, place };
    return { ...readAsIs(shape, read, memory), model, device, shape, interval, offset: options.offset * interval };
  });
  return { device, jobs };
}
