/** The keys of Modbus buses, devices and points in the configuration. Rules between keys are in check.ts. */
import * as z from 'zod';
import { ORDERS, SENTINEL_TYPES, TABLES } from '../../codecs/modbus-point.ts';
import { privacyKey } from '../../config/privacy-keys.ts';
import { report } from '../../config/report.ts';
import { duration, name } from '../../config/schema-parts.ts';
import { POINT_TYPES } from '../../core/point.ts';
import { counterSchema, rawNumber } from '../counter.ts';
import { baudRateFault, direction, parity, serialPortName, stopBits } from '../line-settings.ts';
import { networkHost, networkPortFault } from '../network-settings.ts';
import { bounds, writeKeys } from '../write-schema.ts';
import { addressFault } from './manual-numbers.ts';

const queue = {
  timeout: duration({ min: 10, max: 60_000 })
    .prefault('1s')
    .describe('Longest wait for a reply. On a serial line the time of the bytes comes on top.'),
  retries: z
    .int()
    .min(0)
    .max(5)
    .default(1)
    .describe('How often a failed request is repeated at once, while its device is known to answer.'),
};

const network = {
  host: networkHost().max(255).describe('Name or address of the Modbus TCP device or gateway.'),
  port: z
    .int({ error: ({ input }) => networkPortFault(input) })
    .min(1)
    .max(65535)
    .default(502)
    .describe('TCP or UDP port.'),
  ...queue,
  turnaround: duration({ max: 10_000 }).prefault('0ms').describe('Pause between a reply and the next request.'),
};
const inFlight = z
  .int()
  .min(1)
  .max(16)
  .default(1)
  .describe('Requests at the same time, to different units. Use more than 1 only where the device or bridge can handle it.');

export const tcpBus = z.strictObject({ ...network, inFlight });
export const udpBus = z.strictObject({ ...network, inFlight });

const line = {
  baudRate: z
    .int({ error: ({ input }) => baudRateFault(input) })
    .min(110)
    .max(4_000_000)
    .describe('Bits each second on the line.'),
  dataBits: z.union([z.literal(7), z.literal(8)]).describe('Data bits of a character. Modbus RTU has 8.'),
  parity: parity().describe('Parity of a character: a check bit.'),
  stopBits: stopBits().describe('Stop bits of a character.'),
};

const serialPort = {
  port: serialPortName()
    .max(255)
    .describe(
      'Serial port. Prefer the stable names in /dev/serial/by-id/. `board:NAME` is a port of the board (`sluice board show`).',
    ),
  baudRate: line.baudRate.default(9600),
};
const serialRest = {
  parity: line.parity.default('none'),
  stopBits: line.stopBits.default(1),
  direction: direction(),
  ...queue,
  turnaround: duration({ max: 10_000 })
    .prefault('0ms')
    .describe('Pause between a reply and the next request. It is never shorter than the 3.5 characters that Modbus RTU needs.'),
};
export const rtuBus = z.strictObject({ ...serialPort, dataBits: line.dataBits.default(8), ...serialRest });
export const asciiBus = z.strictObject({ ...serialPort, dataBits: line.dataBits.default(7), ...serialRest });

export const rtuOverTcpBus = z.strictObject({
  ...network,
  baudRate: line.baudRate
    .default(9600)
    .describe(
      'Bits each second on the line behind the converter. The gateway uses it for time-outs and for the load of the bus.',
    ),
});

export const lineHints = z.strictObject(line).partial();

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
    models: z
      .array(z.int().min(1).max(65_534))
      .min(1)
      .max(32)
      .describe('Numbers of models with one layout, the preferred one first.'),
    index: z.int().min(1).max(32).default(1).describe('Which one, where the device has several with that number.'),
  }),
]);

export const device = z.strictObject({
  unit: z
    .int()
    .min(0)
    .max(255, 'units go from 1 to 247; over TCP also 0 and 255')
    .default(1)
    .describe('Modbus unit id, which manuals also call slave address: 1 to 247, and with TCP also 0 and 255.'),
  interval: interval().prefault('10s').describe('How often the points of the device are read. A point may have its own.'),
  responseTime: duration({ max: 10_000 })
    .optional()
    .describe(
      'How long the device takes to begin its answer. The plan of the requests and `sluice check` use it. Without it the gateway measures. Until then it assumes 20ms on a serial line, 10ms on a network, 30ms behind a converter.',
    ),
  timeout: duration({ min: 10, max: 60_000 }).optional().describe('The same key of the bus, for this device.'),
  retries: z.int().min(0).max(5).optional().describe('The same key of the bus, for this device.'),
  turnaround: duration({ max: 10_000 })
    .prefault('0ms')
    .describe('Pause of the bus after a request to this device, for devices that miss a request that follows too soon.'),
  connectDelay: duration({ max: 60_000 })
    .prefault('0ms')
    .describe('Pause between the opening of the port and the first request, for devices that start when they are connected.'),
  limits: z
    .strictObject({
      maxRegisters: z.int().min(1).max(125).default(125).describe('Registers that the device answers in one request.'),
      maxBits: z.int().min(1).max(2000).default(2000).describe('Bits that the device answers in one request.'),
      maxGap: z
        .int()
        .min(0)
        .max(124)
        .optional()
        .describe(
          'Largest hole of registers without points that may be read to save a request (16 bits count as one). Use 0 where a device refuses holes. Without it: as many as cost less than another request.',
        ),
      gaps: z
        .array(
          z.strictObject({
            table: z.enum(TABLES).describe('The table they are in.'),
            from: address.describe('The first of them, counted from 0.'),
            to: address.describe('The last of them.'),
          }),
        )
        .max(64)
        .optional()
        .describe('Addresses that must never be read: [{table: holding, from: 10, to: 19}].'),
      merge: z
        .boolean()
        .default(true)
        .describe('Whether points may share a request. Use false where a device answers only for one point at a time.'),
      writeMultiple: z
        .boolean()
        .default(false)
        .describe('Whether one register or coil is written with the function for many (16, 15), for devices without the others.'),
    })
    .prefault({})
    .describe('The largest requests that the device can answer.'),
  invalid: z
    .partialRecord(z.enum(SENTINEL_TYPES), sentinels())
    .optional()
    .describe(
      'For each type the raw numbers that mean "no value": {int16: [0x8000], uint16: [0xFFFF]}. `invalid` of a point replaces them.',
    ),
  sunspec: z
    .record(name(), modelWish)
    .optional()
    .describe(
      'For a SunSpec device: the models that hold the points. Each entry has the name of a role and the numbers of models with one layout, the preferred one first: {inverter: [103, 102, 101]}. Use `index` where the device has several.',
    ),
});

export const point = z.strictObject({
  table: z.enum(TABLES).describe('Table of the point: holding (function 3), input (4), coil (1), discrete (2).'),
  address: address.describe('First register or bit, counted from 0. 40001 of a manual is holding 0.'),
  model: name()
    .optional()
    .describe(
      'A role of `sunspec`. The address then counts from the first register of that model (0 is its number, 1 its length).',
    ),
  type: z
    .enum(POINT_TYPES)
    .describe(
      'The meaning of the registers. A coil or discrete table has bool. uint8 and int8 take the low byte, with order BA the high one.',
    ),
  order: z
    .enum(ORDERS)
    .optional()
    .describe('Byte order on the wire, where A is the most significant byte. Without it AB or ABCD.'),
  interval: interval()
    .optional()
    .describe(
      'How often the point is read at least. Without it as often as the device. It comes more often where that costs less.',
    ),
  length: z
    .int()
    .min(1)
    .max(125)
    .optional()
    .describe('Number of registers of a string (any) or a datetime (2 Unix seconds, 3 packed bytes, 4 IEC, 6 one each).'),
  bit: z
    .int()
    .min(0)
    .max(31)
    .optional()
    .describe('Makes a bool of one bit of a register (of two with uint32). 0 is the least significant bit.'),
  bits: z
    .strictObject({
      first: z.int().min(0).max(31).describe('The lowest of its bits. 0 is the least significant bit of the register.'),
      count: z.int().min(1).max(32).describe('How many bits it has.'),
    })
    .optional()
    .describe('A number from some bits of a register (uint16, uint32; signed with int16, int32).'),
  scale: z.number().optional().describe('value = raw × scale + offset.'),
  offset: z.number().optional().describe('value = raw × scale + offset.'),
  scaleFactor: name()
    .optional()
    .describe(
      'Another point of the device (int16) that holds the power of ten, -10 to 10, for the value: sunssf of SunSpec. While it has no value, this value is bad, reason invalid.',
    ),
  unit: z.string().min(1).max(32).optional().describe('UCUM code: Cel, %, kW.h, V.'),
  enum: z
    .record(
      z.string().regex(/^-?\d+$/, 'the raw number comes first, its label behind it: {0: off, 1: on}'),
      z.string().min(1).max(64),
      {
        error: ({ input }) => labelFault(input),
      },
    )
    .optional()
    .describe(
      'Labels of raw numbers: {0: off, 1: on}. The value is the label. A number without a label is reported as text, uncertain.',
    ),
  invalid: sentinels()
    .optional()
    .describe(
      'Raw numbers that mean "no value". For a float also its bits, in quotes: "0x7F7FFFFF". With bit and bits the whole register is compared.',
    ),
  range: bounds.optional().describe('Values outside are uncertain, reason out-of-range.'),
  counter: counterSchema(),
  report: report(),
  privacy: privacyKey(),
  write: z
    .strictObject(writeKeys, { error: ({ input }) => writeFault(input) })
    .optional()
    .describe(
      'The point may be written. Without this key it never is. A number needs both bounds, `min` and `max`. Labels may have bounds of their raw numbers. Bools, texts and times have none: `write: {}`.',
    ),
});

export type TcpSettings = z.output<typeof tcpBus>;
export type UdpSettings = z.output<typeof udpBus>;
export type RtuSettings = z.output<typeof rtuBus>;
export type AsciiSettings = z.output<typeof asciiBus>;
export type RtuOverTcpSettings = z.output<typeof rtuOverTcpBus>;
export type DeviceSettings = z.output<typeof device>;
export type PointSettings = z.output<typeof point>;
