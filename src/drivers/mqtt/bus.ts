/**
 * The embedded broker as a bus: devices publish, and each gets what comes on its topics. Nothing is polled, and no message of
 * a client reaches a device that does not name its topic.
 */

import type { FrameListener } from '../../core/bus-frames.ts';
import type { Clock } from '../../core/clock.ts';
import type { DeviceMessage, DeviceTopics } from '../../core/device-topics.ts';
import type { Duty } from '../../core/duty.ts';
import { SluiceError } from '../../core/errors.ts';
import type { Sample, Shape, Value } from '../../core/point.ts';
import type { Bus, BusStatus, SafePoint, WriteOptions, Written } from '../../core/ports.ts';
import { matches } from '../../core/topic-filter.ts';
import type { MqttDevice } from './device.ts';
import { WAITING_BYTES } from './limits.ts';
import { valueToWrite } from './outgoing.ts';
import { publishPacket } from './packet.ts';
import type { MqttBusSettings } from './schema.ts';
import type { WaitingBytes } from './waiting-bytes.ts';
import { MqttWriter } from './writes.ts';

const CLOSED = 'the embedded broker does not run yet; devices cannot publish';

export interface MqttBusContext {
  readonly topics: DeviceTopics;
  readonly clock: Clock;
  readonly waiting: WaitingBytes;
  readonly stopped: () => void;
}

export class MqttBus implements Bus {
  readonly name: string;
  readonly shapes: readonly Shape[];
  readonly safePoints: readonly SafePoint[];
  readonly #settings: MqttBusSettings;
  readonly #devices: readonly MqttDevice[];
  readonly #topics: DeviceTopics;
  readonly #clock: Clock;
  readonly #waiting: WaitingBytes;
  readonly #stopped: () => void;
  readonly #writer: MqttWriter;
  readonly #taps = new Map<FrameListener, () => void>();
  /** Devices by topics without wildcards, and the filters that have some. */
  readonly #exact = new Map<string, Set<MqttDevice>>();
  readonly #wild: (readonly [filter: string, device: MqttDevice])[] = [];
  #end: (() => void) | undefined;

  constructor(
    name: string,
    settings: MqttBusSettings,
    devices: readonly MqttDevice[],
    { topics, clock, waiting, stopped }: MqttBusContext,
  ) {
    this.name = name;
    this.#settings = settings;
    this.#devices = devices;
    this.#topics = topics;
    this.#clock = clock;
    this.#waiting = waiting;
    this.#stopped = stopped;
    this.#writer = new MqttWriter(
      clock,
      tapped(topics, (topic, payload) => this.#sent(topic, payload)),
      settings.timeout,
    );
    this.shapes = devices.flatMap((device) => device.shapes);
    this.safePoints = devices.flatMap(safePointsOf);
    for (const device of devices)
      for (const filter of filtersOf(device)) {
        if (/[+#]/.test(filter)) this.#wild.push([filter, device]);
        else this.#exact.set(filter, (this.#exact.get(filter) ?? new Set()).add(device));
      }
  }

  start(): void {
    if (this.#end !== undefined) return;
    for (const device of this.#devices) device.start();
    const filters = [...this.#exact.keys(), ...new Set(this.#wild.map(([filter]) => filter))];
    this.#end = this.#topics.listen(filters, { message: (message) => this.#message(message), changed: () => {} });
  }

  async stop(): Promise<void> {
    this.#end?.();
    this.#end = undefined;
    for (const device of this.#devices) device.stop();
    for (const ended of this.#taps.values()) ended();
    this.#taps.clear();
    this.#stopped();
  }

  async read(device: string): Promise<Sample[]> {
    const known = this.#device(device);
    if (!this.#topics.open || this.#end === undefined) throw new SluiceError('bus-closed', CLOSED);
    return known.read(this.#settings.timeout);
  }

  async write(device: string, point: string, value: Value, options: WriteOptions = {}): Promise<Written> {
    const known = this.#device(device);
    if (!this.#topics.open || this.#end === undefined) throw new SluiceError('bus-closed', CLOSED, { data: { sent: false } });
    return this.#writer.write(known, point, value, options);
  }

  /** Each message as a PUBLISH packet. */
  capture(listener: FrameListener, ended: () => void = () => {}): () => void {
    this.#taps.set(listener, ended);
    return () => this.#taps.delete(listener);
  }

  duties(): Duty[] {
    return this.#devices.flatMap((device) => device.duties());
  }

  status(): BusStatus {
    const open = this.#topics.open && this.#end !== undefined;
    return {
      name: this.name,
      protocol: 'mqtt',
      state: open ? 'open' : this.#end === undefined ? 'closed' : 'opening',
      fault: open || this.#end === undefined ? undefined : CLOSED,
      devices: this.#devices.map((device) => device.status()),
      waiting: { bytes: this.#waiting.bytes, limit: WAITING_BYTES },
    };
  }

  #device(name: string): MqttDevice {
    const device = this.#devices.find((one) => one.name === name);
    if (device === undefined) throw new SluiceError('not-found', `there is no device ${name} on the bus ${this.name}`);
    return device;
  }

  #message(message: DeviceMessage): void {
    const { topic, payload, at, retained } = message;
    if (this.#taps.size > 0) {
      const packet = publishPacket(topic, payload, retained);
      for (const tap of this.#taps.keys()) tap('in', packet, at);
    }
    const devices = new Set(this.#exact.get(topic));
    for (const [filter, device] of this.#wild) if (matches(filter, topic)) devices.add(device);
    for (const device of devices) device.message(message);
  }

  #sent(topic: string, payload: string): void {
    const packet = publishPacket(topic, new TextEncoder().encode(payload), false);
    for (const tap of this.#taps.keys()) tap('out', packet, this.#clock.monotonic());
  }
}

function tapped(topics: DeviceTopics, sent: (topic: string, payload: string) => void): DeviceTopics {
  return {
    get open() {
      return topics.open;
    },
    listen: (filters, listener) => topics.listen(filters, listener),
    publish: (topic, payload) => {
      const taken = topics.publish(topic, payload);
      if (taken) sent(topic, payload);
      return taken;
    },
  };
}

function filtersOf({ plan }: MqttDevice): Set<string> {
  return new Set([...plan.sources.flatMap(({ filters }) => filters), ...plan.availability.map(({ topic }) => topic)]);
}

function safePointsOf({ name: device, plan }: MqttDevice): SafePoint[] {
  return [...plan.writable].flatMap(([point, writable]) => {
    const { safe } = writable.write;
    if (safe === undefined) return [];
    const { onStop, offline } = safe;
    return [{ device, point, value: valueToWrite(writable, safe.value), onStop, offline }];
  });
}
