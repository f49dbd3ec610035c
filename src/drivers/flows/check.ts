/** Rules between the keys of a device whose points flows make. */
import type { ResolvedDevice } from '../../config/kinds.ts';
import { reportFaults } from '../../config/report.ts';
import type { FlowsDeviceSettings, FlowsPointSettings } from './schema.ts';

interface Fault {
  readonly path: readonly (string | number)[];
  readonly message: string;
}

export function checkDevice({ settings, points }: ResolvedDevice): Fault[] {
  const faults: Fault[] = [];
  const { perSecond } = settings as FlowsDeviceSettings;
  if (perSecond.point > perSecond.device)
    faults.push({
      path: ['perSecond', 'point'],
      message: `one point would take more than the whole device (${perSecond.device} a second); raise perSecond.device, or lower this`,
    });
  for (const [name, point] of points as ReadonlyMap<string, FlowsPointSettings>) {
    const number = point.type === 'float64' || point.type === 'int64';
    if (!number && point.range !== undefined)
      faults.push({ path: ['points', name, 'range'], message: `\`range\` is for numbers, and this point is a ${point.type}` });
    for (const [key, message] of reportFaults(point.report, number))
      faults.push({ path: ['points', name, 'report', ...(key === undefined ? [] : [key])], message });
  }
  return faults;
}
