/** The Modbus drivers as the registry lists them, one for each way to carry a frame. */
import type { CounterMemory } from '../../codecs/counter.ts';
import type { DriverKind, ResolvedBus, ResolvedDevice } from '../../config/kinds.ts';
import type { Clock } from '../../core/clock.ts';
import { SluiceError } from '../../core/errors.ts';
import type { Logger } from '../../core/logger.ts';
import type { Shape } from '../../core/point.ts';
import type { GatewayEvent, SampleSink } from '../../core/ports.ts';
import type { TimeMemory } from '../driver.ts';
import { baudRateWarnings } from '../line-settings.ts';
import { portFailure } from '../serial-ports.ts';
import { timeKey } from './answer-time.ts';
import { type BusOptions, ModbusBus } from './bus.ts';
import { checkDevice, pointsOf } from './check.ts';
import { valueFault } from './check-write.ts';
import { derivedPoints } from './counted.ts';
import { ascii, type Framing, rtu } from './framing.ts';
import { LateReplies } from './late.ts';
import { LinePort } from './line-port.ts';
import type { LinkOptions } from './link.ts';
import { Link } from './link.ts';
import { manualNumbers } from './manual-numbers.ts';
import { IN_VAIN, MbapTcpPort } from './mbap-tcp-port.ts';
import { MbapUdpPort } from './mbap-udp-port.ts';
import { SerialPipe, TcpPipe, UdpPipe } from './pipe.ts';
import { polledDevice } from './polled-device.ts';
import { answerOf, budgetOf, wireOf } from './reads.ts';
import type { AsciiSettings, RtuOverTcpSettings, RtuSettings, TcpSettings, UdpSettings } from './schema.ts';
import { asciiBus, device, lineHints, point, rtuBus, rtuOverTcpBus, tcpBus, udpBus } from './schema.ts';
import { characterTime, lineBehind, silenceOf } from './wire-cost.ts';
import type { Wire } from './words.ts';
import { connectFailure, droppedFailure } from './words.ts';

export interface BusContext {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly emit: SampleSink;
  /** Takes events for operators. */
  readonly tell?: ((event: GatewayEvent) => void) | undefined;
  /** State of counters; without it they begin with the bus. */
  readonly counters?: CounterMemory | undefined;
  /** Measured answer times of devices, kept over reloads and restarts. */
  readonly times?: TimeMemory | undefined;
  /** A device is read by other requests from now on. */
  readonly replanned?: ((before: readonly Shape[], after: readonly Shape[]) => void) | undefined;
  /** 0 up to 1, for jitter. */
  readonly random?: (() => number) | undefined;
}

export interface ModbusKind extends DriverKind {
  create(bus: ResolvedBus, devices: readonly ResolvedDevice[], context: BusContext): ModbusBus;
}

const family = {
  family: 'modbus',
  heard: 'asked' as const,
  device,
  point,
  line: lineHints,
  derivedPoints,
  address: (d: Readonly<Record<string, unknown>>) => String(d.unit),
  deviceWarnings: ((device, written) =>
    manualNumbers(pointsOf(device), (point) => written(['points', point, 'address'])).map(({ point, message }) => ({
      path: ['points', point, 'address'],
      message,
    }))) satisfies DriverKind['deviceWarnings'],
  budget: budgetOf,
  writeFault: valueFault,
};
const hostAndPort = (bus: Readonly<Record<string, unknown>>) => `${String(bus.host)}:${String(bus.port)}`;

export const modbusTcp: ModbusKind = {
  ...family,
  protocol: 'modbus-tcp',
  bus: tcpBus,
  wire: hostAndPort,
  checkDevice: (d, around) => checkDevice(d, false, around),
  create(bus, devices, context) {
    const settings = bus.settings as unknown as TcpSettings;
    const { host, port, turnaround } = settings;
    return assemble(bus, devices, context, { serial: false, label: `${host}:${port}` }, settings, {
      dial: (events) => new MbapTcpPort((of) => new TcpPipe(settings, of), turnaround, context.clock, events),
      explain: (error) => connectFailure(error, host, port),
      dropped: (error) => droppedFailure(error, host, port),
    });
  },
};

export const modbusUdp: ModbusKind = {
  ...family,
  protocol: 'modbus-udp',
  bus: udpBus,
  wire: hostAndPort,
  checkDevice: (d, around) => checkDevice(d, false, around),
  create(bus, devices, context) {
    const settings = bus.settings as unknown as UdpSettings;
    const { host, port, turnaround } = settings;
    const random = context.random ?? Math.random;
    return assemble(bus, devices, context, { serial: false, label: `${host}:${port} (UDP)` }, settings, {
      dial: (events) =>
        new MbapUdpPort((of) => new UdpPipe(settings, of), turnaround, context.clock, events, Math.floor(random() * 65_536)),
      explain: (error) => connectFailure(error, host, port),
    });
  },
};

/** A port is opened often while no device answers on it; words about it are logged when they change. */
function once(say: (words: string) => void): (words: string) => void {
  let said: string | undefined;
  return (words) => {
    if (words !== said) say(words);
    said = words;
  };
}

function serialKind(protocol: string, schema: typeof rtuBus | typeof asciiBus, framing: Framing): ModbusKind {
  return {
    ...family,
    protocol,
    bus: schema,
    wire: (bus) => String(bus.port),
    busWarnings: baudRateWarnings,
    checkDevice: (d, around) => checkDevice(d, true, around),
    create(bus, devices, context) {
      const settings = bus.settings as unknown as RtuSettings | AsciiSettings;
      const wire: Wire = { serial: true, label: `${settings.port} at ${settings.baudRate} baud, parity ${settings.parity}` };
      const character = characterTime(settings);
      const timing = { character, silence: Math.max(silenceOf(character), settings.turnaround), paced: true };
      const late = new LateReplies();
      const watch = { clock: context.clock, shared: once((words) => context.logger.warn({ bus: bus.name }, words)) };
      return assemble(
        bus,
        devices,
        context,
        wire,
        { ...settings, inFlight: 1 },
        {
          dial: (events) =>
            new LinePort(framing, timing, (of) => new SerialPipe(settings, of, watch), context.clock, events, late),
          // The error of a port that could not be opened is in words already.
          explain: (error) =>
            error instanceof SluiceError && error.code === 'bus-open' ? error : portFailure(error, settings.port),
        },
      );
    },
  };
}

export const modbusRtu: ModbusKind = {
  ...serialKind('modbus-rtu', rtuBus, rtu),
  busWarnings: (bus) => {
    const message =
      'Modbus RTU has 8 data bits (specification of the serial line, 2.5.1); with 7 every reply arrives damaged: write 8, or protocol: modbus-ascii';
    return [...baudRateWarnings(bus), ...(bus.dataBits === 7 ? [{ path: ['dataBits'], message }] : [])];
  },
};
/** A colon begins a frame, so that silence is not asked for; it is kept, because what a device says twice shows in it. */
export const modbusAscii = serialKind('modbus-ascii', asciiBus, ascii);

export const modbusRtuOverTcp: ModbusKind = {
  ...family,
  protocol: 'modbus-rtu-over-tcp',
  bus: rtuOverTcpBus,
  wire: hostAndPort,
  busWarnings: baudRateWarnings,
  checkDevice: (d, around) => checkDevice(d, true, around),
  create(bus, devices, context) {
    const settings = bus.settings as unknown as RtuOverTcpSettings;
    const { host, port } = settings;
    const wire: Wire = { serial: true, label: `${host}:${port} (RTU over TCP)` };
    const character = characterTime(lineBehind(settings.baudRate));
    // The line behind needs its silence as well; what is said twice shows in it.
    const timing = { character, silence: Math.max(silenceOf(character), settings.turnaround), inVain: IN_VAIN };
    const late = new LateReplies();
    return assemble(
      bus,
      devices,
      context,
      wire,
      { ...settings, inFlight: 1 },
      {
        dial: (events) => new LinePort(rtu, timing, (of) => new TcpPipe(settings, of), context.clock, events, late),
        explain: (error) => connectFailure(error, host, port),
        dropped: (error) => droppedFailure(error, host, port),
      },
    );
  },
};

export const MODBUS_KINDS = [modbusRtu, modbusAscii, modbusTcp, modbusRtuOverTcp, modbusUdp] as const;

/** Opening takes as long as a reply may, but not less than this. */
const OPEN_LIMIT = 3000;

function assemble(
  bus: ResolvedBus,
  resolved: readonly ResolvedDevice[],
  context: BusContext,
  wire: Wire,
  settings: { timeout: number; retries: number; inFlight: number },
  ways: Pick<LinkOptions, 'dial' | 'explain' | 'dropped'>,
): ModbusBus {
  const { clock, emit } = context;
  const logger = context.logger.child({ bus: bus.name });
  const { timeout, retries } = settings;
  const polled = resolved.map((each, index) =>
    polledDevice(each, {
      ...{ wire, timing: wireOf(bus), timeout, retries, clock, logger, counters: context.counters },
      place: { index, of: resolved.length },
      answer: answerOf(bus, each, context.times),
      remember: (ms) => context.times?.set(timeKey(bus, each), ms),
    }),
  );
  const link: BusOptions['link'] = (changed, events) =>
    new Link({
      ...ways,
      label: wire.label,
      clock,
      logger,
      random: context.random ?? Math.random,
      openLimit: Math.max(timeout, OPEN_LIMIT),
      events,
      changed,
    });
  return new ModbusBus({
    name: bus.name,
    protocol: bus.protocol,
    serial: wire.serial,
    inFlight: settings.inFlight,
    timeout,
    clock,
    emit,
    tell: context.tell ?? (() => {}),
    devices: polled.map(({ device }) => device),
    jobs: polled.flatMap(({ jobs }) => jobs),
    plans: polled.map(({ plan }) => plan),
    replanned: context.replanned,
    link,
  });
}
