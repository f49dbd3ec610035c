/**
 * Devices that publish to the embedded broker: Zigbee2MQTT, Tasmota, ESPHome, and whatever else speaks MQTT. The bus is the
 * embedded broker, and there is one.
 *
 * ```yaml
 * buses:
 *   radio: {protocol: mqtt}
 * devices:
 *   fridge:                                # zigbee2mqtt/fridge {"temperature": 4.2, "battery": 97}
 *     bus: radio
 *     topic: zigbee2mqtt/fridge
 *     availability: {topic: '{topic}/availability'}
 *     points: {temperature: {unit: Cel}, battery: {unit: '%'}}
 *   pump:                                  # tele/pump/SENSOR {"ENERGY": {"Power": 740}}, tele/pump/LWT Online
 *     bus: radio
 *     topic: pump
 *     availability: {topic: 'tele/{topic}/LWT'}
 *     points: {power: {topic: 'tele/{topic}/SENSOR', from: ENERGY.Power, unit: W}}
 *   room:                                  # room/sensor/temperature/state 21.5
 *     bus: radio
 *     topic: room
 *     decode: {type: text}
 *     availability: {topic: '{topic}/status'}
 *     points: {temperature: {topic: '{topic}/sensor/temperature/state', unit: Cel}}
 * ```
 */
import * as z from 'zod';
import { duration } from '../../config/schema-parts.ts';
import { messageDecode, serialPoint } from '../serial/schema.ts';
import { writeKeys } from '../write-schema.ts';
import { MAX_FILTER } from './limits.ts';

const topic = () => z.string().min(1).max(MAX_FILTER);

export const mqttBus = z.strictObject({
  timeout: duration({ min: 100, max: 60_000 })
    .prefault('5s')
    .describe('How long a read by hand waits for the next message, and a write for the message that shows the new value.'),
});

const availability = z.strictObject({
  topic: topic().describe('The topic of the messages. `{topic}` stands for the topic of the device.'),
  from: z
    .string()
    .min(1)
    .max(256)
    .default('state')
    .describe('The path of the word in a JSON message. A message that is no JSON object is the word itself.'),
  online: z.string().min(1).max(64).default('online').describe('The word for a device that is there. Case does not count.'),
  offline: z.string().min(1).max(64).default('offline').describe('The word for a device that is gone. Case does not count.'),
});

export const mqttDevice = z.strictObject({
  topic: topic().describe(
    'The topic under which the device publishes, or the part of it that is its own: `zigbee2mqtt/fridge`, `%topic%` of Tasmota, `topic_prefix` of ESPHome. `+` and `#` stand for one level and for all further levels.',
  ),
  decode: messageDecode.prefault({ type: 'json' }).describe('The content of a message.'),
  availability: z
    .union([availability, z.array(availability).min(1).max(4)])
    .optional()
    .describe(
      'Messages that report whether the device is there: its last will, or those of its bridge. The device is gone as long as one of them reports so. Its points are then bad, reason `disconnected`.',
    ),
  silentAfter: duration({ min: 1000 })
    .prefault('2h')
    .describe('After this time without a message from the device its points are bad once, reason `timeout`.'),
  retained: z
    .enum(['ignore', 'uncertain'])
    .default('ignore')
    .describe(
      'The use of a message that the broker had kept from before. Nobody knows how old it is. `ignore`: it gives no reading. `uncertain`: it gives an uncertain reading, reason `retained`, until the device sends.',
    ),
  stamp: z
    .string()
    .min(1)
    .max(256)
    .optional()
    .describe(
      'The path of a field that the device renews with each measurement (`last_seen` of Zigbee2MQTT). A message with the same stamp and the same values as the one before is a repeat and gives no reading. The stamp is never used as a time.',
    ),
});

export const mqttPoint = serialPoint.extend({
  topic: z
    .union([topic(), z.array(topic()).min(1).max(4)])
    .prefault('{topic}')
    .describe(
      'The topic of the messages with the point, or several. `{topic}` stands for the topic of the device. Without this key it is the topic of the device.',
    ),
  decode: messageDecode.optional().describe('The content of these messages. Without this key: `decode` of the device.'),
  write: z
    .strictObject(
      {
        ...writeKeys,
        topic: topic().describe('The topic for the message with the new value. `{topic}` stands for the topic of the device.'),
        payload: z
          .string()
          .min(1)
          .max(1024)
          .optional()
          .describe(
            'The message, with `{value}` where the value belongs. Without this key: for JSON an object with the value at the path of the point, else the value alone.',
          ),
        on: z.string().min(1).max(64).optional().describe('For a bool: the word for true. Without it `true` in JSON, else `ON`.'),
        off: z
          .string()
          .min(1)
          .max(64)
          .optional()
          .describe('For a bool: the word for false. Without it `false` in JSON, else `OFF`.'),
      },
      {
        error: ({ input }) =>
          typeof input === 'boolean' || typeof input === 'string'
            ? "write the topic for the new value, and bounds for a number: write: {topic: '{topic}/set', min: 5, max: 30}"
            : undefined,
      },
    )
    .optional()
    .describe(
      'The point may be written. Without this key it never is. A number needs both bounds, `min` and `max`. The next message of the device must show the value.',
    ),
});

export type MqttBusSettings = z.output<typeof mqttBus>;
export type MqttDeviceSettings = z.output<typeof mqttDevice>;
export type MqttPointSettings = z.output<typeof mqttPoint>;
