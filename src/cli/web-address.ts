/** The HTTPS addresses of a gateway, as a person on the same network types them into a browser. */
import { hostname, networkInterfaces } from 'node:os';
import type { GatewayStatus, HttpStatus } from '../admin/target.ts';

export interface Machine {
  readonly hostname: string;
  readonly addresses: readonly string[];
}
export interface WebAddress {
  readonly url: string;
  /** SHA-256 of the certificate, as browsers show it: `AB:CD:…`. */
  readonly fingerprint?: string | undefined;
}

const ALL: readonly string[] = ['0.0.0.0', '::'];

/** @returns those with TLS that listen; an older gateway reports none */
export function webAddresses({ http }: Pick<GatewayStatus, 'http'>, machine: Machine = thisMachine()): WebAddress[] {
  const listeners: Partial<HttpStatus>['listeners'] = http?.listeners;
  return (listeners ?? [])
    .filter(({ tls, fault }) => tls && fault === undefined)
    .flatMap(({ host, port, fingerprint }) => {
      const bare = machine.hostname.split('.')[0] ?? '';
      const hosts = ALL.includes(host) ? [...(bare === '' ? [] : [`${bare}.local`]), ...machine.addresses] : [host];
      return hosts.map((one) => ({ url: `https://${one.includes(':') ? `[${one}]` : one}:${port}/`, fingerprint }));
    });
}

/** The addresses are IPv4: people type these. */
function thisMachine(): Machine {
  const found = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
  const addresses = found.filter(({ family, internal }) => family === 'IPv4' && !internal).map(({ address }) => address);
  return { hostname: hostname().toLowerCase(), addresses };
}
