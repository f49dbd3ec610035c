/** From the settings of a bus and its devices to the requests that read them, and to what these ask of the bus. Pure. */
import type { BusBudget, ResolvedBus, ResolvedDevice } from '../../config/kinds.ts';
import { busBudget } from './budget.ts';
import { pointsOf } from './check.ts';
import type { PlannedRead } from './plan.ts';
import { planReads } from './plan.ts';
import type { AsciiSettings, DeviceSettings, RtuOverTcpSettings, RtuSettings, TcpSettings, UdpSettings } from './schema.ts';
import type { WireProtocol, WireTiming } from './wire-cost.ts';
import { lineBehind, wireCost } from './wire-cost.ts';

/** The requests of a device, with how often each is made. */
export function readsOf(wire: WireTiming, device: ResolvedDevice): PlannedRead[] {
  const settings = settingsOf(device);
  const points = pointsOf(device).map((point) => ({
    ...point,
    interval: point.interval ?? settings.interval,
    companion: point.scaleFactor,
  }));
  return planReads(points, settings.limits, wireCost(wire, settings));
}

export function budgetOf(bus: ResolvedBus, devices: readonly ResolvedDevice[]): BusBudget {
  const wire = wireOf(bus);
  const reads = devices.map((device) => ({ name: device.name, timing: settingsOf(device), reads: readsOf(wire, device) }));
  return busBudget(bus.name, wire, reads);
}

export function wireOf(bus: ResolvedBus): WireTiming {
  // The config room has parsed the bus by the schema of this room.
  const settings = bus.settings as unknown as TcpSettings | UdpSettings | RtuSettings | AsciiSettings | RtuOverTcpSettings;
  return {
    protocol: bus.protocol as WireProtocol,
    line: 'parity' in settings ? settings : 'baudRate' in settings ? lineBehind(settings.baudRate) : undefined,
    turnaround: settings.turnaround,
    inFlight: 'inFlight' in settings ? settings.inFlight : 1,
  };
}

function settingsOf(device: ResolvedDevice): DeviceSettings {
  return device.settings as unknown as DeviceSettings;
}
