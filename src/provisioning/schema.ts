/**
 * The schema of `sluice.yaml`: the one source of its types, checks, defaults, JSON Schema and reference page. Devices and the other keys
 * of a bus are those of the configuration; its own loader checks them (plan.ts).
 */
import * as z from 'zod';
import { name } from '../config/schema-parts.ts';
import { isTimezone } from '../core/calendar.ts';
import { configureKey } from '../core/configure-keys.ts';
import { LANGUAGES } from '../core/languages.ts';

/** Written over a secret that was taken from the card. */
export const ERASED = 'xxxxxxxx';
/** A secret of several lines is written over line by line. A cut may leave it with its head alone written over (disk.ts). */
export const isErased = (text: string): boolean => isGone(text) || /^(?:x\s*){16}/.test(text);
/** Nothing of the secret is left. */
export const isGone = (text: string): boolean => /^x+(?:\s+x+)*$/.test(text);

const MOST_BUSES = 16;
const MOST_DEVICES = 247;
const MOST_SERVERS = 4;

/** Line settings that instruments come with. */
export const PRESETS = {
  'modbus-4800': { protocol: 'modbus-rtu', baudRate: 4800, parity: 'none' },
  'modbus-9600': { protocol: 'modbus-rtu', baudRate: 9600, parity: 'none' },
  'modbus-9600-even': { protocol: 'modbus-rtu', baudRate: 9600, parity: 'even' },
  'modbus-19200': { protocol: 'modbus-rtu', baudRate: 19_200, parity: 'none' },
  'modbus-19200-even': { protocol: 'modbus-rtu', baudRate: 19_200, parity: 'even' },
  'modbus-115200': { protocol: 'modbus-rtu', baudRate: 115_200, parity: 'none' },
  'modbus-tcp': { protocol: 'modbus-tcp', port: 502 },
  'serial-9600': { protocol: 'serial', baudRate: 9600 },
} as const satisfies Record<string, Readonly<Record<string, string | number>>>;
const PRESET_NAMES = Object.keys(PRESETS) as (keyof typeof PRESETS)[];

/** No control character: these texts go into files of the system and to the terminal. */
const line = (most: number, words: string) =>
  z
    .string({ error: ({ input }) => (input === undefined ? `this key is missing; ${words}` : words) })
    .min(1, words)
    .max(most, `at most ${most} characters`)
    .regex(/^[^\p{Cc}\u2028\u2029]*$/u, 'one line of text, without control characters');

const secretLine = (most: number, words: string) => line(most, words).meta({ secret: true });

export const busSchema = z
  .looseObject({
    preset: z.enum(PRESET_NAMES).optional().describe('Line settings by name. Other keys of the bus change single ones.'),
    devices: z
      .record(
        name(),
        z.record(z.string(), z.unknown(), {
          error: 'write a section with the keys of the device, for example {unit: 1, profile: xy-md02}',
        }),
      )
      .optional()
      .refine(
        (devices) => devices === undefined || Object.keys(devices).length <= MOST_DEVICES,
        `at most ${MOST_DEVICES} devices`,
      )
      .describe('The instruments on this bus. The keys of a device are those of the configuration, without `bus`.'),
  })
  .describe('A bus.');

const HOST = /^(?=.{1,253}$)[A-Za-z0-9](?:[A-Za-z0-9.:-]*[A-Za-z0-9])?$/;

const KEY_WORDS = 'write the public key that signs configurations: sluice-configure-1:… (sluice configure key prints it)';

const pem = (words: string) => z.string({ error: `${words}, or the name of a file beside sluice.yaml` }).max(64 * 1024);

const upstreamSchema = z.strictObject({
  url: z
    .string({
      error: ({ input }) =>
        input === undefined
          ? 'this key is missing; write the address of the broker, for example mqtts://broker.example.org'
          : 'write the address of the broker in one line',
    })
    .max(500)
    .regex(
      /^(mqtts?|wss?):\/\/[^\s/@]+(\/\S*)?$/,
      'write an address such as mqtts://broker.example.org:8883, without user name and password',
    )
    .describe('The broker that gets the readings. `mqtts://` encrypts the connection.'),
  username: line(200, 'write the user name in one line').optional().describe('The user name at the broker.'),
  password: secretLine(1000, 'write the password in one line')
    .optional()
    .describe('The password at the broker. The gateway erases it from the card.'),
  ca: pem('write the certificates of the authorities as PEM text')
    .optional()
    .describe(
      'The certificates of the authorities that may sign the certificate of the broker. PEM text, or the name of a file beside `sluice.yaml`. Default: the public authorities.',
    ),
  cert: pem('write the certificate of the gateway as PEM text')
    .optional()
    .describe(
      'The certificate of the gateway, and those between it and its authority, where the broker demands one. PEM text, or the name of a file beside `sluice.yaml`.',
    ),
  key: pem('write the private key as PEM text')
    .meta({ secret: true })
    .optional()
    .describe(
      'The private key of `cert`, without a passphrase. PEM text, or the name of a file beside `sluice.yaml`. The gateway erases the text, or the file, from the card.',
    ),
  clientId: line(200, 'write the client id in one line')
    .optional()
    .describe('The client id, where the broker wants a certain one.'),
  format: name().optional().describe('The payload format. Default: `json`.'),
  configureKey: z
    .string({ error: KEY_WORDS })
    .refine((text) => configureKey(text) !== undefined, { error: KEY_WORDS })
    .optional()
    .describe('The public key that may sign configurations for this gateway. With it, the broker may send them.'),
});

const wifiSchema = z.strictObject({
  name: line(32, 'write the name of the Wi-Fi network in quotes')
    .refine((text) => Buffer.byteLength(text) <= 32, 'a Wi-Fi network has a name of at most 32 bytes')
    .describe('The name of the network (SSID).'),
  password: secretLine(64, 'write the password of the Wi-Fi network in quotes')
    .refine(
      (text) => isErased(text) || /^[\x20-\x7e]{8,63}$/.test(text) || /^[0-9a-fA-F]{64}$/.test(text),
      'a Wi-Fi password has 8 to 63 letters, digits and signs of ASCII, or 64 hexadecimal digits',
    )
    .optional()
    .describe('Its password. Without this key the network is open. The gateway erases it from the card.'),
  country: z
    .string({ error: 'write the two letters of the country, for example BD' })
    .regex(/^[A-Za-z]{2}$/, 'write the two letters of the country, for example BD')
    .transform((text) => text.toUpperCase())
    .optional()
    .describe('The country, as two letters (ISO 3166). Boards keep Wi-Fi off until they know it.'),
  hidden: z.boolean().prefault(false).describe('`true`: the network does not show its name.'),
});

export const provisioningSchema = z.strictObject({
  site: line(100, 'write where the gateway stands').optional().describe('The place where the gateway stands.'),
  name: line(100, 'write a name for people').optional().describe('The name of the gateway for people.'),
  id: name()
    .optional()
    .describe('The id of the gateway in topics. Default: the id that it has, at first `sluice-` and the end of its MAC address.'),
  language: z.enum(LANGUAGES).optional().describe('The language of the messages of alarms.'),
  timezone: z
    .string({ error: 'write a time zone of the IANA database, for example Asia/Dhaka' })
    .refine(isTimezone, { error: 'this time zone is not known; write one of the IANA database, for example Asia/Dhaka' })
    .optional()
    .describe('The time zone of the site.'),
  upstream: upstreamSchema.optional().describe('The destination of the readings. Without this section the gateway keeps them.'),
  buses: z
    .record(name(), busSchema)
    .optional()
    .refine((buses) => buses === undefined || Object.keys(buses).length <= MOST_BUSES, `at most ${MOST_BUSES} buses`)
    .describe('The wires, with the instruments on each.'),
  page: z
    .enum(['board', 'network'])
    .prefault('board')
    .describe(
      'Reach of the status page: `board` is the board alone. `network` opens HTTPS on port 8443; until the claim, only the page for the claim code answers there.',
    ),
  claimCode: secretLine(64, 'write the claim code, for example 7K3M-Q2XV-9TRD')
    .optional()
    .describe(
      'The code with which the first administrator is made. Default: the gateway makes one. The gateway erases it from the card.',
    ),
  wifi: wifiSchema.optional().describe('The Wi-Fi network. Without this section the network stays as it is.'),
  timeServers: z
    .array(
      z.string({ error: 'write the name or address of a time server' }).regex(HOST, 'write the name or address of a time server'),
    )
    .min(1)
    .max(MOST_SERVERS)
    .optional()
    .describe('Time servers (NTP) in place of those of the system.'),
});

export type Provisioning = z.output<typeof provisioningSchema>;

/** The values that the gateway erases from the card. */
export const SECRET_PATHS = [['upstream', 'password'], ['upstream', 'key'], ['claimCode'], ['wifi', 'password']] as const;
export type SecretName = 'upstream.password' | 'upstream.key' | 'claimCode' | 'wifi.password';

/** `0123`, `true` and `1e5` are texts here, though YAML reads a number or a truth in them. */
export const TEXT_PATHS: readonly (readonly string[])[] = [
  ['site'],
  ['name'],
  ['id'],
  ['upstream', 'username'],
  ['upstream', 'clientId'],
  ['wifi', 'name'],
  ['wifi', 'country'],
  ...SECRET_PATHS,
];
