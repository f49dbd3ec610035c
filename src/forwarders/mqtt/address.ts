/** Addresses of brokers and proxies as people write them. Pure. A fault never repeats the address: it may hold a password. */

import { SluiceError } from '../../core/errors.ts';

const SCHEMES = ['mqtt', 'mqtts', 'ws', 'wss'] as const;
export type Scheme = (typeof SCHEMES)[number];

export const DEFAULT_PORTS: Readonly<Record<Scheme, number>> = { mqtt: 1883, mqtts: 8883, ws: 80, wss: 443 };
/** What most brokers serve MQTT over WebSocket on. */
const DEFAULT_PATH = '/mqtt';

export interface BrokerAddress {
  readonly scheme: Scheme;
  /** Without brackets. */
  readonly host: string;
  readonly port: number;
  /** The path of a WebSocket, with its query; otherwise empty. */
  readonly path: string;
}

export interface ProxyAddress {
  readonly scheme: 'http' | 'socks5';
  readonly host: string;
  readonly port: number;
}

export const usesTls = ({ scheme }: { readonly scheme: Scheme }): boolean => scheme === 'mqtts' || scheme === 'wss';

/** `mqtts://host[:port]`, `wss://host[:port]/path` -> its parts, or a sentence that says what to write. */
export function parseBrokerUrl(text: string): BrokerAddress | { wrong: string } {
  const [, tls, rest] = /^(ssl|tls|mqtt\+ssl|tcp):\/\/([^@]*)$/i.exec(text) ?? [];
  if (tls !== undefined) {
    const scheme = tls.toLowerCase() === 'tcp' ? 'mqtt' : 'mqtts';
    return { wrong: `${tls}:// is written ${scheme}:// here; write ${scheme}://${rest}` };
  }
  // Without an @ there is no password in it.
  const [, name, port] = /^(?:[a-z]+:\/\/)?([a-z0-9][a-z0-9.-]*)(?::(\d{1,5}))?(?:\/[^@]*)?$/i.exec(text) ?? [];
  const meant = name === undefined ? 'mqtt://host:1883' : `mqtt://${name}:${port ?? DEFAULT_PORTS.mqtt}`;
  if (/^https?:/i.test(text))
    return { wrong: `https:// is no address of a broker; write ${meant}, or mqtts://, or wss:// for MQTT over WebSocket` };
  if (name !== undefined && !text.includes('://')) return { wrong: `the scheme is missing; write ${meant}` };
  const url = urlOf(text);
  const scheme = SCHEMES.find((known) => url?.protocol === `${known}:`);
  if (url === undefined || scheme === undefined || url.hostname === '')
    return { wrong: 'write the address of the broker: mqtt://host:1883, mqtts://host:8883 or wss://host/mqtt' };
  if (url.username !== '' || url.password !== '')
    return { wrong: 'user name and password do not belong in the address; write username: and password: beside it' };
  const webSocket = scheme === 'ws' || scheme === 'wss';
  const behind = `${url.pathname}${url.search}`;
  if (url.hash !== '' || (!webSocket && behind !== '' && behind !== '/'))
    return {
      wrong: `nothing comes after the port, and topics are made by the gateway; write ${meant.replace('mqtt:', `${scheme}:`).replace(/:1883$/, port === undefined ? '' : ':1883')}`,
    };
  return {
    ...{ scheme, host: hostOf(url), port: url.port === '' ? DEFAULT_PORTS[scheme] : Number(url.port) },
    path: !webSocket ? '' : behind === '' || behind === '/' ? DEFAULT_PATH : behind,
  };
}

/** The parts of an address that the schema has checked. @throws SluiceError internal: the schema lets no other text through */
export function brokerAddress(url: string): BrokerAddress {
  const address = parseBrokerUrl(url);
  if ('wrong' in address) throw new SluiceError('internal', address.wrong);
  return address;
}

/** `http://host:port`, `socks5://host[:port]`. */
export function parseProxyUrl(text: string): ProxyAddress | { wrong: string } {
  const url = urlOf(text);
  const wrong = 'write the address of the proxy: http://host:3128 or socks5://host:1080';
  if (/^https:/i.test(text)) return { wrong: `TLS to the proxy is not spoken; ${wrong}` };
  if (/^socks(4a?|5h)?:/i.test(text))
    return { wrong: `of SOCKS only version 5 is spoken, and the proxy looks up names; ${wrong}` };
  if (url === undefined || url.hostname === '' || (url.protocol !== 'http:' && url.protocol !== 'socks5:')) return { wrong };
  if (url.username !== '' || url.password !== '')
    return { wrong: 'user name and password do not belong in the address; write proxy: {url: …, username: …, password: …}' };
  if ((url.pathname !== '' && url.pathname !== '/') || url.search !== '' || url.hash !== '')
    return { wrong: `nothing comes after the port; ${wrong}` };
  const scheme = url.protocol === 'http:' ? 'http' : 'socks5';
  return { scheme, host: hostOf(url), port: url.port === '' ? (scheme === 'http' ? 80 : 1080) : Number(url.port) };
}

/** For people; `[::1]:1883`. */
export function hostAndPort({ host, port }: { readonly host: string; readonly port: number }): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}

function urlOf(text: string): URL | undefined {
  try {
    return new URL(text);
  } catch {
    return undefined;
  }
}

function hostOf(url: URL): string {
  return url.hostname.toLowerCase().replace(/^\[|\]$/g, '');
}
