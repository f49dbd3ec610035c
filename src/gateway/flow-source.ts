/** What the socket for flows gets of the gateway. */
import type { GatewayConfig, ResolvedRule } from '../config/kinds.ts';
import type { CommandPort } from '../core/commands.ts';
import type { FlowReading, FlowTaken } from '../core/flow-points.ts';
import type { FlowSupervisor } from '../core/flow-supervisor.ts';
import type { Forwarder, Inventory, NoticeMessage } from '../core/ports.ts';
import { VERSION } from '../core/version.ts';
import { pointHistory } from '../node-red/door/history.ts';
import type { DoorRule, DoorSource } from '../node-red/door/source.ts';
import type { Ingest } from '../pipeline/ingest.ts';
import type { Latest } from '../pipeline/latest.ts';
import type { RuleEngine } from '../rules/engine.ts';
import type { Log } from '../store/log.ts';
import type { ClockWatch } from '../time/watch.ts';
import type { Plant } from './plant.ts';

export interface FlowSourceParts {
  readonly config: GatewayConfig;
  readonly inventory: Inventory;
  readonly log: Log;
  readonly ingest: Ingest;
  readonly rules: RuleEngine;
  readonly watch: ClockWatch;
}

export interface FlowSourceRest {
  readonly latest: Latest;
  readonly plant: Plant;
  readonly commands: CommandPort;
  readonly now: () => number;
  readonly alarms: () => Iterable<NoticeMessage>;
  readonly put: (reading: FlowReading) => FlowTaken;
  readonly forwarders: () => readonly Forwarder[];
  readonly flows: () => FlowSupervisor;
}

export function flowSource(g: FlowSourceParts, rest: FlowSourceRest): DoorSource {
  const { latest, plant, commands, now, alarms, put } = rest;
  const rules = rulesFor(() => g.config.rules);
  return {
    ...{ latest, commands, now, alarms, put, rules },
    gateway: () => g.config.gateway.id,
    grants: () => g.config.nodeRed?.grants ?? {},
    inventory: () => g.inventory,
    offset: () => g.watch.offset,
    clockKnown: () => g.watch.known,
    history: (call) => pointHistory(g.log, call),
    feed: (sink) => {
      const { ingest } = g;
      ingest.add(sink);
      return () => ingest.remove(sink);
    },
    status: () => {
      const { gateway } = g.config;
      const { source, known } = g.watch.status();
      const log = g.log.status();
      const utc = (at: number | undefined) => (at === undefined ? undefined : Math.round(at) + g.watch.offset);
      return {
        gateway: { id: gateway.id, name: gateway.name, version: VERSION, time: now() },
        clock: { known, source, time: now() },
        buses: plant.buses.map((bus) => {
          const { name, protocol, state, fault, devices } = bus.status();
          const brief = devices.map((device) => ({
            ...{ name: device.name, state: device.state, fault: device.fault, lastReply: utc(device.lastReply) },
          }));
          return { name, protocol, state, fault, devices: brief };
        }),
        forwarders: rest.forwarders().map((forwarder) => {
          const { name, type, state, fault, liveReadings } = forwarder.status();
          return { name, type, state, fault, waiting: liveReadings };
        }),
        alarms: g.rules.alarms(g.ingest.moment()).length,
        log: { records: log.held, bytes: log.bytes, maxBytes: g.config.buffer.maxSize, fault: log.fault },
        flows: rest.flows().status().door,
      };
    },
  };
}

/** Made again only for other rules. */
function rulesFor(configured: () => ReadonlyMap<string, ResolvedRule>): () => ReadonlyMap<string, DoorRule> {
  let of: ReadonlyMap<string, ResolvedRule> | undefined;
  let made: ReadonlyMap<string, DoorRule> = new Map();
  return () => {
    const rules = configured();
    if (rules !== of)
      made = new Map(
        Array.from(rules, ([name, { device, point, severity, inputs = [] }]) => [
          name,
          { severity, points: [...new Set([`${device}.${point}`, ...inputs])] },
        ]),
      );
    of = rules;
    return made;
  };
}
