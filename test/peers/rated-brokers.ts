/**
 * HiveMQ, EMQX and ThingsBoard as log-in and limits go, from their documentation: "Configuration" and "Throttling and Limits" of HiveMQ,
 * "MQTT", "Banned Clients", "Flapping Detect" and "Rate Limiter" of EMQX, "Tenant Profiles" and the settings of the MQTT transport of
 * ThingsBoard. What a client must not do is noted in `violations`.
 */
import type { Client, Message, Platform, Verdict } from '../fakes/scripted-broker.ts';

/** A broker of MQTT 5 that says its limits in the CONNACK and ends connections that exceed them. */
export class LimitedBroker implements Platform {
  readonly violations: string[] = [];
  readonly properties: Readonly<Record<string, unknown>> & {
    readonly receiveMaximum: number;
    readonly topicAliasMaximum: number;
    readonly maximumPacketSize: number;
  };
  /** Password by user name. */
  readonly users = new Map<string, string>();
  /** Answer to every CONNECT: 0x8a banned, 0x97 quota exceeded. */
  refuses: number | undefined;
  /** Answer to every message with a topic like this. */
  answers: { readonly topic: RegExp; readonly verdict: Verdict } | undefined;

  constructor(limits: { receiveMaximum: number; topicAliasMaximum: number; maximumPacketSize: number }) {
    this.properties = { ...limits, retainAvailable: true, sharedSubscriptionAvailable: true };
  }

  connect(client: Client): number | 'close' {
    if (client.version !== 5) this.violations.push('MQTT 3.1.1');
    if (this.refuses !== undefined) return this.refuses;
    return this.users.get(client.username) === client.password ? 0 : 0x86;
  }

  subscribe({ id }: Client, filter: string): number {
    if (!/^sluice\/ghat-1\/command$/.test(filter)) this.violations.push(`${id} subscribes to ${filter}`);
    return 1;
  }

  publish({ client, topic, alias, payload, qos }: Message): Verdict {
    const { receiveMaximum, topicAliasMaximum, maximumPacketSize } = this.properties;
    const ends = (disconnect: number, said: string): Verdict => {
      this.violations.push(said);
      return { disconnect, said };
    };
    if (qos > 0 && client.unanswered > receiveMaximum) return ends(0x93, 'receive maximum exceeded');
    if (alias !== undefined && alias > topicAliasMaximum) return ends(0x94, `the topic alias ${alias}`);
    // At least: the fixed header, the topic and the number come on top.
    if (payload.length + 5 > maximumPacketSize) return ends(0x95, `a payload of ${payload.length} bytes`);
    if (topic === '') return ends(0x82, 'an alias that was never spelled');
    return this.answers?.topic.test(topic) === true ? this.answers.verdict : 0;
  }
}

/** Bytes of a packet. */
const MOST_PACKET = 65_536;

/** MQTT 3.1.1; it ends connections without a word. */
export class ThingsBoardServer implements Platform {
  readonly violations: string[] = [];
  /** Whether a device is a gateway, by its token. */
  readonly tokens = new Map<string, boolean>();
  /** Messages in a second: more end the connection. */
  perSecond = Number.POSITIVE_INFINITY;
  readonly #arrived = new Map<Client, number[]>();

  connect(client: Client): number | 'close' {
    if (client.version !== 4) return 1;
    return this.tokens.has(client.username) ? 0 : 5;
  }

  publish({ client, topic, payload }: Message): Verdict {
    if (payload.length + topic.length + 9 > MOST_PACKET) {
      this.violations.push(`a payload of ${payload.length} bytes`);
      return 'close';
    }
    const now = performance.now();
    const arrived = [...(this.#arrived.get(client) ?? []).filter((at) => at > now - 1000), now];
    this.#arrived.set(client, arrived);
    if (arrived.length > this.perSecond) {
      this.violations.push(`${arrived.length} messages in a second`);
      return 'close';
    }
    return topic.startsWith('v1/gateway/') && this.tokens.get(client.username) !== true ? 'silence' : 0;
  }
}
