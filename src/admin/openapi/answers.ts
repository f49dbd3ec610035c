/** The schemas of all answers, by the names that routes give them. They are loaded for the description of the API only. */
import * as z from 'zod';
import { PEOPLE_ROLES } from '../../access/roles.ts';
import { BUNDLE_LANES } from '../../codecs/bundle/statement.ts';
import type { DeviceInfo, TokenInfo, UserInfo } from '../../core/access-ports.ts';
import { ALARM_CAUSES, ALARM_STATES } from '../../core/alarm.ts';
import type { Role } from '../../core/commands.ts';
import { FLOW_STATES } from '../../core/flow-supervisor.ts';
import type { ReadFault } from '../../core/ports.ts';
import type { BundleKeyReply, ReceiptReply } from '../bundles.ts';
import type { AlarmChange, AlarmChanges } from '../live/live-types.ts';
import type {
  HistoryBucket,
  HistoryReading,
  HistoryReply,
  RemovedOfPoint,
  RemovedReadings,
  RemovedReply,
  WaitingReply,
} from '../log-questions.ts';
import type {
  AlarmReply,
  ReadReply,
  ReadyReport,
  ReloadReply,
  ResendReply,
  TailAlarm,
  TailReading,
  WriteReply,
} from '../target.ts';
import type { CaptureHead, ExchangeReply, WireFrame } from '../wire-target.ts';
import type { Answers } from './answer-types.ts';
import { FLOW_ANSWERS } from './flow-answers.ts';
import { count, flag, list, moment, number, shape, text, value, word } from './parts.ts';
import { ALARM, status } from './status.ts';

const QUALITY = ['good', 'uncertain', 'bad'] as const;
const role = word(PEOPLE_ROLES, 'the role') as z.ZodType<Role>;

const READING = {
  time: moment('when it was taken'),
  point: text('the point'),
  value: value('the value; null when it is bad'),
  unit: text('UCUM code').optional(),
  quality: word(QUALITY, 'its quality'),
  reason: text('why it is not good').optional(),
  asked: z.literal(false).describe('false: the device rests, and no request was sent').optional(),
};

const frame = shape<WireFrame>({
  way: word(['out', 'in', 'noise'], '`out`: the request; `in`: the answer; `noise`: bytes that belong to none'),
  time: moment('when it passed'),
  bytes: text('hexadecimal'),
});

const missed = shape<Answers['TailLine'] & { type: 'missed' }>({
  ...{ type: z.literal('missed'), conflated: count('readings that newer ones replaced'), dropped: count('lines without room') },
});

const bucket = shape<HistoryBucket>({
  time: moment('when it starts'),
  min: number('the smallest').nullable(),
  max: number('the largest').nullable(),
  mean: number('the mean').nullable(),
  count: count('readings'),
  bad: count('bad readings'),
  estimated: z.literal(true).describe('the time is estimated').optional(),
});

const historyReading = shape<HistoryReading>({
  ...{ time: READING.time, value: READING.value, quality: READING.quality, reason: READING.reason },
  estimated: z.literal(true).describe('the time is estimated').optional(),
});

const removedReadings = (is: string) =>
  shape<RemovedReadings>({
    readings: count('how many'),
    from: moment('the oldest').nullable(),
    to: moment('the newest').nullable(),
  }).describe(is);

const password = text('the new password of the device, shown once').optional();

export const ANSWERS: { readonly [K in keyof Answers]: z.ZodType<Answers[K]> } = {
  Empty: shape<object>({}),
  Health: shape<Answers['Health']>({ status: z.literal('ok').describe('the process lives') }),
  Ready: shape<ReadyReport>({
    ready: flag('whether buses are polled and the log can be written'),
    reasons: list(z.string(), 'what is not, in words'),
    remarks: list(z.string(), 'what to correct although it is ready, in words; absent where there is nothing').optional(),
  }),
  Status: status,
  TailLine: z.union([
    shape<TailReading>({ type: z.literal('reading'), device: text('the device'), ...READING }),
    shape<TailAlarm>({ type: z.literal('alarm'), time: moment('when the state changed'), ...ALARM }),
    missed,
  ]),
  BundleKey: shape<BundleKeyReply>({
    gateway: text('the id of the gateway'),
    key: text('its public key: `sluice-gateway-1:…`'),
    fingerprint: text('the fingerprint of the key: 32 hexadecimal digits in groups of four'),
  }),
  Receipt: shape<ReceiptReply>({
    bundle: text('the id of the bundle'),
    forwarder: text('the forwarder'),
    ranges: list(
      shape<ReceiptReply['ranges'][number]>({
        log: text('the log'),
        lane: word(BUNDLE_LANES, 'the lane'),
        first: count('the first number'),
        last: count('the last number'),
        outcome: word(
          ['moved', 'old', 'gap', 'unknown'],
          '`moved`: the cursor is behind `last` now; `old`: it was already; `gap`: a bundle before this one is missing; `unknown`: the gateway has no such log any more',
        ),
      }),
      'what the bundle covers',
    ),
  }),
  History: shape<HistoryReply>({
    point: text('device.point'),
    unit: text('UCUM code').optional(),
    from: moment('the first moment'),
    to: moment('the end, not included'),
    width: number('milliseconds of a bucket; null: the readings come themselves').nullable(),
    buckets: list(bucket, 'the buckets that have readings').optional(),
    readings: list(historyReading, 'the readings').optional(),
  }),
  AlarmChanges: shape<AlarmChanges>({
    changes: list(
      shape<AlarmChange>({
        ...{
          rule: ALARM.rule,
          occurrence: ALARM.occurrence,
          state: ALARM.state,
          severity: ALARM.severity,
          message: ALARM.message,
          messages: ALARM.messages,
        },
        time: moment('when the state changed'),
        cause: word(ALARM_CAUSES, 'what made the change; absent in those of earlier versions').optional(),
        firstOut: ALARM.firstOut,
      }),
      'the changes, the oldest first',
    ),
    cut: flag('whether there are older ones in this time'),
  }),
  Removed: shape<RemovedReply>({
    points: list(
      shape<RemovedOfPoint>({
        point: text('device.point, or (damaged block)'),
        thinned: removedReadings('readings that were thinned out'),
        dropped: removedReadings('readings that were dropped for room'),
        aged: removedReadings('readings that were too old'),
        undelivered: count('how many of all these a forwarder did not have'),
      }),
      'the points that lost readings, by name',
    ),
    next: z.string().nullable().describe('the value for `after` of the next question; null at the end'),
  }),
  Waiting: shape<WaitingReply>({
    forwarders: list(
      shape<WaitingReply['forwarders'][number]>({
        name: text('the name of the forwarder'),
        readings: count('readings that it has not delivered'),
        exact: flag('false: whole blocks were counted'),
      }),
      'the forwarders that have a place in the log',
    ),
  }),
  Reading: shape<ReadReply>({
    device: text('the device'),
    readings: list(shape<ReadReply['readings'][number]>(READING), 'its readings'),
    faults: list(
      shape<ReadFault>({
        points: list(z.string(), 'the points that could not be read'),
        code: z.string().describe('a code of the errors') as unknown as z.ZodType<ReadFault['code']>,
        message: text('the fault in words'),
      }),
      'requests that came to nothing',
    ),
    frames: list(frame, 'what was on the line, where `raw` asked for it').optional(),
  }),
  Written: shape<WriteReply>({
    point: text('device.point'),
    value: value('as the device shows it'),
    unit: text('UCUM code').optional(),
    time: moment('when it was read back'),
    readBack: flag('false: the device acknowledged it and does not show it'),
  }),
  Alarm: shape<AlarmReply>({
    rule: text('the name of the rule'),
    state: word(ALARM_STATES, 'its state now'),
    message: text('the words of the alarm or of its shelving'),
    until: moment('when the shelving, or the time out of service, ends').optional(),
  }),
  Reload: shape<ReloadReply>({
    changes: list(z.string(), 'what was added, changed or removed'),
    warnings: list(z.string(), 'warnings of the new configuration'),
  }),
  ResendLine: z.union([
    shape<Answers['ResendLine'] & { v: 1 }>({
      v: z.literal(1),
      gateway: text('the id of the gateway'),
      log: text('the id of the log'),
      boot: text('the start that took the readings'),
      part: count('counts the lines, from 0'),
      first: count('the first number'),
      last: count('the last number'),
      clock: z.literal('estimated').describe('the time was not confirmed').optional(),
      records: list(z.looseObject({}), 'the records, as in a batch'),
    }),
    shape<ResendReply & { readonly type: 'end' }>({
      type: z.literal('end'),
      records: count('records in all lines'),
      parts: count('lines before this one'),
      next: shape<NonNullable<ResendReply['next']>>({ log: text('the id of the log'), seq: count('the number') })
        .describe('where the next command begins; absent when there is no more')
        .optional(),
    }),
  ]),
  Exchange: shape<ExchangeReply>({
    time: moment('when it ended'),
    frames: list(frame, 'the frames'),
    latency: number('from the request to the last byte of the answer, ms').nullable(),
    pdu: z.string().nullable().describe('function and data of a good reply, hexadecimal'),
    error: shape<NonNullable<ExchangeReply['error']>>({
      code: text('a code of the errors'),
      message: text('the fault in words'),
      exception: count('the Modbus exception').optional(),
    })
      .nullable()
      .describe('why there is no good reply'),
  }),
  CaptureLine: z.union([
    shape<CaptureHead>({
      type: z.literal('capture'),
      v: z.literal(1),
      gateway: text('the id of the gateway'),
      bus: text('the bus'),
      protocol: text('its protocol'),
      settings: z.record(z.string(), z.unknown()).describe('its settings, as configured'),
      devices: z
        .record(z.string(), z.looseObject({}) as unknown as z.ZodType<{ readonly unit?: number }>)
        .describe('its devices, with the `unit` of a Modbus device'),
      started: moment('when the capture began'),
      clock: word(['known', 'estimated'], 'whether the clock was known'),
    }),
    frame,
    shape<Answers['CaptureLine'] & { type: 'missed' }>({ type: z.literal('missed'), frames: count('frames that were left out') }),
  ]),
  ...FLOW_ANSWERS,
  Users: shape<Answers['Users']>({
    users: list(shape<UserInfo>({ name: text('the name'), role, sessions: count('open sessions') }), 'the people'),
    devices: list(
      shape<DeviceInfo>({
        name: text('the name'),
        credential: word(['password', 'certificate'], 'how it logs in'),
        certificate: text('SHA-256 of its certificate').optional(),
        publish: list(z.string(), 'topics that it may publish to'),
        subscribe: list(z.string(), 'topics that it may subscribe to'),
      }),
      'the devices that speak MQTT',
    ),
  }),
  NewPassword: shape<Answers['NewPassword']>({ password }),
  Tokens: shape<Answers['Tokens']>({
    tokens: list(
      shape<TokenInfo>({
        ...{
          id: text('its id'),
          name: text('its name'),
          role,
          expires: moment('when it ends'),
          expired: flag('whether it ended'),
        },
      }),
      'the tokens',
    ),
  }),
  NewToken: shape<Answers['NewToken']>({
    ...{ id: text('its id'), token: text('the token, shown once'), expires: moment('when it ends') },
  }),
  ClaimState: shape<Answers['ClaimState']>({
    state: word(['unclaimed', 'claimed', 'locked'], 'whether the gateway has an administrator'),
    fault: text('what is wrong with the accounts').optional(),
    code: z.string().nullable().describe('the claim code; null once the gateway is claimed'),
  }),
  Claimed: shape<Answers['Claimed']>({ name: text('the first administrator'), role }),
  Editor: shape<Answers['Editor']>({
    on: flag('whether the editor has an address that browsers can open'),
    state: word(FLOW_STATES, 'the state of Node-RED').optional(),
  }),
  EditorEntry: shape<Answers['EditorEntry']>({ url: text('where the browser goes') }),
  Session: shape<Answers['Session']>({
    name: text('who is logged in'),
    role,
    csrf: text('the value of the header `X-Sluice-CSRF`; a token has none').optional(),
  }),
  ClaimCode: shape<Answers['ClaimCode']>({ code: text('the new claim code') }),
  Description: shape<Answers['Description']>({
    openapi: text('the version of OpenAPI'),
    info: z.looseObject({}).describe('title and version'),
    servers: list(z.looseObject({}), 'the doors'),
    paths: z.looseObject({}).describe('the routes'),
    components: z.looseObject({}).describe('the schemas'),
    security: list(z.looseObject({}), 'what a caller shows'),
  }),
};
