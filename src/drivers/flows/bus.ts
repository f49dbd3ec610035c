/** The socket for flows as a bus: flows give readings, and each goes to its device. Nothing is polled, and nothing can be written. */

import type { FrameListener } from '../../core/bus-frames.ts';
import type { Clock } from '../../core/clock.ts';
import type { Duty } from '../../core/duty.ts';
import { SluiceError } from '../../core/errors.ts';
import type { FlowPoints, FlowReading, FlowTaken } from '../../core/flow-points.ts';
import type { Sample, Shape } from '../../core/point.ts';
import type { Bus, BusStatus } from '../../core/ports.ts';
import type { FlowsDevice } from './device.ts';
import type { FlowsBusSettings } from './schema.ts';

const CLOSED = 'Node-RED does not run, so no flow gives readings';

export class FlowsBus implements Bus {
  readonly name: string;
  readonly #settings: FlowsBusSettings;
  readonly #devices: ReadonlyMap<string, FlowsDevice>;
  readonly #points: FlowPoints;
  readonly #clock: Clock;
  readonly #stopped: () => void;
  readonly #taps = new Map<FrameListener, () => void>();
  #end: (() => void) | undefined;

  constructor(
    name: string,
    settings: FlowsBusSettings,
    devices: readonly FlowsDevice[],
    { points, clock, stopped }: { readonly points: FlowPoints; readonly clock: Clock; readonly stopped: () => void },
  ) {
    this.name = name;
    this.#settings = settings;
    this.#devices = new Map(devices.map((device) => [device.name, device]));
    this.#points = points;
    this.#clock = clock;
    this.#stopped = stopped;
  }

  get shapes(): Shape[] {
    return Array.from(this.#devices.values()).flatMap((device) => device.shapes);
  }

  start(): void {
    if (this.#end !== undefined) return;
    for (const device of this.#devices.values()) device.start();
    this.#end = this.#points.listen([...this.#devices.keys()], { reading: (reading) => this.#reading(reading) });
  }

  async stop(): Promise<void> {
    this.#end?.();
    this.#end = undefined;
    for (const device of this.#devices.values()) device.stop();
    for (const ended of this.#taps.values()) ended();
    this.#taps.clear();
    this.#stopped();
  }

  async read(device: string): Promise<Sample[]> {
    const known = this.#devices.get(device);
    if (known === undefined) throw new SluiceError('not-found', `there is no device ${device} on the bus ${this.name}`);
    if (!this.#points.open || this.#end === undefined) throw new SluiceError('bus-closed', CLOSED);
    return known.read(this.#settings.timeout);
  }

  /** Each reading as flows gave it, as JSON. */
  capture(listener: FrameListener, ended: () => void = () => {}): () => void {
    this.#taps.set(listener, ended);
    return () => this.#taps.delete(listener);
  }

  duties(): Duty[] {
    return Array.from(this.#devices.values(), (device) => device.duty());
  }

  status(): BusStatus {
    const open = this.#points.open && this.#end !== undefined;
    return {
      name: this.name,
      protocol: 'flows',
      state: open ? 'open' : this.#end === undefined ? 'closed' : 'opening',
      fault: open || this.#end === undefined ? undefined : CLOSED,
      devices: Array.from(this.#devices.values(), (device) => device.status()),
    };
  }

  #reading(reading: FlowReading): FlowTaken {
    if (this.#taps.size > 0) {
      const { device, point, value, unit, reason } = reading;
      const bytes = new TextEncoder().encode(JSON.stringify({ point: `${device}.${point}`, value, unit, bad: reason }));
      for (const tap of this.#taps.keys()) tap('in', bytes, this.#clock.monotonic());
    }
    const device = this.#devices.get(reading.device);
    return device?.reading(reading) ?? { code: 'not-found', message: `there is no device ${reading.device}` };
  }
}
