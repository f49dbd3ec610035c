/** What a platform demands of connections beside MQTT: limits that it enforces, and a log-in of its own. */
import type { SluiceError } from '../../core/errors.ts';
import type { BrokerAddress } from './address.ts';

/** So many a second for ever, and `atOnce` more after a quiet time. */
export interface Rate {
  readonly perSecond: number;
  readonly atOnce: number;
}

/** Whoever exceeds one of them loses the connection, or messages in silence. Absent: the platform has no such limit. */
export interface PlatformLimits {
  /** Bytes of a payload. */
  readonly payload?: number;
  readonly messages?: Rate;
  readonly bytes?: Rate;
  /** Milliseconds between two retained messages on one topic. */
  readonly retainedEvery?: number;
  /** Messages with QoS 1 that may be under way at once. */
  readonly unacknowledged?: number;
  /** Bytes of a message with a command, where the platform sends longer ones than others do: refused in words, and not by the end of the connection. */
  readonly command?: number;
  /** Milliseconds between two CONNECTs. */
  readonly connectEvery?: number;
}

/** What is absent stays as the settings of the forwarder have it. */
export interface PlatformLogin {
  readonly clientId?: string;
  readonly username?: string;
  readonly password?: string;
  /** Milliseconds after which the gateway makes a new connection with a new log-in, before this one ends. */
  readonly renewAfter?: number;
}

/** The part of a speaker that knows the platform. */
export interface PlatformRules {
  readonly limits?: PlatformLimits;
  /** Called before each CONNECT. @throws ConnectError `files`: something that it is made of cannot be read */
  login?(broker: BrokerAddress): PlatformLogin;
  /** Protocols that TLS offers on this port, where the settings name none. */
  alpn?(broker: BrokerAddress): readonly string[] | undefined;
  /** What a fault means here and what to do, as the whole message; undefined: the words of the error stay. */
  explain?(error: SluiceError): string | undefined;
}
