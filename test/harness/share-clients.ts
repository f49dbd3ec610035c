/**
 * MQTT clients (mqtt.js) in a process of their own, which may be in a network of its own and has many addresses there. Its parent
 * sends an order and gets one answer for each: `share-clients.ts HOST PORT HOST6 PORT6`. Clients with an address of IPv6 go to HOST6.
 */
import { once } from 'node:events';
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
  /** Connections that say nothing. @returns how many are open after `ended` of them were ended by the broker */
  | { readonly do: 'silent'; readonly from: string; readonly count: number; readonly ended: number }
  | { readonly do: 'hang-up' }
  /** CONNECTs without a user name, each on a connection of its own, some at a time. @returns how many had an answer */
  | { readonly do: 'knock'; readonly from: string; readonly count: number };

export type Got = readonly [topic: string, text: string, retained: boolean];

const [host4 = '', port4 = '', host6 = '', port6 = ''] = process.argv.slice(2);
const clients = new Map<string, { readonly client: MqttClient; readonly got: Got[] }>();
const silent: Socket[] = [];

/** Connections that knock at a time. */
const KNOCKING = 16;
/** CONNECT of MQTT 3.1.1 with a clean session and the client id `k`. */
const CONNECT = Buffer.from([0x10, 13, 0, 4, 0x4d, 0x51, 0x54, 0x54, 4, 2, 0, 0, 0, 1, 0x6b]);

const dial = (from: string): Socket => {
  const [host, port] = from.includes(':') ? [host6, port6] : [host4, port4];
  return connect({ host, port: Number(port), localAddress: from, noDelay: true });
};

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

/** @returns whether it was answered */
function knock(from: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = dial(from);
    let answered = false;
    socket.on('error', () => {});
    socket.on('data', () => {
      answered = true;
    });
    socket.once('close', () => resolve(answered));
    socket.write(CONNECT);
  });
}

async function run(order: Order): Promise<unknown> {
  if (order.do === 'open') return open(order);
  if (order.do === 'silent') {
    const made = Array.from({ length: order.count }, () => dial(order.from));
    silent.push(...made);
    let ended = 0;
    const over = new Promise<void>((resolve) => {
      if (order.ended === 0) resolve();
      for (const socket of made) {
        socket.on('error', () => {});
        socket.resume();
        socket.once('close', () => {
          if (++ended === order.ended) resolve();
        });
      }
    });
    await Promise.all([over, ...made.map((socket) => once(socket, 'connect'))]);
    return made.filter(({ closed }) => !closed).length;
  }
  if (order.do === 'hang-up') {
    for (const socket of silent.splice(0)) socket.destroy();
    return undefined;
  }
  if (order.do === 'knock') {
    let [left, answered] = [order.count, 0];
    const knocks = async (): Promise<void> => {
      while (left-- > 0) if (await knock(order.from)) answered++;
    };
    await Promise.all(Array.from({ length: KNOCKING }, knocks));
    return answered;
  }
  const { client, got } = clients.get(order.id) ?? {};
  if (client === undefined) throw new Error(`no client ${order.id}`);
  switch (order.do) {
    case 'subscribe':
      return (await client.subscribeAsync([...order.filters], { qos: 1 })).map(({ qos }) => qos);
    case 'leave':
      // It would wait for the answers that no connection brings any more.
      await client.endAsync(!client.connected);
      clients.delete(order.id);
      return undefined;
    case 'got':
      return got;
    case 'publish': {
      const { topic, each, count, bytes, retain } = order;
      // It never comes back by itself.
      if (!client.connected) return 0;
      const { promise: ended, resolve: end } = Promise.withResolvers<'ended'>();
      const closed = (): void => end('ended');
      client.once('close', closed);
      const sent = Array.from({ length: count }, (_, i) => {
        const payload = Buffer.alloc(bytes, `${i} of ${order.id}, and what fills it `);
        return client.publishAsync(each ? `${topic}/${i + 1}` : topic, payload, { qos: 1, retain });
      });
      const acknowledged = await Promise.all(sent.map((one) => Promise.race([one.then(() => true).catch(() => false), ended])));
      client.off('close', closed);
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
