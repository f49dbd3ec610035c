/**
 * A device of Azure IoT Hub: docs/reference/formats/azure-iot-hub.md. Facts are from "Communicate with an IoT hub using the MQTT
 * protocol" (learn.microsoft.com/azure/iot/iot-mqtt-connect-to-iot-hub) and from the page of quotas beside it.
 *
 * - The hub knows one topic of a device. What a message is stands in the properties of its topic, and in its payload.
 * - It keeps no retained messages and gives no reasons, so nothing is retained, and words are made here.
 * - A token ends at a time. The gateway comes back with a new one before that, and says no goodbye to receivers.
 */
import { COMPRESSIONS, isCompression } from '../../../../codecs/compress.ts';
import type { Payload } from '../../../../codecs/format.ts';
import { markedJson } from '../../../../codecs/format-json.ts';
import { noticeJson } from '../../../../codecs/notice-json.ts';
import { toError } from '../../../../core/errors.ts';
import type { AnswerKind, DialectContext, LogDialect, LogSpeaker, OutMessage } from '../../dialect.ts';
import { ConnectError } from '../../retry-plan.ts';
import { fittingAnswer, inventoryParts } from '../fitting.ts';
import { commandOf, METHODS, methodOf, statusOf } from './methods.ts';
import { type AzureOptions, faults, options } from './options.ts';
import { keyOf, sasToken } from './token.ts';
import { type Attempted, azureWords } from './words.ts';

const API = '2021-04-12';
/** Bytes of a payload: the hub takes 256 kB with the properties. */
export const MOST_PAYLOAD = 254_000;
/** Bytes of the answer to a method. */
const MOST_ANSWER = 120_000;
/** Bytes of a call with its topic. The payload of a method has 128 kB at most; a longer one than methods.ts takes gets an answer. */
const MOST_COMMAND = 132 * 1024;
/** A token is renewed after this part of the time that it holds, at the latest. */
const RENEW = 0.8;
const CODINGS = { none: 'utf-8', gzip: 'gzip', brotli: 'br', zstd: 'zstd' } as const;

export const azureIotHubDialect: LogDialect = {
  kind: 'log',
  name: 'azure-iot-hub',
  doc: 'for Azure IoT Hub',
  ruleMessages: 'Azure IoT Hub is no broker of free topics and ends a connection that uses one',
  root: (written) => `devices/${(written as AzureOptions | undefined)?.device}`,
  options,
  faults,
  format: markedJson,
  compress: COMPRESSIONS,
  create: speaker,
};

function speaker(context: DialectContext): LogSpeaker {
  const { status, inventory, command, memory, now, clockKnown, compress } = context;
  const { device, key, hub, validity, perSecond } = context.options as AzureOptions;
  const events = `devices/${device}/messages/events/`;
  const commands = `devices/${device}/messages/devicebound/`;
  const coding = isCompression(compress) ? CODINGS[compress] : CODINGS.none;
  let attempted: Attempted = { hub: '', device, ends: undefined, clockKnown: true };
  let life = lifeOf(memory.load());
  let leftOut = 0;

  /** @param mark names the message for receivers that know it again; undefined: it has none */
  const message = (
    kind: string,
    payload: Payload,
    mark?: string,
    { encoding = 'utf-8', ...more }: Readonly<Record<string, string>> = {},
  ): OutMessage => {
    const system = { '$.ct': 'application/json', '$.ce': encoding, ...(mark === undefined ? {} : { '$.mid': mark }) };
    return { topic: events + bag({ ...system, kind, ...more }), payload, qos: 1, retain: false };
  };
  // Parts of a resend have one id, so they have no mark.
  const answer = (kind: AnswerKind, id: string): OutMessage =>
    message(kind, '', kind === 'resend' ? undefined : `${kind}.${id}`, { id });
  const offline = message('status', '{"v":1,"online":false}');

  return {
    limits: {
      payload: MOST_PAYLOAD,
      messages: { perSecond, atOnce: Math.min(perSecond, 20) },
      command: MOST_COMMAND,
      connectEvery: 1500,
    },
    login({ host }) {
      const name = hub ?? host;
      const user = { clientId: device, username: `${name}/${device}/?api-version=${API}` };
      attempted = { hub: name, device, ends: undefined, clockKnown: clockKnown() };
      if (key === undefined) return user;
      let bytes: Uint8Array;
      try {
        bytes = keyOf(key.fresh(), { hub: name, device });
      } catch (thrown) {
        const error = toError(thrown);
        throw new ConnectError('files', `the gateway cannot log in at ${name}: ${error.message}`, error);
      }
      const ends = Math.floor((now() + validity) / 1000);
      attempted = { ...attempted, ends: ends * 1000 };
      return { ...user, password: sasToken({ hub: name, device, key: bytes, ends }), renewAfter: validity * RENEW };
    },
    explain: (error) => azureWords(error, attempted),
    will() {
      life = (life + 1) % Number.MAX_SAFE_INTEGER;
      memory.save({ life });
      return offline;
    },
    ...(command === undefined ? {} : { subscriptions: [METHODS, `${commands}#`] }),
    received(topic, payload, retained) {
      const method = methodOf(topic);
      if (method !== undefined)
        command?.(
          Buffer.from(JSON.stringify(commandOf(method, payload, life))),
          retained,
          (kind, id, json) =>
            kind === 'resend' ? answer(kind, id).topic : `$iothub/methods/res/${statusOf(json)}/?$rid=${method.request}`,
          (json) => fittingAnswer(json, MOST_ANSWER),
        );
      else if (topic.startsWith(commands))
        command?.(
          payload,
          retained,
          (kind, id) => answer(kind, id).topic,
          (json) => fittingAnswer(json, MOST_PAYLOAD),
        );
      return undefined;
    },
    *greet() {
      yield message('status', status());
      const made = inventoryParts(inventory(), MOST_PAYLOAD);
      for (const part of made.parts) yield message('inventory', part);
      if (made.leftOut.length > 0 && made.leftOut.length !== leftOut)
        context.event('overload', `The inventory of ${made.leftOut.length} devices is too large for Azure IoT Hub.`, {
          forwarder: context.forwarder,
          leftOut: made.leftOut.length,
        });
      leftOut = made.leftOut.length;
    },
    farewell: () => [message('status', '{"v":1,"online":false,"reason":"stopped"}')],
    *batch({ lane, messages }) {
      for (const { to, payload } of messages) yield message(lane, payload, to, { encoding: coding });
    },
    channel: ({ kind, key: name }) => (kind === 'alarm' ? `alarm/${name}` : 'event'),
    *notice({ kind, key: name, seq, json }) {
      const { log } = JSON.parse(json) as { readonly log?: unknown };
      yield message(kind, noticeJson(kind, json), `${String(log)}.${seq}`, kind === 'alarm' ? { rule: name } : { event: name });
    },
  };
}

/** Properties as they stand in a topic. */
function bag(properties: Readonly<Record<string, string>>): string {
  return Object.entries(properties)
    .map((pair) => pair.map(encodeURIComponent).join('='))
    .join('&');
}

function lifeOf(kept: unknown): number {
  const { life } = (typeof kept === 'object' && kept !== null ? kept : {}) as { life?: unknown };
  return typeof life === 'number' && Number.isSafeInteger(life) ? life : 0;
}
