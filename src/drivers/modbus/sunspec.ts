/** The SunSpec models of a configuration: roles, and the points that lie in them. */
import type { ModbusPoint } from '../../codecs/modbus-point.ts';
import type { ModelWish } from '../../codecs/sunspec.ts';
import type { DeviceSettings } from './schema.ts';

/** The models that a device is asked for, by role; empty for one without SunSpec. */
export function modelWishes({ sunspec = {} }: Pick<DeviceSettings, 'sunspec'>): [role: string, wish: ModelWish][] {
  return Object.entries(sunspec).map(([role, wish]) => [role, Array.isArray(wish) ? { models: wish, index: 1 } : wish]);
}

export function* modelFaults(
  point: ModbusPoint,
  { sunspec = {} }: Pick<DeviceSettings, 'sunspec'>,
): Generator<[key: keyof ModbusPoint, message: string]> {
  if (point.model === undefined) return;
  const roles = Object.keys(sunspec);
  if (!roles.includes(point.model))
    yield [
      'model',
      `\`sunspec\` of the device names no ${point.model}${roles.length === 0 ? '' : `: it names ${roles.join(', ')}`}`,
    ];
  if (point.table !== 'holding') yield ['table', 'the models of SunSpec lie in the holding registers'];
}
