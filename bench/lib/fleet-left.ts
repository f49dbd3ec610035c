/** Messages of the fleet that nodes still have, read where they lie. What is read stays there. */
import { once } from 'node:events';
import { connect } from 'node:net';
import { createInterface } from 'node:readline';
import type { NatsNode } from '../../test/peers/nats.ts';
import type { RabbitNode } from '../../test/peers/rabbitmq.ts';
import { spanOf } from './fleet-fate.ts';
import { RABBIT_COLUMNS, rabbitQueues } from './fleet-queues.ts';
import type { Left } from './fleet-words.ts';

/** Messages of a queue of RabbitMQ, which shows them one by one, and of the stream of NATS. */
const MOST_PEEKS = 10;
const MOST_READ = 20_000;
const STREAM = '$MQTT_msgs';
const WAIT = 10_000;

function leftAt(place: string, payload: string): Left[] {
  const span = spanOf(payload);
  return span === undefined ? [] : [{ place, ...span }];
}

/** The platform is away, so nothing is under way to it. */
export function leftInRabbit(nodes: readonly RabbitNode[], client: string): Left[] {
  const node = nodes.find(({ pid }) => pid !== undefined);
  if (node === undefined) return [];
  const left: Left[] = [];
  const queues = rabbitQueues(node.ctl('rabbitmqctl', 'list_queues', ...RABBIT_COLUMNS, '--formatter', 'json'), client);
  for (const [queue, ready] of queues)
    for (let at = 1; at <= Math.min(ready, MOST_PEEKS); at++)
      left.push(...peeked(`${queue} at ${at} of ${ready}`, node.ctl('rabbitmq-queues', 'peek', queue, `${at}`)));
  return left;
}

/** RabbitMQ shows the topic, and 64 bytes of the payload: too few for its numbers. So it stands for all records of its gateway. */
export function peeked(place: string, text: string): Left[] {
  const [, gateway, lane] = /\bsluice\.(\w+)\.(data|history)\b/.exec(text) ?? [];
  if (gateway === undefined) return [];
  return [{ place: `${place} (some ${lane} of ${gateway})`, gateway, first: 0, last: Number.MAX_SAFE_INTEGER }];
}

interface StreamInfo {
  readonly state?: { readonly first_seq: number; readonly last_seq: number };
}
interface StreamMessage {
  readonly message?: { readonly subject: string; readonly data?: string };
}

/** By the protocol of NATS: https://docs.nats.io/reference/reference-protocols/nats-protocol */
export async function leftInNats(nodes: readonly NatsNode[]): Promise<Left[]> {
  const node = nodes.find(({ pid }) => pid !== undefined);
  if (node === undefined) return [];
  const socket = connect({ host: '127.0.0.1', port: node.client });
  await once(socket, 'connect');
  try {
    const lines = createInterface({ input: socket });
    const replies: ((json: string) => void)[] = [];
    let size = false;
    lines.on('line', (line) => {
      if (line === 'PING') socket.write('PONG\r\n');
      else if (line.startsWith('MSG ')) size = true;
      else if (size) {
        size = false;
        replies.shift()?.(line);
      }
    });
    socket.write('CONNECT {"verbose":false,"pedantic":false}\r\nSUB inbox 1\r\n');
    const ask = async <T>(subject: string, body: string): Promise<T> => {
      const reply = new Promise<string>((resolve, reject) => {
        replies.push(resolve);
        setTimeout(() => reject(new Error(`NATS does not answer ${subject}`)), WAIT).unref();
      });
      socket.write(`PUB $JS.API.${subject}.${STREAM} inbox ${Buffer.byteLength(body)}\r\n${body}\r\n`);
      return JSON.parse(await reply) as T;
    };
    const { state } = await ask<StreamInfo>('STREAM.INFO', '');
    const left: Left[] = [];
    const { first_seq: first = 1, last_seq: last = 0 } = state ?? {};
    for (let seq = first; seq <= last && seq < first + MOST_READ; seq++) {
      const { message } = await ask<StreamMessage>('STREAM.MSG.GET', JSON.stringify({ seq }));
      if (message !== undefined)
        left.push(...leftAt(`${STREAM} at ${seq}, as ${message.subject}`, Buffer.from(message.data ?? '', 'base64').toString()));
    }
    return left;
  } finally {
    socket.destroy();
  }
}
