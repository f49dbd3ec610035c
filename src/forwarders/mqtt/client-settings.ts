/** What the client library and the way to the broker are given for a connection. */
import type { IClientOptions } from 'mqtt';
import type { ConnectionOptions } from './connection-options.ts';
import { connectProperties } from './mqtt5.ts';
import type { Route } from './wire/open-wire.ts';

/** Seconds without traffic after which the broker is asked whether it is there. */
const KEEPALIVE = 30;

export function clientSettings({ clientId, mqtt5, connectTimeout, username, password }: ConnectionOptions): IClientOptions {
  return {
    clientId,
    protocolVersion: mqtt5 === undefined ? 4 : 5,
    clean: true,
    ...(mqtt5 !== undefined && connectProperties(mqtt5)),
    keepalive: KEEPALIVE,
    reconnectPeriod: 0,
    // Ours ends first, and is known from other faults.
    connectTimeout: 2 * connectTimeout,
    queueQoSZero: false,
    resubscribe: false,
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
  };
}

export function routeOf(options: ConnectionOptions): Omit<Route, 'signal'> {
  const { scheme = 'mqtt', host, port, path = '', tls = {}, clockKnown = true } = options;
  const { sessions, thrifty, meter, proxy, clock, addresses, asBefore } = options;
  const address = { scheme, host, port, path };
  return { address, tls, sessions, thrifty, meter, proxy, addresses, asBefore, clock, clockKnown };
}
