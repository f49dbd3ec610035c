/**
 * AWS IoT Core: docs/reference/formats/aws-iot.md. Facts are from "AWS IoT Core endpoints and quotas"
 * (docs.aws.amazon.com/general/latest/gr/iot-core.html) and "MQTT" in its developer guide.
 *
 * - The topics and batches are those of `json`. With basic ingest, batches go past the broker to a rule.
 * - What leaves stays below each quota: the broker drops what exceeds one, and says nothing.
 */
import * as z from 'zod';
import { COMPRESSIONS } from '../../../../codecs/compress.ts';
import { json } from '../../../../codecs/format-json.ts';
import { parseBrokerUrl, usesTls } from '../../address.ts';
import type { DialectContext, LogDialect, LogSpeaker, OutMessage, SettingsFault } from '../../dialect.ts';
import type { PlatformLimits } from '../../platform.ts';
import { ConnectError } from '../../retry-plan.ts';
import { fittingAnswer, inventoryParts } from '../fitting.ts';
import { OWN_ROOT, ownTopics } from '../own-topics.ts';
import { apart, InventoryTopics } from './inventory-topics.ts';
import { awsWords } from './words.ts';

/** Below the quotas of a connection: 128 kB, 100 messages and 512 kB a second with those that come in, 100 unacknowledged, one CONNECT a second. */
const LIMITS: PlatformLimits = {
  payload: 128_000,
  messages: { perSecond: 50, atOnce: 20 },
  bytes: { perSecond: 350_000, atOnce: 0 },
  retainedEvery: 1100,
  unacknowledged: 50,
  connectEvery: 1500,
};
/** Bytes of a client id. */
const MOST_CLIENT_ID = 128;
const ALPN = 'x-amzn-mqtt-ca';

const options = z
  .strictObject({
    basicIngest: z
      .string()
      .regex(/^[A-Za-z0-9_]{1,128}$/, { error: 'write the name of a rule: letters, digits and _' })
      .optional()
      .describe(
        'Name of a rule in AWS. `data` and `history` then go to it alone, on `$aws/rules/<rule>/sluice/<gateway>/…`, and cost less. No subscriber gets them.',
      ),
    retain: z
      .boolean()
      .prefault(true)
      .describe('Whether status, inventory and alarms are retained. The policy needs iot:RetainPublish for it.'),
  })
  .describe('Of `format: aws-iot`.');

export const awsIotDialect: LogDialect = {
  kind: 'log',
  name: 'aws-iot',
  doc: 'for AWS IoT Core',
  root: OWN_ROOT,
  // AWS IoT Core is a broker of free topics; its quota is 7 slashes and 256 bytes.
  ruleMessages: { levels: 8, bytes: 256 },
  options: options.optional(),
  faults,
  format: json,
  compress: COMPRESSIONS,
  create: speaker,
};

function* faults(settings: Readonly<Record<string, unknown>>): Generator<SettingsFault> {
  const urls = [settings.url].flat().map((url) => parseBrokerUrl(String(url)));
  if (urls.some((address) => !('wrong' in address) && !usesTls(address)))
    yield {
      path: ['url'],
      message: 'AWS IoT Core takes connections with TLS only; write mqtts:// and the endpoint of the account',
    };
  const { cert } = (settings.tls ?? {}) as { readonly cert?: unknown };
  if (cert === undefined && settings.username === undefined)
    yield {
      path: ['format'],
      message:
        'AWS IoT Core knows a gateway by its certificate; write tls: {cert: …, key: …}, or username: for an authorizer of your own',
    };
  if (typeof settings.clientId === 'string' && Buffer.byteLength(settings.clientId) > MOST_CLIENT_ID)
    yield { path: ['clientId'], message: `a client id has at most ${MOST_CLIENT_ID} bytes in AWS IoT Core; write a shorter one` };
}

function speaker(context: DialectContext): LogSpeaker {
  const { basicIngest, retain } = options.parse(context.options ?? {});
  const { gateway, forwarder, command, clientId } = context;
  const root = `${OWN_ROOT}/${gateway}`;
  const fits = (text: string): string => fittingAnswer(text, LIMITS.payload ?? 0);
  const own = ownTopics({
    ...context,
    command: command && ((payload, retained, topicOf) => command(payload, retained, topicOf, fits)),
  });
  const topics = new InventoryTopics(context.memory);
  let leftOut = 0;
  const dressed = (message: OutMessage): OutMessage => (retain ? message : { ...message, retain: false });

  function* inventory(message: OutMessage): Generator<OutMessage> {
    const made = inventoryParts(String(message.payload), LIMITS.payload ?? 0);
    if (retain) yield* topics.messages(message, made.parts);
    else yield* apart(message, made.parts);
    if (made.leftOut.length > 0 && made.leftOut.length !== leftOut)
      context.event('overload', `The inventory of ${made.leftOut.length} devices is too large for AWS IoT Core.`, {
        ...{ forwarder, leftOut: made.leftOut.length },
      });
    leftOut = made.leftOut.length;
  }

  return {
    ...own,
    limits: LIMITS,
    login() {
      if (Buffer.byteLength(clientId) <= MOST_CLIENT_ID) return {};
      throw new ConnectError(
        'files',
        `the client id ${clientId} has more than ${MOST_CLIENT_ID} bytes; write a shorter one as \`clientId\` of the forwarder`,
        undefined,
      );
    },
    // The port of the web takes MQTT for those that ask for it.
    alpn: ({ scheme, port }) => (scheme === 'mqtts' && port === 443 ? [ALPN] : undefined),
    explain: (error) => awsWords(error, clientId),
    will() {
      const will = own.will();
      return will && dressed(will);
    },
    *greet() {
      for (const message of own.greet()) {
        if (message.topic === `${root}/inventory`) yield* inventory(dressed(message));
        // Where nothing is retained, nothing is to be cleared.
        else if (message.payload === '' && !retain) message.taken?.();
        else yield dressed(message);
      }
    },
    *farewell() {
      for (const message of own.farewell()) yield dressed(message);
    },
    *batch(batch) {
      for (const message of own.batch(batch))
        yield basicIngest === undefined ? message : { ...message, topic: `$aws/rules/${basicIngest}/${message.topic}` };
    },
    *notice(notice) {
      for (const message of own.notice(notice)) yield dressed(message);
    },
  };
}
