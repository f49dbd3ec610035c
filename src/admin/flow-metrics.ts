/** Metrics of Node-RED. */
import { FLOW_STATES } from '../core/flow-supervisor.ts';
import { flag, type Metric, one, type Read, type Sample, type StatusReport, seconds, unitOf } from './metric.ts';
import type { FrontStatus, GatewayStatus } from './target.ts';

function flows(name: string, type: 'gauge' | 'counter', help: string, read: Read<NonNullable<GatewayStatus['flows']>>): Metric {
  const samples = (r: StatusReport) => (r.flows === undefined ? [] : one(read(r.flows, r)));
  return { name, type, unit: unitOf(name), labels: [], help, read: samples };
}

export const FLOW_METRICS: readonly Metric[] = [
  {
    ...{ name: 'sluice_flows_state', type: 'gauge', labels: ['state'] },
    help: '1 for the state of Node-RED, 0 for the others: `stopped`, `starting`, `running`, `unhealthy`, `backing-off`, `safe-mode`, `stopping`.',
    read: (r) => (r.flows === undefined ? [] : FLOW_STATES.map((state): Sample => [{ state }, flag(r.flows?.state === state)])),
  },
  flows('sluice_flows_safe_mode', 'gauge', '1 while the flows do not start because Node-RED crashed too often.', (f) =>
    flag(f.safeMode !== undefined),
  ),
  flows('sluice_flows_resident_memory_bytes', 'gauge', 'Resident memory of Node-RED.', (f) => f.memory?.resident),
  flows(
    'sluice_flows_proportional_memory_bytes',
    'gauge',
    'The same, with pages that it shares with other processes counted by share.',
    (f) => f.memory?.proportional,
  ),
  flows('sluice_flows_check_seconds', 'gauge', 'How long the last message took through Node-RED.', (f) =>
    f.checkTime === undefined ? undefined : seconds(f.checkTime),
  ),
  flows('sluice_flows_restarts', 'counter', 'Starts of Node-RED after it ended by itself.', (f) => f.restarts),
  flows(
    'sluice_flows_recent_crashes',
    'gauge',
    'Times within the last hour that Node-RED ended by itself; 5 at most are counted.',
    (f) => f.crashes,
  ),
  flows('sluice_flows_log_lines', 'counter', 'Lines of Node-RED in the log of the gateway.', (f) => f.lines.passed),
  flows(
    'sluice_flows_suppressed_lines',
    'counter',
    'Lines of Node-RED that were left out because there were too many.',
    (f) => f.lines.suppressed,
  ),
  flows('sluice_flows_door_connections', 'gauge', 'Clients of the socket for flows.', (f) => f.door?.connections),
  flows('sluice_flows_door_subscriptions', 'gauge', 'Subscriptions of these clients.', (f) => f.door?.subscriptions),
  flows(
    'sluice_flows_door_readings',
    'counter',
    'Readings that clients of the socket for flows were given.',
    (f) => f.door?.readings,
  ),
  flows(
    'sluice_flows_door_dropped_readings',
    'counter',
    'Readings and transitions of alarms that were dropped because a client took too few.',
    (f) => f.door?.dropped,
  ),
  flows(
    'sluice_flows_door_refused_connections',
    'counter',
    'Connections to the socket for flows that were closed because there were too many.',
    (f) => f.door?.refusedConnections,
  ),
  flows(
    'sluice_flows_door_refused_hellos',
    'counter',
    'Connections to the socket for flows with a wrong token or a wrong first line.',
    (f) => f.door?.refusedHellos,
  ),
  flows('sluice_flows_door_calls', 'counter', 'Calls on the socket for flows.', (f) => f.door?.calls),
  flows('sluice_flows_door_commands', 'counter', 'Calls of flows that acted.', (f) => f.door?.commands),
  flows(
    'sluice_flows_door_refused_commands',
    'counter',
    'Calls of flows that would act and were refused or failed.',
    (f) => f.door?.refusedCommands,
  ),
  flows('sluice_flows_door_puts', 'counter', 'Readings that flows gave and that were taken.', (f) => f.door?.puts),
  flows('sluice_flows_door_refused_puts', 'counter', 'Readings of flows that were refused.', (f) => f.door?.refusedPuts),
  flows(
    'sluice_flows_door_left_out_puts',
    'counter',
    'Readings of flows that newer ones replaced because there were too many.',
    (f) => f.door?.leftOutPuts,
  ),
  {
    ...{ name: 'sluice_flows_front_listening', type: 'gauge', labels: ['door', 'address', 'tls'] },
    help: '1 while a door to Node-RED listens on the address, 0 while it tries: `editor`, `http-in`.',
    read: (r) =>
      doors(r).flatMap(([door, { listeners }]) =>
        listeners.map(
          ({ host, port, tls, fault }): Sample => [
            { door, address: `${host}:${port}`, tls: tls ? 'yes' : 'no' },
            flag(fault === undefined),
          ],
        ),
      ),
  },
  {
    ...{ name: 'sluice_flows_front_connections', type: 'gauge', labels: ['door'] },
    help: 'Open connections of a door to Node-RED.',
    read: (r) => doors(r).map(([door, { connections }]): Sample => [{ door }, connections]),
  },
  {
    ...{ name: 'sluice_flows_front_sockets', type: 'gauge', labels: ['door'] },
    help: 'Open WebSockets of a door to Node-RED.',
    read: (r) => doors(r).map(([door, { sockets }]): Sample => [{ door }, sockets]),
  },
  {
    ...{ name: 'sluice_flows_front_refused', type: 'counter', labels: ['door', 'what'] },
    help: 'Refused by a door to Node-RED: as `sluice_http_refused_total`, `strangers` without a log-in, `sockets` beyond a bound.',
    read: (r) =>
      doors(r).flatMap(([door, { refused }]) => Object.entries(refused).map(([what, n]): Sample => [{ door, what }, n])),
  },
];

function doors({ flows }: StatusReport): (readonly [string, FrontStatus])[] {
  return Object.entries(flows?.front ?? {}).flatMap(([door, status]) => (status === undefined ? [] : [[door, status] as const]));
}
