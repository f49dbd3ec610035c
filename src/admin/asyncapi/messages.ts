/**
 * The schemas of the messages under `sluice/<gateway>`: the source of docs/reference/asyncapi.json. They refuse a key that they
 * do not have. Tests hold them against the golden files and against all messages of a running gateway. The program itself
 * writes these messages without them.
 */
import * as z from 'zod';
import { WINDOW_VALUES } from '../../codecs/thinning.ts';
import { WORDS } from '../../control/remote/message.ts';
import { ALARM_CAUSES, ALARM_STATES, SEVERITIES } from '../../core/alarm.ts';
import { ORIGINS } from '../../core/configuring.ts';
import { ERRORS } from '../../core/errors.ts';
import { POINT_TYPES } from '../../core/point.ts';
import { REASONS, type ReasonName } from '../../core/reasons.ts';
import { count, flag, list, moment, text, value, word } from '../openapi/parts.ts';

/** The name of a device, a point, a rule or a gateway: a level of a topic. */
const NAME = /^[a-z0-9][a-z0-9_-]*$/;
/** The events of docs/reference/topics.md, where a test compares. */
export const EVENTS = [
  ...[
    'start',
    'clock',
    'thinning',
    'loss',
    'salvage',
    'log',
    'sessions',
    'flows',
    'listen',
    'config',
    'overload',
    'write',
    'command',
    'receipt',
  ],
  ...['access', 'safe-state', 'refused', 'overrun', 'observation', 'action', 'identity'],
] as const;

const version = z.literal(1).describe('the version of this format');
const name = (is: string) => z.string().regex(NAME).describe(is);
const seq = (is: string) => z.int().min(0).describe(is);
const log = z.string().min(1).describe('the id of the log; gateway, log and seq are the key of a record, an alarm or an event');
const boot = text('the start of the gateway that took the readings');
const severity = word(SEVERITIES, 'the severity');
const clock = z.literal('estimated').describe('the time was not confirmed; otherwise absent').optional();
/** A value that is there. */
const good = z.union([z.number(), z.boolean(), z.string()]);

const reasons = (quality: 'bad' | 'uncertain') =>
  z.enum(REASONS.filter((r) => r.quality === quality).map((r) => r.name) as [ReasonName, ...ReasonName[]]);
const byPoint = <T extends z.ZodType>(of: T, is: string) => z.record(z.string().regex(NAME), of).describe(is);

/** What one device reported at one time. */
export const record = z.strictObject({
  seq: seq('the number of the record'),
  device: name('the device'),
  time: moment('when the last byte of the reply arrived'),
  values: byPoint(good, 'good and uncertain values by point; int64 and uint64 as texts'),
  bad: byPoint(reasons('bad'), 'points without a value, and the reason').optional(),
  uncertain: byPoint(reasons('uncertain'), 'points with a doubtful value, and the reason').optional(),
});
const range = { first: seq('the first number that the message covers'), last: seq('the last number that the message covers') };

export const batch = z.strictObject({
  ...{ v: version, gateway: name('the gateway'), log, boot },
  inventory: count('the revision of the inventory at that time'),
  ...range,
  sent: moment('when the batch was made'),
  clock,
  filtered: z.literal(true).describe('a filter leaves readings out; otherwise absent').optional(),
  every: z.int().describe('the values are those of windows of so many milliseconds; otherwise absent').optional(),
  as: word(WINDOW_VALUES, 'how the value of a window is made of its readings').optional(),
  records: list(record, 'records in the order of their numbers'),
});

/** A part of the answer to `resend`. */
export const resent = z.strictObject({
  ...{ v: version, gateway: name('the gateway'), log, boot, part: count('the number of this message, from 0'), ...range, clock },
  records: list(record, 'records in the order of their numbers; they move no mark'),
});

export const status = z.discriminatedUnion('online', [
  z.strictObject({
    ...{ v: version, online: z.literal(true), time: moment('when the connection began') },
    boot: text('counts the starts since the file of the log was made'),
    version: text('the version of the program'),
    configuration: z
      .strictObject({
        origin: word(ORIGINS, 'where the configuration in force came from'),
        version: count('the version of a configuration from upstream').optional(),
        trial: z.literal(true).describe('it is on trial').optional(),
      })
      .describe('the configuration in force; the embedded broker leaves it out')
      .optional(),
    health: z
      .strictObject({
        ready: flag('all buses are open and the log can be written'),
        buses: z.strictObject({ open: count('open buses'), of: count('all buses') }),
        devices: z.strictObject({ answering: count('devices that answer'), of: count('all devices') }),
      })
      .describe('the state when the message was made; the embedded broker leaves it out')
      .optional(),
  }),
  z.strictObject({
    ...{ v: version, online: z.literal(false) },
    reason: z.literal('stopped').describe('the gateway ended the connection on purpose; absent when it was lost').optional(),
  }),
]);

export const inventory = z.strictObject({
  v: version,
  revision: count('grows when the content changes'),
  devices: byPoint(
    z.strictObject({
      bus: name('the bus of the device'),
      profile: text('the profile of the device').optional(),
      points: byPoint(
        z.strictObject({
          type: word(POINT_TYPES, 'how the device holds the value'),
          unit: text('UCUM code').optional(),
          writable: flag('whether a command can write it'),
        }),
        'the points by name',
      ),
    }),
    'the devices by name',
  ),
});

export const summary = z.strictObject({
  ...{ v: version, gateway: name('the gateway') },
  from: moment('the time that it covers begins'),
  to: moment('the time that it covers ends; not in it'),
  step: z.int().min(1).describe('milliseconds of a step; the last one may be shorter'),
  clock,
  points: z
    .record(z.string(), z.array(z.tuple([z.int().min(1), z.number(), z.number(), z.number()]).nullable()))
    .describe('for each `device.point` its steps: count, minimum, mean and maximum; null where there is no reading with a value'),
});

export const latest = z.strictObject({
  time: moment('when it was taken'),
  value: value('the value; null when it is bad'),
  unit: text('UCUM code; null for a point without a unit').nullable(),
  quality: word(['good', 'uncertain', 'bad'], 'its quality'),
  reason: z
    .enum(REASONS.map((r) => r.name))
    .describe('why it is not good')
    .optional(),
});

export const alarm = z.strictObject({
  ...{ v: version, log, seq: seq('the number of the transition'), rule: name('the rule') },
  occurrence: count('how often the rule has been in alarm'),
  state: word(ALARM_STATES, 'the state of ISA-18.2'),
  severity,
  value: value('the reading that caused it; null for a silent point'),
  time: moment('when the condition, with its delay, became true'),
  message: text('what happened, in words, in the language of the gateway'),
  cause: word(ALARM_CAUSES, 'what made the transition; absent in those of earlier versions').optional(),
  firstOut: z.literal(true).describe('it was the first of its group').optional(),
});

export const event = z.strictObject({
  ...{ v: version, log, seq: seq('the number of the event'), time: moment('when it happened') },
  event: word(EVENTS, 'the kind of the event'),
  severity,
  message: text('what happened, in words'),
  data: z
    .record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.null()]))
    .describe('numbers and names of the event')
    .optional(),
});

const outcome = {
  write: z.strictObject({
    value: good.describe('the value as the device shows it'),
    unit: text('UCUM code').optional(),
    readBack: flag('whether the device was asked after the write'),
  }),
  read: z.strictObject({
    values: byPoint(good, 'values by point'),
    bad: byPoint(z.string(), 'points without a value, and the reason').optional(),
    faults: list(z.string(), 'what went wrong, in words').optional(),
  }),
  alarm: z.strictObject({
    rule: name('the rule'),
    state: word(ALARM_STATES, 'the state of ISA-18.2'),
    message: text('the words of the alarm or of its shelving'),
    until: moment('when the shelving, or the time out of service, ends').optional(),
  }),
  reload: z.strictObject({
    changes: list(z.string(), 'what was added, changed or removed'),
    warnings: list(z.string(), 'warnings of the configuration'),
  }),
  configure: z.strictObject({
    version: count('the version'),
    state: word(['trial', 'confirmed'], 'on trial at first; a second answer to the same id has the outcome'),
    until: moment('when the trial is over at the latest').optional(),
  }),
  resend: z.strictObject({
    records: count('records that were sent'),
    parts: count('messages that were sent'),
    next: z
      .strictObject({ log, seq: seq('the number') })
      .describe('where the next command begins, when there is more')
      .optional(),
  }),
};

const CODES = Object.keys(ERRORS) as [keyof typeof ERRORS, ...(keyof typeof ERRORS)[]];
const answer = { v: version, id: text('the id of the command') };
const asked = { do: word(WORDS, 'the command'), target: text('its target').optional() };

/** The answer to a command. */
export const result = z.discriminatedUnion('ok', [
  z.strictObject({
    ...{ ...answer, ...asked, ok: z.literal(true), time: moment('when it was done') },
    result: z
      .union([...Object.values(outcome), z.null()])
      .describe('what came of it; null when a repeated id is answered and the first answer was long'),
  }),
  z.strictObject({
    ...{ ...answer, ...asked, do: asked.do.optional(), ok: z.literal(false), time: moment('when it was refused or failed') },
    code: word(CODES, 'a code of the errors'),
    message: text('what is wrong and what to do, in words'),
  }),
]);
