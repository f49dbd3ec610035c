/** One log-in at the broker of a forwarder, which is ended at once: for a self-check while no gateway runs. */
import type { Clock } from '../../core/clock.ts';
import { parseBrokerUrl } from './address.ts';
import { Connection } from './connection.ts';
import { clientIdOf, wayOf } from './login.ts';
import type { MqttForwarderSettings } from './schema.ts';

/** Platforms whose log-in is made from keys of their own; a plain log-in there proves nothing. */
const OWN_LOGIN: readonly string[] = ['azure-iot-hub'];

export interface LogInTry {
  readonly gateway: string;
  readonly forwarder: string;
  readonly settings: Readonly<Record<string, unknown>>;
  readonly clock: Clock;
  /** Milliseconds. */
  readonly within: number;
}

/** @returns false where this platform has a log-in of its own. @throws ConnectError, with words for people */
export async function tryLogIn({ gateway, forwarder, settings, clock, within }: LogInTry): Promise<boolean> {
  const mqtt = settings as unknown as MqttForwarderSettings;
  if (OWN_LOGIN.includes(mqtt.format)) return false;
  const address = parseBrokerUrl([mqtt.url].flat()[0] ?? '');
  if ('wrong' in address) return false;
  const way = await wayOf(mqtt, address, {}, clientIdOf(gateway, forwarder, mqtt));
  const connection = await Connection.open({
    ...{ ...address, ...way, mqtt5: way.mqtt5 && { ...way.mqtt5, sessionExpiry: 0 } },
    ...{ will: undefined, connectTimeout: within, ackTimeout: within, clock, signal: new AbortController().signal },
  });
  await connection.end(within);
  return true;
}
