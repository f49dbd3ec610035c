/** One speaker of each dialect, without a connection: everything that it says and hears. */
import assert from 'node:assert/strict';
import type { FormatOptions, Payload } from '../../src/codecs/format.ts';
import { FORMATS } from '../../src/codecs/formats.ts';
import type { LatestValue } from '../../src/core/ports.ts';
import type { SiteFacts } from '../../src/core/site-facts.ts';
import { matches } from '../../src/core/topic-filter.ts';
import type {
  Dialect,
  LiveSpeaker,
  LogDialectContext,
  LogSpeaker,
  OutMessage,
  Speaker,
} from '../../src/forwarders/mqtt/dialect.ts';
import type { OutBatch, OutNotice } from '../../src/store/delivery/out.ts';
import { ManualClock } from '../fakes/manual-clock.ts';
import { formatCases } from './format-case.ts';

export const GATEWAY = 'g_1';
const TIME = 1_795_000_000_000;

export type Incoming = readonly [topic: string, payload: Payload];
/** What a walk takes to its end. */
export interface Ears {
  readonly sent: (message: OutMessage) => void;
  readonly came: (topic: string, payload: Payload) => void;
  /** A command of the contract that the dialect made of a message. */
  readonly commanded: (payload: string) => void;
}
export interface WalkOf {
  readonly dialect: Dialect;
  /** As a person writes them under the name of the dialect. */
  readonly options?: object;
  /** Messages of the platform that a speaker gets once it is greeted, and one that it needs before that. */
  readonly incoming?: readonly Incoming[];
  readonly first?: Incoming;
  /** The inventory has so many points more for a while, for platforms with small messages. */
  readonly morePoints?: number;
}

/** Devices of golden batches, and one whose points can be written. */
function devicesOf(more = 0): Record<string, object> {
  const point = { type: 'uint16', unit: 'Hz', writable: false };
  const points = Object.fromEntries(Array.from({ length: more / 2 }, (_, i) => [`point-${i}`, point]));
  const large = { bus: 'plant', points };
  const speed = { ...point, writable: true };
  return {
    room: {
      ...{ bus: 'plant', profile: 'xy-md02' },
      points: { setpoint: { type: 'int16', unit: 'Cel', writable: true }, fan: { type: 'bool', writable: true } },
    },
    pump: { bus: 'plant', points: { speed, on: { type: 'bool', writable: false } } },
    tank: { bus: 'plant', points: { level: point } },
    ...(more > 0 && { one: large, two: large }),
  };
}

const alarm = (rule: string, more: object = {}) => ({
  ...{ v: 1, log: 'd42fdf5aac', seq: 9, rule, occurrence: 2, state: 'active-unacknowledged', severity: 'critical' },
  ...{ value: 6.6, time: TIME, message: 'Pressure above 6 bar.', cause: 'delay', firstOut: true, ...more },
});
const event = {
  ...{ v: 1, log: 'd42fdf5aac', seq: 10, time: TIME, event: 'start', severity: 'info', message: 'The gateway started (b1).' },
  data: { boot: 'b1', version: '0.1.0', recoveredRecords: 0 },
};

const RESULTS = (id: string): readonly object[] => [
  { v: 1, id, do: 'write', target: 'pump.speed', ok: true, time: TIME, result: { value: 40, unit: 'Hz', readBack: true } },
  { ...{ v: 1, id, do: 'read', target: 'pump', ok: false, time: TIME, code: 'timeout', message: 'pump does not answer' } },
];
const PART = {
  ...{ v: 1, part: 0, gateway: GATEWAY, log: 'd42fdf5aac', boot: 'b1', first: 1, last: 1 },
  records: [{ seq: 1, device: 'pump', time: TIME, values: { speed: 40 } }],
};

/** @throws AssertionError: the dialect does not publish one of the named topics, or makes no command of a message */
export function walk({ dialect, options, incoming = [], first, morePoints = 0 }: WalkOf, ears: Ears): void {
  let devices = devicesOf();
  let greetAsked = false;
  const rules = [{ name: 'high', device: 'pump', group: 'pumps' }];
  const latest = new Map<string, LatestValue>(
    [
      { device: 'room', point: 'setpoint', type: 'int16', time: TIME, value: 21, unit: 'Cel', reason: 0 },
      { device: 'room', point: 'fan', type: 'bool', time: TIME, value: true, reason: 0 },
      { device: 'pump', point: 'speed', type: 'uint16', time: TIME, value: null, unit: 'Hz', reason: 1 },
    ].map((one) => [`${one.device}.${one.point}`, one]),
  );
  const site: SiteFacts = {
    point: (_, point) => (point === 'setpoint' ? { write: { min: 5, max: 30, step: 0.5 } } : { write: {} }),
    made: (device) => (device === 'room' ? { vendor: 'Acme', model: 'M-1' } : undefined),
    rules: () => rules,
    alarms: () => [{ kind: 'alarm', key: 'high', seq: 9, json: JSON.stringify(alarm('high')) }],
  };
  const clock = new ManualClock();
  let memory: unknown;
  const say = (all: Iterable<OutMessage>): void => {
    for (const message of all) {
      ears.sent(message);
      message.taken?.();
    }
  };
  let commands = 0;
  const context: LogDialectContext = {
    ...{ gateway: GATEWAY, forwarder: 'cloud', clientId: 'g_1-cloud', compress: 'none', clock, goneRules: ['gone'] },
    ...{ options: dialect.options === undefined ? undefined : dialect.options.parse(options) },
    ...{ now: () => TIME, clockKnown: () => true },
    memory: {
      load: () => memory,
      save: (state) => {
        memory = structuredClone(state);
      },
    },
    status: () =>
      JSON.stringify({
        ...{ v: 1, online: true, time: TIME, boot: 'b1', version: '0.1.0', configuration: { origin: 'file' } },
        health: { ready: true, buses: { open: 1, of: 1 }, devices: { answering: 3, of: 4 } },
      }),
    inventory: () => JSON.stringify({ v: 1, revision: 1, devices }),
    hasRule: (rule) => rules.some(({ name }) => name === rule),
    latest: { get: (device, point) => latest.get(`${device}.${point}`), all: () => latest.values() },
    ...{ site, mayWrite: () => true, event: () => {} },
    command(payload, _retained, topicOf, payloadOf = (json): string | undefined => json) {
      commands++;
      const text = Buffer.from(payload).toString();
      ears.commanded(text);
      const { id } = JSON.parse(text) as { readonly id: string };
      for (const json of RESULTS(id).map((one) => JSON.stringify(one))) {
        const made = payloadOf(json);
        if (made !== undefined) say([{ topic: topicOf('result', id, made), payload: made, qos: 1, retain: false }]);
      }
      // A platform with topics of its own for calls has no place for records.
      if ((JSON.parse(text) as { readonly do: string }).do !== 'resend') return;
      const part = JSON.stringify(PART);
      say([{ topic: topicOf('resend', id, part), payload: part, qos: 1, retain: false }]);
    },
    delivery: {
      greet: () => {
        greetAsked = true;
      },
      ...{ proven: () => Promise.resolve(), again: () => {}, leave: () => {}, next: () => {} },
      say: (all) => Promise.resolve(say(all)),
    },
  };
  const speaker = dialect.create(context) as Speaker;
  const hear = ([topic, payload]: Incoming): void => {
    assert.ok(
      speaker.subscriptions?.some((filter) => matches(filter, topic)),
      `${dialect.name} does not ask for ${topic}`,
    );
    ears.came(topic, payload);
    speaker.received?.(topic, typeof payload === 'string' ? Buffer.from(payload) : payload, false);
  };
  const greet = (): void => {
    greetAsked = false;
    say(speaker.greet());
  };
  const will = speaker.will();
  if (will !== undefined) say([will]);
  if (first !== undefined) hear(first);
  greet();
  for (const message of incoming) hear(message);
  if (dialect.kind === 'log')
    for (const batch of batches(dialect.format.name, (speaker as LogSpeaker).formatOptions)) {
      say((speaker as LogSpeaker).batch(batch));
      if (!greetAsked) continue;
      // It has points that nobody knew, and comes again behind the births.
      greet();
      say((speaker as LogSpeaker).batch(batch));
    }
  if (dialect.kind === 'log') for (const notice of NOTICES) say((speaker as LogSpeaker).notice(notice));
  else {
    for (const device of Object.keys(devices)) say((speaker as LiveSpeaker).values(device, []));
    say((speaker as LiveSpeaker).alarm({ kind: 'alarm', key: 'high', seq: 9, json: JSON.stringify(alarm('high')) }));
  }
  // The inventory grows, and a device and a rule go.
  devices = devicesOf(morePoints);
  greet();
  devices = devicesOf();
  delete devices.tank;
  speaker.changed?.(['gone']);
  greet();
  say(speaker.farewell());
  assert.equal(commands > 0, incoming.length > 0, `${dialect.name}: ${commands} commands`);
}

/** Each golden batch of a format twice as current readings, after which one device is silent, and once as history. */
function* batches(format: string, own: FormatOptions = {}): Generator<OutBatch> {
  const { encode } = FORMATS.get(format) ?? assert.fail(format);
  for (const lane of ['data', 'data', 'history'] as const)
    for (const { batch, options } of formatCases(format === 'marked-json' ? 'json' : format)) {
      const messages = encode({ ...batch, gateway: GATEWAY, lane }, { ...own, ...options });
      yield {
        ...{ lane, log: 1, boot: batch.boot, first: 1, last: 1, records: 1, readings: 1, messages },
        ...{ oldest: undefined, clock: 0 },
      };
    }
}

const NOTICES: readonly OutNotice[] = [
  { log: 1, seq: 9, kind: 'alarm', key: 'high', json: JSON.stringify(alarm('high')) },
  { log: 1, seq: 10, kind: 'alarm', key: 'high', json: JSON.stringify(alarm('high', { state: 'normal', value: null })) },
  { log: 1, seq: 11, kind: 'event', key: 'start', json: JSON.stringify(event) },
];
