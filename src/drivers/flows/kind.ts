/** The `flows` protocol: points that flows of Node-RED make. What the registry lists. */
import * as z from 'zod';
import type { DriverKind, ResolvedBus, ResolvedDevice } from '../../config/kinds.ts';
import type { Clock } from '../../core/clock.ts';
import { type AcceptedMemory, type FlowPoints, noFlowPoints } from '../../core/flow-points.ts';
import type { Logger } from '../../core/logger.ts';
import type { Bus, GatewayEvent, SampleSink } from '../../core/ports.ts';
import { EventQuota } from '../../core/quota.ts';
import { Allowance } from '../mqtt/intake.ts';
import { FlowsBus } from './bus.ts';
import { checkDevice } from './check.ts';
import { FlowsDevice } from './device.ts';
import { ALL_AT_ONCE, ALL_PER_SECOND } from './limits.ts';
import {
  type FlowsBusSettings,
  type FlowsDeviceSettings,
  type FlowsPointSettings,
  flowsBus,
  flowsDevice,
  flowsPoint,
} from './schema.ts';

export interface FlowsContext {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly emit: SampleSink;
  readonly tell?: ((event: GatewayEvent) => void) | undefined;
  /** What flows give; absent: there is no Node-RED. */
  readonly flowPoints?: FlowPoints | undefined;
  readonly accepted?: AcceptedMemory | undefined;
  readonly grew?: (() => void) | undefined;
}

const forgetful: AcceptedMemory = { load: () => [], save: () => {} };

function create(bus: ResolvedBus, devices: readonly ResolvedDevice[], context: FlowsContext): Bus {
  const { clock, emit, flowPoints = noFlowPoints, accepted = forgetful, grew = () => {}, tell = () => {} } = context;
  const logger = context.logger.child({ bus: bus.name });
  const all = new Allowance(clock, ALL_AT_ONCE, ALL_PER_SECOND);
  const events = new EventQuota({ clock, tell });
  const flooded = (device: string): void => {
    const message = `Flows give more readings of the device ${device} than it takes (perSecond); of each point the newest is used, and the others are left out.`;
    logger.warn({ device }, message);
    events.tell('flood', { event: 'overload', severity: 'warning', message, data: { device, bus: bus.name } });
  };
  const made = devices.map(
    ({ name, points, settings }) =>
      new FlowsDevice(name, points as ReadonlyMap<string, FlowsPointSettings>, settings as FlowsDeviceSettings, {
        ...{ clock, logger, emit, accepted, all, flooded, grew },
        isOpen: () => flowPoints.open,
      }),
  );
  return new FlowsBus(bus.name, bus.settings as FlowsBusSettings, made, {
    ...{ points: flowPoints, clock },
    stopped: () => events.flush(),
  });
}

export const flows = {
  protocol: 'flows',
  family: 'flows',
  heard: 'gateway',
  bus: flowsBus,
  device: flowsDevice,
  point: flowsPoint,
  line: z.strictObject({}),
  wire: () => 'the socket for flows',
  busWarnings: (_settings, around) =>
    around?.nodeRed === false
      ? [
          {
            path: [],
            message: 'Node-RED is not switched on, so no flow gives readings; add "nodeRed: {enabled: true}" to the file',
          },
        ]
      : [],
  // The socket gives each reading to the device that it names.
  beside: () => [],
  growing: (settings) => settings.accept !== undefined,
  checkDevice,
  create,
} satisfies DriverKind & { create: typeof create };
