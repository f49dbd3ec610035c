/**
 * A board with a whole gateway on it, in this process: its clock is what a test sets, its time service what a test says.
 * The world knows the true time. A device tells how often it was asked, and the board notes when that was.
 */
import assert from 'node:assert/strict';
import path from 'node:path';
import type { TestContext } from 'node:test';
import { request, text } from '../../src/admin/client.ts';
import type { GatewayStatus } from '../../src/admin/target.ts';
import { loadConfigText } from '../../src/config/load.ts';
import { silentLogger } from '../../src/core/logger.ts';
import { Gateway } from '../../src/gateway/gateway.ts';
import { kinds } from '../../src/gateway/registry.ts';
import { ClockMachine } from '../fakes/clock-machine.ts';
import { fakeTcp, withMbap } from '../fakes/modbus-device.ts';
import { SkipClock } from '../fakes/skip-clock.ts';
import { Consumer } from '../oracles/consumer.ts';
import { Mosquitto, Subscriber } from '../peers/mosquitto.ts';
import { scratch } from './scratch.ts';
import { waitFor } from './wait-for.ts';

/** 2027: what the board should show. */
const MORNING = Date.UTC(2027, 2, 1, 6);
/** Rounding of three times. */
const TOLERANCE = 2;

export interface Told {
  readonly log: string;
  readonly seq: number;
  readonly severity: string;
  readonly message: string;
  readonly data: Readonly<Record<string, string | number | boolean>>;
}
interface Reading {
  readonly n: number;
  readonly boot: string;
  readonly time: number;
  readonly estimated: boolean;
}

export class Board {
  machine = new ClockMachine();
  clock = new SkipClock(MORNING);
  readonly subscriber: Subscriber;
  readonly #folder: string;
  readonly #yaml: string;
  #gateway: Gateway | undefined;
  #boots = 0;
  /** UTC ms: the start of the daemon, and of the machine. */
  #started = MORNING;
  #switchedOn = MORNING;
  /** UTC ms at which the device was asked for the n-th time, by n. */
  readonly #asked: number[] = [];

  private constructor(t: TestContext, subscriber: Subscriber, yaml: (folder: string) => string) {
    this.subscriber = subscriber;
    // Hooks run in the order in which they were made: the folder goes last.
    t.after(() => this.stop());
    this.#folder = scratch(t, 'board');
    this.#yaml = yaml(this.#folder);
  }

  /** @param gps tty of a GPS that is named as the clock. @returns undefined after a skip */
  static async make(t: TestContext, gps?: string): Promise<Board | undefined> {
    const broker = await Mosquitto.start(t);
    const subscriber = broker && (await Subscriber.start(t, broker.port, ['sluice/#']));
    if (broker === undefined || subscriber === undefined) return undefined;
    const device = await fakeTcp(t, ({ n, unit, code, transaction }, reply) => {
      board.#asked[n] = board.truth;
      reply.send(withMbap(Buffer.from([unit, code, 2, n >> 8, n & 255]), transaction));
    });
    const board: Board = new Board(
      ...[t, subscriber],
      (folder) => `
gateway:
  id: g1
  stateDir: ${folder}/state
  runtimeDir: ${folder}/run
  clockHold: 7d
  ${gps === undefined ? '' : 'clock: {gps: nav}'}
buses:
  ${gps === undefined ? '' : `sky: {protocol: serial, port: ${gps}}`}
  plant: {protocol: modbus-tcp, host: 127.0.0.1, port: ${device.port}, retries: 0}
devices:
  ${gps === undefined ? '' : 'nav: {bus: sky, frame: {type: line}, decode: {type: nmea}, points: {knots: {from: RMC.speed, unit: "[kn_i]"}}}'}
  d1: {bus: plant, interval: 100ms, points: {n: {table: holding, address: 0, type: uint16}}}
buffer: {commitEvery: 200ms, minFree: 0MB}
forwarders:
  cloud: {type: mqtt, url: 'mqtt://127.0.0.1:${broker.port}', batch: {maxAge: 100ms}}
`,
    );
    return board;
  }

  get truth(): number {
    return this.#started + this.clock.monotonic();
  }
  get #socket(): string {
    return path.join(this.#folder, 'state', 'sluice.sock');
  }

  /** Power comes. @param shows UTC ms that the board's clock begins with, or what it misses; @param set what runs on it */
  async switchOn(shows: number | { wrongBy: number }, set: (machine: ClockMachine) => void = () => {}): Promise<void> {
    this.#boots++;
    this.machine = new ClockMachine();
    set(this.machine);
    this.#switchedOn = this.truth + 20_000;
    await this.start(shows, 15_000);
  }

  /** The daemon starts. @param later ms after the last one ended */
  async start(shows: number | { wrongBy: number } = { wrongBy: this.clock.wall() - this.truth }, later = 1000): Promise<void> {
    const truth = Math.max(this.truth, this.#switchedOn) + later;
    this.clock = new SkipClock(typeof shows === 'number' ? shows : truth + shows.wrongBy);
    this.#started = truth;
    const { config, faults } = loadConfigText(this.#yaml, path.join(this.#folder, 'gateway.yaml'), kinds, { profileDirs: [] });
    assert.ok(config !== undefined, JSON.stringify(faults));
    this.#gateway = new Gateway({
      config,
      ...{ clock: this.clock, logger: silentLogger, probes: this.machine },
      machine: { id: `machine-${this.#boots}`, origin: truth - this.#switchedOn },
      onFatal: (error) => {
        throw error;
      },
    });
    await this.#gateway.start(() => Promise.reject(new Error('nobody asks for that')));
  }

  async stop(): Promise<void> {
    await this.#gateway?.stop();
    this.#gateway = undefined;
  }

  /** The board's clock shows the truth. @param error ms by which it is missed */
  set(error = 0): void {
    this.clock.set(this.truth + error);
  }

  status(): Promise<GatewayStatus> {
    return request(this.#socket, 'GET', '/api/v1/status') as Promise<GatewayStatus>;
  }
  /** Value of each series whose name begins with `sluice_clock`, by name and labels. */
  async metrics(): Promise<Map<string, number>> {
    let page = '';
    for await (const piece of text(this.#socket, '/metrics')) page += piece;
    const lines = page.split('\n').filter((line) => line.startsWith('sluice_clock'));
    return new Map(lines.map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ')))]));
  }

  /** The device was asked so many more times. */
  async polls(count: number): Promise<void> {
    const before = this.#asked.length;
    await waitFor('the device to be asked', () => this.#asked.length >= before + count);
  }

  /** Every event `clock` that came upstream, in order. */
  told(): Told[] {
    return this.subscriber
      .messages()
      .filter((m) => m.topic === 'sluice/g1/event')
      .map((m) => JSON.parse(m.payload) as Told & { event: string })
      .filter((e, i, all) => e.event === 'clock' && all.findIndex((x) => x.log === e.log && x.seq === e.seq) === i);
  }
  /** Waits for such an event, and helps time along. */
  tells(is: (told: Told) => boolean): Promise<Told> {
    return waitFor(
      () => `an event; there were ${JSON.stringify(this.told())}`,
      async () => {
        const found = this.told().find(is);
        if (found === undefined) await this.clock.skip(2000);
        return found;
      },
      { every: 100 },
    );
  }

  /** Good readings of the device that came upstream. */
  readings(): Reading[] {
    const consumer = new Consumer().feedAll(this.subscriber.messages());
    assert.deepEqual(consumer.judge(), []);
    const marked = new Set(
      this.subscriber
        .messages()
        .filter((m) => /\/(data|history)$/.test(m.topic))
        .map((m) => JSON.parse(m.payload) as { log: string; clock?: string; records: { seq: number }[] })
        .flatMap((b) => (b.clock === 'estimated' ? b.records.map((r) => `${b.log}/${r.seq}`) : [])),
    );
    return consumer
      .records()
      .filter((r) => 'n' in r.values)
      .map((r) => ({ n: Number(r.values.n), boot: r.boot, time: r.time, estimated: marked.has(`${r.log}/${r.seq}`) }));
  }
  /** ms by which a time lies outside of when that reading can have been taken; 0 when it is true. */
  wrong({ n, time }: Reading): number {
    const [from = Number.NaN, to = this.truth] = [this.#asked[n], this.#asked[n + 1]];
    return time < from - TOLERANCE ? time - from : time > to + TOLERANCE ? time - to : 0;
  }
  /** Everything up to the newest reading of now is upstream. */
  async delivered(): Promise<Reading[]> {
    await this.polls(3);
    const newest = this.#asked.length - 2;
    await waitFor(
      () => `reading ${newest}; the newest is ${this.readings().at(-1)?.n}`,
      () => this.readings().some((r) => r.n >= newest),
      { every: 100 },
    );
    return this.readings();
  }
}
