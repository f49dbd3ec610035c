/**
 * The platform of a fleet: one persistent session with QoS 1 that keeps marks as docs/consuming.md says: node fleet-receiver.ts PLAN
 *
 *   away       it leaves, and its session stays with the nodes; back: it comes again, to the node in the place that follows
 *   report     counters
 *   verdict F  what is missing or twice of the numbers in file F
 */
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { connect, type MqttClient } from 'mqtt';
import { Book, verdict } from './fleet-book.ts';
import { valuesOf } from './fleet-log.ts';
import type { Expected, ReceiverReport } from './fleet-words.ts';

interface Plan {
  readonly urls: readonly string[];
  readonly gateways: number;
  readonly points: number;
  readonly login: object;
  /** The file of the authority of the nodes, for addresses with TLS. */
  readonly ca?: string | undefined;
}

interface Message {
  readonly log: string;
  readonly seq?: number;
  readonly records?: readonly { readonly seq: number; readonly values: Readonly<Record<string, number>> }[];
}

const plan = JSON.parse(process.argv[2] ?? '{}') as Plan;
const books = new Map<string, Book>(Array.from({ length: plan.gateways }, (_, i) => [`g${i}`, new Book()]));
let [messages, dup, connects, kept, records, last] = [0, 0, 0, 0, 0, performance.now()];

function take(topic: string, payload: Buffer): void {
  last = performance.now();
  messages++;
  const [, gateway = '', kind = ''] = topic.split('/');
  const book = books.get(gateway);
  if (book === undefined || payload.length === 0) return;
  const message = JSON.parse(payload.toString()) as Message;
  if (kind === 'alarm') {
    const key = `${message.log} ${message.seq}`;
    book.alarms.set(key, (book.alarms.get(key) ?? 0) + 1);
    return;
  }
  for (const { seq, values } of message.records ?? []) {
    records++;
    const right = valuesOf(seq, plan.points);
    if (right.some((value, i) => values[`p${i}`] !== value)) book.wrong++;
    book.record(message.log, kind, seq);
  }
}

let client: MqttClient | undefined;
let turn = 0;
let away = false;
/** The place of the node in the plan. */
let now = 0;
function session(): void {
  now = turn++ % plan.urls.length;
  const url = plan.urls[now] as string;
  const next = connect(url, {
    ...{ clientId: 'platform', clean: false, reconnectPeriod: 0, connectTimeout: 10_000, keepalive: 10 },
    ...plan.login,
    ...(plan.ca !== undefined && { ca: readFileSync(plan.ca) }),
  });
  client = next;
  next.handleMessage = ({ topic, payload, dup: again }, acknowledge) => {
    if (again === true) dup++;
    take(topic, payload as Buffer);
    acknowledge();
  };
  next.on('connect', ({ sessionPresent }) => {
    connects++;
    // What the node still has begins to come now.
    last = performance.now();
    if (sessionPresent) kept++;
    next.subscribe(
      ['data', 'history', 'alarm/+'].map((kind) => `sluice/+/${kind}`),
      { qos: 1 },
      (error, granted) => {
        if (error !== null || granted?.some(({ qos }) => qos !== 1)) next.end(true);
        else if (connects === 1) console.log('"subscribed"');
      },
    );
  });
  next.on('error', () => {});
  // A persistent session is the broker's: any node has it.
  next.once('close', () => {
    next.end(true);
    setTimeout(() => away || session(), 500);
  });
}
session();

for await (const line of createInterface({ input: process.stdin })) {
  const [word = '', argument = ''] = line.split(' ');
  if (word === 'away') {
    away = true;
    client?.end();
  } else if (word === 'back') {
    away = false;
    turn = Number(argument);
    session();
  }
  const idle = Math.round(performance.now() - last);
  const report: ReceiverReport = {
    node: now,
    messages,
    dup,
    connects,
    kept,
    connected: client?.connected === true,
    records,
    idle,
  };
  const answer = word === 'verdict' ? verdict(books, JSON.parse(readFileSync(argument, 'utf8')) as Expected) : report;
  console.log(JSON.stringify({ did: line, ...answer }));
}
client?.end(true);
process.exit(0);
