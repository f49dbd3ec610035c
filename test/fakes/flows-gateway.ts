/**
 * A gateway at the other end of the socket for flows, as strict as the real one: what a client may not send ends its connection and
 * is kept in `faults`. Written from the table of the protocol, and not from the code of either side.
 */
import { rmSync } from 'node:fs';
import net from 'node:net';
import { Lines } from '../../src/node-red/lines.ts';

const LONGEST_LINE = 64 * 1024;
/** Longer than any pause of the machine: ten thousand nodes start before one of them says hello. */
const HELLO_WITHIN = 60_000;
const SUBSCRIPTIONS = 64;
const CALLS = 32;
/** Readings that wait for credit in the mode `every`. */
const MOST_QUEUED = 1000;
const READINGS_IN_LINE = 500;
const NAME = '[a-z0-9][a-z0-9_-]*';
const POINTS = new RegExp(`^(\\*|(\\*|${NAME})\\.(\\*|${NAME}))$`);
const POINT = new RegExp(`^${NAME}\\.${NAME}$`);

export type Fields = Record<string, unknown>;
export interface FakeReading {
  readonly point: string;
  readonly value: number | string | boolean | null;
  readonly time?: number;
  readonly quality?: string;
  readonly unit?: string;
  readonly reason?: string;
}
/** What a call gets: a result, parts and a result, or an error. */
export type FakeAnswer =
  | { readonly result: unknown; readonly parts?: readonly (readonly unknown[])[] }
  | { readonly error: { readonly code: string; readonly message: string } }
  | 'never';

interface Subscription {
  readonly points?: readonly RegExp[];
  readonly mode: string;
  readonly quality: string;
  credit: number;
  /** Lines that the client has not given back. */
  out: number;
  readonly most: number;
  queue: Fields[];
  dropped: number;
}

export class FlowsGateway {
  readonly faults: string[] = [];
  /** All calls, in order. */
  readonly calls: Fields[] = [];
  readonly connections = new Set<Connected>();
  /** All subscriptions, in order. */
  readonly subscribed: Fields[] = [];
  /** What a subscription gets first, when it asks for it. */
  latest: FakeReading[] = [];
  hellos = 0;
  readonly token = 'right-token';
  inventory: Fields = {
    revision: 1,
    devices: {
      fridge: {
        bus: 'field',
        points: {
          temperature: { type: 'float32', unit: 'Cel', writable: false },
          setpoint: { type: 'float32', unit: 'Cel', writable: true },
        },
      },
      pump: { bus: 'field', points: { pressure: { type: 'float32', unit: 'bar', writable: false } } },
    },
    rules: { 'fridge-warm': { severity: 'critical', points: ['fridge.temperature'] } },
  };
  present: Fields[] = [];
  /** Its clock as the welcome has it; undefined: as earlier versions, which said nothing of it. */
  time: number | undefined;
  /** By the `do` of the call. */
  answer: (call: Fields) => FakeAnswer = () => ({ result: {} });
  /** The most lines of one subscription that were ever out. */
  mostOut = 0;
  #server: net.Server | undefined;

  async listen(socket: string): Promise<void> {
    rmSync(socket, { force: true });
    const server = net.createServer((client) => {
      const one = new Connected(this, client);
      this.connections.add(one);
      client.on('close', () => this.connections.delete(one));
    });
    this.#server = server;
    await new Promise<void>((resolve) => server.listen(socket, resolve));
  }

  /** Nobody is there any more. */
  async vanish(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    for (const { socket } of this.connections) socket.destroy();
    if (server !== undefined) await new Promise((resolve) => server.close(resolve));
  }

  /** To all subscriptions that want them. */
  readings(list: readonly FakeReading[]): void {
    for (const one of this.connections) one.readings(list);
  }
  alarm(alarm: Fields): void {
    for (const one of this.connections) one.alarm(alarm);
  }
  renew(inventory: Fields): void {
    this.inventory = inventory;
    for (const one of this.connections) one.send({ type: 'inventory', ...inventory });
  }
  /** Any bytes. */
  raw(bytes: string | Buffer): void {
    for (const { socket } of this.connections) socket.write(bytes);
  }
  get subscriptions(): number {
    return [...this.connections].reduce((sum, one) => sum + one.subscriptions.size, 0);
  }
}

class Connected {
  readonly socket: net.Socket;
  readonly subscriptions = new Map<string, Subscription>();
  readonly #gateway: FlowsGateway;
  readonly #pending = new Set<string>();
  readonly #late: NodeJS.Timeout;
  #welcome = false;

  constructor(gateway: FlowsGateway, socket: net.Socket) {
    this.#gateway = gateway;
    this.socket = socket;
    this.#late = setTimeout(() => this.#fault('no hello'), HELLO_WITHIN);
    const lines = new Lines(LONGEST_LINE, (line) => {
      if (lines.cut > 0) this.#fault('a line is too long');
      else this.#take(line);
    });
    socket.on('data', (chunk) => lines.push(chunk));
    socket.on('error', () => {});
    socket.on('close', () => clearTimeout(this.#late));
  }

  send(line: Fields): void {
    if (this.#welcome) this.socket.write(`${JSON.stringify(line)}\n`);
  }

  readings(list: readonly FakeReading[]): void {
    for (const [id, one] of this.subscriptions) this.#offer(id, one, list, {});
  }

  alarm(alarm: Fields): void {
    for (const [id, one] of this.subscriptions) {
      if (one.points !== undefined) continue;
      one.queue.push(alarm);
      this.#drain(id, one);
    }
  }

  #offer(id: string, one: Subscription, list: readonly FakeReading[], mark: Fields): void {
    if (one.points === undefined) return;
    for (const reading of list) {
      const quality = reading.quality ?? 'good';
      if (!one.points.some((pattern) => pattern.test(reading.point))) continue;
      if (one.quality === 'good' && quality !== 'good') continue;
      if (one.mode === 'current') one.queue = one.queue.filter(({ point }) => point !== reading.point);
      else if (one.queue.length >= MOST_QUEUED) {
        one.queue.shift();
        one.dropped++;
      }
      one.queue.push({ device: reading.point.split('.')[0], time: Date.now(), ...reading, quality, ...mark });
    }
    this.#drain(id, one);
  }

  #take(text: string): void {
    let line: Fields;
    try {
      line = JSON.parse(text) as Fields;
    } catch {
      this.#fault('no JSON');
      return;
    }
    if (!this.#welcome && line.type !== 'hello') {
      this.#fault('hello comes first');
      return;
    }
    switch (line.type) {
      case 'hello':
        this.#hello(line);
        break;
      case 'subscribe':
        this.#check(this.#subscribe(line));
        break;
      case 'credit': {
        const one = this.subscriptions.get(String(line.id));
        // It was ended while the credit was on its way.
        if (one === undefined) break;
        const n = Number(line.n);
        if (!Number.isSafeInteger(n) || n < 1 || n > one.out) {
          this.#fault(`credit ${n} of ${one.out}`);
          break;
        }
        one.out -= n;
        one.credit += n;
        this.#drain(String(line.id), one);
        break;
      }
      case 'unsubscribe':
        if (!this.subscriptions.delete(String(line.id))) this.#fault(`there is no subscription ${String(line.id)}`);
        break;
      case 'call':
        this.#check(this.#call(line));
        break;
      default:
        this.#fault(`the type ${String(line.type)} is unknown`);
    }
  }

  #hello({ v, token, client }: Fields): void {
    clearTimeout(this.#late);
    this.#gateway.hellos++;
    if (this.#welcome || v !== 1 || typeof client !== 'string') this.#fault('hello is wrong');
    else if (token !== this.#gateway.token) this.#end('the token is wrong');
    else {
      this.#welcome = true;
      const { time } = this.#gateway;
      const clock = time === undefined ? {} : { time };
      this.send({ type: 'welcome', v: 1, gateway: 'ghat-1', ...clock, grants: { write: ['fridge.setpoint'] } });
      this.send({ type: 'inventory', ...this.#gateway.inventory });
    }
  }

  /** @returns what is wrong */
  #subscribe(line: Fields): string | undefined {
    const { id, points, alarms, mode, every, quality, initial, credit } = line;
    this.#gateway.subscribed.push(line);
    if (typeof id !== 'string' || id === '' || this.subscriptions.has(id)) return 'subscribe: id';
    if (this.subscriptions.size >= SUBSCRIPTIONS) return 'more than 64 subscriptions';
    if (!Number.isSafeInteger(credit) || Number(credit) < 1) return 'subscribe: credit';
    const rest = { credit: Number(credit), most: Number(credit), out: 0, queue: [], dropped: 0 };
    if (Array.isArray(alarms)) {
      if (alarms.length === 0 || !alarms.every((one) => one === '*' || /^[a-z0-9][a-z0-9_-]*$/.test(String(one))))
        return 'subscribe: alarms';
      const one: Subscription = { ...rest, mode: 'every', quality: 'all' };
      this.subscriptions.set(id, one);
      one.queue.push(...this.#gateway.present.map((alarm) => ({ ...alarm, present: true })));
      this.#drain(id, one);
      return undefined;
    }
    if (!Array.isArray(points) || points.length === 0 || !points.every((one) => POINTS.test(String(one))))
      return 'subscribe: points';
    if (mode !== 'current' && mode !== 'every') return 'subscribe: mode';
    if (quality !== 'good' && quality !== 'all') return 'subscribe: quality';
    if (points.length > 64) return 'subscribe: more than 64 patterns';
    if (initial !== undefined && typeof initial !== 'boolean') return 'subscribe: initial';
    if (every !== undefined && !(typeof every === 'number' && every > 0)) return 'subscribe: every';
    const patterns = points.map(
      (one) => new RegExp(`^${String(one) === '*' ? '.*' : String(one).replace('.', '\\.').replaceAll('*', '[^.]+')}$`),
    );
    const one: Subscription = { ...rest, points: patterns, mode, quality };
    this.subscriptions.set(id, one);
    if (initial === true) this.#offer(id, one, this.#gateway.latest, { initial: true });
    return undefined;
  }

  #drain(id: string, one: Subscription): void {
    while (one.credit > 0 && one.queue.length > 0) {
      const alarms = one.points === undefined;
      const taken = one.queue.splice(0, alarms ? 1 : READINGS_IN_LINE);
      one.credit--;
      one.out++;
      this.#gateway.mostOut = Math.max(this.#gateway.mostOut, one.out);
      if (alarms) this.send({ type: 'alarm', id, ...taken[0] });
      else this.send({ type: 'readings', id, dropped: one.dropped, readings: taken });
      if (one.dropped > 0)
        this.send({ type: 'throttled', what: `subscribe:${id}`, dropped: one.dropped, why: 'the flow is slow' });
      one.dropped = 0;
    }
  }

  #call(call: Fields): string | undefined {
    const id = String(call.id);
    if (typeof call.id !== 'string' || this.#pending.has(id)) return 'call: id';
    if (this.#pending.size >= CALLS) return 'call: more than 32';
    const wrong = wrongCall(call);
    if (wrong !== undefined) return `call ${String(call.do)}: ${wrong}`;
    this.#gateway.calls.push(call);
    const answer = this.#gateway.answer(call);
    this.#pending.add(id);
    if (answer === 'never') return undefined;
    setImmediate(() => {
      this.#pending.delete(id);
      if ('error' in answer) this.send({ type: 'answer', id, error: answer.error });
      else {
        for (const readings of answer.parts ?? []) this.send({ type: 'part', id, readings });
        this.send({ type: 'answer', id, result: answer.result });
      }
    });
    return undefined;
  }

  #check(wrong: string | undefined): void {
    if (wrong !== undefined) this.#fault(wrong);
  }
  #fault(what: string): void {
    this.#gateway.faults.push(what);
    this.#end(what);
  }
  #end(message: string): void {
    this.socket.end(`${JSON.stringify({ type: 'error', message })}\n`);
  }
}

/** @returns what is wrong with the fields of a call */
function wrongCall(call: Fields): string | undefined {
  const isPoint = (value: unknown): boolean => typeof value === 'string' && POINT.test(value);
  const isTime = (value: unknown): boolean => typeof value === 'number' && Number.isSafeInteger(value) && value > 0;
  const isValue = (value: unknown): boolean => ['number', 'string', 'boolean'].includes(typeof value);
  const { points, point, from, to, every, most, value, expires, rule, occurrence, reason, readings } = call;
  switch (call.do) {
    case 'latest':
      return Array.isArray(points) && points.length > 0 && points.length <= 1000 && points.every(isPoint) ? undefined : 'points';
    case 'history':
      if (!isPoint(point)) return 'point';
      if (!isTime(from) || !isTime(to)) return 'from, to';
      return [every, most].every((one) => one === undefined || isTime(one)) ? undefined : 'every, most';
    case 'write':
      if (!isPoint(point)) return 'point';
      if (expires !== undefined && !isTime(expires)) return 'expires';
      return isValue(value) ? undefined : 'value';
    case 'acknowledge':
      return typeof rule === 'string' && (occurrence === undefined || Number.isSafeInteger(occurrence)) ? undefined : 'rule';
    case 'shelve':
      if (typeof rule !== 'string' || (reason !== undefined && typeof reason !== 'string')) return 'rule, reason';
      return call.for === null || isTime(call.for) ? undefined : 'for';
    case 'out-of-service':
      if (typeof rule !== 'string' || typeof reason !== 'string') return 'rule, reason';
      return call.for === undefined || isTime(call.for) ? undefined : 'for';
    case 'put': {
      if (!Array.isArray(readings) || readings.length === 0) return 'readings';
      const fine = (one: Fields): boolean =>
        isPoint(one.point) &&
        (isValue(one.value) || typeof one.bad === 'string') &&
        (one.time === undefined || isTime(one.time)) &&
        (one.unit === undefined || typeof one.unit === 'string');
      return (readings as Fields[]).every(fine) ? undefined : 'a reading';
    }
    case 'alarms':
    case 'status':
      return undefined;
    default:
      return 'it is unknown';
  }
}
