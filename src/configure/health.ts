/** Whether a gateway runs as well with a new configuration as it did with the one before. Pure. */

export interface BusHealth {
  readonly name: string;
  readonly open: boolean;
  /** Devices are asked; a device that speaks by itself may be quiet for long. */
  readonly polled: boolean;
  /** Names of devices that answer. */
  readonly answering: readonly string[];
  /** Names of all of them. */
  readonly devices: readonly string[];
}

export interface Health {
  readonly forwarders: readonly { readonly name: string; readonly connected: boolean }[];
  readonly buses: readonly BusHealth[];
  /** Why the log cannot be written; words for people. */
  readonly log: string | undefined;
}

/**
 * @param before with the configuration before
 * @param forwarder by which the configuration came
 * @returns what is missing, in words; empty: it runs well
 */
export function missing(now: Health, before: Health, forwarder: string): string[] {
  const wasConnected = before.forwarders.filter(({ connected }) => connected).map(({ name }) => name);
  const away = now.forwarders
    .filter(({ name, connected }) => !connected && (name === forwarder || wasConnected.includes(name)))
    .map(({ name }) => `the forwarder ${name} is not connected`);
  const wire = now.buses.flatMap((bus) => {
    const old = before.buses.find(({ name }) => name === bus.name);
    // One that was closed before is no worse now.
    if (!bus.open) return old?.open === false ? [] : [`the bus ${bus.name} is not open`];
    if (!bus.polled) return [];
    return (old?.answering ?? [])
      .filter((device) => bus.devices.includes(device) && !bus.answering.includes(device))
      .map((device) => `the device ${device} does not answer any more`);
  });
  return [...(now.log === undefined ? [] : [`the log cannot be written: ${now.log}`]), ...away, ...wire];
}
