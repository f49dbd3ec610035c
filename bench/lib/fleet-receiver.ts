/**
 * The platform of a fleet: one persistent session with QoS 1 that keeps marks as docs/consuming.md says: node fleet-receiver.ts PLAN
 *
 *   report     counters
 *   verdict F  what is missing or twice of the numbers in file F
 */
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { connect, type MqttClient } from 'mqtt';
import { valuesOf } from './fleet-log.ts';
import type { Expected, ReceiverReport, Verdict } from './fleet-words.ts';

interface Plan {
  readonly urls: readonly string[];
  readonly gateways: number;
  readonly points: number;
  readonly login: object;
}

interface Message {
  readonly log: string;
  readonly seq?: number;
  readonly records?: readonly { readonly seq: number; readonly values: Readonly<Record<string, number>> }[];
}

/** What came of one gateway. A byte counts up to 255. */
class Book {
  #came = new Uint8Array(1024);
  #stored = new Uint8Array(1024);
  readonly marks = new Map<string, number>();
  readonly alarms = new Map<string, number>();
  repeats = 0;
  wrong = 0;

  record(log: string, topic: string, seq: number): void {
    this.#grow(seq);
    if ((this.#came[seq] as number) > 0) this.repeats++;
    this.#came[seq] = Math.min(255, (this.#came[seq] as number) + 1);
    // The subscription is one session of one cluster, so a mark needs no other source.
    const mark = `${log} ${topic}`;
    if (seq <= (this.marks.get(mark) ?? 0)) return;
    this.marks.set(mark, seq);
    this.#stored[seq] = Math.min(255, (this.#stored[seq] as number) + 1);
  }

  came(seq: number): number {
    return this.#came[seq] ?? 0;
  }
  stored(seq: number): number {
    return this.#stored[seq] ?? 0;
  }
  /** How many different numbers came. */
  get different(): number {
    return this.#came.reduce((sum, n) => sum + (n > 0 ? 1 : 0), 0);
  }

  #grow(seq: number): void {
    if (seq < this.#came.length) return;
    const size = Math.max(2 * this.#came.length, seq + 1);
    for (const which of ['came', 'stored'] as const) {
      const larger = new Uint8Array(size);
      larger.set(which === 'came' ? this.#came : this.#stored);
      if (which === 'came') this.#came = larger;
      else this.#stored = larger;
    }
  }
}

const plan = JSON.parse(process.argv[2] ?? '{}') as Plan;
const books = new Map<string, Book>(Array.from({ length: plan.gateways }, (_, i) => [`g${i}`, new Book()]));
let [messages, dup, connects, records, last] = [0, 0, 0, 0, performance.now()];

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
/** The place of the node in the plan. */
let now = 0;
function session(): void {
  now = turn++ % plan.urls.length;
  const url = plan.urls[now] as string;
  const next = connect(url, {
    ...{ clientId: 'platform', clean: false, reconnectPeriod: 0, connectTimeout: 10_000, keepalive: 10 },
    ...plan.login,
  });
  client = next;
  next.handleMessage = ({ topic, payload, dup: again }, acknowledge) => {
    if (again === true) dup++;
    take(topic, payload as Buffer);
    acknowledge();
  };
  next.on('connect', () => {
    connects++;
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
    setTimeout(session, 500);
  });
}
session();

function verdict(expected: Expected): Verdict {
  const sum = { expected: 0, lost: 0, lostBehindMarks: 0, doubled: 0, repeats: 0, wrong: 0 };
  const alarms = { alarmsExpected: 0, alarmsLost: 0, alarmsRepeats: 0 };
  expected.forEach((one, i) => {
    const book = books.get(`g${i}`) as Book;
    for (const seq of one.records) {
      sum.expected++;
      if (book.came(seq) === 0) sum.lost++;
      else if (book.stored(seq) === 0) sum.lostBehindMarks++;
      if (book.stored(seq) > 1) sum.doubled++;
    }
    const came = one.records.reduce((n, seq) => n + (book.came(seq) > 0 ? 1 : 0), 0);
    sum.wrong += book.wrong + book.different - came;
    sum.repeats += book.repeats;
    for (const seq of one.alarms) {
      const times = [...book.alarms].find(([key]) => key.endsWith(` ${seq}`))?.[1] ?? 0;
      alarms.alarmsExpected++;
      if (times === 0) alarms.alarmsLost++;
      alarms.alarmsRepeats += Math.max(0, times - 1);
    }
  });
  return { ...sum, ...alarms };
}

for await (const line of createInterface({ input: process.stdin })) {
  const [word = '', argument = ''] = line.split(' ');
  const report: ReceiverReport = { node: now, messages, dup, connects, records, idle: Math.round(performance.now() - last) };
  const answer = word === 'verdict' ? verdict(JSON.parse(readFileSync(argument, 'utf8')) as Expected) : report;
  console.log(JSON.stringify({ did: line, ...answer }));
}
client?.end(true);
process.exit(0);
