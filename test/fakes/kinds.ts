/** Small kinds for tests of the configuration alone: what it does must not depend on what the real ones are. */
import * as z from 'zod';
import type { DriverKind, Kinds } from '../../src/config/kinds.ts';
import { duration, secret } from '../../src/config/schema-parts.ts';

const point = z.strictObject({
  table: z.enum(['holding', 'input', 'coil', 'discrete']).describe('Which table.'),
  address: z.number().int().min(0).max(65535).describe('0-based address.'),
  type: z.enum(['bool', 'int16', 'uint16', 'float32', 'int64', 'string']).prefault('uint16').describe('How the value is stored.'),
  scale: z.number().optional().describe('Factor.'),
  unit: z.string().optional().describe('UCUM unit.'),
  range: z.strictObject({ min: z.number().optional(), max: z.number().optional() }).optional().describe('Plausible values.'),
});
const device = z.strictObject({
  unit: z.number().int().min(1).max(247).describe('Unit id.'),
  interval: duration({ min: 10 }).prefault('10s').describe('How often it is read.'),
  maxRead: z.number().int().min(1).max(125).optional().describe('Most registers in a request.'),
});
const line = z.strictObject({
  baudRate: z.number().int().optional(),
  parity: z.enum(['none', 'even', 'odd']).optional(),
});

const rtu: DriverKind = {
  protocol: 'modbus-rtu',
  family: 'modbus',
  heard: 'asked',
  bus: z.strictObject({
    port: z.string().min(1).describe('Serial port.'),
    baudRate: z.number().int().min(300).max(921_600).prefault(9600).describe('Baud rate.'),
    parity: z.enum(['none', 'even', 'odd']).prefault('none').describe('Parity.'),
    timeout: duration({ min: 10, max: 60_000 }).prefault('1s').describe('Longest wait for a reply.'),
  }),
  device,
  point,
  line,
  wire: (bus) => String(bus.port),
  address: (settings) => String(settings.unit),
  checkDevice: (resolved) =>
    [...resolved.points].flatMap(([name, p]) =>
      p.table === 'coil' && p.type !== 'bool'
        ? [{ path: ['points', name, 'type'], message: 'a coil is a bool; write type: bool' }]
        : [],
    ),
};
const tcp: DriverKind = {
  ...rtu,
  protocol: 'modbus-tcp',
  bus: z.strictObject({
    host: z.string().min(1).describe('Host.'),
    port: z.number().int().min(1).max(65535).prefault(502).describe('Port.'),
  }),
  line: z.strictObject({}),
  wire: (bus) => `${String(bus.host)}:${String(bus.port)}`,
};
const serial: DriverKind = {
  protocol: 'serial',
  family: 'serial',
  heard: 'line',
  bus: z.strictObject({ port: z.string(), baudRate: z.number().int().prefault(9600) }),
  device: z.strictObject({
    frame: z.discriminatedUnion('type', [
      z.strictObject({ type: z.literal('line') }),
      z.strictObject({ type: z.literal('sds011') }),
    ]),
  }),
  point: z.strictObject({
    from: z.string(),
    type: z.enum(['float64', 'string']).prefault('float64'),
    unit: z.string().optional(),
  }),
  line: z.strictObject({ baudRate: z.number().int().optional() }),
  wire: (bus) => String(bus.port),
  address: () => undefined,
};

export const testKinds: Kinds = {
  drivers: [rtu, tcp, serial],
  rules: [
    { key: 'above', schema: z.number(), doc: 'Alarm above this value.', needs: 'number' },
    { key: 'below', schema: z.number(), doc: 'Alarm below this value.', needs: 'number' },
    {
      key: 'outside',
      schema: z.strictObject({ min: z.number(), max: z.number() }),
      doc: 'Alarm outside this range.',
      needs: 'number',
    },
    {
      key: 'equals',
      schema: z.union([z.number(), z.boolean(), z.string()]),
      doc: 'Alarm at this value.',
      needs: 'any',
    },
    { key: 'stale', schema: duration({ min: 100 }), doc: 'Alarm without a good reading for this long.', needs: 'any' },
  ],
  forwarders: [
    {
      type: 'mqtt',
      forwarder: z.strictObject({
        url: z
          .string()
          .regex(/^mqtt:\/\/[^/\s]+$/, 'write mqtt://host:port')
          .describe('Where the broker is.'),
        username: z.string().optional().describe('User name.'),
        password: secret().optional().describe('Password.'),
        format: z.enum(['json']).prefault('json').describe('Payload format.'),
      }),
      destination: (forwarder) => String(forwarder.url),
    },
  ],
};
