/** Messages and topics of `format: thingsboard`. */
import * as z from 'zod';
import { list, moment, text } from '../openapi/parts.ts';
import { result } from './messages.ts';
import type { Message, OwnTopic } from './parts.ts';

const NAME = '[a-z0-9][a-z0-9_-]*';
/** By device. */
const byDevice = <T extends z.ZodType>(of: T) => z.record(z.string().regex(new RegExp(`^${NAME}$`)), of);
const keyed = (keys: string, is: string) =>
  z.record(z.string().regex(new RegExp(`^(?:${keys})$`)), z.union([z.number(), z.boolean(), z.string()])).describe(is);
const device = text('the device');
const ts = moment('the time of the record, alarm or event');

const THINGSBOARD = { format: 'thingsboard' } as const;

export const THINGSBOARD_MESSAGES = {
  thingsboardConnect: {
    ...{ ...THINGSBOARD, summary: 'A device is there.' },
    schema: z.strictObject({ device, type: text('its profile, or `default`; absent when it only comes back').optional() }),
  },
  thingsboardDisconnect: { ...THINGSBOARD, summary: 'A device is silent, or gone.', schema: z.strictObject({ device }) },
  thingsboardAttributes: {
    ...{ ...THINGSBOARD, summary: 'Attributes of devices, by device.' },
    schema: byDevice(
      keyed(`bus|profile|${NAME}\\.(?:type|unit|writable)`, '`bus`, `profile`, and type, unit and `writable` of points'),
    ),
  },
  thingsboardTelemetry: {
    ...{ ...THINGSBOARD, summary: 'Readings of a device.' },
    schema: byDevice(
      list(
        z.strictObject({
          ts,
          values: keyed(
            `${NAME}(?:\\.(?:bad|uncertain))?|record\\.clock`,
            'values by point, and the reasons of bad and doubtful ones as `<point>.bad` and `<point>.uncertain`',
          ),
        }),
        'records in the order of their numbers',
      ),
    ),
  },
  thingsboardNotice: {
    ...{ ...THINGSBOARD, summary: 'An alarm or an event.' },
    schema: z.strictObject({
      ts,
      values: keyed(
        `alarm\\.${NAME}\\.(?:state|severity|message|value|occurrence|cause|firstOut)|event|event\\.json|log|seq`,
        'keys of the alarm as `alarm.<rule>.<key>`, or `event` and `event.json`; and the key of both, `log` and `seq`',
      ),
    }),
  },
  thingsboardCall: {
    ...{ ...THINGSBOARD, summary: 'A remote call.', foreign: true },
    schema: z.looseObject({
      device,
      data: z
        .looseObject({
          id: z.int().describe('the number of the call'),
          method: text('`write`, `set:<point>`, or a command without `write`'),
          params: z.unknown().describe('what the method takes').optional(),
        })
        .describe('the call'),
    }),
  },
  thingsboardReply: {
    ...{ ...THINGSBOARD, summary: 'The reply to a remote call.' },
    schema: z.strictObject({ device, id: z.int().describe('the number of the call'), data: result }),
  },
} as const satisfies Readonly<Record<string, Message>>;

const SENT = { ...THINGSBOARD, qos: 1, retain: false, brokers: ['upstream'] } as const;

export const THINGSBOARD_TOPICS = {
  thingsboardConnect: { ...SENT, address: 'v1/gateway/connect', says: 'A device is there.', sends: ['thingsboardConnect'] },
  thingsboardDisconnect: {
    ...{ ...SENT, address: 'v1/gateway/disconnect', says: 'A device is silent.', sends: ['thingsboardDisconnect'] },
  },
  thingsboardAttributes: {
    ...{ ...SENT, address: 'v1/gateway/attributes', says: 'Units and types of devices.', sends: ['thingsboardAttributes'] },
  },
  thingsboardTelemetry: {
    ...{ ...SENT, address: 'v1/gateway/telemetry', says: 'Readings of a device.', sends: ['thingsboardTelemetry'] },
  },
  thingsboardOwn: {
    ...{ ...SENT, address: 'v1/devices/me/telemetry', sends: ['thingsboardNotice'] },
    says: 'Alarms and events, as telemetry of the gateway.',
  },
  thingsboardCall: {
    ...{ ...SENT, address: 'v1/gateway/rpc', sends: ['thingsboardReply'], receives: ['thingsboardCall'] },
    says: 'Remote calls that the configuration grants, and their replies.',
  },
} as const satisfies Readonly<Record<string, OwnTopic>>;
