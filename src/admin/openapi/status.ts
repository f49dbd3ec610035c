/** The schema of `GET /api/v1/status`. */
import * as z from 'zod';
import type { AccessStatus } from '../../core/access-ports.ts';
import { ALARM_STATES, SEVERITIES } from '../../core/alarm.ts';
import type { BrokerStoreStatus } from '../../core/broker-store.ts';
import { FLOW_STATES } from '../../core/flow-supervisor.ts';
import type { AnswerStatus, BusStatus, DeviceCounters, DeviceStatus, ForwarderCounters } from '../../core/ports.ts';
import type { EmbeddedBrokerStatus } from '../../forwarders/broker/broker-types.ts';
import type { SalvageStatus } from '../../reports/salvage.ts';
import type { StatusReport } from '../metric.ts';
import type { ProcessStatus } from '../process-meter.ts';
import type { AlarmStatus, FlowsReport, ForwarderStatus, GatewayStatus, HttpStatus, LogMemory, LogStatus } from '../target.ts';
import { count, fault, flag, list, moment, number, shape, text, value, word } from './parts.ts';

const address = shape<{ readonly host: string; readonly port: number }>({ host: text('the address'), port: count('the port') });

const counters = shape<DeviceCounters>({
  requests: count('requests'),
  replies: count('good replies'),
  timeouts: count('requests without a reply in time'),
  exceptions: count('Modbus exceptions'),
  crcErrors: count('replies with a wrong checksum'),
  badReplies: count('replies that do not belong to their request'),
  lateReplies: count('replies after their time-out'),
  skippedBytes: count('bytes that belong to no frame'),
  resyncs: count('how often the gateway looked for the start of a frame').optional(),
  halfFrames: count('frames that did not become whole').optional(),
  missedPolls: count('polls that were left out').optional(),
  repeats: count('messages that repeat an earlier one').optional(),
  leftOut: count('messages without room').optional(),
  latencyLast: number('the newest time from a request to its answer, ms'),
  latencyMax: number('the longest time, ms'),
  latencySum: number('the sum of the times, ms'),
  latencyP95: number('95 of 100 of the newest replies came within this time, ms').optional(),
}).describe('counts since the bus started');

const answer = shape<AnswerStatus>({
  planned: number('the time until a device begins its answer, as its reads are planned, ms'),
  from: word(['configured', 'measured', 'assumed'], 'the source of that time'),
  measured: number('the time as it is now, ms').optional(),
});

const device = shape<DeviceStatus>({
  name: text('the name of the device'),
  state: word(['unknown', 'answering', 'silent'], 'whether it answers'),
  fault: fault(),
  recovery: shape<NonNullable<DeviceStatus['recovery']>>({
    since: number('monotonic time of the first good reply, ms'),
    replies: count('good replies since then'),
  })
    .describe('the end of the last fault, for ten minutes')
    .optional(),
  share: shape<NonNullable<DeviceStatus['share']>>({
    bad: count('bad replies'),
    of: count('replies'),
    kind: word(['damaged', 'wrong', 'missing', 'failed'], 'what is wrong with them'),
  })
    .describe('how many of the newest replies were bad')
    .optional(),
  restsUntil: number('monotonic time until which the device gets no request, ms').optional(),
  lastReply: number('monotonic time of the last good reply, ms').optional(),
  counters,
  answer: answer.optional(),
});

const bus = shape<BusStatus>({
  name: text('the name of the bus'),
  protocol: text('its protocol'),
  state: word(['closed', 'opening', 'open'], 'whether it is open'),
  fault: fault(),
  devices: list(device, 'its devices'),
  load: shape<NonNullable<BusStatus['load']>>({
    busy: number('the share of the time that the bus was busy, 0 to 1'),
    due: count('polls that were due'),
    missed: count('polls that were left out'),
    overloaded: flag('whether the bus cannot carry its polls'),
  })
    .describe('the load of the last whole half minute')
    .optional(),
});

const bounded = (is: string) => shape<LogMemory['pending']>({ bytes: count('bytes'), limit: count('the limit') }).describe(is);

const salvage = shape<SalvageStatus>({
  time: moment('when it was'),
  file: text('the file'),
  why: text('what was wrong with it'),
  quarantine: z.string().nullable().describe('where the damaged file lies'),
  records: count('records that came back'),
  notices: count('alarms and events that came back'),
  lostRecords: count('records that are lost'),
  gaps: count('ranges of numbers of which nothing is left'),
  running: text('how far it is; absent when it is over').optional(),
});

const log = shape<LogStatus>({
  id: text('the id of the log'),
  records: count('records, alarms and events that are kept'),
  oldestUnsent: moment('time of the oldest record that a forwarder has not delivered').nullable(),
  bytes: count('bytes of all files of the log'),
  maxBytes: count('`buffer.maxSize`'),
  pending: count('readings that wait for the next commit'),
  lastCommit: moment('the last commit').nullable(),
  commits: count('commits since the start'),
  appended: count('readings since the start'),
  unreported: count('readings that `report:` left out'),
  dropped: count('readings that went before a forwarder had them'),
  thinned: count('readings that were thinned out'),
  removed: count('readings that were dropped for room'),
  aged: count('readings that were too old'),
  writeFaults: count('how often the log could not be written'),
  writeFaultTime: number('for how long altogether, ms'),
  memory: shape<LogMemory>({
    pending: bounded('what the disk does not have yet'),
    tail: bounded('the runtime directory'),
    live: bounded('the newest records'),
    unanswered: count('bytes of batches without an answer'),
    questions: shape<LogMemory['questions']>({ asked: count('questions'), limit: count('the limit') }).describe(
      'questions that wait',
    ),
  }).describe('what of the log is in memory'),
  faults: list(z.string(), 'what is wrong, in words'),
  salvage: list(salvage, 'files that were damaged or not the newest'),
  salvages: count('how often a file was repaired'),
  salvagedRecords: count('records that came back'),
  lostRecords: count('records that are lost'),
  refusedFolders: list(z.string(), 'folders that are not used for the newest readings'),
});

const forwarder = shape<ForwarderStatus>({
  name: text('the name of the forwarder'),
  type: text('its type'),
  url: text('its address, without secrets'),
  state: word(['stopped', 'connecting', 'connected', 'waiting'], 'its connection'),
  fault: fault(),
  nextTry: moment('when it connects again').nullable(),
  mode: word(['live', 'history'], 'where new records go'),
  lastAck: moment('the last acknowledgement').nullable(),
  lag: shape<ForwarderStatus['lag']>({
    data: number('age of the oldest undelivered record of `data`, ms'),
    history: number('age of the oldest undelivered record of `history`, ms'),
  }),
  waiting: count('readings in memory without an acknowledgement'),
  counters: shape<ForwarderCounters>({
    connects: count('connections'),
    published: count('batches that were sent'),
    acked: count('batches that were acknowledged'),
    refused: count('batches that were refused for good'),
    retries: count('batches that were sent again'),
    readings: count('acknowledged readings'),
    bytes: count('bytes of acknowledged batches'),
    violations: count('connections closed because the far side broke the protocol'),
  }),
});

const refused = shape<EmbeddedBrokerStatus['refused']>({
  connections: count('connections without a place'),
  clients: count('log-ins without a place'),
  requests: count('clients with too many requests'),
  slow: count('clients that did not read'),
  displaced: count('clients that gave way to another'),
  version: count('clients with another version of MQTT'),
  publish: count('clients that may not publish'),
  size: count('packets that were too long'),
  order: count('packets out of order'),
  header: count('packets with a wrong header'),
  length: count('packets with a wrong length'),
  text: count('packets with a wrong text'),
  value: count('packets with a wrong value'),
  topic: count('packets with a wrong topic'),
}).describe('clients that were refused, by cause');

const broker = shape<EmbeddedBrokerStatus>({
  state: word(['stopped', 'waiting', 'listening'], 'whether it listens'),
  fault: fault(),
  address: address.describe('the first address').optional(),
  listeners: list(
    shape<EmbeddedBrokerStatus['listeners'][number]>({
      ...{ host: text('the address'), port: count('the port'), tls: flag('whether it speaks TLS'), fault: fault() },
    }),
    'all addresses',
  ),
  clients: count('connected clients'),
  sessions: count('persistent sessions'),
  queuedMessages: count('messages in the queues of sessions'),
  queuedBytes: count('bytes in the queues of sessions'),
  retained: count('retained messages of clients'),
  store: shape<BrokerStoreStatus>({
    state: word(['memory', 'idle', 'file', 'faulty'], 'where sessions are kept'),
    fault: fault(),
    bytes: count('bytes of the file'),
    commits: count('commits since the start'),
    failures: count('commits that failed'),
    repairs: count('files that were set aside'),
  }),
  unsentBytes: count('bytes that wait for connected clients'),
  partialBytes: count('bytes of packets that are not whole yet'),
  published: count('messages since the start'),
  dropped: shape<EmbeddedBrokerStatus['dropped']>({
    ...{ sessions: count('a queue was full'), slow: count('a client was too slow') },
    ...{ busy: count('the broker was too busy'), retained: count('retained messages without room') },
  }).describe('messages that a subscriber did not get'),
  refused,
});

const access = shape<AccessStatus>({
  state: word(['unclaimed', 'claimed', 'locked'], 'whether the gateway has an administrator'),
  fault: fault(),
  users: count('users'),
  devices: count('devices'),
  tokens: count('tokens'),
  sessions: count('open sessions'),
  logIns: shape<AccessStatus['logIns']>({
    ...{ accepted: count('log-ins'), refused: count('refused log-ins'), throttled: count('log-ins that were not checked') },
  }),
});

/** Keys of an alarm, for the status and for a line of a tail. */
export const ALARM = {
  rule: text('the name of the rule'),
  state: word(ALARM_STATES, 'its state'),
  severity: word(SEVERITIES, 'its severity'),
  point: text('device.point'),
  value: value('the reading that caused it').optional(),
  since: moment('when the state began'),
  occurrence: count('counts the activations of the rule, from 1'),
  message: text('the words of the alarm'),
  shelvedUntil: moment('when the shelving ends').optional(),
};

const gatewayStatus = {
  gateway: shape<GatewayStatus['gateway']>({
    id: text('the id of the gateway'),
    name: text('its name').optional(),
    version: text('the version of Sluice'),
    boot: text('this start, as batches name it'),
    uptime: number('seconds since the start'),
    time: moment('now'),
    monotonic: number('now, in monotonic milliseconds'),
  }),
  clock: shape<GatewayStatus['clock']>({
    known: flag('whether the time is known'),
    source: text('where the time comes from, or why it is not known'),
    systemOffset: number('the system clock minus the time of the gateway, ms'),
    since: moment('since when it is known, or not'),
    steps: count('changes of the time since the start'),
  }),
  buses: list(bus, 'the buses'),
  log,
  forwarders: list(forwarder, 'the forwarders'),
  broker: broker.describe('the embedded broker').optional(),
  certificate: shape<NonNullable<GatewayStatus['certificate']>>({
    fingerprint: text('SHA-256 of the certificate'),
    authority: text('SHA-256 of the certificate that signed it'),
    until: moment('when it ends'),
  })
    .describe('the own certificate of the gateway')
    .optional(),
  flows: shape<FlowsReport>({
    state: word(FLOW_STATES, 'the state of Node-RED'),
    since: moment('when the state began'),
    reason: text('why it is in this state').optional(),
    fault: text('why no flow runs although Node-RED does; absent while nothing is missing').optional(),
    nextStart: moment('when it starts again').nullable(),
    runsAs: word(['service', 'user', 'same-user'], 'what Node-RED runs as'),
    version: text('the version of Node-RED').optional(),
    pid: count('the process').optional(),
    memory: shape<NonNullable<FlowsReport['memory']>>({
      resident: count('bytes in memory'),
      proportional: count('bytes in memory, shared pages counted by share').optional(),
    }).optional(),
    safeMode: text('why the flows do not run').optional(),
    restarts: count('starts after it ended by itself'),
    crashes: count('ends by itself within the last hour'),
    checkTime: number('how long the last message took through it, ms').optional(),
    lines: shape<FlowsReport['lines']>({ passed: count('lines in the log'), suppressed: count('lines that were left out') }),
  })
    .describe('Node-RED beside the gateway')
    .optional(),
  http: shape<HttpStatus>({
    state: word(['off', 'waiting', 'listening'], 'whether it listens'),
    address: address.describe('the first address that listens').optional(),
    fault: fault(),
    listeners: list(
      shape<HttpStatus['listeners'][number]>({
        ...{ host: text('the address'), port: count('the port'), tls: flag('whether it speaks TLS'), fault: fault() },
        fingerprint: text('SHA-256 of its certificate').optional(),
      }),
      'all addresses',
    ),
    connections: count('open connections'),
    refused: shape<HttpStatus['refused']>({
      connections: count('connections that ended for others or were not taken'),
      hosts: count('requests for a name that is not of this gateway'),
      origins: count('requests of pages of other sites'),
      requests: count('requests of an address with too many'),
    }),
  })
    .describe('the HTTP interface')
    .optional(),
  access,
  alarms: list(shape<AlarmStatus>(ALARM), 'alarms that are active or not acknowledged'),
};

export const status = shape<StatusReport>({
  ...gatewayStatus,
  process: shape<ProcessStatus>({
    pid: count('the process'),
    cpu: number('seconds of processor time'),
    memory: shape<ProcessStatus['memory']>({
      ...{ resident: count('bytes in memory'), heap: count('bytes of the heap'), external: count('bytes outside the heap') },
    }),
    eventLoop: shape<ProcessStatus['eventLoop']>({
      p50: number('lateness of the event loop, the median, ms'),
      p99: number('99 of 100, ms'),
      max: number('the most, ms'),
      utilization: number('the share of the time that it was busy, 0 to 1'),
    }),
  }),
});
