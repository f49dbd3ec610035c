/**
 * Serial instruments that say their values by themselves, or when they are asked (`request`). One device on each bus. Every part of a device may
 * come from a profile (its `device:` and `points:` sections).
 *
 * ```yaml
 * buses:
 *   air: {protocol: serial, port: /dev/ttyUSB1, baudRate: 9600}
 *   scale-line: {protocol: serial, port: /dev/ttyUSB2, baudRate: 9600, dataBits: 7, parity: even}
 *   # one bus for each of the devices below
 * devices:
 *   dust:                       # Nova SDS011: AA C0 | PM2.5 low, high | PM10 low, high | id | sum of bytes 2..7 | AB
 *     bus: air
 *     interval: 10s             # it talks every second; keep one record every ten
 *     frame: {type: bytes, start: AA C0, stop: AB, length: 10, checksum: {type: sum8, from: 2, to: 7}}
 *     decode: {type: binary, endian: little, fields: {pm2_5: {offset: 2, type: uint16}, pm10: {offset: 4, type: uint16}}}
 *     points:
 *       pm2_5: {scale: 0.1, unit: ug/m3, range: {min: 0, max: 999.9}}
 *       pm10: {scale: 0.1, unit: ug/m3, range: {min: 0, max: 999.9}}
 *   co2:                        # Winsen MH-Z19: asked, it answers FF 86 | ppm high, low | … | checksum
 *     bus: co2-line
 *     interval: 10s
 *     request: {bytes: FF 01 86 00 00 00 00 00 79}
 *     frame: {type: bytes, start: FF 86, length: 9, checksum: {type: sum8-negated, from: 1}}
 *     decode: {type: binary, fields: {ppm: {offset: 2, type: uint16}}}
 *     points: {co2: {from: ppm, unit: '[ppm]'}}
 *   scale:                      # ST,GS,+  12.50 kg
 *     bus: scale-line
 *     frame: {type: line}
 *     decode: {type: regex, pattern: '^(?<status>ST|US),\w+,(?<weight>[+-]\s*[\d.]+) kg', template: 'ST,GS,+{weight} kg'}
 *     points: {weight: {unit: kg}, stable: {from: status, type: string}}
 *   weather:                    # 2026-01-05 10:00,21.5,61
 *     bus: weather-line
 *     frame: {type: line}
 *     decode: {type: csv, columns: [time, temperature, humidity]}     # or `header: true`, or numbers: `from: 1`
 *     points: {temperature: {unit: Cel}, humidity: {unit: '%'}}
 *   node:                       # {"temp": 21.5, "battery": {"mV": 3710}, "door": false}
 *     bus: node-line
 *     frame: {type: line, maxLength: 2048}
 *     decode: {type: json}
 *     points: {temperature: {from: temp, unit: Cel}, battery: {from: battery.mV, scale: 0.001, unit: V}, door: {type: bool}}
 *   ups:                        # vin=231.4 load=12 state=online
 *     bus: ups-line
 *     frame: {type: line}
 *     decode: {type: key-value}
 *     points: {voltage: {from: vin, unit: V}, load: {unit: '%'}, state: {type: string}}
 *   gps:                        # $GPGGA,… and $GPRMC,…; a record of its own for each sentence
 *     bus: gps-line
 *     frame: {type: line}
 *     decode: {type: nmea}
 *     points:
 *       latitude: {from: GGA.latitude, unit: deg}
 *       longitude: {from: GGA.longitude, unit: deg}
 *       satellites: {from: GGA.satellites, type: int64}
 *       speed: {from: RMC.speed, unit: '[kn_i]'}
 * ```
 */
import * as z from 'zod';
import type { ChecksumKind } from '../../codecs/serial/checksum.ts';
import { CHECKSUM_KINDS, CHECKSUMS } from '../../codecs/serial/checksum.ts';
import { isHex, parseHex } from '../../codecs/serial/hex.ts';
import { LinearRegExp } from '../../codecs/serial/linear-regexp.ts';
import { FIELD_TYPES, MAX_FRAME } from '../../codecs/serial/types.ts';
import { privacyKey } from '../../config/privacy-keys.ts';
import { report } from '../../config/report.ts';
import { boundsFault, duration } from '../../config/schema-parts.ts';
import { counterSchema } from '../counter.ts';
import { baudRateFault, direction, parity, serialPortName, stopBits } from '../line-settings.ts';

// YAML reads 55 and 1E10 as numbers.
const hex = (longest = 48) =>
  z
    .string('bytes are written in hexadecimal, in quotes: "55 AA"')
    .max(longest)
    .refine(isHex, 'bytes are written in hexadecimal: AA C0');
const endian = () => z.enum(['big', 'little']);

const baudRate = () =>
  z
    .int({ error: ({ input }) => baudRateFault(input) })
    .min(50)
    .max(4_000_000);
const dataBits = () => z.union([z.literal(5), z.literal(6), z.literal(7), z.literal(8)]);

export const serialBus = z.strictObject({
  port: serialPortName().describe(
    'The port, for example /dev/ttyUSB0. A path under /dev/serial/by-id stays the same after replugging. `board:NAME` is a port of the board (`sluice board show`).',
  ),
  baudRate: baudRate().default(9600).describe('Bits each second, as the instrument is set.'),
  dataBits: dataBits().default(8).describe('Data bits of a character.'),
  parity: parity().default('none').describe('Parity of a character.'),
  stopBits: stopBits().default(1).describe('Stop bits of a character.'),
  direction: direction(),
  timeout: duration({ min: 10, max: 3_600_000 }).prefault('5s').describe('How long a read by hand waits for the next frame.'),
});

export const serialLine = z.strictObject({
  baudRate: baudRate().optional().describe('Bits each second, as the instrument comes from the factory.'),
  dataBits: dataBits().optional().describe('Data bits of a character.'),
  parity: parity().optional().describe('Parity of a character.'),
  stopBits: stopBits().optional().describe('Stop bits of a character.'),
});

const lineFrame = z
  .strictObject({
    type: z.literal('line').describe('Lines of text.'),
    terminator: z
      .string()
      .min(1)
      .max(8)
      .optional()
      .describe('The end of a line, in double quotes for "\\r". Without it: a newline, with or without a carriage return.'),
    start: z
      .string()
      .min(1)
      .max(8)
      .optional()
      .describe('A frame begins at the last occurrence of this text in the line (NMEA: $).'),
    maxLength: z.int().min(1).max(MAX_FRAME).default(1024).describe('Longest line in bytes. Longer lines are skipped.'),
  })
  .describe('Frames by line terminator. The line under way when the port opens is left out: its beginning is missing.');

const fixedFrame = z
  .strictObject({
    type: z.literal('length').describe('Blocks of one length.'),
    length: z.int().min(1).max(MAX_FRAME).describe('Bytes of a block.'),
    start: hex().optional().describe('First bytes of each block, in hexadecimal. This or `gap` is needed.'),
    gap: duration({ min: 1, max: 60_000 }).optional().describe('Silence between two blocks. This or `start` is needed.'),
  })
  .refine((frame) => frame.start !== undefined || frame.gap !== undefined, {
    path: ['gap'],
    message:
      'blocks of fixed length need `gap` (silence between blocks) or `start` (first bytes), or the gateway cannot know where a block begins',
  })
  .describe('Frames by fixed length.');

function overhead(frame: { start: string; stop?: string | undefined; checksum?: { type: ChecksumKind } | undefined }): number {
  return parseHex(frame.start).length + parseHex(frame.stop ?? '').length + CHECKSUMS[frame.checksum?.type ?? 'none'].bytes;
}

const bytesFrame = z
  .strictObject({
    type: z.literal('bytes').describe('Binary frames between start and stop bytes.'),
    start: hex().describe('First bytes of a frame, in hexadecimal.'),
    stop: hex().optional().describe('Last bytes of a frame, in hexadecimal.'),
    length: z
      .union([
        z.int().min(1).max(MAX_FRAME),
        z.strictObject({
          offset: z.int().min(0).max(255).describe('Place of the length in the frame, from 0.'),
          type: z.enum(['uint8', 'uint16']).default('uint8').describe('Form of the length.'),
          endian: endian().default('big').describe('Its byte order.'),
          add: z
            .int()
            .min(-MAX_FRAME)
            .max(MAX_FRAME)
            .default(0)
            .describe('Bytes that the whole frame has in addition to the number in the field.'),
        }),
      ])
      .describe('Bytes of the whole frame: a number, or the place in the frame that holds it.'),
    maxLength: z.int().min(1).max(MAX_FRAME).default(256).describe('Longest frame in bytes. A longer one is not a frame.'),
    checksum: z
      .strictObject({
        type: z.enum(CHECKSUM_KINDS).describe(CHECKSUM_KINDS.map((kind) => `${kind}: ${CHECKSUMS[kind].says}.`).join(' ')),
        from: z.int().default(0).describe('First byte that it covers. A negative number counts from the end.'),
        to: z.int().optional().describe('Last byte that it covers. Without it: the byte before the checksum.'),
        at: z.int().optional().describe('Place of the checksum. Without it: just before the stop bytes.'),
      })
      .optional()
      .describe('Frames with a wrong checksum are dropped and counted.'),
    gap: duration({ min: 1, max: 60_000 }).prefault('500ms').describe('A half frame followed by this much silence is dropped.'),
  })
  .refine((frame) => typeof frame.length !== 'number' || frame.length >= overhead(frame), {
    path: ['length'],
    message: 'the frame is shorter than start, stop and checksum together; `length` counts the bytes of the whole frame',
  })
  .describe('Frames by start and stop bytes, with length and checksum.');

const pattern = z
  .string()
  .max(1000)
  .superRefine((text, ctx) => {
    try {
      if (new LinearRegExp(text).groups.length === 0)
        ctx.addIssue({ code: 'custom', message: 'the pattern names no group: write (?<weight>[0-9.]+) around what is a value' });
    } catch (error) {
      ctx.addIssue({ code: 'custom', message: (error as Error).message });
    }
  });

const binaryField = z
  .strictObject({
    offset: z
      .int()
      .min(0)
      .max(MAX_FRAME - 1)
      .describe('Place in the frame, start bytes included, from 0.'),
    type: z.enum(FIELD_TYPES).describe('Form of the value.'),
    endian: endian().optional().describe('Byte order of this field.'),
    bit: z.int().min(0).max(7).optional().describe('For a bool: the bit of the byte. 0 is the least significant bit.'),
    length: z.int().min(1).max(256).optional().describe('For a string: the number of bytes.'),
  })
  .refine((field) => field.type !== 'string' || field.length !== undefined, {
    path: ['length'],
    message: 'a string needs its `length` in bytes',
  });

const textDecoders = [
  z.strictObject({
    type: z.literal('regex').describe('Named groups of a regular expression are the fields.'),
    pattern: pattern.describe('JavaScript syntax, without look-around and back-references. It runs in linear time.'),
    template: z.string().max(1000).optional().describe('The text that `sluice simulate` sends, with {name} for each group.'),
  }),
  z.strictObject({
    type: z.literal('csv').describe('Fields are columns: by number from 0, or by name.'),
    separator: z.string().min(1).max(8).default(',').describe('Separator of columns. A blank stands for any number of blanks.'),
    columns: z.array(z.string()).max(256).optional().describe('Names of the columns.'),
    header: z.boolean().default(false).describe('The device sends a line of column names, at least at its start.'),
  }),
  z.strictObject({ type: z.literal('json').describe('Fields are dotted paths: `battery.mV`, `values.0`.') }),
  z.strictObject({ type: z.literal('text').describe('The whole text is the value: `21.5`, `ON`. There is one point.') }),
  z.strictObject({
    type: z.literal('key-value').describe('Fields are keys.'),
    separator: z.string().min(1).max(8).optional().describe('Separator of pairs. Without it: white space, comma or semicolon.'),
    assign: z.string().min(1).max(8).default('=').describe('Separator of key and value.'),
  }),
] as const;
const binaryDecoder = z.strictObject({
  type: z.literal('binary').describe('Fields are at fixed places.'),
  endian: endian().default('big').describe('Byte order of fields without their own.'),
  fields: z.record(z.string(), binaryField).describe('Name and place of each field.'),
  notReady: z
    .strictObject({
      offset: z
        .int()
        .min(0)
        .max(MAX_FRAME - 1)
        .describe('Place of the bytes in the frame, start bytes included, from 0.'),
      bytes: hex(256).describe('The bytes while the device warms up, in hexadecimal: 00 00.'),
    })
    .optional()
    .describe('A frame with these bytes means that the device is not ready. All its points are bad, reason `not-ready`.'),
});

export const decode = z.discriminatedUnion('type', [
  ...textDecoders,
  z.strictObject({ type: z.literal('nmea').describe('NMEA 0183. Fields are `GGA.latitude`, `RMC.speed` and so on.') }),
  binaryDecoder,
]);
/** How a message is decoded, which is no stream. */
export const messageDecode = z.discriminatedUnion('type', [...textDecoders, binaryDecoder]);

const request = z
  .strictObject({
    bytes: hex(768).optional().describe('The bytes to send, in hexadecimal. Write this or `text`.'),
    text: z
      .string()
      .min(1)
      .max(256)
      .optional()
      .describe('The text to send, in double quotes: "SI\\r\\n". Write this or `bytes`.'),
    timeout: duration({ min: 10, max: 60_000 })
      .prefault('1s')
      .describe('How long the whole reply may take, from the end of the request.'),
  })
  .refine((written) => (written.bytes === undefined) !== (written.text === undefined), {
    path: ['bytes'],
    message: 'write either `bytes` (hexadecimal) or `text`',
  });

export const serialDevice = z.strictObject({
  interval: duration({ min: 10 })
    .optional()
    .describe(
      'With `request`: how often the device is asked (10s without this key). Without `request`: at most one record in this time (of each NMEA sentence). The next frame after the time is the record. Frames between are dropped, for rules too. Without this key every frame is a record.',
    ),
  request: request
    .optional()
    .describe(
      'For a device that sends only when it is asked: the bytes to send every `interval`. The next frame is the reply. Without it the gateway never writes to the line.',
    ),
  silentAfter: duration({ min: 100 })
    .prefault('30s')
    .describe(
      'For a device that sends by itself. After this time without a valid frame the points are bad once, reason `timeout`, and the device is silent. A device with `request` is silent after three requests without an answer. The gateway then asks at growing intervals, at most 60s or `interval`.',
    ),
  frame: z.discriminatedUnion('type', [lineFrame, fixedFrame, bytesFrame]).describe('Where a frame begins and ends.'),
  decode: decode.describe('The content of a frame.'),
});

export const serialPoint = z.strictObject({
  from: z
    .union([z.string().min(1).max(256), z.int().min(0)])
    .optional()
    .describe(
      'The field: group, column, path, key, `SENTENCE.field` or name of a binary field. Without it: the name of the point.',
    ),
  type: z.enum(['float64', 'int64', 'bool', 'string']).default('float64').describe('Type of the value.'),
  scale: z
    .number()
    .refine((scale) => scale !== 0, 'a scale of 0 makes every value 0')
    .optional()
    .describe('Value = raw × scale + offset.'),
  offset: z.number().optional().describe('Value = raw × scale + offset.'),
  unit: z.string().max(32).optional().describe('UCUM code: Cel, %, ug/m3.'),
  range: z
    .strictObject(
      {
        min: z.number().optional().describe('Lowest plausible value.'),
        max: z.number().optional().describe('Highest plausible value.'),
      },
      { error: ({ input }) => boundsFault(input) },
    )
    .optional()
    .describe('Values outside are uncertain, reason `out-of-range`.'),
  enum: z
    .record(z.string().min(1).max(64), z.string().min(1).max(64))
    .optional()
    .describe(
      'Labels of what the device says: {"0": off, "1": on}. The value is the label. A word without a label is uncertain, reason `out-of-range`.',
    ),
  invalid: z
    .array(z.union([z.number(), z.string().max(64)]))
    .min(1)
    .max(16)
    .optional()
    .describe('Words and numbers that mean "no value": [-127, 85, unknown]. The reading is bad, reason `invalid`.'),
  counter: counterSchema(),
  report: report(),
  privacy: privacyKey(),
});

export type SerialBusSettings = z.output<typeof serialBus>;
export type SerialDeviceSettings = z.output<typeof serialDevice>;
export type SerialPointSettings = z.output<typeof serialPoint>;
