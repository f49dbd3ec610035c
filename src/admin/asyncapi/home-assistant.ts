/** Messages and topics of `format: homeassistant`. */
import * as z from 'zod';
import { ALARM_STATES } from '../../core/alarm.ts';
import { PLATFORMS } from '../../forwarders/mqtt/dialects/homeassistant/component.ts';
import { MOST_COMMAND } from '../../forwarders/mqtt/dialects/homeassistant/dialect.ts';
import { BIRTH, places } from '../../forwarders/mqtt/dialects/homeassistant/places.ts';
import { STATE_CLASSES } from '../../forwarders/mqtt/dialects/homeassistant/units.ts';
import { list, text, word } from '../openapi/parts.ts';
import { alarm } from './messages.ts';
import type { Message, OwnTopic } from './parts.ts';

const topic = (is: string) => text(`the topic of ${is}`);
const availability = list(z.strictObject({ topic: topic('a text `online` or `offline`') }), 'all have to be online');
const name = text('the name of the device, point or rule');

const component = z.strictObject({
  ...{ p: word(PLATFORMS, 'the kind of the component'), name, unique_id: text('an id in all of Home Assistant') },
  qos: z.literal(1).describe('of the topics of this component'),
  device_class: text('what it measures, in words of Home Assistant').optional(),
  state_class: word(STATE_CLASSES, 'how the numbers follow each other').optional(),
  unit_of_measurement: text('the unit, in words of Home Assistant').optional(),
  options: list(z.string(), 'the labels').optional(),
  min: z.number().describe('the lowest value that can be set').optional(),
  max: z.number().describe('the highest value that can be set').optional(),
  step: z.number().describe('values that can be set are so far apart').optional(),
  value_template: text('where the value is in the state').optional(),
  command_topic: topic('new values').optional(),
  state_topic: topic('the state, where it is not that of the device').optional(),
  json_attributes_topic: topic('the attributes').optional(),
  availability: availability.optional(),
  payload_on: text('the text that is on').optional(),
  payload_off: text('the text that is off').optional(),
});

const discovery = z.strictObject({
  dev: z
    .strictObject({
      ...{ identifiers: list(z.string(), 'one id'), name, via_device: text('the id of the gateway').optional() },
      manufacturer: text('who made it').optional(),
      model: text('its model, or its profile').optional(),
      sw_version: text('the version of Sluice, for the gateway itself').optional(),
    })
    .describe('the device'),
  o: z.strictObject({ name: text('Sluice'), sw_version: text('its version') }).describe('who announces it'),
  state_topic: topic('the values of the device').optional(),
  availability: availability.optional(),
  availability_mode: z.literal('all').optional(),
  cmps: z
    .record(
      z.string().regex(/^(?:ALARM-)?[a-z0-9][a-z0-9_-]*$/),
      z.union([component, z.strictObject({ p: word(PLATFORMS, 'the kind of a component that is removed') })]),
    )
    .describe('points by their names, and rules as `ALARM-<rule>`; `connected` of the gateway'),
});

const { severity, message, value, time, occurrence, cause, firstOut } = alarm.shape;
const IS = z.enum(['ON', 'OFF']).describe('whether the condition is there');
const alarmState = z.union([
  z.strictObject({
    ...{
      on: IS,
      alarm_state: word(ALARM_STATES, 'the state of ISA-18.2'),
      severity,
      message,
      value,
      time,
      occurrence,
      cause,
      firstOut,
    },
  }),
  z.strictObject({ on: z.literal('OFF'), alarm_state: z.literal('normal') }).describe('a rule that was never in alarm'),
]);

const HOME = { format: 'homeassistant' } as const;
const ONLINE = { ...HOME, contentType: 'text/plain', payload: { type: 'string', enum: ['online', 'offline'] } } as const;

export const HOME_MESSAGES = {
  homeDiscovery: { ...HOME, summary: 'A device with its components.', schema: discovery },
  homeOnline: { ...ONLINE, summary: 'Whether something is there.' },
  homeValues: {
    ...{ ...HOME, summary: 'The latest values of a device.' },
    schema: z
      .record(z.string().regex(/^[a-z0-9][a-z0-9_-]*$/), z.union([z.number(), z.string(), z.null()]))
      .describe('by point; `ON` and `OFF` of a bool; null: unknown'),
  },
  homeAlarm: { ...HOME, summary: 'The newest transition of a rule.', schema: alarmState },
  homeSet: {
    ...{ ...HOME, summary: 'The new value: a number, `ON`, `OFF` or a label.', contentType: 'text/plain' },
    payload: { type: 'string', maxLength: MOST_COMMAND },
  },
  homeBirth: { ...ONLINE, summary: 'Whether Home Assistant runs.' },
} as const satisfies Readonly<Record<string, Message>>;

const at = places('{gateway}');
const SENT = { ...HOME, qos: 1, retain: true, brokers: ['embedded', 'upstream'] } as const;
const KEPT = { ...SENT, retain: false } as const;

/** In the order of docs/reference/formats/homeassistant.md. */
export const HOME_TOPICS = {
  homeGateway: { ...SENT, address: at.ownConfig, says: 'Discovery of the gateway.', sends: ['homeDiscovery'] },
  homeDevice: {
    ...{ ...SENT, address: at.config('{device}'), says: 'Discovery of a device. Empty: the device is gone.' },
    sends: ['homeDiscovery', 'cleared'],
  },
  homeStatus: { ...SENT, address: at.status, says: 'Whether the gateway is connected.', sends: ['homeOnline'] },
  homeState: { ...SENT, address: at.state('{device}'), says: 'The latest values of a device.', sends: ['homeValues', 'cleared'] },
  homeAvailable: {
    ...{ ...SENT, address: at.available('{device}'), says: 'Whether the device has a value.' },
    sends: ['homeOnline', 'cleared'],
  },
  homeAlarm: { ...SENT, address: at.alarm('{rule}'), says: 'The newest transition of a rule.', sends: ['homeAlarm', 'cleared'] },
  homeSet: {
    ...{ ...KEPT, address: at.set('{device}', '{point}'), receives: ['homeSet'] },
    says: 'A new value of a point, where the configuration grants it.',
  },
  homeResult: { ...KEPT, address: at.result('result', '{id}'), says: 'The result of a command.', sends: ['result'] },
  homeBirth: {
    ...{ ...KEPT, address: BIRTH, receives: ['homeBirth'] },
    says: 'Home Assistant starts; the gateway then sends discovery again.',
  },
} as const satisfies Readonly<Record<string, OwnTopic>>;
