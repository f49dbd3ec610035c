/** What a person writes under `forwarders.<name>` for `type: mqtt`. The topic root is always sluice/<gateway id>. */
import * as z from 'zod';
import type { Compression } from '../../codecs/compress.ts';
import { upstreamGrantSchema } from '../../config/grants.ts';
import { purposeKey } from '../../config/privacy-keys.ts';
import { duration, fileName, secret, size, textOrSource } from '../../config/schema-parts.ts';
import { MISSING } from '../../config/zod-words.ts';
import type { Grant } from '../../core/remote-commands.ts';
import type { SecretText } from '../../core/secret.ts';
import { platformSchema } from '../bundle/schema.ts';
import { type BrokerAddress, hostAndPort, parseBrokerUrl, parseProxyUrl, usesTls } from './address.ts';
import { budgetKey } from './budget/budget-key.ts';
import type { Budget } from './budget/purse.ts';
import type { Dialect } from './dialect.ts';
import { batchFaults, budgetFaults, compressKey, formatWords, mostReadings, readingsWords } from './dialect-keys.ts';
import { type FilterSettings, filterFaults, filterKey } from './filter-keys.ts';
import type { TlsSettings } from './wire/tls-material.ts';

/** The keys that all dialects share, and one for each dialect that has options: it stands under the dialect's name. */
export function mqttForwarderSchema(dialects: readonly Dialect[]) {
  const own = Object.fromEntries(
    dialects.flatMap(({ name, options }) => (options === undefined ? [] : [[name, options.optional()] as const])),
  );
  return z.strictObject({ ...shared(dialects), ...own }).superRefine((settings: Record<string, unknown>, ctx) => {
    checkTls(settings, ctx);
    for (const fault of batchFaults(settings, dialects)) ctx.addIssue({ code: 'custom', ...fault });
    for (const fault of budgetFaults(settings, dialects)) ctx.addIssue({ code: 'custom', ...fault });
    for (const fault of filterFaults(settings, dialects)) ctx.addIssue({ code: 'custom', ...fault });
    for (const key of ['sessionExpiry', 'messageExpiry', 'userProperties'])
      if (settings[key] !== undefined && settings.protocol !== 5)
        ctx.addIssue({
          code: 'custom',
          path: [key],
          message: 'MQTT 3.1.1 has no such thing; write protocol: 5 beside it, or remove this',
        });
    for (const { name, options } of dialects) {
      const written = settings[name] !== undefined;
      if (written && settings.format !== name)
        ctx.addIssue({ code: 'custom', path: [name], message: `this belongs to format: ${name}; write that, or remove it` });
      if (!written && settings.format === name && options?.safeParse(undefined).success === false)
        ctx.addIssue({ code: 'custom', path: ['format'], message: `format: ${name} needs more; write ${name}: beside it` });
    }
  });
}

function checkTls({ url, tls }: Record<string, unknown>, ctx: z.RefinementCtx): void {
  const parsed = urlsOf(url).map(parseBrokerUrl);
  const known = parsed.filter((one): one is BrokerAddress => !('wrong' in one));
  if (known.length < parsed.length) return;
  const address = known.find((one) => !usesTls(one));
  if (address === undefined) return;
  if (known.some(usesTls))
    ctx.addIssue({
      code: 'custom',
      path: ['url'],
      message:
        'all brokers of a forwarder are reached with TLS, or none: its password would cross the network in clear text; write TLS addresses only, or make two forwarders',
    });
  if (tls === undefined) return;
  const scheme = address.scheme === 'ws' ? 'wss' : 'mqtts';
  ctx.addIssue({
    code: 'custom',
    path: ['tls'],
    message: `the address of the broker begins with ${address.scheme}://, which is without TLS; write ${scheme}:// there, or remove this`,
  });
}

/** Addresses of one forwarder. */
const MOST_BROKERS = 8;
const FINGERPRINT = /^[0-9a-fA-F]{2}(:?[0-9a-fA-F]{2}){31}$/;

const tls = z
  .strictObject({
    ca: fileName()
      .optional()
      .describe(
        'PEM file with the certificates of the authorities that may sign the certificate of the broker. Without it: the public authorities that Node.js comes with.',
      ),
    cert: fileName()
      .optional()
      .describe(
        'PEM file with the certificate of this gateway, and those between it and its authority, where the broker demands one.',
      ),
    key: fileName().optional().describe('PEM file with the private key of `cert`, without a passphrase.'),
    fingerprint: z
      .string({ error: 'write the SHA-256 of the certificate in quotes: 64 hexadecimal digits, with or without colons' })
      .regex(FINGERPRINT, {
        error:
          'this is the SHA-256 of a certificate: 64 hexadecimal digits, with or without colons (openssl x509 -fingerprint -sha256)',
      })
      .transform((text) => text.replaceAll(':', '').toLowerCase())
      .optional()
      .describe(
        'SHA-256 of the certificate of the broker. Any other certificate is refused before anything is sent. Without `ca` this one needs no authority, and its names and dates are not looked at.',
      ),
    serverName: z
      .string()
      .min(1)
      .max(253)
      .optional()
      .describe(
        'Name that is sent to the broker (SNI) and that its certificate has to carry. Without it: the host of the address.',
      ),
    alpn: z
      .array(z.string().min(1).max(255))
      .min(1)
      .max(8)
      .optional()
      .describe('Protocols that are offered in the handshake (ALPN), where one port serves several.'),
  })
  .superRefine(({ cert, key }, ctx) => {
    if ((cert === undefined) === (key === undefined)) return;
    const missing = cert === undefined ? 'cert' : 'key';
    ctx.addIssue({ code: 'custom', message: `a certificate and its private key belong together; write ${missing}: as well` });
  });

const proxyUrl = z
  .string()
  .superRefine((text, ctx) => {
    const parsed = parseProxyUrl(text);
    if ('wrong' in parsed) ctx.addIssue({ code: 'custom', message: parsed.wrong });
  })
  .describe('`http://host:port` or `socks5://host:port`.');

const proxy = z
  .union(
    [
      proxyUrl,
      z.strictObject({
        url: proxyUrl,
        username: textOrSource(255).optional().describe('User name at the proxy.'),
        password: secret().optional().describe('Password at the proxy, best as `{file: …}`.'),
      }),
    ],
    {
      error: ({ input }) =>
        typeof input === 'object' && input !== null
          ? undefined
          : 'write the address of the proxy: http://host:3128 or socks5://host:1080',
    },
  )
  .transform((written) => (typeof written === 'string' ? { url: written } : written));

const brokerUrl = z.string().superRefine((text, ctx) => {
  const parsed = parseBrokerUrl(text);
  if ('wrong' in parsed) ctx.addIssue({ code: 'custom', message: parsed.wrong });
});

const shared = (dialects: readonly Dialect[]) => ({
  url: z
    .union(
      [
        brokerUrl,
        z
          .array(brokerUrl)
          .min(1)
          .max(MOST_BROKERS)
          .refine((urls) => new Set(urls.map(brokerOf)).size === urls.length, {
            error: 'a broker stands in this list twice; remove one of them',
          }),
      ],
      {
        error: ({ input }) =>
          typeof input === 'string' || Array.isArray(input)
            ? undefined
            : `${input === undefined ? `${MISSING}; ` : ''}write the address of the broker: mqtt://host:1883, or a list of such addresses`,
      },
    )
    .describe(
      'The broker: `mqtt://host:port` (without a port 1883), `mqtts://host:port` with TLS (8883), or `ws://host:port/path` and `wss://host:port/path` for MQTT over WebSocket (80 and 443, `/mqtt`). A list names several in order. Where one does not take the gateway, or acknowledges nothing on two connections in a row, the next one is tried. The gateway goes back to the first when it answers again.',
    ),
  tls: tls
    .optional()
    .describe('How the broker proves itself over TLS, and this gateway to it. Files are read at each connection.'),
  proxy: proxy
    .optional()
    .describe(
      'A proxy on the way: `http://host:port` (CONNECT) or `socks5://host:port`. The proxy looks up the name of the broker.',
    ),
  protocol: z
    .union([z.literal('3.1.1'), z.literal(5)], { error: 'write 3.1.1 or 5' })
    .prefault('3.1.1')
    .describe(
      'Version of MQTT. Every broker takes `3.1.1`. With `5` a broker says why it refuses something, and what its limits are; the gateway keeps them.',
    ),
  sessionExpiry: duration({ min: 0, max: 30 * 86_400_000 })
    .optional()
    .describe(
      'With MQTT 5: how long the broker keeps the subscriptions of the gateway after a lost connection, and commands that come in that time. Without this key the broker forgets them at once.',
    ),
  messageExpiry: duration({ min: 1000, max: 3650 * 86_400_000 })
    .optional()
    .describe('With MQTT 5: how long the broker offers a message to receivers that are away. Retained messages stay.'),
  userProperties: z
    .record(z.string().min(1).max(64), z.string().max(256))
    .refine((pairs) => Object.keys(pairs).length <= 16, 'at most 16 of them')
    .optional()
    .describe(
      'With MQTT 5: names and texts that go with the log-in and with each message, for rules of the broker. Each costs its bytes.',
    ),
  username: textOrSource(256).optional().describe('User name or token at the broker. In a file it is read at each connection.'),
  password: secret().optional().describe('Password at the broker, best as `{file: …}`. In a file it is read at each connection.'),
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
    .describe(formatWords(dialects)),
  compress: compressKey(),
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
        .max(mostReadings(dialects))
        .prefault(1000)
        .describe(
          `A batch leaves when it holds this many readings. A slow line gets smaller batches. ${readingsWords(dialects)}`,
        ),
      maxAge: duration({ min: 1, max: 3_600_000 })
        .prefault('1s')
        .describe(
          'A batch leaves when its oldest reading has waited this long. It leaves earlier after a quarter of this time without a new reading.',
        ),
    })
    .prefault({})
    .describe('How readings are collected into batches.'),
  filter: filterKey(),
  purpose: purposeKey(),
  history: z
    .strictObject({
      rate: size({ min: 16 })
        .prefault('10MB')
        .describe(
          'Bytes a second of `history`, at most. Payloads count. Two seconds of it may leave at once. Where many gateways return together, write the share of one.',
        ),
    })
    .prefault({})
    .describe('How readings that an outage kept back are sent.'),
  platform: platformSchema().optional(),
  budget: budgetKey(),
  commands: upstreamGrantSchema()
    .optional()
    .describe('Commands that this broker may send on `…/command`. Without this key it may send none.'),
});

export interface Login {
  readonly username?: string | SecretText | undefined;
  readonly password?: SecretText | undefined;
}

/** After the configuration was loaded; secrets are read. */
export interface MqttForwarderSettings extends Login {
  readonly url: string | readonly string[];
  readonly tls?: TlsSettings | undefined;
  readonly proxy?: (Login & { readonly url: string }) | undefined;
  readonly protocol: '3.1.1' | 5;
  /** Milliseconds. */
  readonly sessionExpiry?: number | undefined;
  readonly messageExpiry?: number | undefined;
  readonly userProperties?: Readonly<Record<string, string>> | undefined;
  readonly clientId?: string | undefined;
  /** The name of a dialect; its options stand under that name. */
  readonly format: string;
  readonly compress: Compression | 'none';
  readonly commands?: Grant | undefined;
  readonly filter?: FilterSettings | undefined;
  readonly [dialect: string]: unknown;
  readonly from: 'oldest' | 'now';
  /** maxAge in milliseconds. */
  readonly batch: { readonly maxReadings: number; readonly maxAge: number };
  /** Bytes a second. */
  readonly history: { readonly rate: number };
  readonly budget?: Budget | undefined;
}

/** Two forwarders to one broker and topic root would send everything twice. */
export function mqttDestination(settings: Readonly<Record<string, unknown>>, dialects: readonly Dialect[]): string[] {
  const dialect = dialects.find((d) => d.name === settings.format);
  const root = typeof dialect?.root === 'function' ? dialect.root(settings[dialect.name]) : dialect?.root;
  return urlsOf(settings.url).map((url) => {
    const broker = brokerOf(url);
    return broker === url ? url : `${broker}, topics under ${root}`;
  });
}

/** One text for all ways to write an address; what is none stays as it is. */
function brokerOf(url: string): string {
  const parsed = parseBrokerUrl(url);
  return 'wrong' in parsed ? url : `${hostAndPort(parsed)}${parsed.path}`;
}

function urlsOf(url: unknown): string[] {
  return [url].flat().filter((one) => typeof one === 'string');
}
