/** From a resolved configuration to running parts: the `create` half of the registry. */
import type { ResolvedBus, ResolvedDevice, ResolvedForwarder } from '../config/kinds.ts';
import { SluiceError } from '../core/errors.ts';
import type { Bus, Forwarder } from '../core/ports.ts';
import type { Driver, DriverContext } from '../drivers/driver.ts';
import type { EmbeddedBroker } from '../forwarders/broker/embedded-broker.ts';
import type { ForwarderContext } from '../forwarders/forwarder-kind.ts';
import { DRIVERS, FORWARDERS } from './registry.ts';

/** @param drivers for tests */
export function createBus(
  bus: ResolvedBus,
  devices: readonly ResolvedDevice[],
  context: DriverContext,
  drivers: readonly Driver[] = DRIVERS,
): Bus {
  const driver = drivers.find((d) => d.protocol === bus.protocol);
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
