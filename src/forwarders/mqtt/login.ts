/** What a connection is made with, from the settings of a forwarder: log-in, proxy, MQTT 5. Files are read at each call. */
import { SluiceError, toError } from '../../core/errors.ts';
import { type BrokerAddress, parseProxyUrl, usesTls } from './address.ts';
import type { ConnectionOptions } from './connection-options.ts';
import type { Mqtt5Settings } from './mqtt5.ts';
import type { PlatformLogin, PlatformRules } from './platform.ts';
import { ConnectError } from './retry-plan.ts';
import type { Login, MqttForwarderSettings } from './schema.ts';
import type { ProxyRoute } from './wire/proxy.ts';
import { readTls, type TlsMaterial } from './wire/tls-material.ts';

/** User name and password as their files hold them now. @throws ConnectError `files` */
export function loginOf({ username, password }: Login, where = 'the broker'): Pick<ConnectionOptions, 'username' | 'password'> {
  try {
    return { username: typeof username === 'string' ? username : username?.fresh(), password: password?.fresh() };
  } catch (thrown) {
    const error = toError(thrown);
    throw new ConnectError('files', `the gateway cannot log in at ${where}: ${error.message}`, error);
  }
}

/** undefined: MQTT 3.1.1. */
export function mqtt5Of({
  protocol,
  sessionExpiry = 0,
  messageExpiry,
  userProperties,
}: MqttForwarderSettings): Mqtt5Settings | undefined {
  if (protocol !== 5) return undefined;
  const seconds = (ms: number) => Math.ceil(ms / 1000);
  return {
    ...{ sessionExpiry: seconds(sessionExpiry), userProperties },
    messageExpiry: messageExpiry === undefined ? undefined : seconds(messageExpiry),
  };
}

export function proxyOf({ proxy }: MqttForwarderSettings): ProxyRoute | undefined {
  if (proxy === undefined) return undefined;
  const address = parseProxyUrl(proxy.url);
  if ('wrong' in address) throw new SluiceError('internal', address.wrong);
  return { address, ...loginOf(proxy, 'the proxy') };
}

/** The files of TLS as they are now; undefined: the address is without TLS. @throws ConnectError `files` */
export async function tlsOf(
  { tls }: MqttForwarderSettings,
  address: BrokerAddress,
  { alpn }: PlatformRules,
): Promise<TlsMaterial | undefined> {
  if (!usesTls(address)) return undefined;
  const offered = tls?.alpn ?? alpn?.(address);
  return readTls(offered === undefined ? tls : { ...tls, alpn: offered });
}

/** The MQTT client id of a forwarder. */
export function clientIdOf(gateway: string, forwarder: string, { clientId }: Pick<MqttForwarderSettings, 'clientId'>): string {
  return clientId ?? `sluice-${gateway}-${forwarder}`;
}

type Way = Pick<ConnectionOptions, 'tls' | 'proxy' | 'clientId' | 'username' | 'password' | 'mqtt5' | 'limits' | 'asked'>;

/** What the next connection is made with. What the platform says of its log-in counts more than the settings. @throws ConnectError `files` */
export async function wayOf(
  settings: MqttForwarderSettings,
  address: BrokerAddress,
  rules: PlatformRules,
  clientId: string,
): Promise<Way & Pick<PlatformLogin, 'renewAfter'>> {
  return {
    ...{ tls: await tlsOf(settings, address, rules), proxy: proxyOf(settings) },
    ...{ clientId, ...loginOf(settings), ...rules.login?.(address) },
    ...{ mqtt5: mqtt5Of(settings), limits: rules.limits, asked: settings.commands !== undefined },
  };
}
