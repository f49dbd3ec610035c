/**
 * The gateway API of ThingsBoard over MQTT: docs/reference/formats/thingsboard.md.
 *
 * - A device is connected before anything else is said of it. It is disconnected when it has been silent for SILENT_BATCHES, and when
 *   the configuration has it no more.
 * - The number of a remote call is that of a session of the platform and begins again. The id of our command therefore has the
 *   number of the connection in it, which outlives the gateway.
 */
import * as z from 'zod';
import { thingsboard } from '../../../../codecs/format-thingsboard.ts';
import type { DialectContext, LogDialect, LogSpeaker, OutMessage } from '../../dialect.ts';
import { fittingAnswer } from '../fitting.ts';
import { attributeParts } from './attributes.ts';
import { type Call, callOf, commandOf } from './calls.ts';
import { thingsboardWords } from './words.ts';

const CALLS = 'v1/gateway/rpc';
/** The topic for values of the gateway itself. */
const OWN = 'v1/devices/me/telemetry';
/** Batches of current readings without a word of a device: one may lack a device that is asked more slowly. */
const SILENT_BATCHES = 2;
/** Bytes of a payload: the platform ends a connection that sends a packet of more than 64 KiB, unless its operator raised this. */
const MOST_PAYLOAD = 64_000;
/** Bytes of the answer to a call; the name of its device stands beside it. */
const MOST_ANSWER = 50_000;
/** Devices whose silence is counted. */
const MAX_DEVICES = 1000;

const options = z
  .strictObject({
    perSecond: z
      .number()
      .int()
      .min(1)
      .max(1000)
      .optional()
      .describe(
        'Messages a second at most, where the platform ends connections that send more (the rate limits of its tenant profile).',
      ),
  })
  .describe('Of `format: thingsboard`.');

export const thingsboardDialect: LogDialect = {
  kind: 'log',
  name: 'thingsboard',
  doc: 'for ThingsBoard',
  root: 'v1/gateway',
  ruleMessages: 'ThingsBoard takes the topics of its own API alone',
  format: thingsboard,
  options: options.optional(),
  create: speaker,
};

interface Inventory {
  readonly devices?: Readonly<
    Record<
      string,
      {
        readonly bus?: string;
        readonly profile?: string;
        readonly points?: Readonly<
          Record<string, { readonly type: string; readonly unit?: string; readonly writable?: boolean }>
        >;
      }
    >
  >;
}

function speaker({ options: written, inventory, command, memory, clock }: DialectContext): LogSpeaker {
  const { perSecond } = options.parse(written ?? {});
  /** Batches in a row in which a device said nothing. */
  const silent = new Map<string, number>();
  const isDown = (device: string): boolean => (silent.get(device) ?? 0) >= SILENT_BATCHES;
  const devicesOf = () => Object.entries((JSON.parse(inventory()) as Inventory).devices ?? {});
  /** Devices of the configuration, as the connection was greeted last. */
  let known: ReadonlySet<string> = new Set();
  let life = lifeOf(memory.load());
  return {
    limits: { payload: MOST_PAYLOAD, ...(perSecond !== undefined && { messages: { perSecond, atOnce: 0 } }) },
    explain: thingsboardWords,
    will() {
      life = (life + 1) % Number.MAX_SAFE_INTEGER;
      memory.save({ life });
      known = new Set();
      // The platform sees the end of the connection by itself.
      return undefined;
    },
    ...(command === undefined ? {} : { subscriptions: [CALLS] }),
    received(_, payload, retained) {
      const call = callOf(payload);
      if (call === undefined) return undefined;
      const asked = commandOf(call, `tb-${life}`);
      command?.(
        Buffer.from(JSON.stringify(asked)),
        retained,
        () => CALLS,
        (json) => answerTo(call, fittingAnswer(json, MOST_ANSWER)),
      );
      return undefined;
    },
    *greet() {
      const attributes: [device: string, values: Record<string, unknown>][] = [];
      const devices = devicesOf();
      const before = known;
      known = new Set(devices.map(([device]) => device));
      for (const device of before) if (!known.has(device)) yield about('disconnect', { device });
      for (const [device, { bus, profile, points = {} }] of devices) {
        if (!isDown(device)) yield about('connect', { device, type: profile ?? 'default' });
        const values = {
          ...{ bus, profile },
          ...Object.fromEntries(
            Object.entries(points).flatMap(([name, { type, unit, writable }]) => [
              [`${name}.type`, type],
              ...(unit === undefined ? [] : [[`${name}.unit`, unit]]),
              [`${name}.writable`, writable ?? false],
            ]),
          ),
        };
        attributes.push([device, values]);
      }
      for (const part of attributeParts(attributes, MOST_PAYLOAD)) yield about('attributes', part);
    },
    farewell: () => [],
    *batch({ lane, messages }) {
      for (const { to, payload } of messages) {
        const [state = '', device = ''] = to.split(' ');
        const before = isDown(device);
        if (lane === 'data') count(silent, device, state === 'down');
        // A platform that gets telemetry of a device connects it by itself: what is late must not make a silent device alive.
        if (before && !isDown(device)) yield about('connect', { device });
        yield { topic: 'v1/gateway/telemetry', payload, qos: 1, retain: false };
        if (isDown(device) || !known.has(device)) yield about('disconnect', { device });
      }
    },
    channel: ({ kind, key }) => (kind === 'alarm' ? `${OWN} ${key}` : OWN),
    *notice({ kind, key, json }) {
      const notice = JSON.parse(json) as Record<string, unknown>;
      const { time = clock.wall(), log, seq } = notice;
      const values =
        kind === 'alarm'
          ? Object.fromEntries(
              ['state', 'severity', 'message', 'value', 'occurrence', 'cause', 'firstOut'].flatMap((name) =>
                notice[name] === undefined || notice[name] === null ? [] : [[`alarm.${key}.${name}`, notice[name]]],
              ),
            )
          : { event: key, 'event.json': json };
      yield { topic: OWN, payload: JSON.stringify({ ts: time, values: { ...values, log, seq } }), qos: 1, retain: false };
    },
  };
}

function about(what: 'connect' | 'disconnect' | 'attributes', content: object): OutMessage {
  return { topic: `v1/gateway/${what}`, payload: JSON.stringify(content), qos: 1, retain: false };
}

function answerTo({ device, id }: Call, json: string): string {
  return JSON.stringify({ device, id, data: JSON.parse(json) });
}

function count(silent: Map<string, number>, device: string, down: boolean): void {
  if (!down) silent.delete(device);
  else if (silent.has(device) || silent.size < MAX_DEVICES)
    silent.set(device, Math.min(SILENT_BATCHES, (silent.get(device) ?? 0) + 1));
}

function lifeOf(kept: unknown): number {
  const { life } = (typeof kept === 'object' && kept !== null ? kept : {}) as { life?: unknown };
  return typeof life === 'number' && Number.isSafeInteger(life) ? life : 0;
}
