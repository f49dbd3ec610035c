/** The schema of `GET /api/v1/status`. */
import * as z from 'zod';
import { ACTION_KEYS } from '../../config/actions.ts';
import { RESULTS } from '../../control/actions/tally.ts';
import type { AccessStatus } from '../../core/access-ports.ts';
import { ALARM_STATES, SEVERITIES } from '../../core/alarm.ts';
import type { BrokenConfig } from '../../core/broken-config.ts';
import {
  type ConfigReport,
  type ConfigSender,
  type LastConfigure,
  ORIGINS,
  OUTCOMES,
  type TrialReport,
} from '../../core/configuring.ts';
import type { ForwarderCounters } from '../../core/ports.ts';
import type { AlarmFiguresView, FrequentAlarm } from '../../rules/alarm-figures.ts';
import type { AlarmStatus } from '../live/live-types.ts';
import type { StatusReport } from '../metric.ts';
import type { ProcessStatus } from '../process-meter.ts';
import type { ActionStatus, ActionsReport, ForwarderStatus, GatewayStatus, ObservationStatus, WireStatus } from '../target.ts';
import { count, fault, flag, list, messages, moment, number, shape, text, value, word } from './parts.ts';
import { bus } from './status-buses.ts';
import { flows } from './status-flows.ts';
import { announce, broker, http } from './status-listeners.ts';
import { log } from './status-log.ts';

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
  batchLimit: count('bytes that a batch may have now, by what the link carried; null where it is not measured').nullable(),
  counters: shape<ForwarderCounters>({
    connects: count('connections'),
    published: count('batches that were sent'),
    acked: count('batches that were acknowledged'),
    refused: count('batches that were refused for good'),
    retries: count('batches that were sent again'),
    readings: count('acknowledged readings'),
    bytes: count('bytes of acknowledged batches'),
    violations: count('connections closed because the far side broke the protocol'),
    unheard: count('acknowledged messages of readings that had no subscriber (MQTT 5)'),
  }),
  wire: shape<WireStatus>({
    month: text('the month that is counted, as `2026-11`; null until the clock was known').nullable(),
    sent: count('bytes that its sockets sent this month, TLS included'),
    received: count('bytes that its sockets received this month, TLS included'),
    headers: count('an estimate of the headers of TCP and IP this month, in bytes, both ways'),
    today: count('bytes of all kinds today, in the time zone of the gateway'),
    perDay: count('bytes that its budget allows in a day; null without one').nullable(),
  }).nullable(),
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
  message: text('the words of the alarm, in the language of the gateway'),
  messages: messages(),
  shelvedUntil: moment('when the shelving, or the time out of service, ends').optional(),
  firstOut: z.literal(true).describe('it was the first of its group').optional(),
};

const rules = (is: string) => list(text('the name of a rule'), is);
const FIGURES = {
  since: moment('since when alarms are counted'),
  annunciated: count('alarms that became active since then'),
  perHour: number('alarms an hour: the average of 24 hours'),
  perDay: number('alarms a day: the average of 30 days'),
  flood: shape<AlarmFiguresView['flood']>({
    active: flag('more than 10 alarms came in 10 minutes, and not yet fewer than 5'),
    since: moment('when this flood began').optional(),
    alarms: count('alarms in this flood, or in the last one'),
    floods: count('floods so far'),
    time: number('their time, ms'),
  }),
  chattering: shape<AlarmFiguresView['chattering']>({
    now: count('rules that became active 3 times in the last minute'),
    rules: rules('the names of ten of them'),
    episodes: count('how often a rule began to do so'),
  }),
  standing: shape<AlarmFiguresView['standing']>({
    now: count('rules that are active for more than 24 hours'),
    rules: rules('the names of the oldest ten'),
  }),
  worst: list(
    shape<FrequentAlarm>({
      rule: text('the name of the rule'),
      count: count('how often it became active in 30 days'),
      share: number('its share of all alarms, 0 to 1'),
    }),
    'the ten most frequent alarms of 30 days',
  ),
};

const COUNTS = {
  started: count('tries that began since the start'),
  done: count('how often it was done'),
  failed: count('how often it failed: an action after its last try, an output at each try'),
  superseded: count('how often a newer word about the same point, or another configuration, took its place'),
  dropped: count('how often it was left out, since too many waited'),
};
const actions = shape<ActionsReport>({
  kinds: list(
    shape<ActionsReport['kinds'][number]>({
      kind: word(ACTION_KEYS, 'what it does'),
      ...COUNTS,
      waiting: count('actions that wait or run'),
    }),
    'by what they do',
  ),
  of: count('actions that began or ended since the start'),
  failing: count('those of them that failed, or were left out, when they ended last'),
  list: list(
    shape<ActionStatus>({
      rule: text('the rule'),
      action: text('what it does, as `write pump.run`'),
      place: text('its place in the rule, as `do.0`; an output has none').optional(),
      ...COUNTS,
      last: z.strictObject({ result: word(RESULTS, 'how it ended'), time: moment('when') }).nullable(),
      error: z.strictObject({ message: text('why'), time: moment('when') }).nullable(),
    }),
    'a hundred of them at most; what failed last comes first',
  ),
});

const gatewayStatus = {
  gateway: shape<GatewayStatus['gateway']>({
    id: text('the id of the gateway'),
    name: text('its name').optional(),
    version: text('the version of Sluice'),
    boot: text('this start, as batches name it'),
    uptime: number('seconds since the start'),
    time: moment('now'),
    timezone: text('the time zone of the configuration; absent where it names none: that of the system counts').optional(),
    monotonic: number('now, in monotonic milliseconds'),
  }),
  configuration: shape<BrokenConfig>({
    file: text('the configuration file'),
    faults: list(z.string(), '`file:line:column: what is wrong`; the first five'),
    kept: moment('when the configuration in force was kept'),
  })
    .describe('the configuration file is broken, and the last good configuration is in force; absent where it is in order')
    .optional(),
  inForce: shape<ConfigReport>({
    origin: word(
      ORIGINS,
      'where the configuration in force came from: the file on the board, that file as a card made it, upstream, or the last good one',
    ),
    version: count('the version of a configuration from upstream').optional(),
    sender: shape<ConfigSender>({
      forwarder: text('it came through this forwarder'),
      key: text('fingerprint of the key that signed it'),
      time: moment('when it came'),
    })
      .describe('who sent the configuration in force; absent where it is not from upstream')
      .optional(),
    trial: shape<TrialReport>({ version: count('its version'), until: moment('when the trial is over at the latest') })
      .describe('a configuration from upstream is on trial; otherwise absent')
      .optional(),
    last: shape<LastConfigure>({
      version: count('its version'),
      id: text('the id of the command'),
      forwarder: text('the forwarder that brought it'),
      key: text('fingerprint of the key that signed it').optional(),
      outcome: word(OUTCOMES, 'how it ended'),
      message: text('the same in words'),
      time: moment('when'),
    })
      .describe('the last configuration from upstream whose trial is over; absent where none came')
      .optional(),
    fault: text('why no configuration from upstream is taken; absent where they are').optional(),
  }).describe('the configuration in force'),
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
  flows: flows.optional(),
  http: http.optional(),
  announce: announce.optional(),
  access,
  alarms: list(shape<AlarmStatus>(ALARM), 'alarms that are not normal'),
  observed: list(
    shape<ObservationStatus>({
      ...ALARM,
      observedSince: moment('when the observation began'),
      count: count('alarms that would have begun since then'),
      longest: number('milliseconds of the longest one'),
    }),
    'rules that are only observed, and what they would have done; absent where there are none',
  ).optional(),
  actions: actions.describe('what rules have done since the start; absent where no rule acts').optional(),
  alarmFigures: shape<AlarmFiguresView>(FIGURES).describe('how the alarms do, by ISA-18.2 and IEC 62682'),
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
