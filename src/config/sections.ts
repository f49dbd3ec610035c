/** The sections that no kind brings: gateway, buffer, broker, dashboard, and the keys that every bus, device and rule has. */
import * as z from 'zod';
import { SEVERITIES } from '../core/alarm.ts';
import { isTimezone } from '../core/calendar.ts';
import { configureKey } from '../core/configure-keys.ts';
import { isWindow } from '../core/day-window.ts';
import { LANGUAGES } from '../core/languages.ts';
import { ruleActionKeys } from './actions.ts';
import { grantSchema } from './grants.ts';
import type { Kinds } from './kinds.ts';
import { listeners } from './listener-schema.ts';
import { POINT, POINT_WORDS } from './point-name.ts';
import { devicePrivacyKey } from './privacy-keys.ts';
import { policyKeys } from './rule-policy.ts';
import { duration, name, size } from './schema-parts.ts';

const DAY = 86_400_000;
const KEY_WORDS = 'write the public key that signs configurations: sluice-configure-1:… (sluice configure key prints it)';

export const gatewaySection = z.strictObject({
  id: name().describe('Name of this gateway in topics and batches. Give every board its own, and keep it.'),
  name: z.string().min(1).max(200).optional().describe('A name for people.'),
  language: z
    .enum(LANGUAGES)
    .prefault('en')
    .describe('The language of the messages of alarms that leave the gateway. The status page has its own choice.'),
  clockHold: duration({ max: 7 * DAY })
    .prefault('5m')
    .describe(
      'How long readings wait for the clock to become known while upstream is reachable. Then they leave marked as estimated.',
    ),
  timezone: z
    .string({ error: 'write a time zone of the IANA database, for example Asia/Dhaka' })
    .refine(isTimezone, { error: 'this time zone is not known; write one of the IANA database, for example Asia/Dhaka' })
    .optional()
    .describe(
      'The time zone where the gateway stands: a name of the IANA database. Schedules and calendar periods of rules count in it, and so do dates and times without an offset that a person asks for. Default: the zone of the system.',
    ),
  board: name().optional().describe('The board, as `sluice board list` names it. Default: the one that the device tree shows.'),
  hats: z
    .array(name())
    .max(4)
    .optional()
    .describe('HATs on the board that add serial ports, as `sluice board list` names them. Default: those that show themselves.'),
  led: z
    .boolean()
    .prefault(true)
    .describe(
      'Shows the state of the gateway on the LED of the board, where it has one and the gateway may write it. A change counts from the next start.',
    ),
  clock: z
    .strictObject({
      gps: name().describe(
        'The NMEA device that gives the time where no time server can be reached. It serves the gateway only. The clock of the system is not set.',
      ),
    })
    .optional()
    .describe('Where the time comes from, besides the time service of the system.'),
  update: z
    .strictObject({
      from: z
        .string()
        .max(500)
        .regex(/^https?:\/\/[^\s@/]+(\/[^\s@]*)?$/, 'write an address that begins with https:// or http://, without a password')
        .describe('Address of the folder with the newest update. The gateway checks its signature.'),
      automatic: z
        .boolean()
        .prefault(false)
        .describe('`true`: the board takes new releases by itself, and restarts for them in the window.'),
      window: z
        .string()
        .refine(isWindow, { error: 'write the times of the day as 01:00-04:30' })
        .optional()
        .describe('When the board may fetch an update and restart for it, in the time zone of the gateway. Default: always.'),
      perDay: size({ min: 1_000_000 })
        .optional()
        .describe(
          'Most bytes that downloads may take in a day, at least 1MB. The download continues the next day. Default: no limit.',
        ),
    })
    .optional()
    .describe(
      'Where updates of a card image come from (`sluice update`). A gateway that was installed as a package does not use it.',
    ),
  configure: z
    .strictObject({
      keys: z
        .array(z.string({ error: KEY_WORDS }).refine((text) => configureKey(text) !== undefined, { error: KEY_WORDS }))
        .min(1, KEY_WORDS)
        .max(8)
        .describe('Public keys that may sign configurations, as `sluice configure key` prints them.'),
      trial: duration({ min: 10_000, max: 1_800_000 })
        .prefault('2m')
        .describe(
          'How long a configuration from upstream has to prove itself. Unless the gateway runs well with it by then, the one before is in force again.',
        ),
    })
    .optional()
    .describe(
      'Takes signed configurations from upstream. Without this key the gateway refuses them. A forwarder needs `commands: {configure: true}` as well.',
    ),
  stateDir: z
    .string()
    .min(1)
    .prefault('/var/lib/sluice')
    .describe('Folder for everything that the gateway writes. A relative path starts at the folder of this file.'),
  runtimeDir: z
    .string()
    .min(1)
    .optional()
    .describe(
      'Memory-backed folder for records that are not on disk yet. Without it the gateway uses $RUNTIME_DIRECTORY, or else /run/sluice, or else /dev/shm.',
    ),
});

export const bufferSection = z.strictObject({
  maxSize: size({ min: 1024 ** 2 })
    .prefault('256MB')
    .describe('Most that the log may take on disk. All its files count.'),
  maxAge: duration({ min: 1000 }).prefault('30d').describe('Readings older than this may be dropped.'),
  minFree: size({ min: 0 })
    .prefault('64MB')
    .describe(
      'Space that the gateway leaves to other programs, at most a tenth of the file system. The log shrinks for it, down to a quarter of maxSize.',
    ),
  commitEvery: duration({ min: 10, max: 3_600_000 })
    .prefault('10s')
    .describe(
      'How often readings are written to disk. A longer time wears the card less. A power cut destroys at most the undelivered readings of this time.',
    ),
});

/** Addresses that only this machine itself reaches. */
export const LOOPBACK = /^(localhost|127\.\d{1,3}\.\d{1,3}\.\d{1,3}|::1)$/;

/** Names beside those of the machine: a certificate holds them all. */
const MOST_NAMES = 8;
/** RFC 1123, section 2.1. */
const DNS_NAME =
  /^(?=.*[A-Za-z])[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*$/;

/** The roles that may act at all (access/roles.ts). */
const COMMANDING = ['operator', 'administrator'] as const;

export const brokerSection = z.strictObject({
  listen: listeners(1883, 'names, passwords and readings').describe(
    'Where MQTT clients connect: one address, or a list of them.',
  ),
  maxPacket: size({ min: 4 * 1024, max: 1024 ** 2 })
    .prefault('256kB')
    .describe(
      'Largest MQTT packet of a client, from 4kB to 1MB. A client that announces a larger one is disconnected. A CONNECT may have 4kB.',
    ),
  commands: z
    .strictObject(
      Object.fromEntries(
        COMMANDING.map((role) => [
          role,
          grantSchema().optional().describe(`Commands of clients with the role ${role}, beside those of the roles before it.`),
        ]),
      ),
    )
    .optional()
    .describe('Commands that clients may send to `sluice/<gateway>/command`, by role. Without this key they may send none.'),
});
export const dashboardSection = z.strictObject({
  listen: listeners(8080, 'passwords, sessions and readings').describe(
    'Where browsers and programs connect: one address, or a list of them.',
  ),
  names: z
    .array(z.string().max(253).regex(DNS_NAME, 'write a host name, for example gateway.clinic.org'))
    .max(MOST_NAMES)
    .prefault([])
    .transform((names) => names.map((name) => name.toLowerCase()))
    .describe(
      'Further names under which browsers reach this gateway. Its addresses, its host name, `localhost` and names that end in `.local` need no entry. The certificate of the gateway carries these names.',
    ),
  announce: z
    .boolean()
    .prefault(true)
    .describe(
      '`true`: computers of the local network find the page by name (multicast DNS), as soon as an address with TLS is open to them. `false`: they need its address.',
    ),
});

/** Keys of every device; the driver brings the others. */
export const deviceKeys = {
  bus: name().describe('The bus on which the device is.'),
  profile: z.string().optional().describe('The profile that describes the model. It brings points and settings.'),
  privacy: devicePrivacyKey(),
};
export const DEVICE_POINTS =
  'Points of the device. With a profile: changes to its points, further points, and `null` to remove one.';

export { POINT, POINT_WORDS };

/** Rules that suppress one rule. */
const MOST_SUPPRESSORS = 32;

const ruleKeys = {
  point: z
    .string()
    .regex(POINT, POINT_WORDS)
    .optional()
    .describe('The point that is watched, as device.point. Kinds that name their points themselves have no such key.'),
  deadband: z
    .number()
    .min(0)
    .optional()
    .describe('How far the value must come back before the alarm ends, in the unit of the point. Default 0.'),
  onDelay: duration({ max: 365 * DAY })
    .prefault('0s')
    .describe('How long the condition must hold before the alarm begins.'),
  offDelay: duration({ max: 365 * DAY })
    .prefault('0s')
    .describe('How long the values must be normal before the alarm ends.'),
  severity: z.enum(SEVERITIES).prefault('warning').describe('How serious the alarm is.'),
  acknowledge: z
    .enum(['optional', 'required'])
    .prefault('optional')
    .describe('`required`: the alarm stays until a person acknowledges it, even when the value is normal again.'),
  observe: z
    .boolean()
    .prefault(false)
    .describe('`true`: the rule only reports what it would have done. It raises no alarm and no action.'),
  latch: z
    .boolean()
    .optional()
    .describe('`true`: the alarm stays until a person resets it, also when it was acknowledged and the value is normal again.'),
  group: name()
    .optional()
    .describe(
      'Rules with one group belong together: the first of them that becomes active while all others are normal is marked as first-out.',
    ),
  suppressedBy: z
    .array(name())
    .min(1)
    .max(MOST_SUPPRESSORS)
    .optional()
    .describe(
      'Rules. While one of them is active, this alarm is suppressed by design: it is counted and logged, and not shown as active.',
    ),
  ...policyKeys,
  ...ruleActionKeys,
};
export const RULE_KEYS = Object.keys(ruleKeys);

/** One rule: the common keys and every kind key; that exactly one kind key is there is checked apart. */
export function ruleSchema(kinds: Kinds) {
  return z.strictObject({
    ...ruleKeys,
    ...Object.fromEntries(kinds.rules.map((kind) => [kind.key, kind.schema.optional().describe(kind.doc)])),
  });
}

export const TOP_LEVEL = [
  'gateway',
  'buses',
  'devices',
  'rules',
  'hooks',
  'buffer',
  'privacy',
  'broker',
  'forwarders',
  'dashboard',
  'nodeRed',
] as const;
