/** A log, one forwarder of it with the dialect `sparkplug-b`, a real Mosquitto behind a proxy, and a foreign host application. */
import assert from 'node:assert/strict';
import path from 'node:path';
import type { TestContext } from 'node:test';
import { type Clock, systemClock } from '../../src/core/clock.ts';
import { hasValue, type Shape, type Value } from '../../src/core/point.ts';
import type { LatestValue, NoticeMessage } from '../../src/core/ports.ts';
import { type ReasonName, reasonCode } from '../../src/core/reasons.ts';
import type { RemoteCaller } from '../../src/core/remote-commands.ts';
import type { PointFacts } from '../../src/core/site-facts.ts';
import { CONNECT_TIMEOUT } from '../../src/forwarders/mqtt/dial.ts';
import { mqttForwarder } from '../../src/forwarders/mqtt/kind.ts';
import { DIALECTS } from '../../src/gateway/registry.ts';
import { Log } from '../../src/store/log.ts';
import { forwarderContext } from '../fakes/forwarder-context.ts';
import { Mosquitto } from '../peers/mosquitto.ts';
import { type Line, SparkplugHost } from '../peers/sparkplug-host.ts';
import { DropProxy } from './drop-proxy.ts';
import { scratch } from './scratch.ts';
import { waitFor } from './wait-for.ts';

export const GROUP = 'plant';
const FAST = 10;
/** Milliseconds of the machine that a broker may take to acknowledge. A late answer ends a connection, and everything is born again. */
const ACK_TIMEOUT = 60_000;
const BEGUN = { wall: Date.now(), at: performance.now() };
/**
 * Ten seconds of it are one second. A broker has as long to take a connection as in the field: a second is less than a busy machine may
 * take, and a connection that is given up has used up its number.
 */
export const fastClock: Clock = {
  monotonic: () => performance.now() * FAST,
  wall: () => BEGUN.wall + (performance.now() - BEGUN.at) * FAST,
  after: (ms, run) => systemClock.after(ms === CONNECT_TIMEOUT ? ms : ms / FAST, run),
  exactly: (ms, run) => systemClock.exactly(ms / FAST, run),
};

export interface Reading {
  readonly device: string;
  readonly point: string;
  readonly time: number;
  readonly value: Value;
}
interface Asked {
  readonly command: Readonly<Record<string, unknown>>;
  readonly caller: RemoteCaller;
}

export class SparkplugSite {
  readonly asked: Asked[] = [];
  readonly events: string[] = [];
  /** Good readings, in their order. */
  readonly readings: Reading[] = [];
  readonly alarms: NoticeMessage[] = [];
  /** What `facts` says of a point; plain where nothing is said. */
  readonly facts = new Map<string, PointFacts>();
  readonly #latest = new Map<string, LatestValue>();
  memory: unknown;
  inventory = '{}';
  settings: object;
  forwarder!: ReturnType<ReturnType<typeof mqttForwarder>['create']>;
  readonly log: Log;
  readonly broker: Mosquitto;
  readonly proxy: DropProxy;
  readonly host: SparkplugHost;
  readonly #offset: number;
  #at = 0;

  private constructor(log: Log, broker: Mosquitto, proxy: DropProxy, host: SparkplugHost, settings: object) {
    this.log = log;
    this.broker = broker;
    this.proxy = proxy;
    this.host = host;
    this.settings = settings;
    this.#offset = Math.round(fastClock.wall() - fastClock.monotonic());
    log.setClock(this.#offset, false);
    log.setInventory('{}');
  }

  /** Not started. Undefined after a skip. @param settings beside address and format */
  static async open(t: TestContext, settings: object = {}): Promise<SparkplugSite | undefined> {
    let close = async () => {};
    t.after(() => close());
    const broker = await Mosquitto.start(t);
    if (broker === undefined) return undefined;
    const host = await SparkplugHost.start(t, broker.port, GROUP);
    if (host === undefined) return undefined;
    const proxy = new DropProxy(broker.port);
    await proxy.start();
    const folder = scratch(t, 'sparkplug', '/dev/shm');
    const log = await Log.open({
      ...{ stateDir: path.join(folder, 'state'), runtimeDir: path.join(folder, 'run'), clock: fastClock },
      ...{ maxSize: 64e6, maxAge: 1e12, commitEvery: 200 },
    });
    const site = new SparkplugSite(log, broker, proxy, host, {
      ...{ url: proxy.url, format: 'sparkplug-b', 'sparkplug-b': { group: GROUP }, batch: { maxAge: '100ms' } },
      ...settings,
    });
    site.make();
    close = async () => {
      await site.forwarder.stop(0);
      await proxy.stop();
      await log.close(10_000);
    };
    return site;
  }

  /** Another forwarder with the memory of the one before, as after a restart. */
  make(): void {
    const kind = mqttForwarder(DIALECTS);
    const context = forwarderContext(this.log, {
      clock: fastClock,
      now: () => fastClock.wall(),
      inventory: () => this.inventory,
      event: (_event, message) => void this.events.push(message),
      memory: (name) => ({
        load: () => (name === 'cloud' ? this.memory : undefined),
        // Its counted bytes are kept under another name.
        save: (state) => {
          if (name === 'cloud') this.memory = state;
        },
      }),
      latest: { get: (device, point) => this.#latest.get(`${device}.${point}`), all: () => this.#latest.values() },
      site: {
        point: (device, point) => this.facts.get(`${device}.${point}`) ?? { plain: true },
        made: () => undefined,
        rules: () => this.alarms.map(({ key }) => ({ name: key, device: 'd' })),
        alarms: () => this.alarms,
      },
      commands: {
        take: (payload, caller) => {
          this.asked.push({ command: JSON.parse(Buffer.from(payload).toString()), caller });
        },
      },
    });
    const patient = { ...context, ackTimeout: FAST * ACK_TIMEOUT };
    this.forwarder = kind.create({ name: 'cloud', type: 'mqtt', settings: kind.forwarder.parse(this.settings) }, patient);
  }

  /** Inventory of these shapes. */
  has(...shapes: readonly Shape[]): void {
    const devices: Record<string, { bus: string; points: Record<string, object> }> = {};
    for (const { device, points } of shapes) {
      devices[device] ??= { bus: 'b', points: {} };
      for (const { name, type, unit } of points)
        Object.assign(devices[device].points, { [name]: { type, ...(unit === undefined ? {} : { unit }), writable: true } });
    }
    this.inventory = JSON.stringify({ v: 1, revision: 1, devices });
  }

  /** A record; each has a millisecond of its own. @param reason of all points */
  add(shape: Shape, values: readonly Value[], reason?: ReasonName): void {
    // Not in front of the clock, and never twice.
    this.#at = Math.max(this.#at + 1, Math.floor(fastClock.monotonic()) - 1000);
    const code = reason === undefined ? 0 : reasonCode(reason);
    const reasons = code === 0 ? null : new Uint8Array(values.length).fill(code);
    assert.ok(this.log.append({ shape, at: this.#at, values, reasons }));
    const time = this.#at + this.#offset;
    shape.points.forEach(({ name, type, unit }, i) => {
      const value = values[i] as Value;
      const good = hasValue(code);
      this.#latest.set(`${shape.device}.${name}`, {
        ...{ device: shape.device, point: name, type, unit, time, reason: code, value: good ? value : null },
      });
      // A DateTime is milliseconds.
      const said = type === 'datetime' ? String(Date.parse(`${String(value).replace('Z', '')}Z`)) : value;
      if (good) this.readings.push({ device: shape.device, point: name, time, value: said });
    });
  }

  async connected(): Promise<void> {
    await waitFor(
      () => `the connection: ${this.forwarder.status().fault}`,
      () => this.forwarder.connected,
    );
  }
  /** Until nothing of the log waits, and the host heard the last message of the forwarder. */
  async delivered(): Promise<void> {
    await waitFor(
      () => `everything to be delivered: ${JSON.stringify(this.forwarder.status())}`,
      () => {
        const { waiting } = this.forwarder.status();
        return waiting.data === undefined && waiting.history === undefined;
      },
    );
    await waitFor(
      () => `the host to hear ${JSON.stringify(this.missing().slice(0, 5))}`,
      () => this.missing().length === 0,
    );
  }
  values(): Line[] {
    return this.host.heard('value').filter(({ of }) => of !== '');
  }
  /** Good readings that the host did not hear as data, with their value. */
  missing(): Reading[] {
    const heard = new Set<string>();
    for (const { of, name, time, value } of this.values()) heard.add(`${of} ${name} ${time} ${JSON.stringify(value)}`);
    return this.readings.filter(({ device, point, time, value }) => {
      const said = JSON.stringify(typeof value === 'bigint' ? String(value) : value);
      return !heard.has(`${device} ${point} ${time} ${said}`);
    });
  }
}
