/**
 * Azure IoT Hub as its documentation describes it ("Communicate with an IoT hub using the MQTT protocol", "Control access with
 * shared access signatures", "IoT Hub quotas and throttling"): it knows one topic of a device, refuses tokens by CONNACK 5 and
 * hangs up on everything else. Tokens are checked by Python. What a client must not do is noted in `violations`.
 */
import { execFileSync } from 'node:child_process';
import path from 'node:path';
import type { Client, Message, Platform, Verdict } from '../fakes/scripted-broker.ts';

export interface HubDevice {
  /** Base64; undefined: it has a certificate. */
  readonly key?: string;
  /** `CN` of its certificate. */
  readonly subject?: string;
  enabled: boolean;
}

/** A message as the back end gets it. */
export interface HubEvent {
  readonly device: string;
  readonly properties: ReadonlyMap<string, string>;
  readonly payload: Buffer;
}

const FILTERS = (id: string) => [`devices/${id}/messages/devicebound/#`, '$iothub/methods/POST/#', '$iothub/twin/res/#'];
/** Bytes of a message with its properties, by the smaller reading of "256 kB". */
const MOST = 256_000;

export class AzureIotHub implements Platform {
  readonly violations: string[] = [];
  readonly events: HubEvent[] = [];
  /** Answers to methods: status and payload by request id. */
  readonly answers = new Map<string, { readonly status: number; readonly payload: string }>();
  readonly devices = new Map<string, HubDevice>();
  /** Ends of the tokens that were shown, in seconds. */
  readonly tokens: number[] = [];
  /** UTC ms. */
  now: () => number = Date.now;
  /** The hub is of the basic tier, which takes no commands. */
  basic = false;
  /** The hub is throttled: it hangs up on what comes. */
  throttled = false;
  readonly #hub: string;
  readonly #python: string;
  readonly #ends = new Map<Client, number>();

  constructor(python: string, hub: string) {
    this.#python = python;
    this.#hub = hub;
  }

  connect(client: Client): number | 'close' {
    const { id, username, version, connect } = client;
    if (version !== 4) return 1;
    if (client.serverName !== this.#hub) return 'close';
    const device = this.devices.get(id);
    if (username !== `${this.#hub}/${id}/?api-version=2021-04-12` || device === undefined || !device.enabled) return 5;
    if (device.key === undefined ? client.subject !== device.subject : !this.#admits(client, device.key)) return 5;
    if ((connect.keepalive ?? 0) > 1177) this.violations.push(`a keep-alive of ${connect.keepalive} s`);
    const { will } = connect;
    if (will?.retain) this.violations.push('a retained will');
    if (will && !will.topic.startsWith(`devices/${id}/messages/events/`)) this.violations.push(`a will on ${will.topic}`);
    for (const other of this.#ends.keys())
      if (other.id === id && other.open) {
        this.violations.push('a second connection of the device');
        other.end();
      }
    this.#ends.set(client, this.tokens.at(-1) ?? Number.POSITIVE_INFINITY);
    return 0;
  }

  /** The time moves on: connections end with their tokens. */
  tick(): void {
    for (const [client, ends] of this.#ends)
      if (client.open && ends * 1000 <= this.now()) {
        this.violations.push('a token ended before the device came back');
        client.end();
      }
  }

  subscribe({ id }: Client, filter: string): number {
    return FILTERS(id).includes(filter) && !this.basic ? 1 : 0x80;
  }

  publish({ client, topic, payload, qos, retain }: Message): Verdict {
    const no = (words: string): Verdict => {
      this.violations.push(words);
      return 'close';
    };
    if (qos === 2) return no('QoS 2');
    if (retain) this.violations.push('a retained message');
    if (this.throttled) return 'close';
    const [, status, request] = /^\$iothub\/methods\/res\/(\d+)\/\?\$rid=([^&]+)$/.exec(topic) ?? [];
    if (request !== undefined) {
      this.answers.set(request, { status: Number(status), payload: payload.toString() });
      return 0;
    }
    const root = `devices/${client.id}/messages/events/`;
    if (!topic.startsWith(root)) return no(`a topic that the hub does not have: ${topic}`);
    if (payload.length + topic.length - root.length > MOST) return no(`a message of ${payload.length} bytes`);
    const properties = new Map(
      topic
        .slice(root.length)
        .split('&')
        .map((pair) => pair.split('=').map(decodeURIComponent) as [string, string]),
    );
    const mark = properties.get('$.mid') ?? '';
    if (!/^[A-Za-z0-9\-:.+%_#*?!(),=@;$']{0,128}$/.test(mark)) this.violations.push(`a message id that is none: ${mark}`);
    this.events.push({ device: client.id, properties, payload });
    return 0;
  }

  #admits({ id, password }: Client, key: string): boolean {
    const check = path.join(import.meta.dirname, 'sas-check.py');
    let token: { kind: string; valid: boolean; resource: string; ends: number };
    try {
      token = JSON.parse(
        execFileSync(this.#python, [check, password, key], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }),
      );
    } catch {
      return false;
    }
    const right = token.kind === 'SharedAccessSignature' && token.valid && token.resource === `${this.#hub}/devices/${id}`;
    if (!right || token.ends * 1000 <= this.now()) return false;
    this.tokens.push(token.ends);
    return true;
  }
}
