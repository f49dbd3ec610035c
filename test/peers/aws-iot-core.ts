/**
 * AWS IoT Core as its documentation describes it ("AWS IoT Core endpoints and quotas", "MQTT", "AWS IoT Core policies"): it knows a
 * client by its certificate and a policy, closes connections of MQTT 3.1.1 without a reason, and drops in silence what exceeds a
 * quota of a connection. What a client must not do is noted in `violations`.
 */
import type { Client, Message, Platform, Verdict } from '../fakes/scripted-broker.ts';

type Action = 'iot:Connect' | 'iot:Publish' | 'iot:RetainPublish' | 'iot:Subscribe' | 'iot:Receive';

/** By the smaller reading of "128 KB". */
const MOST_PAYLOAD = 128_000;
const NOT_AUTHORIZED = 0x87;
const TOPIC_INVALID = 0x90;

interface Statement {
  readonly Action: string;
  readonly Resource: string;
}

export class AwsIotCore implements Platform {
  readonly violations: string[] = [];
  readonly properties = {
    maximumQoS: 1,
    receiveMaximum: 100,
    topicAliasMaximum: 8,
    maximumPacketSize: 149_504,
    retainAvailable: true,
  };
  /** `CN` of certificates that are active. */
  readonly certificates = new Set<string>();
  /** The quota of the account is used up: what comes is dropped. */
  throttled = false;
  /** Clients have to ask for MQTT on the port of the web. */
  web = false;
  readonly #endpoint: string;
  readonly #statements: readonly Statement[];
  /** Arrivals of the last second, ms. */
  readonly #arrived = new Map<Client, number[]>();
  readonly #retained = new Map<string, number>();
  readonly #connected = new Map<string, number>();

  /** @param policy the JSON of a policy; its resources may have any region and account */
  constructor(endpoint: string, policy: string) {
    this.#endpoint = endpoint;
    this.#statements = (JSON.parse(policy) as { Statement: Statement[] }).Statement;
  }

  #allows(action: Action, resource: string): boolean {
    return this.#statements.some(({ Action, Resource }) => {
      const [, , , , , ...rest] = Resource.split(':');
      const pattern = rest
        .join(':')
        .split('*')
        .map((part) => part.replace(/[^A-Za-z0-9/]/g, '\\$&'))
        .join('.*');
      return Action === action && new RegExp(`^${pattern}$`).test(resource);
    });
  }

  connect(client: Client): number | 'close' {
    const { id, connect } = client;
    const now = performance.now();
    const before = this.#connected.get(id) ?? Number.NEGATIVE_INFINITY;
    this.#connected.set(id, now);
    if (now - before < 1000) this.violations.push('two CONNECTs within a second');
    if (Buffer.byteLength(id) > 128) this.violations.push('a client id of more than 128 bytes');
    if (client.serverName !== this.#endpoint) return 'close';
    if (this.web && client.alpn !== 'x-amzn-mqtt-ca') return 'close';
    if (client.subject === undefined || !this.certificates.has(client.subject)) return 'close';
    if (!this.#allows('iot:Connect', `client/${id}`)) return client.version === 5 ? NOT_AUTHORIZED : 'close';
    const { keepalive = 0, will } = connect;
    if (keepalive < 30 || keepalive > 1200) this.violations.push(`a keep-alive of ${keepalive} s`);
    if (will && !this.#allows('iot:Publish', `topic/${will.topic}`)) return 'close';
    if (will?.retain && !this.#allows('iot:RetainPublish', `topic/${will.topic}`)) return 'close';
    for (const other of this.#arrived.keys())
      if (other.id === id && other.open) {
        this.violations.push('a second connection of the client id');
        other.end();
      }
    this.#arrived.set(client, []);
    return 0;
  }

  subscribe(client: Client, filter: string): number {
    if (!this.#allows('iot:Subscribe', `topicfilter/${filter}`)) {
      if (client.version === 4) setTimeout(() => client.end(), 1);
      return client.version === 5 ? NOT_AUTHORIZED : 0x80;
    }
    return 1;
  }

  publish(message: Message): Verdict {
    const { client, topic, payload, qos, retain } = message;
    const no = (words: string, code: number): Verdict => {
      this.violations.push(words);
      return client.version === 5 ? { disconnect: code, said: words } : 'close';
    };
    if (qos === 2) return no('QoS 2', 0x9b);
    if (payload.length > MOST_PAYLOAD) return no(`a payload of ${payload.length} bytes`, 0x95);
    const ingest = /^\$aws\/rules\/[A-Za-z0-9_]+\//.exec(topic)?.[0] ?? '';
    const own = topic.slice(ingest.length);
    if (Buffer.byteLength(topic) > 256 || own.split('/').length > 8) return no(`the topic ${topic}`, TOPIC_INVALID);
    if (topic.startsWith('$') && ingest === '') return no(`the reserved topic ${topic}`, TOPIC_INVALID);
    if (retain && ingest !== '') return no('a retained message on a reserved topic', TOPIC_INVALID);
    if (client.unanswered > 100) this.violations.push('more than 100 unacknowledged messages');
    const allowed =
      this.#allows('iot:Publish', `topic/${topic}`) && (!retain || this.#allows('iot:RetainPublish', `topic/${topic}`));
    if (!allowed) return client.version === 5 ? { code: NOT_AUTHORIZED, said: 'not authorized' } : 'close';
    if (this.throttled) return client.version === 5 ? { code: 0x97, said: 'quota exceeded' } : 'silence';
    return this.#inTime(message) ? 0 : 'silence';
  }

  #inTime({ client, topic, retain }: Message): boolean {
    const now = performance.now();
    const arrived = (this.#arrived.get(client) ?? []).filter((at) => at > now - 1000);
    arrived.push(now);
    this.#arrived.set(client, arrived);
    if (arrived.length > 100) this.violations.push('more than 100 messages in a second');
    const before = this.#retained.get(topic) ?? Number.NEGATIVE_INFINITY;
    if (retain) this.#retained.set(topic, now);
    const early = retain && now - before < 1000;
    if (early) this.violations.push(`two retained messages on ${topic} within a second`);
    return arrived.length <= 100 && !early;
  }
}
