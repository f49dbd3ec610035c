/** The keys of Modbus buses, devices and points in the configuration. Rules between keys are in check.ts. */
import * as z from 'zod';
import { ORDERS, SENTINEL_TYPES, TABLES } from '../../codecs/modbus-point.ts';
import { report } from '../../config/report.ts';
import { boundsFault, duration, name } from '../../config/schema-parts.ts';
import { POINT_TYPES } from '../../core/point.ts';
import { counterSchema, rawNumber } from '../counter.ts';
import { baudRateFault, parity, serialPortName, stopBits } from '../line-settings.ts';
import { networkHost, networkPortFault } from '../network-settings.ts';
import { addressFault } from './manual-numbers.ts';

const queue = {
  timeout: duration({ min: 10, max: 60_000 })
    .prefault('1s')
    .describe('Upper bound of the wait for a reply; on a serial line the time that the bytes take comes on top'),
  retries: z
    .int()
    .min(0)
    .max(5)
    .default(1)
    .describe('How often a request that failed is repeated at once, while its device is known to answer'),
};

const network = {
  host: networkHost().max(255).describe('Name or address of the Modbus TCP device or gateway'),
  port: z
    .int({ error: ({ input }) => networkPortFault(input) })
    .min(1)
    .max(65535)
    .default(502)
    .describe('TCP or UDP port'),
  ...queue,
  turnaround: duration({ max: 10_000 }).prefault('0ms').describe('Pause between a reply and the next request'),
};
const inFlight = z
  .int()
  .min(1)
  .max(16)
  .default(1)
  .describe('Requests on the way at once, to different units; more than 1 only where the device or bridge is known to bear it');

export const tcpBus = z.strictObject({ ...network, inFlight });
export const udpBus = z.strictObject({ ...network, inFlight });

const line = {
  baudRate: z
    .int({ error: ({ input }) => baudRateFault(input) })
    .min(110)
    .max(4_000_000)
    .describe('Bits per second of the line'),
  dataBits: z.union([z.literal(7), z.literal(8)]).describe('Data bits of a character; Modbus RTU has 8'),
  parity: parity().describe('Parity of a character'),
  stopBits: stopBits().describe('Stop bits of a character'),
};

const serialPort = {
  port: serialPortName().max(255).describe('Serial port; prefer the stable names in /dev/serial/by-id/'),
  baudRate: line.baudRate.default(9600),
};
const serialRest = {
  parity: line.parity.default('none'),
  stopBits: line.stopBits.default(1),
  ...queue,
  turnaround: duration({ max: 10_000 })
    .prefault('0ms')
    .describe('Pause between a reply and the next request; never less than the 3.5 characters that Modbus RTU asks for'),
};
export const rtuBus = z.strictObject({ ...serialPort, dataBits: line.dataBits.default(8), ...serialRest });
export const asciiBus = z.strictObject({ ...serialPort, dataBits: line.dataBits.default(7), ...serialRest });

export const rtuOverTcpBus = z.strictObject({
  ...network,
  baudRate: line.baudRate
    .default(9600)
    .describe('Bits per second of the line behind the converter; for time-outs and for what the bus can carry'),
});

export const lineHints = z.strictObject(line).partial();

const bounds = z.strictObject(
  {
    min: z.number().optional().describe('Smallest value'),
    max: z.number().optional().describe('Largest value'),
  },
  { error: ({ input }) => boundsFault(input) },
);
/** `write: true` says nothing about the bounds. */
const writeFault = (input: unknown) =>
  typeof input === 'boolean' || typeof input === 'string'
    ? 'write the bounds of a number, write: {min: 0, max: 100}, or write: {} for a coil or a text'
    : undefined;
/** Labels as a list, or with their numbers behind them. */
const labelFault = (input: unknown) =>
  input === undefined || (typeof input === 'object' && !Array.isArray(input))
    ? undefined
    : 'write each raw number and its label: {0: off, 1: on}';
const sentinels = () => z.array(rawNumber).max(32);
const interval = () => duration({ min: 10, max: 86_400_000 });
const address = z
  .int({ error: ({ input }) => addressFault(input) })
  .min(0)
  .max(65535, { error: ({ input }) => addressFault(input) });

const modelWish = z.union([
  z.array(z.int().min(1).max(65_534)).min(1).max(32),
  z.strictObject({
    models: z.array(z.int().min(1).max(65_534)).min(1).max(32).describe('Numbers of models with one layout, the preferred first'),
    index: z.int().min(1).max(32).default(1).describe('Which one, where the device has several with that number'),
  }),
]);

export const device = z.strictObject({
  unit: z
    .int()
    .min(0)
    .max(255, 'units go from 1 to 247; over TCP also 0 and 255')
    .default(1)
    .describe('Modbus unit (slave address): 1 to 247; over TCP also 0 and 255'),
  interval: interval().prefault('10s').describe('How often the points of the device are read, where a point says nothing else'),
  responseTime: duration({ max: 10_000 })
    .optional()
    .describe(
      'How long the device takes to begin its answer. Only the plan of the requests and `sluice check` go by it. Default: what the gateway measures; until it has, 20ms on a serial line, 10ms on a network, 30ms behind a converter',
    ),
  timeout: duration({ min: 10, max: 60_000 }).optional().describe('As that of the bus, for this device'),
  retries: z.int().min(0).max(5).optional().describe('As that of the bus, for this device'),
  turnaround: duration({ max: 10_000 })
    .prefault('0ms')
    .describe('Pause that everybody makes after a request to this device; for devices that miss what follows too soon'),
  connectDelay: duration({ max: 60_000 })
    .prefault('0ms')
    .describe('Pause after the port was opened before this device is asked; for devices that start when they are connected'),
  limits: z
    .strictObject({
      maxRegisters: z.int().min(1).max(125).default(125).describe('Registers that the device answers in one request'),
      maxBits: z.int().min(1).max(2000).default(2000).describe('Bits that the device answers in one request'),
      maxGap: z
        .int()
        .min(0)
        .max(124)
        .optional()
        .describe(
          'Registers in a row that no point has and that may be read along to save a request (16 bits count as one); 0 where a device refuses holes. Default: as many as cost less than another request',
        ),
      gaps: z
        .array(
          z.strictObject({
            table: z.enum(TABLES).describe('The table they are in'),
            from: address.describe('The first of them, counted from 0'),
            to: address.describe('The last of them'),
          }),
        )
        .max(64)
        .optional()
        .describe('Addresses that must never be read: [{table: holding, from: 10, to: 19}]'),
      merge: z
        .boolean()
        .default(true)
        .describe('Whether points may share a request; false where a device answers only for one point at a time'),
      writeMultiple: z
        .boolean()
        .default(false)
        .describe('Also one register or coil is written with the function for many (16, 15), where a device knows no other'),
    })
    .prefault({})
    .describe('What the device can answer at once'),
  invalid: z
    .partialRecord(z.enum(SENTINEL_TYPES), sentinels())
    .optional()
    .describe(
      'For each type the raw numbers by which the device says that it has no value, {int16: [0x8000], uint16: [0xFFFF]}; `invalid` of a point takes their place',
    ),
  sunspec: z
    .record(name(), modelWish)
    .optional()
    .describe(
      'Of a SunSpec device: the models that points lie in, found in its chain of models. Name of a role, and the numbers of models with one layout, the preferred first: {inverter: [103, 102, 101]}; with index where the device has several',
    ),
});

export const point = z.strictObject({
  table: z.enum(TABLES).describe('Where the point lies: holding (function 3), input (4), coil (1), discrete (2)'),
  address: address.describe('First register or bit, counted from 0 (40001 of a manual is holding 0)'),
  model: name()
    .optional()
    .describe(
      'A role of `sunspec`: then the address counts from the first register of that model (0 is its number, 1 its length)',
    ),
  type: z
    .enum(POINT_TYPES)
    .describe(
      'What the registers mean; bool in a coil or discrete table. uint8 and int8 take the low byte, with order BA the high one',
    ),
  order: z.enum(ORDERS).optional().describe('Byte order on the wire, A the most significant; default AB or ABCD'),
  interval: interval()
    .optional()
    .describe('How often the point is read at least; default that of the device. More often where riding along costs less'),
  length: z
    .int()
    .min(1)
    .max(125)
    .optional()
    .describe('Registers of a string (any) or a datetime (2 Unix seconds, 3 packed bytes, 4 IEC, 6 one each)'),
  bit: z
    .int()
    .min(0)
    .max(31)
    .optional()
    .describe('Makes a bool of one bit of a register (of two with uint32); 0 is the least significant'),
  bits: z
    .strictObject({
      first: z.int().min(0).max(31).describe('The lowest of its bits; 0 is the least significant of the register'),
      count: z.int().min(1).max(32).describe('How many bits it has'),
    })
    .optional()
    .describe('A number from some bits of a register (uint16, uint32; signed with int16, int32)'),
  scale: z.number().optional().describe('value = raw × scale + offset'),
  offset: z.number().optional().describe('value = raw × scale + offset'),
  scaleFactor: name()
    .optional()
    .describe(
      'Another point of the device (int16) that says by which power of ten, -10 to 10, the value is multiplied: sunssf of SunSpec. Without it the value is bad, reason invalid',
    ),
  unit: z.string().min(1).max(32).optional().describe('UCUM code: Cel, %, kW.h, V'),
  enum: z
    .record(
      z.string().regex(/^-?\d+$/, 'the raw number comes first, its label behind it: {0: off, 1: on}'),
      z.string().min(1).max(64),
      {
        error: ({ input }) => labelFault(input),
      },
    )
    .optional()
    .describe('Labels of raw numbers, {0: off, 1: on}: the value is the label; a number without one is given as text, uncertain'),
  invalid: sentinels()
    .optional()
    .describe(
      'Raw numbers by which the device says that it has no value; of a float also its bits, in quotes: "0x7F7FFFFF". With bit and bits the whole register is compared',
    ),
  range: bounds.optional().describe('Values outside are uncertain, reason out-of-range'),
  counter: counterSchema(),
  report: report(),
  write: z
    .strictObject(
      {
        ...bounds.shape,
        every: duration({ max: 86_400_000 }).prefault('1s').describe('The point may be written once in this time'),
        readBack: z
          .boolean()
          .default(true)
          .describe('The point is read after it was written and has to show the value; false for one that never does (a reset)'),
        safe: z
          .strictObject({
            value: z.union([z.number(), z.boolean(), z.string().max(250)]).describe('What is written, within the bounds'),
            onStop: z.boolean().default(false).describe('It is written when the gateway stops'),
            offline: duration({ min: 1000, max: 30 * 86_400_000 })
              .optional()
              .describe(
                'It is written once when no forwarder has been connected for so long; nothing is written back afterwards',
              ),
          })
          .optional()
          .describe('A value for when nobody is there to lead the device'),
      },
      { error: ({ input }) => writeFault(input) },
    )
    .optional()
    .describe(
      'The point may be written; without it never. A number needs both bounds, `min` and `max`; labels may have them, of their raw numbers; bools, texts and times have none: `write: {}`',
    ),
});

export type TcpSettings = z.output<typeof tcpBus>;
export type UdpSettings = z.output<typeof udpBus>;
export type RtuSettings = z.output<typeof rtuBus>;
export type AsciiSettings = z.output<typeof asciiBus>;
export type RtuOverTcpSettings = z.output<typeof rtuOverTcpBus>;
export type DeviceSettings = z.output<typeof device>;
export type PointSettings = z.output<typeof point>;
