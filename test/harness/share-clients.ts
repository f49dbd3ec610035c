/**
 * MQTT clients (mqtt.js) in a process of their own, which may be in a network of its own and has many addresses there. Its parent
 * sends an order and gets one answer for each: `share-clients.ts HOST PORT`.
 */
import { connect, type Socket } from 'node:net';
import mqtt, { type MqttClient } from 'mqtt';

export interface Account {
  readonly username: string;
  readonly password: string;
}
export type Order =
  /** @returns the code of CONNACK (0 accepted), and whether a session was there */
  | { readonly do: 'open'; readonly id: string; readonly from: string; readonly as: Account; readonly clean: boolean }
  /** @returns the granted QoS of each filter */
  | { readonly do: 'subscribe'; readonly id: string; readonly filters: readonly string[] }
  /** `count` messages of `bytes` to `topic/1` … `topic/count`, or all to `topic`. @returns how many were acknowledged */
  | {
      readonly do: 'publish';
      readonly id: string;
      readonly topic: string;
      readonly each: boolean;
      readonly count: number;
      readonly bytes: number;
      readonly retain: boolean;
    }
  /** DISCONNECT. */
  | { readonly do: 'leave'; readonly id: string }
  /** What came so far: topic, the first 20 characters, whether retained. */
  | { readonly do: 'got'; readonly id: string }
  /** Connections that say nothing. @returns how many are open after `settled` of them were ended by the broker */
  | { readonly do: 'silent'; readonly from: string; readonly count: number; readonly ended: number }
  | { readonly do: 'hang-up' };

export type Got = readonly [topic: string, text: string, retained: boolean];

const [host = '', port = ''] = process.argv.slice(2);
const clients = new Map<string, { readonly client: MqttClient; readonly got: Got[] }>();
const silent: Socket[] = [];

const dial = (from: string): Socket => connect({ host, port: Number(port), localAddress: from, noDelay: true });

function open({ id, from, as, clean }: Extract<Order, { do: 'open' }>): Promise<{ code: number; present: boolean }> {
  return new Promise((resolve) => {
    const client = new mqtt.MqttClient(() => dial(from), {
      ...{ ...as, clientId: id, clean, reconnectPeriod: 0, keepalive: 0, resubscribe: false, protocolVersion: 4 },
    });
    const got: Got[] = [];
    clients.set(id, { client, got });
    client.on('message', (topic, payload, { retain }) => got.push([topic, payload.toString('latin1', 0, 20), retain]));
    client.on('packetreceive', (packet) => {
      if (packet.cmd === 'connack') resolve({ code: packet.returnCode ?? -1, present: packet.sessionPresent });
    });
    client.on('error', () => {});
    // The end without a CONNACK.
    client.once('close', () => resolve({ code: -1, present: false }));
  });
}

async function run(order: Order): Promise<unknown> {
  if (order.do === 'open') return open(order);
  if (order.do === 'silent') {
    const made = Array.from({ length: order.count }, () => dial(order.from));
    silent.push(...made);
    let ended = 0;
    await new Promise<void>((resolve) => {
      for (const socket of made) {
        socket.on('error', () => {});
        socket.resume();
        socket.once('close', () => {
          if (++ended === order.ended) resolve();
        });
      }
    });
    return made.filter(({ closed }) => !closed).length;
  }
  if (order.do === 'hang-up') {
    for (const socket of silent.splice(0)) socket.destroy();
    return undefined;
  }
  const { client, got } = clients.get(order.id) ?? {};
  if (client === undefined) throw new Error(`no client ${order.id}`);
  switch (order.do) {
    case 'subscribe':
      return (await client.subscribeAsync([...order.filters], { qos: 1 })).map(({ qos }) => qos);
    case 'leave':
      await client.endAsync();
      clients.delete(order.id);
      return undefined;
    case 'got':
      return got;
    case 'publish': {
      const { topic, each, count, bytes, retain } = order;
      const ended = new Promise<'ended'>((resolve) => client.once('close', () => resolve('ended')));
      const sent = Array.from({ length: count }, (_, i) => {
        const payload = Buffer.alloc(bytes, `${i} of ${order.id}, and what fills it `);
        return client.publishAsync(each ? `${topic}/${i + 1}` : topic, payload, { qos: 1, retain });
      });
      const acknowledged = await Promise.all(sent.map((one) => Promise.race([one.then(() => true).catch(() => false), ended])));
      return acknowledged.filter((one) => one === true).length;
    }
  }
}

process.on('message', ({ number, order }: { number: number; order: Order }) => {
  run(order).then(
    (answer) => process.send?.({ number, answer }),
    (error: unknown) => process.send?.({ number, error: String(error) }),
  );
});
process.on('disconnect', () => process.exit(0));
process.send?.('ready');
