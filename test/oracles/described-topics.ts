/** Finds the channel of a topic in the description, and holds the message against the payload schemas of this channel. */
import assert from 'node:assert/strict';
import { Ajv } from 'ajv';
import { channels, MESSAGES } from '../../src/admin/asyncapi/description.ts';
import { OWN_MESSAGES } from '../../src/admin/asyncapi/dialects.ts';
import { BINARY, type Message, type OwnTopic } from '../../src/admin/asyncapi/parts.ts';
import type { Payload } from '../../src/codecs/format.ts';
import { matches } from '../../src/core/topic-filter.ts';
import { Described, type DescribedName } from './described.ts';

export type Direction = 'sends' | 'receives';

export interface TopicMessage {
  readonly topic: string;
  readonly payload: Payload;
  readonly qos?: 0 | 1;
  readonly retain?: boolean;
}

const messages: Readonly<Record<string, Message>> = { ...MESSAGES, ...OWN_MESSAGES };
/** These have more than one level. */
const LONG = ['topic', 'count'];
const texts = new Ajv({ strict: false, formats: { binary: true } });

interface Place {
  readonly name: string;
  readonly topic: OwnTopic;
  readonly pattern: RegExp;
  /** A topic that it takes, of a hub device with the name of the gateway. */
  readonly sample: string;
}

export class DescribedTopics {
  readonly described = new Described();
  /** `channel direction message` of each that came. */
  readonly seen = new Set<string>();
  readonly #places: readonly Place[];

  /** @param gateway its id; a parameter that stands for anything would take the topic of a device for that of a gateway */
  constructor(gateway: string) {
    this.#places = channels().map(([name, topic]) => {
      const sample = topic.address.replace(/\{(?:gateway|hubDevice)\}/g, gateway).replace(/\{\w+\}/g, 'x');
      return { name, topic, pattern: patternOf(topic.address, gateway), sample };
    });
  }

  /** The one channel of a topic, with its QoS. @param formats of the forwarder: a channel of another format is not its own */
  channel(
    direction: Direction,
    { topic, qos, retain }: Omit<TopicMessage, 'payload'>,
    formats: readonly string[],
  ): Omit<Place, 'pattern' | 'sample'> {
    const found = this.#places.filter(
      ({ topic: of, pattern }) => pattern.test(topic) && ours(of.format, formats) && (of[direction] ?? []).length > 0,
    );
    assert.deepEqual([found.length, topic], [1, topic], `channels of ${topic}: ${found.map(({ name }) => name)}`);
    const place = found[0] as Place;
    if (qos !== undefined) assert.equal(qos, place.topic.qos, `QoS of ${topic}`);
    // A forwarder may be told to retain nothing, and a rule that is gone leaves nothing.
    if (retain === true) assert.ok(place.topic.retain, `${topic} is retained`);
    return place;
  }

  /** @param formats of the forwarder: a channel or message of another format is not its own. @returns the name of the message */
  take(direction: Direction, message: TopicMessage, formats: readonly string[]): string {
    const { topic, payload } = message;
    const { name, topic: of } = this.channel(direction, message, formats);
    const candidates = (of[direction] ?? []).filter((one) => ours(messages[one]?.format, formats));
    const which = candidates.find((one) => fits(messages[one] as Message, payload));
    assert.ok(which, `no message of ${name} fits ${topic}: ${String(payload).slice(0, 400)}`);
    if (messages[which]?.schema !== undefined) this.described.holds(which as DescribedName, String(payload), topic);
    this.seen.add(`${name} ${direction} ${which}`);
    return which;
  }

  /** A subscription: it covers a channel of what comes. */
  asks(filter: string, formats: readonly string[]): void {
    const found = this.#places.filter(
      ({ topic: of, sample }) => (of.receives ?? []).length > 0 && ours(of.format, formats) && matches(filter, sample),
    );
    assert.ok(found.length > 0, `no channel of what comes on ${filter}`);
  }

  /** What the description has and nothing came of. */
  unseen(): string[] {
    return this.#places
      .flatMap(({ name, topic }) =>
        (['sends', 'receives'] as const).flatMap((way) => (topic[way] ?? []).map((one) => `${name} ${way} ${one}`)),
      )
      .filter((one) => !this.seen.has(one));
  }
}

function ours(format: string | undefined, formats: readonly string[]): boolean {
  return format === undefined || formats.includes(format);
}

function fits({ schema, payload: is }: Message, payload: Payload): boolean {
  if (is === BINARY) return typeof payload !== 'string' && payload.length > 0;
  const text = typeof payload === 'string' ? payload : Buffer.from(payload).toString();
  if (schema === undefined) return is !== undefined && texts.validate(is, text);
  try {
    return schema.safeParse(JSON.parse(text)).success;
  } catch {
    return false;
  }
}

/** The discovery of Home Assistant doubles each `_` of a gateway. */
function patternOf(address: string, gateway: string): RegExp {
  const own = `(?:${gateway}|${gateway.replaceAll('_', '__')})`;
  const parts = address.split(/(\{\w+\})/).map((part) => {
    const [, name] = /^\{(\w+)\}$/.exec(part) ?? [];
    if (name === undefined) return part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
    return name === 'gateway' ? own : LONG.includes(name) ? '.+' : '[^/]+';
  });
  return new RegExp(`^${parts.join('')}$`);
}
