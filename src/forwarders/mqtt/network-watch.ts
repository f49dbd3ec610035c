/**
 * What of the network decides whether a broker can be reached: links that are up, addresses, default routes. Waiting forwarders
 * compare it each second, so that a cable that is plugged in does not wait for a back-off. Reading it takes some tens of
 * microseconds; nothing native and no privilege is needed.
 */
import { closeSync, openSync, readSync } from 'node:fs';
import { networkInterfaces } from 'node:os';

/** Interfaces and addresses that are looked at; a board has a few. */
const MOST = 64;
/** Bytes of a table of routes. */
const MOST_TABLE = 64 * 1024;

/**
 * Two texts are equal as long as nothing of it changed. Loopback does not count. The system names no address of a link that is down or
 * has no carrier.
 */
export function networkMark(): string {
  const links = Object.entries(networkInterfaces()).slice(0, MOST);
  const addresses = links.flatMap(([name, list = []]) =>
    list.filter(({ internal }) => !internal).map(({ address, netmask }) => `${name} ${address} ${netmask}`),
  );
  return [...addresses.slice(0, MOST).sort(), ...defaults4(), ...defaults6()].join('\n');
}

/** Interface, gateway, flags, metric. */
function defaults4(): string[] {
  const rows = head('/proc/net/route').split('\n').slice(1);
  return rows
    .map((row) => row.split('\t'))
    .filter(([, destination, , , , , , mask]) => destination === '00000000' && mask === '00000000')
    .map(([name, , gateway, flags, , , metric]) => `4 ${name} ${gateway} ${flags} ${metric}`)
    .slice(0, MOST);
}

function defaults6(): string[] {
  const rows = head('/proc/net/ipv6_route').split('\n');
  return rows
    .map((row) => row.trim().split(/\s+/))
    .filter(([destination, length, , , , , , , , name]) => /^0{32}$/.test(destination ?? '') && length === '00' && name !== 'lo')
    .map(([, , , , gateway, metric, , , , name]) => `6 ${name} ${gateway} ${metric}`)
    .slice(0, MOST);
}

function head(file: string): string {
  let handle: number | undefined;
  try {
    handle = openSync(file, 'r');
    const bytes = Buffer.alloc(MOST_TABLE);
    return bytes.toString('latin1', 0, readSync(handle, bytes, 0, MOST_TABLE, 0));
  } catch {
    return '';
  } finally {
    if (handle !== undefined) closeSync(handle);
  }
}
