/** A new subscriber of a broker: the retained messages, and those that come afterwards. */
import type { TestContext } from 'node:test';
import mqtt from 'mqtt';

export interface Peeked {
  readonly topic: string;
  readonly text: string;
  readonly retained: boolean;
}

export class Peek {
  readonly messages: Peeked[] = [];
  readonly #client: mqtt.MqttClient;

  private constructor(client: mqtt.MqttClient) {
    this.#client = client;
    client.on('message', (topic, payload, packet) => {
      this.messages.push({ topic, text: payload.toString(), retained: packet.retain });
    });
  }

  /** Resolves after the SUBACK. */
  static async start(t: TestContext, port: number, filter = 'sluice/#'): Promise<Peek> {
    const client = mqtt.connect({ protocol: 'mqtt', host: '127.0.0.1', port, reconnectPeriod: 0 });
    const peek = new Peek(client);
    client.on('error', () => {});
    t.after(() => peek.stop());
    await new Promise<void>((resolve, reject) => {
      client.once('connect', () => resolve());
      client.once('close', () => reject(new Error(`no broker on ${port}`)));
    });
    await client.subscribeAsync(filter, { qos: 1 });
    return peek;
  }

  /** The last message of a topic. */
  last(topic: RegExp): Peeked | undefined {
    return this.messages.findLast((m) => topic.test(m.topic));
  }

  stop(): void {
    this.#client.end(true);
  }
}
