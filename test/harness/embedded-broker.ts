/** An embedded broker on a port of its own, fed by hand, and foreign clients for it. */
import { connect, type Socket } from 'node:net';
import type { TestContext } from 'node:test';
import { type Clock, systemClock } from '../../src/core/clock.ts';
import { silentLogger } from '../../src/core/logger.ts';
import type { LogRecord, PointInfo, Shape } from '../../src/core/point.ts';
import type { GatewayEvent, Inventory, LatestValue } from '../../src/core/ports.ts';
import type { EmbeddedBrokerOptions } from '../../src/forwarders/broker/broker-types.ts';
import { EmbeddedBroker } from '../../src/forwarders/broker/embedded-broker.ts';
import { peer } from '../peers/peers.ts';
import { Child } from './child.ts';
import { waitFor } from './wait-for.ts';

export const ROOT = 'sluice/g1';
export const CLIENTS = 'apt-get install -y mosquitto-clients';

export class BrokerBench {
  readonly events: GatewayEvent[] = [];
  readonly latest = new Map<string, LatestValue>();
  readonly broker: EmbeddedBroker;
  /** How many payloads of `data` were built. */
  built = 0;
  #seq = 0;

  constructor(t: TestContext, options: Partial<EmbeddedBrokerOptions> = {}) {
    this.broker = new EmbeddedBroker({
      listen: [{ host: '127.0.0.1', port: 0 }],
      root: ROOT,
      identity: { boot: 'b1', version: '0.0.1' },
      logger: silentLogger,
      clock: systemClock,
      now: () => 1_795_000_000_000,
      latest: { get: (device, point) => this.latest.get(`${device}/${point}`), all: () => this.latest.values() },
      encodeBatch: (records) => {
        this.built++;
        return [JSON.stringify(records.map((r) => [r.seq, ...r.sample.values]))];
      },
      onEvent: (event) => this.events.push(event),
      ...options,
    });
    t.after(() => this.broker.stop());
  }

  async start(): Promise<number> {
    this.broker.start();
    await waitFor('the embedded broker to listen', () => this.broker.status().state === 'listening');
    return this.port;
  }

  get port(): number {
    const { address } = this.broker.status();
    if (address === undefined) throw new Error('the embedded broker does not listen');
    return address.port;
  }

  /** A reading of every point of the shape, all with this value. */
  read(shape: Shape, value: number, reason = 0): void {
    for (const { name, type, unit } of shape.points)
      this.latest.set(`${shape.device}/${name}`, {
        ...{ device: shape.device, point: name, type, unit, reason, time: 1_795_000_000_000 },
        value: reason > 0 && reason < 128 ? null : value,
      });
    const reasons = reason === 0 ? null : new Uint8Array(shape.points.length).fill(reason);
    const record: LogRecord = { seq: ++this.#seq, sample: { shape, at: 0, values: shape.points.map(() => value), reasons } };
    this.broker.sample(record.sample, record);
  }
}

export function shapeOf(device: string, points: number | readonly string[]): Shape {
  const names = typeof points === 'number' ? Array.from({ length: points }, (_, i) => `p${i}`) : points;
  return { device, points: names.map((name): PointInfo => ({ name, type: 'float64', storage: 'number', unit: 'Cel' })) };
}

export function inventoryOf(revision: number, ...shapes: readonly Shape[]): Inventory {
  const devices = shapes.map(({ device, points }) => [
    device,
    { bus: 'b', points: Object.fromEntries(points.map((p) => [p.name, { type: p.type, writable: false }])) },
  ]);
  return { v: 1, revision, devices: Object.fromEntries(devices) };
}

/**
 * Its timers run, and no time passes until it goes: nobody is cut off for being slow meanwhile. A machine under load pauses a client, and
 * fills a buffer of megabytes, for longer than a client may make no progress.
 */
export class StandingClock implements Clock {
  #wentAt: number | undefined;
  readonly wall = systemClock.wall;
  readonly after = systemClock.after;
  readonly exactly = systemClock.exactly;

  monotonic(): number {
    return this.#wentAt === undefined ? 0 : systemClock.monotonic() - this.#wentAt;
  }
  /** From now on time passes. */
  go(): void {
    this.#wentAt ??= systemClock.monotonic();
  }
}

export interface Line {
  readonly topic: string;
  readonly qos: number;
  readonly retained: boolean;
  readonly payload: string;
}

/** A running `mosquitto_sub`; undefined after a skip. */
export class Sub {
  readonly child: Child;

  private constructor(child: Child) {
    this.child = child;
  }

  static async start(t: TestContext, port: number, args: readonly string[]): Promise<Sub | undefined> {
    const program = peer(t, 'mosquitto_sub', CLIENTS);
    if (program === undefined) return undefined;
    const line = 'message\t%t\t%q\t%r\t%p';
    const child = new Child('stdbuf', ['-oL', program, '-h', '127.0.0.1', '-p', String(port), '-d', '-F', line, ...args]);
    t.after(() => child.stop('SIGKILL'));
    await waitFor(
      () => `a subscription: ${child.stdout.join('\n')} ${child.stderr.join('\n')}`,
      () => child.stdout.some((l) => l.includes('received SUBACK')) || child.over !== undefined,
    );
    return new Sub(child);
  }

  messages(): Line[] {
    return this.child.stdout
      .filter((l) => l.startsWith('message\t'))
      .map((l) => {
        const [topic = '', qos, retained, ...payload] = l.slice(8).split('\t');
        return { topic, qos: Number(qos), retained: retained === '1', payload: payload.join('\t') };
      });
  }

  async message(topic: string, accept: (line: Line) => boolean = () => true): Promise<Line> {
    return waitFor(
      () => `a message on ${topic}; there were\n${this.child.stdout.slice(-20).join('\n')}`,
      () => this.messages().find((m) => m.topic === topic && accept(m)),
    );
  }
}

/** Bare MQTT bytes, for what well-behaved clients do not do. */
export class Raw {
  readonly socket: Socket;
  readonly chunks: Buffer[] = [];
  closed = false;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (chunk) => this.chunks.push(chunk));
    socket.on('error', () => {});
    socket.on('close', () => {
      this.closed = true;
    });
  }

  static async open(t: TestContext, port: number): Promise<Raw> {
    const socket = connect(port, '127.0.0.1');
    t.after(() => socket.destroy());
    const raw = new Raw(socket);
    await waitFor('a connection', () => !socket.connecting || raw.closed);
    return raw;
  }

  get bytes(): Buffer {
    return Buffer.concat(this.chunks);
  }

  send(...bytes: (number | Buffer)[]): void {
    this.socket.write(Buffer.concat(bytes.map((b) => (typeof b === 'number' ? Buffer.from([b]) : b))));
  }

  /** CONNECT, and the return code of the answer (undefined when the connection was closed instead). */
  async connect(id: string, flags = 2, extra: readonly Buffer[] = []): Promise<number | undefined> {
    const head = Buffer.from([0, 4, 0x4d, 0x51, 0x54, 0x54, 4, flags, 0, 0]);
    this.packet(0x10, head, text(id), ...extra);
    await waitFor('an answer to CONNECT', () => this.bytes.length >= 4 || this.closed);
    return this.bytes[3];
  }

  packet(type: number, ...parts: readonly Buffer[]): void {
    const body = Buffer.concat(parts);
    this.send(type, remaining(body.length), body);
  }

  subscribe(filters: readonly string[], qos = 0): void {
    this.packet(0x82, Buffer.from([0, 9]), ...filters.flatMap((f) => [text(f), Buffer.from([qos])]));
  }
}

export function text(value: string): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([Buffer.from([bytes.length >> 8, bytes.length & 255]), bytes]);
}

export function remaining(length: number): Buffer {
  const out: number[] = [];
  do {
    out.push((length & 127) | (length > 127 ? 128 : 0));
    length = Math.floor(length / 128);
  } while (length > 0);
  return Buffer.from(out);
}
