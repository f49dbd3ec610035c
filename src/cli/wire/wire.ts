/**
 * The wire of a bus for commands that look at it: through the running gateway that owns it, or opened here from the
 * configuration while none runs. Both ways ask the same and answer the same.
 */
import { request } from '../../admin/client.ts';
import type { GatewayStatus } from '../../admin/target.ts';
import { exchangeOn } from '../../admin/wire-access.ts';
import type { ExchangeQuery, ExchangeReply } from '../../admin/wire-target.ts';
import type { SunspecChain } from '../../codecs/sunspec.ts';
import type { DriverKind, GatewayConfig, ResolvedBus, ResolvedDevice } from '../../config/kinds.ts';
import { type Clock, systemClock } from '../../core/clock.ts';
import { SluiceError } from '../../core/errors.ts';
import { silentLogger } from '../../core/logger.ts';
import type { DeviceRequest, ModbusBus } from '../../drivers/modbus/bus.ts';
import { MODBUS_KINDS } from '../../drivers/modbus/kind.ts';
import type { DeviceSettings } from '../../drivers/modbus/schema.ts';
import { modelWishes } from '../../drivers/modbus/sunspec.ts';
import { faultWords, sayFault, type Wire } from '../../drivers/modbus/words.ts';
import { DRIVERS } from '../../gateway/registry.ts';
import { nobodyRuns, type RunningOptions, socketOf } from '../running.ts';

export type Look = Omit<ExchangeQuery, 'bus'>;

export interface OpenWire {
  /** A running gateway has the wire; its polls go on in between. */
  readonly shared: boolean;
  /** Rejects when nothing could be sent (`bus-closed`, `not-running`); a request that failed is a reply with `error`. */
  exchange(look: Look): Promise<ExchangeReply>;
  close(): Promise<void>;
}

/** The socket of a running gateway that polls this bus; undefined when the wire is free to be opened here. */
export async function ownerOf(bus: string, options: RunningOptions): Promise<string | undefined> {
  const socket = socketOf(options);
  try {
    const { buses } = (await request(socket, 'GET', '/api/v1/status')) as GatewayStatus;
    return buses.some((b) => b.name === bus) ? socket : undefined;
  } catch (thrown) {
    if (nobodyRuns(thrown) && options.socket === undefined) return undefined;
    throw thrown;
  }
}

export async function openWire(bus: ResolvedBus, options: RunningOptions): Promise<OpenWire> {
  const socket = await ownerOf(bus.name, options);
  if (socket === undefined) return openHere(bus);
  return {
    shared: true,
    exchange: async (look) => (await request(socket, 'POST', '/api/v1/exchange', { ...look, bus: bus.name })) as ExchangeReply,
    close: async () => {},
  };
}

/** @throws SluiceError `usage` where the bus is not Modbus */
export function openHere(bus: ResolvedBus, clock: Clock = systemClock): OpenWire {
  const made = makeBus(bus, [], clock);
  made.start();
  return {
    shared: false,
    exchange: (look) => exchangeOn(made, look, () => clock.wall() - clock.monotonic()),
    close: () => made.stop(),
  };
}

/** The requests that read a device, as the gateway plans them. */
export interface Plan {
  readonly requests: readonly DeviceRequest[];
  /** What is wrong with its SunSpec models, in words. */
  readonly fault: string | undefined;
}

/** @param chain of a SunSpec device, as it was found on the wire; without it nothing of its models is planned */
export function planOf(bus: ResolvedBus, device: ResolvedDevice, chain?: { readonly found: SunspecChain | undefined }): Plan {
  const made = makeBus(bus, [device], systemClock);
  if (chain !== undefined) made.place(device.name, chain.found);
  return { requests: made.requests(device.name), fault: made.status().devices[0]?.fault };
}

/** The SunSpec models that a device is asked for, by role; none for any other device. */
export function wishesOf(device: ResolvedDevice): ReturnType<typeof modelWishes> {
  return modelWishes(device.settings as unknown as DeviceSettings);
}

function makeBus(bus: ResolvedBus, devices: ResolvedDevice[], clock: Clock): ModbusBus {
  const kind = MODBUS_KINDS.find(({ protocol }) => protocol === bus.protocol);
  if (kind === undefined)
    throw new SluiceError(
      'usage',
      `the bus ${bus.name} is not Modbus: its device talks by itself, see sluice read and sluice tail`,
    );
  return kind.create(bus, devices, { clock, logger: silentLogger, emit: () => {}, tell: () => {} });
}

/** How the readings of its devices come: asked for, on a line, or to a running gateway only. */
export function heardOf({ protocol }: Pick<ResolvedBus, 'protocol'>): DriverKind['heard'] {
  return DRIVERS.find((kind) => kind.protocol === protocol)?.heard ?? 'asked';
}

export function isSerial(bus: ResolvedBus): boolean {
  return !('host' in bus.settings);
}

/** The wire in words, as faults name it. */
export function wireOf(bus: ResolvedBus): Wire {
  const { host, port, baudRate, parity } = bus.settings;
  if (isSerial(bus)) return { serial: true, label: `${String(port)} at ${String(baudRate)} baud, parity ${String(parity)}` };
  return { serial: bus.protocol === 'modbus-rtu-over-tcp', label: `${String(host)}:${String(port)}` };
}

/** What a failed exchange means, and what to check. @param request in words */
export function errorWords(
  error: NonNullable<ExchangeReply['error']>,
  bus: ResolvedBus,
  unitId: number,
  request: string,
): string {
  const { code, message, exception } = error;
  const known = (['timeout', 'crc', 'exception', 'bus-closed'] as const).find((c) => c === code) ?? 'bad-reply';
  return sayFault(faultWords(new SluiceError(known, message, { data: { exception } }), unitId, wireOf(bus), request));
}

/** @throws SluiceError `not-found` */
export function busNamed(config: GatewayConfig, name: string): ResolvedBus {
  const bus = config.buses.get(name);
  if (bus === undefined)
    throw new SluiceError('not-found', `there is no bus ${name}; the buses are: ${[...config.buses.keys()].join(', ')}`);
  return bus;
}
