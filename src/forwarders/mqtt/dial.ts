/** The way to a broker, and what is kept of it from one connection to the next: where names led, and sessions of TLS. */
import type { Duplex } from 'node:stream';
import type { ForwarderContext } from '../forwarder-kind.ts';
import { brokerAddress } from './address.ts';
import type { Connection } from './connection.ts';
import type { ConnectionOptions } from './connection-options.ts';
import type { Speaker } from './dialect.ts';
import { clientIdOf, proxyOf, tlsOf, wayOf } from './login.ts';
import type { MqttForwarderSettings } from './schema.ts';
import type { TryLimits } from './short-windows.ts';
import { TlsSessions } from './wire/tls-sessions.ts';
import type { WireMeter } from './wire/wire-meter.ts';

/** Milliseconds until a connection must be there. */
export const CONNECT_TIMEOUT = 10_000;
/** So often a short try asks for the name again, ms: a broker that DNS leads away from may go on for seconds at a time. */
const NAME_EVERY = 600_000;

export interface DialOptions extends Pick<ForwarderContext, 'gateway' | 'clock' | 'clockKnown'> {
  readonly name: string;
  readonly settings: MqttForwarderSettings;
  /** Tests open what they like. */
  readonly connect?: ((options: ConnectionOptions) => Promise<Connection>) | undefined;
}
interface DialSide {
  readonly meter: () => WireMeter;
  readonly excess: () => string | undefined;
}
/** How one connection is tried. */
interface Try {
  readonly short: TryLimits | undefined;
  readonly ackTimeout: number;
  readonly signal: AbortSignal;
}

export class Dial {
  readonly #options: DialOptions;
  readonly #speaker: Speaker;
  readonly #side: DialSide;
  readonly #sessions = new TlsSessions();
  /** Where names led when a connection was made; one for each broker, and the proxy. */
  readonly #addresses = new Map<string, string>();
  /** When the name of each broker was asked for last; monotonic. */
  readonly #asked = new Map<string, number>();

  constructor(options: DialOptions, speaker: Speaker, side: DialSide) {
    this.#options = options;
    this.#speaker = speaker;
    this.#side = side;
  }

  /** Reads what the log-in needs. @returns when the log-in has to be renewed, ms, and how the connection is made */
  async prepare(url: string): Promise<{ renewAfter: number | undefined; open(how: Try): Promise<Connection> }> {
    const { settings, gateway, name } = this.#options;
    const address = brokerAddress(url);
    // The client is heavy: a look at the configuration does not load it.
    const connect = this.#options.connect ?? (await import('./connection.ts')).Connection.open;
    const { renewAfter, ...way } = await wayOf(settings, address, this.#speaker, clientIdOf(gateway, name, settings));
    return { renewAfter, open: (how) => connect({ ...address, ...way, ...this.#common(address.host, how) }) };
  }

  #common(host: string, { short, ackTimeout, signal }: Try) {
    const { settings, clock, clockKnown } = this.#options;
    const now = clock.monotonic();
    const asBefore = short !== undefined && now - (this.#asked.get(host) ?? Number.NEGATIVE_INFINITY) < NAME_EVERY;
    if (!asBefore) this.#asked.set(host, now);
    return {
      ...{ sessions: this.#sessions, thrifty: settings.budget !== undefined, meter: this.#side.meter(), clock },
      ...{ will: () => this.#speaker.will(), excess: this.#side.excess, clockKnown: clockKnown(), signal },
      ...{ connectTimeout: short?.connect ?? CONNECT_TIMEOUT, openTimeout: short?.open, ackTimeout },
      // A name that nobody can be asked for holds a thread of the process for longer than such a try lasts.
      ...{ addresses: this.#addresses, asBefore },
    };
  }

  /** Only asks whether a broker takes connections. */
  async ask(url: string, signal: AbortSignal): Promise<Duplex> {
    const { settings, clock, clockKnown } = this.#options;
    const address = brokerAddress(url);
    const tls = (await tlsOf(settings, address, this.#speaker)) ?? {};
    const { openWire } = await import('./wire/open-wire.ts');
    const route = { address, tls, clock, signal, proxy: proxyOf(settings) };
    return (await openWire({ ...route, meter: this.#side.meter(), clockKnown: clockKnown() }, () => {})).stream;
  }
}
