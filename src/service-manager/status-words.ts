/** The state of a gateway in one line, for `systemctl status`. */
import type { Bus, Forwarder } from '../core/ports.ts';

export function statusWords(buses: readonly Bus[], forwarders: readonly Pick<Forwarder, 'connected'>[]): string {
  const reports = buses.map((bus) => bus.status());
  const devices = reports.flatMap((report) => report.devices);
  const open = reports.filter(({ state }) => state === 'open').length;
  const answering = devices.filter(({ state }) => state === 'answering').length;
  const connected = forwarders.filter((one) => one.connected).length;
  return [
    `${open} of ${count(buses.length, 'bus', 'buses')} open`,
    `${answering} of ${count(devices.length, 'device', 'devices')} answering`,
    ...(forwarders.length === 0 ? [] : [`${connected} of ${count(forwarders.length, 'forwarder', 'forwarders')} connected`]),
  ].join(', ');
}

const count = (number: number, one: string, many: string): string => `${number} ${number === 1 ? one : many}`;
