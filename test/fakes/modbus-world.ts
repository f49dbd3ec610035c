/**
 * A Modbus bus on a clock that a test moves, over every way to carry a frame, with a wire that a test plays: no sockets, no
 * ports, so that thousands of replies take a second. Registers tell their address (modbus-device.ts).
 */
import { encodeRequest } from '../../src/codecs/modbus-pdu.ts';
import { type ModbusPoint, pointInfo } from '../../src/codecs/modbus-point.ts';
import { compileRequest } from '../../src/codecs/modbus-registers.ts';
import type { ResolvedDevice } from '../../src/config/kinds.ts';
import { SluiceError } from '../../src/core/errors.ts';
import type { Logger } from '../../src/core/logger.ts';
import { reasonAt, type Sample, type Shape } from '../../src/core/point.ts';
import type { GatewayEvent } from '../../src/core/ports.ts';
import type { AnswerTime } from '../../src/drivers/modbus/answer-time.ts';
import { ModbusBus } from '../../src/drivers/modbus/bus.ts';
import { Device, type Patience } from '../../src/drivers/modbus/device.ts';
import { ascii, rtu } from '../../src/drivers/modbus/framing.ts';
import type { NewJob } from '../../src/drivers/modbus/jobs.ts';
import { LateReplies } from '../../src/drivers/modbus/late.ts';
import { LinePort, type LineTiming } from '../../src/drivers/modbus/line-port.ts';
import { Link } from '../../src/drivers/modbus/link.ts';
import { MbapTcpPort } from '../../src/drivers/modbus/mbap-tcp-port.ts';
import { MbapUdpPort } from '../../src/drivers/modbus/mbap-udp-port.ts';
import type { Pipe, PipeEvents } from '../../src/drivers/modbus/pipe.ts';
import { polledDevice } from '../../src/drivers/modbus/polled-device.ts';
import type { Dial, PortEvents } from '../../src/drivers/modbus/port.ts';
import type { WireTiming } from '../../src/drivers/modbus/wire-cost.ts';
import { ManualClock } from './manual-clock.ts';
import { crc, type FakeRequest, registerOf, rightPdu, withCrc, withMbap } from './modbus-device.ts';

export const TRANSPORTS = ['rtu', 'ascii', 'rtu-over-tcp', 'tcp', 'udp'] as const;
export type Transport = (typeof TRANSPORTS)[number];
export const isSerial = (transport: Transport) => transport !== 'tcp' && transport !== 'udp';

/** Frames as a device makes them, not by the code that is tested. */
export interface Frames {
  /** @param pdu unit, function, data */
  frame(pdu: Uint8Array, transaction: number): Buffer;
  /** @returns unit, function, data of a request, and its transaction */
  parse(bytes: Buffer): { body: Buffer; transaction: number };
}
const asciiFrame = (pdu: Uint8Array): Buffer => {
  const sum = pdu.reduce((total, byte) => total + byte, 0);
  const hex = Buffer.from([...pdu, (256 - (sum % 256)) % 256]).toString('hex');
  return Buffer.from(`:${hex.toUpperCase()}\r\n`, 'latin1');
};
const rtuFrames: Frames = {
  frame: (pdu) => withCrc(pdu),
  parse(bytes) {
    if (crc(bytes.subarray(0, -2)) !== bytes.readUInt16LE(bytes.length - 2)) throw new Error('a request with a wrong checksum');
    return { body: bytes.subarray(0, -2), transaction: 0 };
  },
};
const mbapFrames: Frames = {
  frame: (pdu, transaction) => withMbap(pdu, transaction),
  parse: (bytes) => ({ body: bytes.subarray(6), transaction: bytes.readUInt16BE(0) }),
};
export const FRAMES: Readonly<Record<Transport, Frames>> = {
  rtu: rtuFrames,
  'rtu-over-tcp': rtuFrames,
  tcp: mbapFrames,
  udp: mbapFrames,
  ascii: {
    frame: asciiFrame,
    parse: (bytes) => ({
      body: Buffer.from(bytes.subarray(1, -4).toString('latin1'), 'hex'),
      transaction: 0,
    }),
  },
};

export interface WorldRequest extends FakeRequest {
  /** Function and data. */
  readonly pdu: Buffer;
  /** Monotonic ms at which it was written. */
  readonly at: number;
  /** The right frame for an answer of these bytes (unit, function, data); default: the right answer to a read. */
  frame(pdu?: Uint8Array): Buffer;
  /** Bytes for the gateway, so many milliseconds after the request. */
  send(bytes: Uint8Array, after?: number): void;
  /** The other side closes. */
  drop(): void;
}

/** One end of the wire. */
export class FakePipe implements Pipe {
  isOpen = false;
  readonly events: PipeEvents;
  readonly #world: { readonly refuse: boolean; readonly written: (bytes: Buffer, pipe: FakePipe) => void };

  constructor(
    events: PipeEvents,
    world: { readonly refuse: boolean; readonly written: (bytes: Buffer, pipe: FakePipe) => void },
  ) {
    this.events = events;
    this.#world = world;
  }
  open(done: (error?: Error | null) => void): void {
    this.isOpen = !this.#world.refuse;
    done(this.#world.refuse ? new Error('refused') : null);
  }
  close(done: () => void): void {
    this.isOpen = false;
    done();
  }
  write(bytes: Uint8Array): void {
    this.#world.written(Buffer.from(bytes), this);
  }
  drop(): void {
    if (!this.isOpen) return;
    this.isOpen = false;
    this.events.gone(new SluiceError('bus-closed', 'gone'));
  }
}

export interface WorldDevice {
  readonly unit: number;
  readonly interval: number;
  /** One request each: holding registers so far apart that nobody reads them together. */
  readonly addresses: readonly number[];
  /** As `addresses`, of the input table: another function. */
  readonly inputs?: readonly number[];
  readonly patience?: Partial<Patience>;
  /** Besides those of the addresses; by hand they are read and written. */
  readonly points?: readonly ModbusPoint[];
  readonly offset?: number;
  readonly writesMultiple?: boolean;
}

export interface WorldOptions {
  readonly transport?: Transport;
  readonly devices?: readonly WorldDevice[];
  /** Devices as the configuration has them, planned and polled as the gateway does. */
  readonly resolved?: readonly ResolvedDevice[];
  readonly timeout?: number;
  readonly retries?: number;
  readonly inFlight?: number;
  /** By which `resolved` are planned; default: none, a network. */
  readonly line?: WireTiming['line'];
  /** What is known of how long `resolved` take to answer; default: 10 ms are assumed. */
  readonly known?: AnswerTime;
  /** ms; 0: the pace is not known */
  readonly character?: number;
  /** The line keeps its pace, and the port looks at it. */
  readonly paced?: boolean;
  /** Least silence before a request, ms; default 3.5 characters. */
  readonly silence?: number;
  /** What a device does with a request. */
  readonly answer: (request: WorldRequest) => void;
}

export class World {
  readonly clock = new ManualClock();
  readonly samples: Sample[] = [];
  readonly requests: WorldRequest[] = [];
  /** All requests, also those that a test took out of `requests`. */
  asked = 0;
  /** Monotonic ms of each opening. */
  readonly openings: number[] = [];
  readonly told: GatewayEvent[] = [];
  readonly log: string[] = [];
  /** Milliseconds, as they were to be kept. */
  readonly measured: number[] = [];
  readonly replanned: { at: number; before: readonly Shape[]; after: readonly Shape[] }[] = [];
  readonly bus: ModbusBus;
  answer: (request: WorldRequest) => void;
  refuse = false;
  /** The pipe that is or was open. */
  pipe: FakePipe | undefined;
  readonly transport: Transport;
  readonly devices: readonly Device[];

  constructor(options: WorldOptions) {
    const { transport = 'rtu', timeout = 1000, retries = 0, inFlight = 1, character = 0 } = options;
    this.transport = transport;
    this.answer = options.answer;
    const write = (level: string) => (_data: object, message: string) => void this.log.push(`${level} ${message}`);
    const logger: Logger = {
      debug: write('debug'),
      info: write('info'),
      warn: write('warn'),
      error: write('error'),
      child: () => logger,
    };
    const wire = { serial: isSerial(transport), label: transport };
    const jobs: NewJob[] = [];
    const own = (options.devices ?? []).map((of) => {
      const polled = [...of.addresses.map(word), ...(of.inputs ?? []).map((address) => ({ ...word(address), table: INPUT }))];
      const points = [...polled, ...(of.points ?? [])];
      const patience = { timeout, retries, turnaround: 0, connectDelay: 0, ...of.patience };
      const owner = { name: `d${of.unit}`, unitId: of.unit, patience, points: new Map(points.map((p) => [p.name, p])) };
      const device = new Device({ ...owner, writesMultiple: of.writesMultiple === true }, wire, this.clock, logger);
      for (const point of polled) {
        const shape = { device: device.name, points: [pointInfo(point)] };
        const request = { table: point.table, start: point.address, count: 1, points: [point] };
        const pdu = encodeRequest({ kind: 'read', ...request });
        const decode = compileRequest(shape, request.points, point.address);
        jobs.push({ device, request, pdu, shape, decode, interval: of.interval, offset: of.offset ?? 0 });
      }
      return device;
    });
    const { line, known = { ms: 10, from: 'assumed' } } = options;
    const timing: WireTiming = { protocol: line ? 'modbus-rtu' : 'modbus-tcp', line, turnaround: 0, inFlight };
    const planned = (options.resolved ?? []).map((each) =>
      polledDevice(each, {
        wire,
        timing,
        timeout,
        retries,
        clock: this.clock,
        logger,
        counters: undefined,
        place: { index: 0, of: 1 },
        answer: known,
        remember: (ms) => void this.measured.push(ms),
      }),
    );
    jobs.push(...planned.flatMap((each) => each.jobs));
    this.devices = [...own, ...planned.map(({ device }) => device)];
    const dial = this.#dial(transport, {
      character,
      silence: options.silence ?? 3.5 * character,
      paced: options.paced === true,
      inVain: 3,
    });
    this.bus = new ModbusBus({
      ...{ name: 'test', protocol: transport, serial: isSerial(transport), inFlight, timeout, jobs, clock: this.clock },
      emit: (sample) => void this.samples.push(sample),
      tell: (event) => void this.told.push(event),
      devices: this.devices,
      plans: planned.map(({ plan }) => plan),
      replanned: (before, after) => void this.replanned.push({ at: this.clock.monotonic(), before, after }),
      link: (changed, events) =>
        new Link({
          ...{ label: 'test', dial, clock: this.clock, logger, random: () => 1, openLimit: 3000, events, changed },
          explain: (error) => new SluiceError('bus-open', error.message),
        }),
    });
  }

  /** Starts on the first call; runs up to this monotonic time. */
  async until(at: number): Promise<void> {
    this.bus.start();
    await this.clock.advance(at - this.clock.monotonic());
  }

  /** Good samples. */
  get good(): Sample[] {
    return this.samples.filter((s) => reasonAt(s, 0) === 0);
  }

  of(unit: number): WorldRequest[] {
    return this.requests.filter((r) => r.unit === unit);
  }

  /** Good values that are not those of their registers: there must never be one. */
  get lies(): string[] {
    return this.good
      .filter((s) => s.values[0] !== registerOf(Number(s.shape.points[0]?.name.slice(1))))
      .map((s) => `${s.shape.device}.${s.shape.points[0]?.name} = ${String(s.values[0])}`);
  }

  #dial(transport: Transport, timing: LineTiming): Dial {
    const late = new LateReplies();
    return (events: PortEvents) => {
      const make = (of: PipeEvents) => {
        this.openings.push(this.clock.monotonic());
        const world = this;
        this.pipe = new FakePipe(of, {
          get refuse() {
            return world.refuse;
          },
          written: (bytes, pipe) => this.#written(bytes, pipe),
        });
        return this.pipe;
      };
      if (transport === 'tcp') return new MbapTcpPort(make, 0, this.clock, events);
      if (transport === 'udp') return new MbapUdpPort(make, 0, this.clock, events, 0xfff0);
      const { inVain, ...line } = timing;
      const of = transport === 'rtu-over-tcp' ? timing : line;
      return new LinePort(transport === 'ascii' ? ascii : rtu, of, make, this.clock, events, late);
    };
  }

  #written(bytes: Buffer, pipe: FakePipe): void {
    const { body, transaction } = FRAMES[this.transport].parse(bytes);
    const request: FakeRequest = {
      ...{ n: ++this.asked, transaction, unit: body.readUInt8(0), code: body.readUInt8(1) },
      ...{ start: body.readUInt16BE(2), count: body.length >= 6 ? body.readUInt16BE(4) : 0 },
    };
    const at = this.clock.monotonic();
    const made: WorldRequest = {
      ...request,
      at,
      pdu: body.subarray(1),
      frame: (pdu = rightPdu(request)) => FRAMES[this.transport].frame(pdu, transaction),
      send: (data, after = 0) =>
        void this.clock.after(after, () => {
          if (pipe.isOpen) pipe.events.data(Buffer.from(data));
        }),
      drop: () => pipe.drop(),
    };
    this.requests.push(made);
    this.answer(made);
  }
}

const INPUT = 'input' as const;
export const word = (address: number): ModbusPoint => ({ name: `r${address}`, table: 'holding', address, type: 'uint16' });
