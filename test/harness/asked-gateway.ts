/** A gateway as its socket shows it, for what decides about an update: a clock of its own, and a script for each look. */
import type { Look } from '../../src/update/health.ts';
import type { Asked } from '../../src/update/trial.ts';

export interface Scene {
  boot?: string;
  /** Replies of each device so far; `null`: it is silent. A bus is the part before the dot. */
  devices?: Readonly<Record<string, number | null>>;
  closed?: readonly string[];
  log?: Partial<Look['log']>;
  /** Nobody listens, or this is thrown. */
  fault?: 'nobody' | Error;
  ready?: boolean;
  /** The last word about each device. */
  device?: (device: Look['buses'][number]['devices'][number]) => object;
  /** The last word about the whole. */
  look?: object;
}

/** Requests of a device that is silent. */
const ASKED_IN_VAIN = 4;

export function statusOf({ boot = 'b7', devices = {}, closed = [], log, device = () => ({}), look }: Scene): Look {
  const names = new Set([...Object.keys(devices).map((name) => name.split('.')[0] ?? ''), ...closed]);
  return {
    gateway: { boot },
    buses: [...names].map((bus) => ({
      name: bus,
      ...(closed.includes(bus) ? { state: 'opening', fault: 'no such port' } : { state: 'open' }),
      devices: Object.entries(devices)
        .filter(([name]) => name.startsWith(`${bus}.`))
        .map(([name, replies]) => ({
          name: name.slice(bus.length + 1),
          ...(replies === null ? { state: 'silent', fault: 'no reply within 1s' } : { state: 'answering' }),
          counters: { requests: replies ?? ASKED_IN_VAIN, replies: replies ?? 0 },
        }))
        .map((one) => ({ ...one, ...device(one) })),
    })),
    log: { appended: 10, unreported: 0, commits: 1, faults: [], ...log },
    ...look,
  };
}

const NOBODY = new Error('no gateway is running here');

/** @param scene of each look, by its number from 0 */
export function askedGateway(scene: (look: number) => Scene): Asked & { looks: number } {
  let time = 0;
  const gateway: Asked & { looks: number } = {
    looks: 0,
    status: async () => {
      const now = scene(gateway.looks++);
      if (now.fault !== undefined) throw now.fault === 'nobody' ? NOBODY : now.fault;
      return statusOf(now);
    },
    ready: async () => {
      const now = scene(gateway.looks);
      if (now.fault !== undefined) {
        gateway.looks++;
        throw now.fault === 'nobody' ? NOBODY : now.fault;
      }
      if (now.ready === false) gateway.looks++;
      return { ready: now.ready ?? true, reasons: now.ready === false ? ['bus plant is not open'] : [] };
    },
    isNobody: (thrown) => thrown === NOBODY,
    pause: async () => {
      time += 5_000;
    },
    now: () => time,
  };
  return gateway;
}
