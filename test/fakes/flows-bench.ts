/** A bus of points that flows make, from the text of a configuration, with the socket for flows that a test is. */
import { loadConfigText } from '../../src/config/load.ts';
import type { AcceptedPoint, FlowReading, FlowTaken } from '../../src/core/flow-points.ts';
import { silentLogger } from '../../src/core/logger.ts';
import { plainValue, type Sample } from '../../src/core/point.ts';
import type { Bus, DeviceStatus, GatewayEvent } from '../../src/core/ports.ts';
import { GOOD, reasonName } from '../../src/core/reasons.ts';
import { FlowHub } from '../../src/drivers/flows/hub.ts';
import { flows } from '../../src/drivers/flows/kind.ts';
import { kinds } from '../../src/gateway/registry.ts';
import { ManualClock } from './manual-clock.ts';

export interface FlowsBench {
  readonly clock: ManualClock;
  readonly hub: FlowHub;
  readonly bus: Bus & Required<Pick<Bus, 'capture'>>;
  readonly samples: Sample[];
  readonly events: GatewayEvent[];
  /** Times that the bus said that it has further points. */
  readonly grown: () => number;
  /** What is kept over restarts, by device. */
  readonly kept: Map<string, readonly AcceptedPoint[]>;
  put(point: string, value: FlowReading['value'], more?: Partial<FlowReading>): FlowTaken;
  /** `device.point=value` or `device.point!reason`, for each sample since the last call. */
  told(): string[];
  device(name?: string): DeviceStatus;
}

/** @param devices the entries of `devices:`, on the bus `derived` */
export function flowsBench(
  devices: string,
  { started = true, kept = new Map<string, readonly AcceptedPoint[]>(), clock = new ManualClock() } = {},
): FlowsBench {
  const text = `gateway: {id: g}\nnodeRed: {enabled: true}\nbuses: {derived: {protocol: flows}}\ndevices:\n${devices}\n`;
  const { config, faults, warnings } = loadConfigText(text, '/tmp/gateway.yaml', kinds, { profileDirs: [] });
  if (config === undefined) throw new Error(faults.map(({ message }) => message).join('\n'));
  if (warnings.length > 0) throw new Error(warnings.map(({ message }) => message).join('\n'));
  const hub = new FlowHub();
  hub.open = true;
  const samples: Sample[] = [];
  const events: GatewayEvent[] = [];
  let grown = 0;
  const made = flows.create(config.buses.get('derived') as never, [...config.devices.values()], {
    ...{ clock, logger: silentLogger, flowPoints: hub },
    emit: (sample) => samples.push(sample),
    tell: (event) => events.push(event),
    accepted: { load: (device) => kept.get(device) ?? [], save: (device, points) => void kept.set(device, points) },
    grew: () => grown++,
  }) as FlowsBench['bus'];
  if (started) made.start();
  let shown = 0;
  return {
    ...{ clock, hub, bus: made, samples, events, kept },
    grown: () => grown,
    put: (name, value, more = {}) => {
      const [device = '', point = ''] = name.split('.');
      return hub.put({ device, point, value, at: clock.monotonic(), ...more });
    },
    told: () => {
      const news = samples.slice(shown).map(inWords);
      shown = samples.length;
      return news;
    },
    device: (name) => {
      const found = made.status().devices.find((one) => name === undefined || one.name === name);
      if (found === undefined) throw new Error('no such device');
      return found;
    },
  };
}

function inWords({ shape, values, reasons }: Sample): string {
  const [{ name, type } = { name: '', type: undefined }] = shape.points;
  const reason = reasons?.[0] ?? GOOD;
  if (reason !== GOOD && reason < 128) return `${shape.device}.${name}!${reasonName(reason)}`;
  return `${shape.device}.${name}=${String(plainValue(values[0] ?? 0, type))}${reason === GOOD ? '' : `?${reasonName(reason)}`}`;
}
