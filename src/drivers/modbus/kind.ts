/** The Modbus drivers as the registry lists them: `modbus-tcp` and `modbus-rtu`. */
import { pointInfo } from '../../codecs/modbus-point.ts';
import { compileRequest } from '../../codecs/modbus-registers.ts';
import type { DriverKind, ResolvedBus, ResolvedDevice } from '../../config/kinds.ts';
import type { Clock } from '../../core/clock.ts';
import type { Logger } from '../../core/logger.ts';
import type { Bus, SampleSink } from '../../core/ports.ts';
import type { BusOptions, Job } from './bus.ts';
import { ModbusBus } from './bus.ts';
import { checkDevice, pointsOf } from './check.ts';
import { Device } from './device.ts';
import type { LinkOptions } from './link.ts';
import { Link } from './link.ts';
import { planReads } from './plan.ts';
import { RtuPort } from './rtu-port.ts';
import type { DeviceSettings, RtuSettings, TcpSettings } from './schema.ts';
import { device, lineHints, point, rtuBus, tcpBus } from './schema.ts';
import { TcpPort } from './tcp-port.ts';
import type { Wire } from './words.ts';
import { connectFailure, openFailure } from './words.ts';

export interface BusContext {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly emit: SampleSink;
  /** 0 up to 1, for jitter. */
  readonly random?: (() => number) | undefined;
}

export interface ModbusKind extends DriverKind {
  create(bus: ResolvedBus, devices: readonly ResolvedDevice[], context: BusContext): Bus;
}

const family = {
  family: 'modbus',
  device,
  point,
  line: lineHints,
  address: (d: Readonly<Record<string, unknown>>) => String(d.unit),
};

export const modbusTcp: ModbusKind = {
  ...family,
  protocol: 'modbus-tcp',
  bus: tcpBus,
  wire: (bus) => `${String(bus.host)}:${String(bus.port)}`,
  checkDevice: (d) => checkDevice(d, false),
  create(bus, devices, context) {
    const settings = bus.settings as unknown as TcpSettings;
    const { host, port } = settings;
    const wire: Wire = { serial: false, label: `${host}:${port}` };
    return assemble(bus, devices, context, wire, settings, {
      dial: (events) => new TcpPort(settings, context.clock, events),
      explain: (error) => connectFailure(error, host, port),
    });
  },
};

export const modbusRtu: ModbusKind = {
  ...family,
  protocol: 'modbus-rtu',
  bus: rtuBus,
  wire: (bus) => String(bus.port),
  checkDevice: (d) => checkDevice(d, true),
  create(bus, devices, context) {
    const settings = bus.settings as unknown as RtuSettings;
    const wire: Wire = { serial: true, label: `${settings.port} at ${settings.baudRate} baud, parity ${settings.parity}` };
    return assemble(bus, devices, context, wire, settings, {
      dial: (events) => new RtuPort(settings, context.clock, events),
      explain: (error) => openFailure(error, settings.port),
    });
  },
};

/** Opening takes as long as a reply may, but not less than this. */
const OPEN_LIMIT = 3000;

function assemble(
  bus: ResolvedBus,
  resolved: readonly ResolvedDevice[],
  context: BusContext,
  wire: Wire,
  settings: { timeout: number; retries: number },
  ways: Pick<LinkOptions, 'dial' | 'explain'>,
): Bus {
  const { clock, emit } = context;
  const logger = context.logger.child({ bus: bus.name });
  const devices: Device[] = [];
  const jobs: Job[] = [];
  for (const each of resolved) {
    const { unit, interval, limits } = each.settings as unknown as DeviceSettings;
    const owner = new Device(each.name, unit, wire, clock, logger);
    devices.push(owner);
    for (const request of planReads(pointsOf(each), limits)) {
      const shape = { device: each.name, points: request.points.map(pointInfo) };
      const decode = compileRequest(shape, request.points, request.start);
      jobs.push({ device: owner, request, shape, decode, interval, due: 0, served: 0 });
    }
  }
  const link: BusOptions['link'] = (changed, late, skipped) =>
    new Link({
      ...ways,
      label: wire.label,
      clock,
      logger,
      random: context.random ?? Math.random,
      openLimit: Math.max(settings.timeout, OPEN_LIMIT),
      events: { late, skipped },
      changed,
    });
  const { timeout, retries } = settings;
  return new ModbusBus({
    name: bus.name,
    protocol: bus.protocol,
    serial: wire.serial,
    timeout,
    retries,
    clock,
    emit,
    devices,
    jobs,
    link,
  });
}
