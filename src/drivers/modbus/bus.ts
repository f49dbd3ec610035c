/** One Modbus bus as the others see it: polled all the time by its queue (queue.ts), read, written and watched from outside. */
import { encodeRequest, type ModbusRequest } from '../../codecs/modbus-pdu.ts';
import type { SunspecChain } from '../../codecs/sunspec.ts';
import type { Looked, LookOptions, LookRequest } from '../../core/bus-frames.ts';
import { SluiceError } from '../../core/errors.ts';
import type { Sample, Shape, Value } from '../../core/point.ts';
import type { Bus, BusStatus, ReadFault, SafePoint, WriteOptions, Written } from '../../core/ports.ts';
import { type AskByHand, readByHand } from './by-hand.ts';
import type { Answer, CallOptions } from './calls.ts';
import type { Device } from './device.ts';
import type { Job } from './jobs.ts';
import { SEARCH, searchByHand } from './model-search.ts';
import type { Tap } from './port.ts';
import { BusQueue, type QueueOptions } from './queue.ts';
import { trace } from './trace.ts';
import { PointWriter } from './writes.ts';

export type DeviceRequest = Pick<Job, 'request' | 'shape' | 'decode' | 'label'>;

export interface BusOptions extends QueueOptions {
  readonly protocol: string;
}

export class ModbusBus implements Bus {
  readonly name: string;
  readonly safePoints: readonly SafePoint[];
  readonly #options: BusOptions;
  readonly #queue: BusQueue;
  readonly #writer: PointWriter;

  constructor(options: BusOptions) {
    this.name = options.name;
    this.safePoints = options.devices.flatMap((d) => d.safePoints);
    this.#options = options;
    this.#queue = new BusQueue(options, () => this.#writer.setsSafe);
    this.#writer = new PointWriter({
      ask: (device, request, more) => this.#ask(device, request, more),
      clock: options.clock,
      released: () => this.#queue.pump(),
    });
  }

  get shapes(): readonly Shape[] {
    return this.#queue.jobs.all.map((job) => job.shape);
  }

  nextPoll(): number {
    return this.#queue.jobs.nextDue(() => false);
  }

  lastTurn(): number {
    return this.#queue.wire.turnedAt;
  }

  turnBy(): number {
    const { wire } = this.#queue;
    const delays = this.#options.devices.map(({ patience }) => patience.connectDelay);
    return Math.max(wire.turnBy, wire.link.openBy + Math.max(0, ...delays));
  }

  start(): void {
    this.#queue.start();
  }

  stop(): Promise<void> {
    return this.#queue.stop();
  }

  /** One sample for each request of the device. The words of an error are those of its fault. */
  async read(name: string, refused?: (fault: ReadFault) => void): Promise<Sample[]> {
    const device = this.#device(name);
    const ask: AskByHand = (request, options) => this.#ask(device, request, options);
    if (device.models?.open === true) this.place(name, await searchByHand((request) => ask(request, { label: SEARCH })));
    return readByHand(device, this.#queue.jobs.of(device), { ask, clock: this.#options.clock, refused });
  }

  async write(name: string, point: string, value: Value, options?: WriteOptions): Promise<Written> {
    return this.#writer.write(this.#device(name), point, value, options);
  }

  /** The calls that `scan` and `read --raw` are made of. */
  exchange(unitId: number, request: LookRequest, options: LookOptions = {}): Promise<Looked> {
    const { clock, serial } = this.#options;
    return trace(
      (tap) => this.ask(unitId, request, { ...options, tap }),
      serial,
      () => clock.monotonic(),
    );
  }

  /** A request to any unit, between the polls. Rejects with a SluiceError. */
  ask(unitId: number, request: ModbusRequest, options: CallOptions = {}): Promise<Answer> {
    const device = this.#options.devices.find((d) => d.unitId === unitId);
    return this.#queue.call({ unitId, pdu: encodeRequest(request) }, device, options);
  }

  /** The requests to a device in a round; for a SunSpec device at the places where its models were found, and none of them before that. */
  requests(name: string): readonly DeviceRequest[] {
    const device = this.#device(name);
    return this.#queue.jobs
      .of(device)
      .filter((job) => job.lack === undefined && (job.model === undefined || !device.models?.open));
  }

  /** Where the models of a SunSpec device lie. */
  place(name: string, chain: SunspecChain | undefined): void {
    const device = this.#device(name);
    device.searched(device.models?.conclude(chain, this.#options.clock.monotonic()));
  }

  /** Every frame from now on, until the returned function is called; `ended` reports that the bus was stopped. */
  capture(tap: Tap, ended?: () => void): () => void {
    return this.#queue.wire.capture(tap, ended);
  }

  urgent(points: ReadonlySet<string>): void {
    this.#queue.jobs.setUrgent(points);
  }

  status(): BusStatus {
    const { protocol, devices, plans = [] } = this.#options;
    const { state, fault } = this.#queue.wire.link;
    const { report, overloaded } = this.#queue.load;
    return {
      name: this.name,
      protocol,
      state,
      fault: fault?.message,
      devices: devices.map((d) => ({ ...d.status(), answer: plans.find((plan) => plan.device === d)?.status() })),
      load: { ...report, overloaded },
    };
  }

  #device(name: string): Device {
    const device = this.#options.devices.find((d) => d.name === name);
    if (!device) throw new SluiceError('not-found', `the bus ${this.name} has no device ${name}`);
    return device;
  }

  async #ask(device: Device, request: ModbusRequest, options: CallOptions): Promise<Answer> {
    try {
      return await this.#queue.call({ unitId: device.unitId, pdu: encodeRequest(request) }, device, options);
    } catch (thrown) {
      if (!(thrown instanceof SluiceError) || thrown.code === 'request-invalid') throw thrown;
      throw new SluiceError(thrown.code, device.fault ?? thrown.message, { cause: thrown, data: { ...thrown.data } });
    }
  }
}
