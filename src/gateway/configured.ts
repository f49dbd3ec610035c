/** The gateway as a configuration from upstream sees it (configure/configure.ts). */

import type { GatewayConfig } from '../config/kinds.ts';
import type { Configured } from '../configure/configured.ts';
import type { BusHealth, Health } from '../configure/health.ts';
import type { ConfigReport } from '../core/configuring.ts';
import type { Log } from '../store/log.ts';
import type { Parts } from './parts.ts';

export interface ConfiguredSide {
  readonly config: GatewayConfig;
  readonly log: Log;
  readonly ledger: { finish(owner: string, id: string, result: string): void };
  readonly ingest: { event(event: Parameters<Configured['tell']>[0]): void };
  readonly onFatal: (error: Error) => void;
  reload(config: GatewayConfig, trial?: boolean): Promise<string[]>;
  confirm(): void;
}

type Seen = Pick<Parts, 'forwarders' | 'plant'>;

export function healthOf({ log }: Pick<ConfiguredSide, 'log'>, { forwarders, plant }: Seen): Health {
  return {
    forwarders: forwarders.all.map(({ name, connected }) => ({ name, connected })),
    buses: plant.buses.map((bus) => {
      const { name, state, devices } = bus.status();
      const answering = devices.filter((device) => device.state === 'answering').map((device) => device.name);
      const polled = bus.nextPoll !== undefined;
      return { name, open: state === 'open', polled, answering, devices: devices.map((device) => device.name) };
    }),
    log: log.status().fault,
  };
}

export const isReady = ({ buses, log }: Health): boolean => log === undefined && buses.every(({ open }) => open);

/** For the retained status upstream, as it is when that message is made. */
export function statusFacts({ origin, version, trial }: ConfigReport, health: Health): object {
  const sum = (of: (bus: BusHealth) => number): number => health.buses.reduce((all, bus) => all + of(bus), 0);
  return {
    configuration: { origin, ...(version !== undefined && { version }), ...(trial !== undefined && { trial: true }) },
    health: {
      ready: isReady(health),
      buses: { open: sum(({ open }) => Number(open)), of: health.buses.length },
      devices: { answering: sum(({ answering }) => answering.length), of: sum(({ devices }) => devices.length) },
    },
  };
}

export function configured(g: ConfiguredSide, { forwarders, plant }: Seen, now: () => number): Configured {
  return {
    get config() {
      return g.config;
    },
    now,
    health: () => healthOf(g, { forwarders, plant }),
    commit: () => g.log.flush(),
    reload: (config, trial) => g.reload(config, trial),
    confirm: () => g.confirm(),
    republish: () => forwarders.republish([]),
    say: (forwarder, topic, json) => forwarders.say(forwarder, topic, json),
    answered: (owner, id, json) => g.ledger.finish(owner, id, json),
    tell: (event) => g.ingest.event(event),
    fatal: (error) => g.onFatal(error),
  };
}
