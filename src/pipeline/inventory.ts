import type { GatewayConfig } from '../config/kinds.ts';
import type { Shape } from '../core/point.ts';
import type { Inventory, InventoryDevice } from '../core/ports.ts';

/** What the gateway measures, from the configuration and the shapes of its buses. */
export function inventoryDevices(config: GatewayConfig, shapes: readonly Shape[]): Inventory['devices'] {
  const devices: Record<string, InventoryDevice> = {};
  for (const device of config.devices.values()) {
    const points: Record<string, { type: string; unit?: string | undefined; writable: boolean }> = {};
    for (const shape of shapes) {
      if (shape.device !== device.name) continue;
      for (const p of shape.points)
        points[p.name] = { type: p.type, ...(p.unit === undefined ? {} : { unit: p.unit }), writable: p.writable ?? false };
    }
    devices[device.name] = { bus: device.bus, ...(device.profile === undefined ? {} : { profile: device.profile }), points };
  }
  return devices;
}

export function inventoryMessage(revision: number, devices: Inventory['devices']): Inventory {
  return { v: 1, revision, devices };
}
