/** Metrics of Node-RED. */
import { FLOW_STATES } from '../core/flow-supervisor.ts';
import { flag, type Metric, one, type Read, type Sample, type StatusReport, seconds, unitOf } from './metric.ts';
import type { GatewayStatus } from './target.ts';

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
];
