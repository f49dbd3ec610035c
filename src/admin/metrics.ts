/**
 * `/metrics`: one table of all metrics, written as OpenMetrics text 1.0. Written here and not with prom-client, which
 * costs 14 MB of memory on import. docs/reference/metrics.md repeats the table; a test holds them equal.
 */
import type { BusStatus, DeviceCounters, DeviceStatus } from '../core/ports.ts';
import { ACTION_METRICS } from './action-metrics.ts';
import { ALARM_METRICS } from './alarm-metrics.ts';
import { FLOW_METRICS } from './flow-metrics.ts';
import { LISTENER_METRICS } from './listener-metrics.ts';
import { flag, type Labels, type Metric, type Read, type Sample, type StatusReport, seconds, single, unitOf } from './metric.ts';
import type { ForwarderStatus } from './target.ts';

/** The parts of the log's memory that have a bound in bytes. */
const MEMORY_PARTS = ['pending', 'tail', 'live'] as const;

function device(name: string, type: 'gauge' | 'counter', help: string, read: Read<DeviceStatus>): Metric {
  const samples = function* (r: StatusReport): Generator<Sample> {
    for (const bus of r.buses) for (const d of bus.devices) yield [{ bus: bus.name, device: d.name }, read(d, r)];
  };
  return { name, type, unit: unitOf(name), labels: ['bus', 'device'], help, read: samples };
}
function deviceCounter(name: string, help: string, key: keyof DeviceCounters): Metric {
  return device(name, 'counter', help, (d) => d.counters[key] ?? 0);
}
/** In seconds; only for a device that was asked and has answered. */
function replyTime({ counters }: DeviceStatus, ms: number | undefined): number | undefined {
  const { requests, replies, exceptions } = counters;
  return ms === undefined || requests === 0 || replies + exceptions === 0 ? undefined : seconds(ms);
}
/** A metric of the buses whose devices send by themselves. */
function busWaiting(name: string, help: string, read: (waiting: NonNullable<BusStatus['waiting']>) => number): Metric {
  const samples = (r: StatusReport) => r.buses.map((b): Sample => [{ bus: b.name }, b.waiting && read(b.waiting)]);
  return { name, type: 'gauge', unit: unitOf(name), labels: ['bus'], help, read: samples };
}
/** A metric of the buses that poll. */
function busLoad(name: string, help: string, read: (load: NonNullable<BusStatus['load']>) => number): Metric {
  const samples = (r: StatusReport) => r.buses.map((b): Sample => [{ bus: b.name }, b.load && read(b.load)]);
  return { name, type: 'gauge', unit: unitOf(name), labels: ['bus'], help, read: samples };
}
function forwarder(name: string, type: 'gauge' | 'counter', help: string, read: Read<ForwarderStatus>): Metric {
  const samples = (r: StatusReport) => r.forwarders.map((f): Sample => [{ forwarder: f.name }, read(f, r)]);
  return { name, type, unit: unitOf(name), labels: ['forwarder'], help, read: samples };
}

export const METRICS: readonly Metric[] = [
  {
    ...{ name: 'sluice_build', type: 'info', labels: ['version', 'gateway'] },
    help: 'Version of the software and id of the gateway.',
    read: (r) => [[{ version: r.gateway.version, gateway: r.gateway.id }, 1]],
  },
  single('sluice_uptime_seconds', 'gauge', 'Time since the daemon started.', (r) => r.gateway.uptime),
  single('sluice_clock_known', 'gauge', '1 when the wall clock is known, 0 while it is estimated.', (r) => flag(r.clock.known)),
  {
    ...{ name: 'sluice_clock_source', type: 'info', labels: ['source'] },
    help: 'Where the time comes from, or why it is not known.',
    read: (r) => [[{ source: r.clock.source }, 1]],
  },
  single('sluice_clock_system_offset_seconds', 'gauge', 'The system clock minus the time of the gateway.', (r) =>
    seconds(r.clock.systemOffset),
  ),
  single('sluice_clock_since_seconds', 'gauge', 'How long the clock has been known, or not.', (r) =>
    seconds(Math.max(0, r.gateway.time - r.clock.since)),
  ),
  single('sluice_clock_steps', 'counter', 'Changes of the time since the daemon started.', (r) => r.clock.steps),

  {
    ...{ name: 'sluice_bus_open', type: 'gauge', labels: ['bus', 'protocol'] },
    help: '1 while the port or connection of the bus is open.',
    read: (r) => r.buses.map((b): Sample => [{ bus: b.name, protocol: b.protocol }, flag(b.state === 'open')]),
  },
  busLoad('sluice_bus_busy_ratio', 'Share of the last half minute in which a request was on the wire, 0 to 1.', (l) => l.busy),
  busLoad('sluice_bus_due_polls', 'Polls that were due in the last half minute.', (l) => l.due),
  busLoad('sluice_bus_missed_polls', 'Due polls of this time that were left out because the bus was busy.', (l) => l.missed),
  busLoad('sluice_bus_overloaded', '1 while the bus is overloaded: it leaves polls out.', (l) => flag(l.overloaded)),
  device('sluice_device_answering', 'gauge', '1 while the device answers.', (d) => flag(d.state === 'answering')),
  device('sluice_device_last_reply_age_seconds', 'gauge', 'Time since the last good reply.', (d, r) =>
    d.lastReply === undefined ? undefined : Math.max(0, seconds(r.gateway.monotonic - d.lastReply)),
  ),
  busWaiting('sluice_bus_waiting_bytes', 'Bytes of MQTT messages of devices that wait for their turn.', (w) => w.bytes),
  busWaiting('sluice_bus_waiting_limit_bytes', 'Bytes of MQTT messages that may wait.', (w) => w.limit),
  deviceCounter('sluice_device_requests', 'Requests sent.', 'requests'),
  deviceCounter('sluice_device_replies', 'Good replies and frames.', 'replies'),
  deviceCounter('sluice_device_timeouts', 'Requests without an answer in time.', 'timeouts'),
  deviceCounter('sluice_device_exceptions', 'Modbus exceptions.', 'exceptions'),
  deviceCounter('sluice_device_crc_errors', 'Replies and frames with a wrong checksum.', 'crcErrors'),
  deviceCounter('sluice_device_bad_replies', 'Replies and frames refused for another cause.', 'badReplies'),
  deviceCounter('sluice_device_late_replies', 'Replies that came after their time-out and were thrown away.', 'lateReplies'),
  deviceCounter('sluice_device_skipped_bytes', 'Serial bytes skipped while looking for a frame.', 'skippedBytes'),
  deviceCounter(
    'sluice_device_resyncs',
    'Stretches of skipped bytes: how often the gateway had to search for the start of a frame.',
    'resyncs',
  ),
  deviceCounter(
    'sluice_device_half_frames',
    'Serial frames that were not complete, or whose beginning was missed.',
    'halfFrames',
  ),
  deviceCounter('sluice_device_repeats', 'MQTT messages that came before: sent again, or kept by the broker.', 'repeats'),
  deviceCounter('sluice_device_left_out', 'MQTT messages left out because the device sent too many.', 'leftOut'),
  device(
    'sluice_device_missed_polls',
    'counter',
    'Polls left out because their predecessor was still waiting.',
    (d) => d.counters.missedPolls,
  ),
  device('sluice_device_reply_seconds', 'counter', 'Sum of all reply times; divide by replies and exceptions.', (d) =>
    seconds(d.counters.latencySum),
  ),
  device('sluice_device_last_reply_time_seconds', 'gauge', 'How long the last reply took.', (d) =>
    replyTime(d, d.counters.latencyLast),
  ),
  device(
    'sluice_device_reply_p95_seconds',
    'gauge',
    '95 of the last 100 replies were at least as quick, without the time of their bytes on the wire.',
    (d) => replyTime(d, d.counters.latencyP95),
  ),
  device('sluice_device_longest_reply_time_seconds', 'gauge', 'The longest reply since the start.', (d) =>
    replyTime(d, d.counters.latencyMax),
  ),

  single('sluice_log_records', 'gauge', 'Depth of the log: records and notices kept.', (r) => r.log.records),
  single('sluice_log_bytes', 'gauge', 'Size of all files of the log.', (r) => r.log.bytes),
  single('sluice_log_limit_bytes', 'gauge', 'The size that buffer.maxSize allows.', (r) => r.log.maxBytes),
  single('sluice_log_pending_readings', 'gauge', 'Readings that wait for the next commit.', (r) => r.log.pending),
  {
    ...{ name: 'sluice_log_memory_bytes', type: 'gauge', unit: 'bytes', labels: ['part'] },
    help: 'Memory of the log: `pending` for the disk, `tail` in the runtime directory, `live` batches, `unanswered` ones.',
    read: (r) => [
      ...MEMORY_PARTS.map((part): Sample => [{ part }, r.log.memory[part].bytes]),
      [{ part: 'unanswered' }, r.log.memory.unanswered],
    ],
  },
  {
    ...{ name: 'sluice_log_memory_limit_bytes', type: 'gauge', unit: 'bytes', labels: ['part'] },
    help: 'How much that may be. `unanswered` is bounded by `batch.maxReadings`.',
    read: (r) => MEMORY_PARTS.map((part): Sample => [{ part }, r.log.memory[part].limit]),
  },
  single(
    'sluice_log_questions',
    'gauge',
    'Questions to the log (backlog, charts, exports) that wait for an answer; 256 at most.',
    (r) => r.log.memory.questions.asked,
  ),
  single('sluice_log_oldest_unsent_age_seconds', 'gauge', 'Age of the oldest record not delivered; 0 when all are.', (r) =>
    r.log.oldestUnsent === null ? 0 : Math.max(0, seconds(r.gateway.time - r.log.oldestUnsent)),
  ),
  single('sluice_log_last_commit_age_seconds', 'gauge', 'Time since the last commit.', (r) =>
    r.log.lastCommit === null ? undefined : Math.max(0, seconds(r.gateway.time - r.log.lastCommit)),
  ),
  single('sluice_log_commits', 'counter', 'Commits.', (r) => r.log.commits),
  single('sluice_log_appended_readings', 'counter', 'Readings taken into the log.', (r) => r.log.appended),
  single(
    'sluice_log_unreported_readings',
    'counter',
    'Readings that are not in the log because of report: of their points.',
    (r) => r.log.unreported,
  ),
  single(
    'sluice_log_dropped_readings',
    'counter',
    'Readings dropped for room before a forwarder had them.',
    (r) => r.log.dropped,
  ),
  single('sluice_log_thinned_readings', 'counter', 'Old readings thinned out for room, delivered or not.', (r) => r.log.thinned),
  single('sluice_log_removed_readings', 'counter', 'Oldest readings dropped for room, delivered or not.', (r) => r.log.removed),
  single('sluice_log_aged_readings', 'counter', 'Readings dropped because they are older than buffer.maxAge.', (r) => r.log.aged),
  single('sluice_log_write_faults', 'counter', 'Times at which the log could not be written.', (r) => r.log.writeFaults),
  single('sluice_log_write_fault_seconds', 'counter', 'Time during which the log could not be written.', (r) =>
    seconds(r.log.writeFaultTime),
  ),
  single('sluice_log_salvages', 'counter', 'Times a file of the log was damaged or not the newest.', (r) => r.log.salvages),
  single('sluice_log_salvaged_records', 'counter', 'Records that came back out of such a file.', (r) => r.log.salvagedRecords),
  single(
    'sluice_log_lost_records',
    'counter',
    'Records of such a file of which only the number was left.',
    (r) => r.log.lostRecords,
  ),
  single('sluice_log_faults', 'gauge', 'Faults of the log now; `sluice status` says which.', (r) => r.log.faults.length),

  forwarder('sluice_forwarder_connected', 'gauge', '1 while connected.', (f) => flag(f.state === 'connected')),
  forwarder('sluice_forwarder_live', 'gauge', '1 while records go to `data` as they come.', (f) => flag(f.mode === 'live')),
  {
    ...{ name: 'sluice_forwarder_lag_seconds', type: 'gauge', unit: 'seconds', labels: ['forwarder', 'lane'] },
    help: 'Age of the oldest undelivered record of the lane (`data` or `history`).',
    read: (r) =>
      r.forwarders.flatMap((f): Sample[] => [
        [{ forwarder: f.name, lane: 'data' }, seconds(f.lag.data)],
        [{ forwarder: f.name, lane: 'history' }, seconds(f.lag.history)],
      ]),
  },
  forwarder('sluice_forwarder_last_ack_age_seconds', 'gauge', 'Time since the last acknowledgement.', (f, r) =>
    f.lastAck === null ? undefined : Math.max(0, seconds(r.gateway.time - f.lastAck)),
  ),
  forwarder('sluice_forwarder_connects', 'counter', 'Connections established.', (f) => f.counters.connects),
  forwarder('sluice_forwarder_published_batches', 'counter', 'Batches handed over.', (f) => f.counters.published),
  forwarder('sluice_forwarder_acked_batches', 'counter', 'Batches acknowledged.', (f) => f.counters.acked),
  forwarder('sluice_forwarder_refused_batches', 'counter', 'Batches refused for good.', (f) => f.counters.refused),
  forwarder('sluice_forwarder_retries', 'counter', 'Batches sent again.', (f) => f.counters.retries),
  forwarder('sluice_forwarder_readings', 'counter', 'Readings acknowledged.', (f) => f.counters.readings),
  forwarder('sluice_forwarder_bytes', 'counter', 'Payload bytes acknowledged.', (f) => f.counters.bytes),
  {
    ...{ name: 'sluice_forwarder_batch_limit_bytes', type: 'gauge', unit: 'bytes', labels: ['forwarder'] },
    help: 'Bytes that a batch may have now, by what the link carried.',
    read: (r) =>
      r.forwarders.flatMap(({ name, batchLimit }) => (batchLimit === null ? [] : [[{ forwarder: name }, batchLimit] as Sample])),
  },
  {
    ...{ name: 'sluice_forwarder_month_bytes', type: 'gauge', unit: 'bytes', labels: ['forwarder', 'part'] },
    help: 'Bytes on the wire since the month began, kept over restarts. `sent` and `received`: of sockets, TLS included. `headers`: an estimate of TCP and IP.',
    read: (r) =>
      r.forwarders.flatMap(({ name, wire }) =>
        wire === null
          ? []
          : (['sent', 'received', 'headers'] as const).map((part): Sample => [{ forwarder: name, part }, wire[part]]),
      ),
  },
  forwarder(
    'sluice_forwarder_unheard_messages',
    'counter',
    'Acknowledged messages of readings for which a broker of MQTT 5 has no subscriber.',
    (f) => f.counters.unheard,
  ),
  forwarder(
    'sluice_forwarder_violations',
    'counter',
    'Connections closed because the far side broke the protocol or a limit.',
    (f) => f.counters.violations,
  ),

  ...LISTENER_METRICS,
  ...FLOW_METRICS,

  {
    ...{ name: 'sluice_alarms', type: 'gauge', labels: ['severity'] },
    help: 'Alarms that are active or not acknowledged.',
    read: (r) =>
      (['info', 'warning', 'critical'] as const).map(
        (severity): Sample => [{ severity }, r.alarms.filter((a) => a.severity === severity).length],
      ),
  },

  ...ALARM_METRICS,
  ...ACTION_METRICS,
  {
    ...{ name: 'sluice_log_ins', type: 'counter', labels: ['result'] },
    help: 'Log-ins and claims that were `accepted`, `refused` after a check, or `throttled`: refused without one.',
    read: (r) => Object.entries(r.access.logIns).map(([result, n]): Sample => [{ result }, n]),
  },

  single('sluice_event_loop_delay_p50_seconds', 'gauge', 'Median lateness of the event loop in the last minutes.', (r) =>
    seconds(r.process.eventLoop.p50),
  ),
  single('sluice_event_loop_delay_p99_seconds', 'gauge', '99th percentile of it.', (r) => seconds(r.process.eventLoop.p99)),
  single('sluice_event_loop_delay_max_seconds', 'gauge', 'The longest of it.', (r) => seconds(r.process.eventLoop.max)),
  single(
    'sluice_event_loop_busy_ratio',
    'gauge',
    'Share of time that the event loop was busy, 0 to 1.',
    (r) => r.process.eventLoop.utilization,
  ),
  single('sluice_process_cpu_seconds', 'counter', 'User and system time of the process.', (r) => r.process.cpu),
  single('sluice_process_resident_memory_bytes', 'gauge', 'Resident memory of the process.', (r) => r.process.memory.resident),
  single('sluice_process_heap_bytes', 'gauge', 'JavaScript heap in use.', (r) => r.process.memory.heap),
  single(
    'sluice_process_external_memory_bytes',
    'gauge',
    'Memory of buffers outside the heap.',
    (r) => r.process.memory.external,
  ),
];

export const METRICS_TYPE = 'application/openmetrics-text; version=1.0.0; charset=utf-8';

export function metricsText(report: StatusReport): string {
  return `${METRICS.flatMap((metric) => metricLines(metric, report)).join('\n')}\n# EOF\n`;
}

/** @returns no line for a metric without a value */
export function metricLines(metric: Metric, report: StatusReport): string[] {
  const samples = [...metric.read(report)].filter(([, value]) => value !== null && value !== undefined);
  if (samples.length === 0) return [];
  const name = sampleName(metric);
  return [
    `# TYPE ${metric.name} ${metric.type}`,
    ...(metric.unit === undefined ? [] : [`# UNIT ${metric.name} ${metric.unit}`]),
    `# HELP ${metric.name} ${escaped(metric.help)}`,
    ...samples.map(([labels, value]) => `${name}${labelText(labels)} ${value}`),
  ];
}

/** The name that queries use. */
export function sampleName(metric: Metric): string {
  return metric.name + (metric.type === 'counter' ? '_total' : metric.type === 'info' ? '_info' : '');
}

/** The table of docs/reference/metrics.md. */
export function metricsTable(): string {
  const rows = METRICS.map((m) => `| \`${sampleName(m)}\` | ${m.type} | ${m.labels.join(', ')} | ${m.help} |`);
  return ['| name | type | labels | meaning |', '|---|---|---|---|', ...rows].join('\n');
}

function labelText(labels: Labels): string {
  const parts = Object.entries(labels).map(([key, value]) => `${key}="${escaped(value)}"`);
  return parts.length === 0 ? '' : `{${parts.join(',')}}`;
}

function escaped(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}
