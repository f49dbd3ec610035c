/** What one connection to a broker needs: the way, who speaks, and what bounds it. */
import type { Clock } from '../../core/clock.ts';
import type { Scheme } from './address.ts';
import type { OutMessage } from './dialect.ts';
import type { Mqtt5Settings } from './mqtt5.ts';
import type { PlatformLimits } from './platform.ts';
import type { ProxyRoute } from './wire/proxy.ts';
import type { TlsMaterial } from './wire/tls-material.ts';
import type { TlsSessions } from './wire/tls-sessions.ts';
import type { WireMeter } from './wire/wire-meter.ts';

export interface ConnectionOptions {
  /** Default: mqtt. */
  readonly scheme?: Scheme;
  readonly host: string;
  readonly port: number;
  /** The path of a WebSocket. */
  readonly path?: string;
  readonly tls?: TlsMaterial | undefined;
  readonly sessions?: TlsSessions | undefined;
  /** See open-wire. */
  readonly thrifty?: boolean | undefined;
  readonly meter?: WireMeter | undefined;
  readonly proxy?: ProxyRoute | undefined;
  /** Whether the system clock is known to be right, for the words about certificates. */
  readonly clockKnown?: boolean;
  readonly clientId: string;
  readonly username?: string | undefined;
  readonly password?: string | undefined;
  /** Absent: MQTT 3.1.1. */
  readonly mqtt5?: Mqtt5Settings | undefined;
  /** Asked once, right before the CONNECT. */
  readonly will: (() => OutMessage | undefined) | undefined;
  /** What the platform allows. */
  readonly limits?: PlatformLimits | undefined;
  /** See open-wire. */
  readonly addresses?: Map<string, string> | undefined;
  readonly asBefore?: boolean | undefined;
  /** Milliseconds until TCP must be connected; absent: as `connectTimeout`. Behind a proxy it says nothing, and does not count. */
  readonly openTimeout?: number | undefined;
  /** Milliseconds until CONNACK must have come. */
  readonly connectTimeout: number;
  /** Milliseconds until a PUBACK must have come. */
  readonly ackTimeout: number;
  readonly clock: Clock;
  /** Commands may come: the far side may send more of its own than a few messages. */
  readonly asked?: boolean;
  /** Asked at each piece that comes: what is wrong with how much came, as the end of "the broker …". */
  readonly excess?: (() => string | undefined) | undefined;
  /** Gives up waiting for CONNACK. */
  readonly signal: AbortSignal;
}
