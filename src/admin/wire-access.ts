/** The buses of a gateway for a person at the wire: requests by hand, and frames as they pass. */
import type { GatewayConfig } from '../config/kinds.ts';
import type { Clock } from '../core/clock.ts';
import type { CommandPort, Principal } from '../core/commands.ts';
import { SluiceError } from '../core/errors.ts';
import type { Bus } from '../core/ports.ts';
import type { Capture, ExchangeQuery, ExchangeReply, WireFrame, WireTarget } from './wire-target.ts';

export interface WireView {
  readonly clock: Clock;
  readonly config: GatewayConfig;
  readonly plant: { readonly buses: readonly Bus[] };
  readonly commands: Pick<CommandPort, 'permit'>;
  /** From monotonic to UTC. */
  readonly watch: { readonly offset: number; readonly known: boolean };
}

export class WireAccess implements WireTarget {
  readonly #view: () => WireView;

  /** @param view @throws SluiceError while there is nothing to look at */
  constructor(view: () => WireView) {
    this.#view = view;
  }

  async exchange(query: ExchangeQuery, by: Principal): Promise<ExchangeReply> {
    const { watch, commands } = this.#view();
    commands.permit('exchange', by);
    const bus = this.#found(query.bus);
    if (bus.exchange === undefined)
      throw new SluiceError(
        'request-invalid',
        `no device on the bus ${query.bus} can be read on request: its devices talk by themselves`,
      );
    return exchangeOn({ exchange: bus.exchange.bind(bus) }, query, () => watch.offset);
  }

  capture(name: string, listener: (frame: WireFrame) => void, ended: () => void, by: Principal): Capture {
    this.#view().commands.permit('capture', by);
    const bus = this.#found(name);
    if (bus.capture === undefined) throw new SluiceError('request-invalid', `nothing can be seen of the bus ${name}`);
    const { config, watch, clock } = this.#view();
    const stop = bus.capture((way, bytes, at) => listener(frameOf({ way, bytes, at }, watch.offset)), ended);
    const devices = [...config.devices.values()].filter((d) => d.bus === name);
    return {
      head: {
        ...{ type: 'capture', v: 1, gateway: config.gateway.id, bus: name, protocol: bus.status().protocol },
        settings: config.buses.get(name)?.settings ?? {},
        devices: Object.fromEntries(devices.map((d) => [d.name, 'unit' in d.settings ? { unit: Number(d.settings.unit) } : {}])),
        started: microseconds(clock.monotonic() + watch.offset),
        clock: watch.known ? 'known' : 'estimated',
      },
      stop,
    };
  }

  #found(name: string): Bus {
    const { plant } = this.#view();
    const bus = plant.buses.find((b) => b.name === name);
    if (bus === undefined)
      throw new SluiceError(
        'not-found',
        `the gateway has no bus ${name} with devices; it has: ${plant.buses.map((b) => b.name).join(', ')}`,
      );
    return bus;
  }
}

export async function exchangeOn(
  bus: Required<Pick<Bus, 'exchange'>>,
  query: Omit<ExchangeQuery, 'bus'>,
  offset: () => number,
): Promise<ExchangeReply> {
  const { unit: unitId, request, timeout, quiet } = query;
  const options = { ...(timeout === undefined ? {} : { timeout }), quiet: quiet === true };
  const { frames, pdu, latency, at, error } = await bus.exchange(unitId, request, options);
  const { exception } = error?.data ?? {};
  return {
    time: Math.round(at + offset()),
    frames: frames.map((frame) => frameOf(frame, offset())),
    latency: latency === undefined ? null : microseconds(latency),
    pdu: pdu === undefined ? null : Buffer.from(pdu).toString('hex'),
    error:
      error === undefined
        ? null
        : { code: error.code, message: error.message, ...(typeof exception === 'number' ? { exception } : {}) },
  };
}

export function frameOf(frame: { way: WireFrame['way']; bytes: Uint8Array; at: number }, offset: number): WireFrame {
  const { way, bytes, at } = frame;
  const hex = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex');
  return { way, time: microseconds(at + offset), bytes: hex };
}

/** Milliseconds, to a microsecond. */
function microseconds(ms: number): number {
  return Math.round(ms * 1000) / 1000;
}
