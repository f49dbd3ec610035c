/** What a person writes under `forwarders.<name>` for `type: mqtt`. The topic root is always sluice/<gateway id>. */
import * as z from 'zod';
import { grantSchema } from '../../config/grants.ts';
import { duration, secret } from '../../config/schema-parts.ts';
import type { Grant } from '../../core/remote-commands.ts';
import type { SecretText } from '../../core/secret.ts';
import type { Dialect } from './dialect.ts';

const DEFAULT_PORT = 1883;

/** `mqtt://host[:port]` -> host and port, or a sentence that says what to write. Never repeats the address: it may hold a password. */
export function parseBrokerUrl(text: string): { host: string; port: number } | { wrong: string } {
  if (/^(mqtts|ssl|tls):/i.test(text))
    return { wrong: 'TLS (mqtts://) comes with a later version; for now write mqtt://host:1883, in a network that you trust' };
  // Without an @ there is no password in it.
  const [, name, port] = /^(?:[a-z]+:\/\/)?([a-z0-9][a-z0-9.-]*)(?::(\d{1,5}))?(?:\/[^@]*)?$/i.exec(text) ?? [];
  const meant = name === undefined ? 'mqtt://host:1883' : `mqtt://${name}:${port ?? DEFAULT_PORT}`;
  if (/^(wss?|https?|tcp):/i.test(text)) return { wrong: `only mqtt:// is understood; write ${meant}` };
  if (name !== undefined && !text.includes('://')) return { wrong: `the scheme is missing; write ${meant}` };
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    return { wrong: 'write the address of the broker: mqtt://host:1883' };
  }
  if (url.protocol !== 'mqtt:' || url.hostname === '') return { wrong: 'write the address of the broker: mqtt://host:1883' };
  if (url.username !== '' || url.password !== '')
    return { wrong: 'user name and password do not belong in the address; write username: and password: beside it' };
  if ((url.pathname !== '' && url.pathname !== '/') || url.search !== '' || url.hash !== '')
    return { wrong: `nothing comes after the port, and topics are made by the gateway; write ${meant}` };
  return { host: url.hostname.toLowerCase().replace(/^\[|\]$/g, ''), port: url.port === '' ? DEFAULT_PORT : Number(url.port) };
}

/** The keys that all dialects share, and one for each dialect that has options: it stands under the dialect's name. */
export function mqttForwarderSchema(dialects: readonly Dialect[]) {
  const own = Object.fromEntries(
    dialects.flatMap(({ name, options }) => (options === undefined ? [] : [[name, options.optional()] as const])),
  );
  return z.strictObject({ ...shared(dialects), ...own }).superRefine((settings: Record<string, unknown>, ctx) => {
    for (const { name, options } of dialects) {
      const written = settings[name] !== undefined;
      if (written && settings.format !== name)
        ctx.addIssue({ code: 'custom', path: [name], message: `this belongs to format: ${name}; write that, or remove it` });
      if (!written && settings.format === name && options?.safeParse(undefined).success === false)
        ctx.addIssue({ code: 'custom', path: ['format'], message: `format: ${name} needs more; write ${name}: beside it` });
    }
  });
}

const shared = (dialects: readonly Dialect[]) => ({
  url: z
    .string()
    .superRefine((text, ctx) => {
      const parsed = parseBrokerUrl(text);
      if ('wrong' in parsed) ctx.addIssue({ code: 'custom', message: parsed.wrong });
    })
    .describe('The broker: `mqtt://host:port`. Without a port it is 1883.'),
  username: z.string().min(1).max(256).optional().describe('User name at the broker.'),
  password: secret().optional().describe('Password at the broker, best as `{file: …}`.'),
  clientId: z
    .string()
    .min(1)
    .max(128)
    .optional()
    .describe(
      'MQTT client id. Without it: one made of the gateway id and the name of the forwarder. Two clients of a broker must not share one.',
    ),
  format: z
    .enum(dialects.map((d) => d.name))
    .prefault('json')
    .describe(`Topics and payloads: ${dialects.map((d) => `\`${d.name}\`, ${d.doc}`).join('; ')}.`),
  from: z
    .enum(['oldest', 'now'])
    .prefault('oldest')
    .describe('Where a new forwarder starts: with the oldest kept reading, or with new readings only.'),
  batch: z
    .strictObject({
      maxReadings: z
        .number()
        .int()
        .min(1)
        .max(10_000)
        .prefault(1000)
        .describe('A batch leaves when it holds this many readings.'),
      maxAge: duration({ min: 1, max: 3_600_000 })
        .prefault('1s')
        .describe(
          'A batch leaves when its oldest reading has waited this long. It leaves earlier after a quarter of this time without a new reading.',
        ),
    })
    .prefault({})
    .describe('How readings are collected into batches.'),
  commands: grantSchema()
    .optional()
    .describe('Commands that this broker may send on `…/command`. Without this key it may send none.'),
});

/** After the configuration was loaded; secrets are read. */
export interface MqttForwarderSettings {
  readonly url: string;
  readonly username?: string | undefined;
  readonly password?: SecretText | undefined;
  readonly clientId?: string | undefined;
  /** The name of a dialect; its options stand under that name. */
  readonly format: string;
  readonly commands?: Grant | undefined;
  readonly [dialect: string]: unknown;
  readonly from: 'oldest' | 'now';
  /** maxAge in milliseconds. */
  readonly batch: { readonly maxReadings: number; readonly maxAge: number };
}

/** Two forwarders to one broker and topic root would send everything twice. */
export function mqttDestination(settings: Readonly<Record<string, unknown>>, dialects: readonly Dialect[]): string {
  const parsed = parseBrokerUrl(String(settings.url));
  const root = dialects.find((d) => d.name === settings.format)?.root;
  return 'wrong' in parsed ? String(settings.url) : `${parsed.host}:${parsed.port}, topics under ${root}`;
}
