/** From a resolved configuration to running parts: the `create` half of the registry. */
import type { CounterMemory } from '../codecs/counter.ts';
import type { ResolvedBus, ResolvedDevice, ResolvedForwarder } from '../config/kinds.ts';
import type { Clock } from '../core/clock.ts';
import { SluiceError } from '../core/errors.ts';
import type { Logger } from '../core/logger.ts';
import type { Shape } from '../core/point.ts';
import type { Bus, Forwarder, GatewayEvent, SampleSink } from '../core/ports.ts';
import type { TimeMemory } from '../drivers/modbus/answer-time.ts';
import type { EmbeddedBroker } from '../forwarders/broker/embedded-broker.ts';
import type { ForwarderContext } from '../forwarders/forwarder-kind.ts';
import { DRIVERS, FORWARDERS } from './registry.ts';

export interface DriverContext {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly emit: SampleSink;
  /** What operators should know. */
  readonly tell: (event: GatewayEvent) => void;
  /** What is known of counters, over restarts. */
  readonly counters?: CounterMemory;
  /** How long devices took to answer, over restarts. */
  readonly times?: TimeMemory;
  /** A device is read by other requests from now on. */
  readonly replanned?: (before: readonly Shape[], after: readonly Shape[]) => void;
  /** A device said what time it is (UTC ms), in bytes that had arrived at `at` (monotonic ms). */
  readonly onTime?: (device: string, utc: number, at: number) => void;
}

export function createBus(bus: ResolvedBus, devices: ResolvedDevice[], context: DriverContext): Bus {
  const driver = DRIVERS.find((d) => d.protocol === bus.protocol);
  if (driver === undefined) throw new SluiceError('internal', `the protocol ${bus.protocol} is not registered`);
  return driver.create(bus, devices, context);
}

export function createForwarder(forwarder: ResolvedForwarder, context: ForwarderContext): Forwarder {
  const kind = FORWARDERS.find((k) => k.type === forwarder.type);
  if (kind === undefined) throw new SluiceError('internal', `the forwarder type ${forwarder.type} is not registered`);
  return kind.create(forwarder, context);
}

/** The embedded broker is heavy: loaded only where the configuration asks for it. */
export async function loadBroker(): Promise<typeof EmbeddedBroker> {
  return (await import('../forwarders/broker/embedded-broker.ts')).EmbeddedBroker;
}
