import type { GatewayConfig } from '../config/kinds.ts';
import type { Shape } from '../core/point.ts';
import type { Inventory, InventoryDevice } from '../core/ports.ts';

/** The devices and points of the gateway, from the configuration and the shapes of its buses. */
export function inventoryDevices(config: GatewayConfig, shapes: readonly Shape[]): Inventory['devices'] {
  const devices: Record<string, InventoryDevice> = {};
  for (const device of config.devices.values()) {
    const points: Record<string, { type: string; unit?: string | undefined; writable: boolean }> = {};
    const known = new Map(shapes.flatMap((s) => (s.device === device.name ? s.points.map((p) => [p.name, p] as const) : [])));
    // In the order written, then what follows from these: the order and the revision say nothing about how points are read.
    for (const name of new Set([...device.points.keys(), ...[...known.keys()].sort()])) {
      const p = known.get(name);
      if (p === undefined) continue;
      points[name] = { type: p.type, ...(p.unit === undefined ? {} : { unit: p.unit }), writable: p.writable ?? false };
    }
    devices[device.name] = { bus: device.bus, ...(device.profile === undefined ? {} : { profile: device.profile }), points };
  }
  return devices;
}

export function inventoryMessage(revision: number, devices: Inventory['devices']): Inventory {
  return { v: 1, revision, devices };
}
