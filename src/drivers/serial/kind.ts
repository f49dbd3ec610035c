/** The `serial` protocol: what the registry lists. */
import type { CounterMemory } from '../../codecs/counter.ts';
import { widthOf } from '../../codecs/serial/binary-decoder.ts';
import { parseHex } from '../../codecs/serial/hex.ts';
import { NMEA_GPS_SENTENCES } from '../../codecs/serial/nmea-time.ts';
import { groupOf } from '../../codecs/serial/point-groups.ts';
import { framingOf } from '../../codecs/serial/talker.ts';
import type { TalkerConfig } from '../../codecs/serial/types.ts';
import type { DriverKind, ResolvedBus, ResolvedDevice } from '../../config/kinds.ts';
import type { Clock } from '../../core/clock.ts';
import { SluiceError } from '../../core/errors.ts';
import type { Logger } from '../../core/logger.ts';
import type { Bus, SampleSink } from '../../core/ports.ts';
import { totalsOf } from '../counter.ts';
import { baudRateWarnings, characterOf } from '../line-settings.ts';
import { type LineOpener, openLine } from '../serial-line.ts';
import { AskedDevice } from './asked-device.ts';
import { SerialBus } from './bus.ts';
import { countedPoint, pointFaults } from './check.ts';
import type { DeviceContext, LineDevice } from './line-device.ts';
import type { SerialBusSettings, SerialDeviceSettings, SerialPointSettings } from './schema.ts';
import { serialBus, serialDevice, serialLine, serialPoint } from './schema.ts';
import { TalkingDevice } from './talking-device.ts';

/** Milliseconds; the interval of a device that is asked, where none is written. */
const POLL_EVERY = 10_000;

export interface SerialContext {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly emit: SampleSink;
  /** The time of an NMEA device with a fix: UTC ms, and the monotonic ms at which the sentence had arrived. */
  readonly onTime?: (device: string, utc: number, at: number) => void;
  /** State of counters; without it they begin with the bus. */
  readonly counters?: CounterMemory | undefined;
  /** 0..1; Math.random when absent. */
  readonly random?: () => number;
  /** Another way to a port, for tests. */
  readonly open?: LineOpener;
}

/** Framing, decoding and points of a device, for the simulator (`encodeFrames`) and for `Talker`. */
export function talkerConfig(device: ResolvedDevice): TalkerConfig {
  const { frame, decode } = device.settings as SerialDeviceSettings;
  const points = device.points as ReadonlyMap<string, SerialPointSettings>;
  return { device: device.name, frame: framingOf({ frame, decode }), decode, points };
}

/** @throws SluiceError config-invalid unless the bus has exactly one device */
function create(bus: ResolvedBus, devices: readonly ResolvedDevice[], context: SerialContext): Bus {
  const [device, another] = devices;
  if (device === undefined || another !== undefined)
    throw new SluiceError('config-invalid', `the serial bus ${bus.name} needs exactly one device, it has ${devices.length}`);
  const { clock, logger, emit, onTime, counters } = context;
  const settings = bus.settings as SerialBusSettings;
  const log = logger.child({ bus: bus.name });
  let running: SerialBus | undefined;
  const isOpen = () => running?.isOpen ?? false;
  const tell = (utc: number, at: number) => onTime?.(device.name, utc, at);
  const instrument = createDevice(device, settings, { clock, logger: log, emit, isOpen, onTime: tell, counters });
  const { random = Math.random, open = openLine } = context;
  running = new SerialBus(bus.name, settings, instrument, { clock, logger: log, random, open });
  return running;
}

function createDevice(device: ResolvedDevice, bus: SerialBusSettings, context: DeviceContext): LineDevice {
  const settings = device.settings as SerialDeviceSettings;
  const { request } = settings;
  if (request === undefined) return new TalkingDevice(talkerConfig(device), settings, context);
  const bytes = requestBytes(request);
  const { interval = POLL_EVERY } = settings;
  const character = characterOf(bus);
  const question = { bytes, timeout: request.timeout, wireTime: bytes.length * character, character, interval };
  return new AskedDevice(talkerConfig(device), question, context);
}

/** The bytes that are written to the line. */
export function requestBytes(request: NonNullable<SerialDeviceSettings['request']>): Uint8Array {
  return request.bytes === undefined ? new TextEncoder().encode(request.text) : parseHex(request.bytes);
}

type Fault = { path: readonly (string | number)[]; message: string };

function checkDevice(device: ResolvedDevice): Fault[] {
  const { frame, decode, request } = device.settings as SerialDeviceSettings;
  const faults: Fault[] = [];
  if (request !== undefined && decode.type === 'nmea')
    faults.push({ path: ['request'], message: 'NMEA receivers talk by themselves; remove `request`' });
  if (decode.type === 'binary' && frame.type !== 'line' && typeof frame.length === 'number')
    for (const [name, field] of Object.entries(decode.fields))
      if (field.offset + widthOf(field) > frame.length)
        faults.push({
          path: ['decode', 'fields', name, 'offset'],
          message: `the field ends after the frame, which has ${frame.length} bytes; bytes count from 0`,
        });
  if (decode.type === 'binary' && decode.notReady !== undefined) {
    const end = decode.notReady.offset + parseHex(decode.notReady.bytes).length;
    const fixed = frame.type === 'line' || typeof frame.length !== 'number' ? undefined : frame.length;
    const longest = fixed ?? (frame.type === 'length' ? frame.length : frame.maxLength);
    if (end > longest)
      faults.push({
        path: ['decode', 'notReady', 'offset'],
        message: `these bytes end after the frame, which has at most ${longest} bytes; bytes count from 0`,
      });
  }
  const counted = Array.from(device.points, ([name, point]) => countedPoint(name, point as SerialPointSettings, decode));
  for (const [name, point] of device.points)
    for (const [keys, message] of pointFaults(name, point as SerialPointSettings, decode, counted))
      faults.push({ path: ['points', name, ...keys], message });
  return faults;
}

function clockFault(device: ResolvedDevice): string | undefined {
  const { decode } = device.settings as SerialDeviceSettings;
  if (decode.type !== 'nmea') return `${device.name} is no GPS: a device with \`decode: {type: nmea}\` gives the time`;
  const sentences = [...device.points].map(([name, point]) => groupOf(decode, name, point as SerialPointSettings));
  if (sentences.length === 0 || sentences.some((s) => NMEA_GPS_SENTENCES.includes(s))) return undefined;
  return `${device.name} has points of ${[...new Set(sentences)].join(', ')} only, so it is probably not a GPS. The time is in RMC and ZDA; add a point of one of them, for example \`utc: {from: RMC.dateTime, type: string}\``;
}

export const serial = {
  protocol: 'serial',
  family: 'serial',
  heard: 'line',
  bus: serialBus,
  device: serialDevice,
  point: serialPoint,
  line: serialLine,
  wire: (bus) => String(bus.port),
  busWarnings: baudRateWarnings,
  // One talker a line: two of them could not be told apart.
  address: () => undefined,
  checkDevice,
  derivedPoints: (points) => totalsOf(Array.from(points, ([name, point]) => countedPoint(name, point as SerialPointSettings))),
  privacyOf: ({ settings }, point, { from = point }) =>
    (settings as SerialDeviceSettings).decode.type === 'nmea' && /\.(?:latitude|longitude)$/.test(String(from))
      ? 'location'
      : undefined,
  clockFault,
  create,
} satisfies DriverKind & { create: typeof create };
