/** The `mqtt` protocol: devices that publish to the embedded broker. What the registry lists. */

import * as z from 'zod';
import type { CounterMemory } from '../../codecs/counter.ts';
import type { DriverKind, ResolvedBus, ResolvedDevice } from '../../config/kinds.ts';
import type { Clock } from '../../core/clock.ts';
import { type DeviceTopics, noTopics } from '../../core/device-topics.ts';
import type { Logger } from '../../core/logger.ts';
import type { Bus, GatewayEvent, SampleSink } from '../../core/ports.ts';
import { EventQuota } from '../../core/quota.ts';
import { totalsOf } from '../counter.ts';
import { countedPoint } from '../serial/check.ts';
import { MqttBus } from './bus.ts';
import { besideFaults, checkDevice, valueFault } from './check.ts';
import { MqttDevice } from './device.ts';
import { Allowance } from './intake.ts';
import { ALL_AT_ONCE, ALL_PER_SECOND, MESSAGES_PER_SECOND } from './limits.ts';
import { planOf } from './plan.ts';
import {
  type MqttBusSettings,
  type MqttDeviceSettings,
  type MqttPointSettings,
  mqttBus,
  mqttDevice,
  mqttPoint,
} from './schema.ts';
import { WaitingBytes } from './waiting-bytes.ts';

export interface MqttContext {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly emit: SampleSink;
  readonly tell?: ((event: GatewayEvent) => void) | undefined;
  readonly counters?: CounterMemory | undefined;
  /** The topics of the embedded broker; absent: there is none. */
  readonly topics?: DeviceTopics | undefined;
}

function create(bus: ResolvedBus, devices: readonly ResolvedDevice[], context: MqttContext): Bus {
  const { clock, emit, counters, topics = noTopics, tell = () => {} } = context;
  const logger = context.logger.child({ bus: bus.name });
  const all = new Allowance(clock, ALL_AT_ONCE, ALL_PER_SECOND);
  const waiting = new WaitingBytes();
  const events = new EventQuota({ clock, tell });
  const flooded = (device: string): void => {
    const message = `The device ${device} sends more than ${MESSAGES_PER_SECOND} MQTT messages a second; of each topic the newest is read, and the others are left out.`;
    logger.warn({ device }, message);
    events.tell('flood', { event: 'overload', severity: 'warning', message, data: { device, bus: bus.name } });
  };
  const made = devices.map(
    (device) =>
      new MqttDevice(planOf(device), device.settings as MqttDeviceSettings, {
        ...{ clock, logger, emit, counters, all, waiting, flooded },
        isOpen: () => topics.open,
      }),
  );
  return new MqttBus(bus.name, bus.settings as MqttBusSettings, made, {
    ...{ topics, clock, waiting },
    stopped: () => events.flush(),
  });
}

export const mqtt = {
  protocol: 'mqtt',
  family: 'mqtt',
  heard: 'gateway',
  bus: mqttBus,
  device: mqttDevice,
  point: mqttPoint,
  line: z.strictObject({}),
  wire: () => 'the embedded broker',
  busWarnings: (_settings, around) =>
    around?.broker === false
      ? [{ path: [], message: 'there is no broker: section, so no device can publish; add "broker:" to the file' }]
      : [],
  beside: besideFaults,
  checkDevice,
  writeFault: valueFault,
  derivedPoints: (points) => totalsOf(Array.from(points, ([name, point]) => countedPoint(name, point as MqttPointSettings))),
  create,
} satisfies DriverKind & { create: typeof create };
