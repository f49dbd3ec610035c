/** The names and addresses under which clients reach this machine: a certificate carries them all. Pure. */
import { isIP } from 'node:net';

/** Bounds of a certificate: a machine with more names or addresses keeps the first ones. */
export const MOST_NAMES = 16;
export const MOST_ADDRESSES = 32;
/** RFC 1123, section 2.1: letters, digits and hyphens, at most 63 a label. */
const LABEL = '[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?';
const DNS_NAME = new RegExp(`^(?=.{1,253}$)${LABEL}(?:\\.${LABEL})*$`);

export interface HostNames {
  /** Lower case, sorted, each once. */
  readonly dns: readonly string[];
  /** In the form of the system, sorted, each once. */
  readonly addresses: readonly string[];
}

export interface Machine {
  readonly hostname: string;
  /** `os.networkInterfaces()` */
  readonly interfaces: Readonly<Record<string, readonly { readonly address: string }[] | undefined>>;
}

/**
 * A link-local IPv6 address is left out: clients write it with the zone of their own machine, which no certificate can hold.
 * @param extra names that the operator configured
 */
export function hostNames({ hostname, interfaces }: Machine, extra: readonly string[] = []): HostNames {
  const host = hostname.toLowerCase();
  const bare = host.split('.')[0] ?? '';
  const names = ['localhost', host, bare, bare === '' ? '' : `${bare}.local`, ...extra.map((name) => name.toLowerCase())];
  const found = Object.values(interfaces).flatMap((list) => (list ?? []).map(({ address }) => address));
  const addresses = ['127.0.0.1', '::1', ...extra, ...found].filter((text) => isIP(text) !== 0 && !/^fe[89ab]/i.test(text));
  return {
    dns: unique(names.filter((name) => DNS_NAME.test(name) && isIP(name) === 0))
      .slice(0, MOST_NAMES)
      .sort(),
    addresses: unique(addresses).slice(0, MOST_ADDRESSES).sort(),
  };
}

function unique(list: readonly string[]): string[] {
  return [...new Set(list)];
}
