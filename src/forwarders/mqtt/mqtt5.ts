/** What MQTT 5 adds to a connection: what is said of messages, what the broker's limits are, and turns within them. */
import type { IClientOptions, IClientPublishOptions } from 'mqtt';
import type { IConnackPacket } from 'mqtt-packet';
import { foreignText } from '../../core/foreign-text.ts';
import { VERSION } from '../../core/version.ts';
import { INBOUND_LIMITS } from './inbound-check.ts';

export interface Mqtt5Settings {
  /** Seconds that the broker keeps the subscriptions, and what comes for them, after the connection. 0: it forgets them. */
  readonly sessionExpiry: number;
  /** Seconds; undefined: messages stay until they are taken. */
  readonly messageExpiry: number | undefined;
  readonly userProperties: Readonly<Record<string, string>> | undefined;
}

/** Messages from the broker under way at once; beyond, it waits. */
export const RECEIVE_MAXIMUM = 16;
/** Topics that a connection abbreviates. A gateway has few that come often. */
const MOST_ALIASES = 32;
/** Characters that are kept of a text from the broker. */
const LONGEST = 200;

/** The part of CONNECT. */
export function connectProperties({ sessionExpiry, userProperties }: Mqtt5Settings): Partial<IClientOptions> {
  return {
    // An old session is taken up again only where one is wished.
    clean: sessionExpiry === 0,
    properties: {
      sessionExpiryInterval: sessionExpiry,
      receiveMaximum: RECEIVE_MAXIMUM,
      maximumPacketSize: INBOUND_LIMITS.publish,
      userProperties: { ...userProperties, software: `sluice ${VERSION}` },
    },
  };
}

/** What a broker said in its CONNACK. */
export class BrokerTerms {
  /** Messages with QoS 1 that may be under way at once. */
  readonly receiveMaximum: number;
  /** Bytes of a packet; undefined: no limit was named. */
  readonly packetMaximum: number | undefined;
  readonly retains: boolean;
  /** Why nothing can be delivered under these terms, as the end of "the broker …"; undefined: it can. */
  readonly wrong: string | undefined;
  readonly #settings: Mqtt5Settings | undefined;
  readonly #mostAliases: number;
  readonly #aliases = new Map<string, number>();

  /** @param settings absent: MQTT 3.1.1 */
  constructor(settings: Mqtt5Settings | undefined, connack: Pick<IConnackPacket, 'properties'> | undefined) {
    const said = settings === undefined ? undefined : connack?.properties;
    this.#settings = settings;
    this.receiveMaximum = said?.receiveMaximum ?? Number.POSITIVE_INFINITY;
    this.packetMaximum = said?.maximumPacketSize;
    this.retains = said?.retainAvailable !== false;
    this.wrong = wrongTerms(said);
    this.#mostAliases = Math.min(said?.topicAliasMaximum ?? 0, MOST_ALIASES);
  }

  /** How a message leaves: its topic on the wire, and its properties. */
  dress(
    topic: string,
    retain: boolean,
  ): { topic: string; retain: boolean; properties?: NonNullable<IClientPublishOptions['properties']> } {
    if (this.#settings === undefined) return { topic, retain };
    const { messageExpiry, userProperties } = this.#settings;
    const known = this.#aliases.get(topic);
    const alias = known ?? (this.#aliases.size < this.#mostAliases ? this.#aliases.size + 1 : undefined);
    if (known === undefined && alias !== undefined) this.#aliases.set(topic, alias);
    return {
      topic: known === undefined ? topic : '',
      retain: retain && this.retains,
      properties: {
        ...(alias !== undefined && { topicAlias: alias }),
        // What is retained holds until something else does.
        ...(messageExpiry !== undefined && !retain && { messageExpiryInterval: messageExpiry }),
        ...(userProperties !== undefined && { userProperties }),
      },
    };
  }

  /**
   * By what a message is too large; undefined: it fits.
   * @param payload its bytes @param most bytes of a payload that the platform takes
   */
  excess(topic: string, payload: number, most = Number.POSITIVE_INFINITY): { bytes: number; limit: number } | undefined {
    const { packetMaximum: limit = Number.POSITIVE_INFINITY } = this;
    if (payload > most) return { bytes: payload, limit: most };
    const bytes = this.size(topic, payload);
    return bytes > limit ? { bytes, limit } : undefined;
  }

  /** Bytes that a message is on the wire, at most. */
  size(topic: string, payload: number): number {
    if (this.#settings === undefined) return payload;
    const pairs = Object.entries(this.#settings.userProperties ?? {});
    const properties = pairs.reduce((sum, [key, value]) => sum + 5 + Buffer.byteLength(key) + Buffer.byteLength(value), 3 + 5);
    // Header, topic, number, length of the properties.
    return 5 + 2 + Buffer.byteLength(topic) + 2 + 4 + properties + payload;
  }
}

/** @param said properties of a CONNACK */
function wrongTerms(said: IConnackPacket['properties']): string | undefined {
  if (said?.maximumQoS === 0) return 'takes messages with QoS 0 alone, which it does not acknowledge; allow QoS 1 at the broker';
  const forbidden = (name: string): string => `names 0 as its ${name}, which MQTT 5 forbids; correct its settings`;
  if (said?.receiveMaximum === 0) return forbidden('receive maximum');
  return said?.maximumPacketSize === 0 ? forbidden('maximum packet size') : undefined;
}

/** A property that a packet has twice and may have once; undefined: there is none. The reader of packets makes a list of those. */
export function repeatedProperty(packet: object): string | undefined {
  const properties: unknown = 'properties' in packet ? packet.properties : undefined;
  if (typeof properties !== 'object' || properties === null) return undefined;
  return Object.entries(properties).find(([name, value]) => Array.isArray(value) && name !== 'subscriptionIdentifier')?.[0];
}

/** The reason that a broker gave in words, and the address it refers to; '' where it gave none. */
export function saidOf(
  packet: { properties?: { reasonString?: string; serverReference?: string } | undefined } | undefined,
): string {
  const { reasonString, serverReference } = packet?.properties ?? {};
  const words = [
    ...(reasonString ? [`it says "${foreignText(reasonString, LONGEST)}"`] : []),
    ...(serverReference ? [`it refers to ${foreignText(serverReference, LONGEST)}`] : []),
  ];
  return words.length === 0 ? '' : ` (${words.join(', ')})`;
}

/** Lets so many through at once; the others wait in order. The callers bound how many wait: each waits for its own. */
export class Turns {
  readonly #most: number;
  #taken = 0;
  #closed = false;
  readonly #waiting: (() => void)[] = [];

  constructor(most: number) {
    this.#most = most;
  }

  /** undefined: at once. @returns whether the turn came; false after `close` */
  take(): Promise<boolean> | undefined {
    if (this.#taken < this.#most) {
      this.#taken++;
      return undefined;
    }
    return new Promise((resolve) => this.#waiting.push(() => resolve(!this.#closed)));
  }

  give(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#taken--;
    else next();
  }

  close(): void {
    this.#closed = true;
    for (const next of this.#waiting.splice(0)) next();
  }
}
