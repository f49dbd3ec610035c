/**
 * Devices of a configuration, served as if they were there.
 * - Values are a pure function of seed, name and time, until `set` holds one.
 * - Nothing listens beyond the given host; a serial bus is served only where the options say how.
 */
import { movePoint } from '../../codecs/decimal.ts';
import { encodePoint } from '../../codecs/modbus-encode.ts';
import type { ModbusPoint } from '../../codecs/modbus-point.ts';
import type { GatewayConfig, ResolvedBus, ResolvedDevice } from '../../config/kinds.ts';
import type { Clock } from '../../core/clock.ts';
import { SluiceError } from '../../core/errors.ts';
import type { Value } from '../../core/point.ts';
import { seeded } from '../../core/seeded.ts';
import { characterTime } from '../../drivers/modbus/wire-cost.ts';
import { FaultBoard } from './faults.ts';
import type { Frames } from './frames.ts';
import { asciiFrames, mbapFrames, rtuFrames } from './frames.ts';
import type { Line, LineSettings } from './line.ts';
import { PortLine, PtyLine } from './line.ts';
import { ModbusDevice } from './modbus-device.ts';
import { MqttTalkers, PASSWORD } from './mqtt-talkers.ts';
import type { PointLook } from './plausible.ts';
import { plausibleValue } from './plausible.ts';
import type { Recording } from './recording.ts';
import { ReplayServer, type Stage } from './replay-server.ts';
import { Responder } from './responder.ts';
import { LineServer, NetworkServer } from './servers.ts';
import { SimulatedTalker } from './talker.ts';

export interface SimulationOptions {
  readonly clock: Clock;
  /** Default 1. */
  readonly seed?: number;
  /** Where network buses listen; default 127.0.0.1. */
  readonly host?: string;
  /** Bus name -> port to listen on instead of the one configured; 0 takes any. */
  readonly tcpPorts?: ReadonlyMap<string, number>;
  /** Bus name -> path of a link to the pseudo-terminal that is made. */
  readonly ptys?: ReadonlyMap<string, string>;
  /** Bus name -> port that exists. */
  readonly ports?: ReadonlyMap<string, string>;
  /** Bus name -> the embedded broker to which its devices publish, `mqtt://name@host:port`. */
  readonly brokers?: ReadonlyMap<string, string>;
  /** Something that a person should see. */
  readonly note?: (words: string) => void;
  /** Bus name -> what is played there instead of simulated devices. */
  readonly replays?: ReadonlyMap<string, Recording>;
  /** A request came that a recording does not have: unit, function and data in hexadecimal. */
  readonly unrecorded?: (bus: string, request: string) => void;
}

/** The scale factor of a simulated device: one decimal. */
const FACTOR = -1;

/** What the simulation does with one bus. */
export interface ServedBus {
  readonly name: string;
  readonly protocol: string;
  /** Where it is served; for people. undefined: it is not, and `why` says so. */
  readonly where?: string | undefined;
  readonly why?: string | undefined;
  readonly devices: readonly ResolvedDevice[];
}

type Server = NetworkServer | LineServer | SimulatedTalker | ReplayServer | MqttTalkers;

/** What carries each Modbus protocol. */
const WIRES: Readonly<
  Record<string, { readonly on: 'tcp' | 'udp' | 'line'; readonly frames: Frames; readonly checked: boolean }>
> = {
  'modbus-tcp': { on: 'tcp', frames: mbapFrames, checked: false },
  'modbus-udp': { on: 'udp', frames: mbapFrames, checked: false },
  'modbus-rtu-over-tcp': { on: 'tcp', frames: rtuFrames, checked: true },
  'modbus-rtu': { on: 'line', frames: rtuFrames, checked: true },
  'modbus-ascii': { on: 'line', frames: asciiFrames, checked: true },
};

export class Simulation {
  readonly faults: FaultBoard;
  readonly #config: GatewayConfig;
  readonly #options: SimulationOptions;
  readonly #seed: number;
  readonly #random: () => number;
  readonly #held = new Map<string, Value>();
  readonly #servers: Server[] = [];
  readonly #served: ServedBus[] = [];
  readonly #modbus = new Map<string, ModbusDevice>();
  #began = 0;

  constructor(config: GatewayConfig, options: SimulationOptions) {
    this.#config = config;
    this.#options = options;
    this.#seed = options.seed ?? 1;
    this.#random = seeded(this.#seed);
    const kindOf = (device: ResolvedDevice) => {
      const protocol = config.buses.get(device.bus)?.protocol;
      if (protocol === 'mqtt' || protocol === 'flows' || protocol === 'derived') return 'talker';
      if (protocol === 'serial') return device.settings.request === undefined ? 'talker' : 'asked';
      return WIRES[protocol ?? '']?.checked === false ? 'tcp' : 'rtu';
    };
    this.faults = new FaultBoard({
      devices: new Map(Array.from(config.devices.values(), (device) => [device.name, kindOf(device)])),
      buses: new Set(config.buses.keys()),
    });
  }

  /** One entry a bus, in the order of the configuration. */
  get served(): readonly ServedBus[] {
    return this.#served;
  }

  /** Serves every bus that it can. @throws SluiceError when a bus that was asked for cannot be served; nothing is left running then */
  async start(): Promise<void> {
    this.#began = this.#options.clock.monotonic();
    try {
      for (const bus of this.#config.buses.values()) await this.#startBus(bus);
    } catch (error) {
      await this.stop();
      throw error;
    }
  }

  async stop(): Promise<void> {
    await Promise.all(this.#servers.splice(0).map((server) => server.stop()));
  }

  /** The TCP or UDP port of a network bus. */
  portOf(bus: string): number {
    const server = this.#servers.find((s) => s.bus === bus && 'port' in s && s.port > 0);
    if (server !== undefined && 'port' in server) return server.port;
    throw new SluiceError('not-found', `the bus ${bus} is not served on the network`);
  }

  /** Holds a point at a value; undefined lets it move again. @throws SluiceError `not-found`, or `request-invalid` where it does not fit */
  set(device: string, point: string, value: Value | undefined): void {
    const settings = this.#config.devices.get(device)?.points.get(point);
    if (settings === undefined) throw new SluiceError('not-found', `there is no point ${device}.${point}`);
    const isModbus = WIRES[this.#config.buses.get(this.#config.devices.get(device)?.bus ?? '')?.protocol ?? ''] !== undefined;
    if (value !== undefined && isModbus) {
      const modbus = { ...(settings as Omit<ModbusPoint, 'name'>), name: point };
      encodePoint(modbus, value, [], this.#factorOf(device, modbus));
    }
    this.#modbus.get(device)?.forget(point);
    if (value === undefined) this.#held.delete(`${device}.${point}`);
    else this.#held.set(`${device}.${point}`, value);
  }

  /** What a point is now, in its unit. */
  value(device: string, point: string): Value {
    const held = this.#held.get(`${device}.${point}`);
    if (held !== undefined) return held;
    const points = this.#config.devices.get(device)?.points;
    const look = points?.get(point) as (PointLook & Pick<ModbusPoint, 'scaleFactor'>) | undefined;
    if (look === undefined) throw new SluiceError('not-found', `there is no point ${device}.${point}`);
    if (points?.values().some((other) => other.scaleFactor === point)) return FACTOR;
    const scale = movePoint(look.scale ?? 1, this.#factorOf(device, look) ?? 0);
    const { clock } = this.#options;
    const seconds = (clock.monotonic() - this.#began) / 1000;
    return plausibleValue({ ...look, scale }, device, point, this.#seed, seconds, clock.wall());
  }

  /** The power of ten that the scale factor of a point is now. */
  #factorOf(device: string, { scaleFactor }: Pick<ModbusPoint, 'scaleFactor'>): number | undefined {
    return scaleFactor === undefined ? undefined : Number(this.value(device, scaleFactor));
  }

  async #startBus(bus: ResolvedBus): Promise<void> {
    const devices = [...this.#config.devices.values()].filter((device) => device.bus === bus.name);
    const entry = { name: bus.name, protocol: bus.protocol, devices };
    if (devices.length === 0) {
      this.#served.push({ ...entry, why: 'it has no device' });
      return;
    }
    const recording = this.#options.replays?.get(bus.name);
    if (recording !== undefined) {
      await this.#replay(bus, recording, entry);
      return;
    }
    const valueNow = (device: string, point: string) => this.value(device, point);
    const wire = WIRES[bus.protocol];
    const responder = () => {
      const made = devices.map((device) => new ModbusDevice(device, valueNow));
      for (const device of made) this.#modbus.set(device.name, device);
      const { frames, checked, on } = wire as (typeof WIRES)[string];
      return new Responder(bus.name, { frames, checked, way: on === 'line' ? on : 'network' }, made, this.faults, this.#random);
    };
    if (wire?.on === 'tcp' || wire?.on === 'udp') {
      const port = this.#options.tcpPorts?.get(bus.name) ?? Number(bus.settings.port);
      const address = { host: this.#options.host ?? '127.0.0.1', port };
      const server = new NetworkServer(wire.on, address, responder(), this.faults);
      await server.start();
      this.#servers.push(server);
      this.#served.push({ ...entry, where: `${server.host}:${server.port}${wire.on === 'udp' ? ' (UDP)' : ''}` });
      return;
    }
    if (bus.protocol === 'mqtt') {
      await this.#publish(bus, devices, entry);
      return;
    }
    if (bus.protocol === 'derived') {
      this.#served.push({ ...entry, why: 'the gateway computes its points from others' });
      return;
    }
    if (bus.protocol === 'flows') {
      this.#served.push({ ...entry, why: 'flows of Node-RED give its readings, and nothing simulates them' });
      return;
    }
    const line = this.#line(bus);
    if (line === undefined) {
      this.#served.push({
        ...entry,
        why: this.#whereWords(bus),
      });
      return;
    }
    if (bus.protocol === 'serial') {
      for (const device of devices) {
        const context = { random: this.#random, valueNow, wall: () => this.#options.clock.wall() };
        const talker = new SimulatedTalker(device, line, this.faults, context);
        await talker.start();
        this.#servers.push(talker);
      }
    } else if (wire !== undefined) {
      const server = new LineServer(line, responder());
      await server.start();
      this.#servers.push(server);
    } else {
      this.#served.push({ ...entry, why: `${bus.protocol} cannot be simulated in this version` });
      return;
    }
    this.#served.push({ ...entry, where: line.words });
  }

  async #publish(bus: ResolvedBus, devices: readonly ResolvedDevice[], entry: Omit<ServedBus, 'where' | 'why'>): Promise<void> {
    const url = this.#options.brokers?.get(bus.name);
    if (url === undefined) {
      const account = `a device account that publishes its topics, its password in ${PASSWORD}`;
      this.#served.push({
        ...entry,
        why: `say where the gateway runs: --mqtt ${bus.name}=mqtt://NAME@127.0.0.1:1883 (${account})`,
      });
      return;
    }
    const talkers = new MqttTalkers(bus.name, url, devices, this.faults, {
      valueNow: (device, point) => this.value(device, point),
      wall: () => this.#options.clock.wall(),
      set: (device, point, value) => this.set(device, point, value),
      note: (words) => this.#options.note?.(words),
    });
    await talkers.start();
    this.#servers.push(talkers);
    this.#served.push({ ...entry, where: url });
  }

  async #replay(bus: ResolvedBus, recording: Recording, entry: Omit<ServedBus, 'where' | 'why'>): Promise<void> {
    if (recording.protocol !== bus.protocol)
      throw new SluiceError('usage', `${bus.name} is ${bus.protocol}, and the capture is of ${recording.protocol}`);
    const line = 'host' in bus.settings ? undefined : this.#line(bus);
    if (line === undefined && !('host' in bus.settings)) {
      this.#served.push({ ...entry, why: this.#whereWords(bus) });
      return;
    }
    const port = this.#options.tcpPorts?.get(bus.name) ?? Number(bus.settings.port);
    const udp = WIRES[bus.protocol]?.on === 'udp';
    const stage: Stage =
      line === undefined
        ? { on: udp ? 'udp' : 'tcp', host: this.#options.host ?? '127.0.0.1', port }
        : { line, character: characterTime(bus.settings as unknown as Parameters<typeof characterTime>[0]) };
    const server = new ReplayServer(bus.name, recording, stage, (request) => this.#options.unrecorded?.(bus.name, request));
    await server.start();
    this.#servers.push(server);
    const where = line === undefined ? `${this.#options.host ?? '127.0.0.1'}:${server.port}${udp ? ' (UDP)' : ''}` : line.words;
    this.#served.push({ ...entry, where });
  }

  #whereWords(bus: ResolvedBus): string {
    return `say where its serial line is: --pty ${bus.name}=${String(bus.settings.port)} (made by socat), or --port ${bus.name}=PATH (a port that exists)`;
  }

  #line(bus: ResolvedBus): Line | undefined {
    const settings = bus.settings as unknown as LineSettings;
    const pty = this.#options.ptys?.get(bus.name);
    if (pty !== undefined) return new PtyLine(pty, settings);
    const port = this.#options.ports?.get(bus.name);
    return port === undefined ? undefined : new PortLine(port, settings);
  }
}
