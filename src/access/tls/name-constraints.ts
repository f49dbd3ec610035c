/**
 * The extension "name constraints" (RFC 5280, section 4.2.1.10): the authority of a board vouches for names of local networks
 * only. Its stolen key cannot stand for a name of the public internet.
 */
import { BlockList, isIPv4 } from 'node:net';
import type { HostNames } from './host-names.ts';

export const NAME_CONSTRAINTS = '2.5.29.30';
/** Endings that no public name has (RFC 6762, RFC 8375, RFC 6761; `internal` is reserved by ICANN, `lan` is in wide use). */
const LOCAL_DOMAINS = ['localhost', 'local', 'lan', 'home.arpa', 'internal'];
/** RFC 1918, RFC 6598, RFC 3927, RFC 1122; RFC 4193, RFC 4291. */
const LOCAL_NETWORKS: readonly (readonly [address: string, bits: number])[] = [
  ['10.0.0.0', 8],
  ['172.16.0.0', 12],
  ['192.168.0.0', 16],
  ['100.64.0.0', 10],
  ['169.254.0.0', 16],
  ['127.0.0.0', 8],
  ['fc00::', 7],
  ['fe80::', 10],
  ['::1', 128],
];
const local = new BlockList();
for (const [address, bits] of LOCAL_NETWORKS) local.addSubnet(address, bits, isIPv4(address) ? 'ipv4' : 'ipv6');

const [SEQUENCE, PERMITTED, DNS_NAME, IP_ADDRESS] = [0x30, 0xa0, 0x82, 0x87];

/** The names that an authority permits beside the local ones. */
export function outsideLocal({ dns, addresses }: HostNames): HostNames {
  return { dns: dns.filter((name) => !isLocalName(name)), addresses: addresses.filter((address) => !isLocalAddress(address)) };
}

/** The part of `names` for which an authority may vouch that was made for `own` beside the local ranges. */
export function permitted(names: HostNames, own: HostNames): HostNames {
  const under = (name: string) => own.dns.some((domain) => name === domain || name.endsWith(`.${domain}`));
  return {
    dns: names.dns.filter((name) => isLocalName(name) || under(name)),
    addresses: names.addresses.filter((address) => isLocalAddress(address) || own.addresses.includes(address)),
  };
}

function isLocalName(name: string): boolean {
  return LOCAL_DOMAINS.some((domain) => name === domain || name.endsWith(`.${domain}`));
}
function isLocalAddress(address: string): boolean {
  return local.check(address, isIPv4(address) ? 'ipv4' : 'ipv6');
}

/** @param own names and addresses of the machine outside the local ranges @returns DER */
export function nameConstraints(own: HostNames): Uint8Array {
  const domains = [...new Set([...LOCAL_DOMAINS, ...own.dns])].map((name) => der(DNS_NAME, Buffer.from(name, 'latin1')));
  const networks = [
    ...LOCAL_NETWORKS.map(([address, bits]) => network(address, bits)),
    ...own.addresses.map((address) => network(address, isIPv4(address) ? 32 : 128)),
  ].map((bytes) => der(IP_ADDRESS, bytes));
  const subtrees = [...domains, ...networks].map((base) => der(SEQUENCE, base));
  return der(SEQUENCE, der(PERMITTED, Buffer.concat(subtrees)));
}

/** Address and mask, 8 or 32 bytes. */
function network(address: string, bits: number): Buffer {
  const bytes = bytesOf(address);
  const mask = Buffer.from(bytes.map((_, i) => (0xff00 >> Math.min(8, Math.max(0, bits - 8 * i))) & 0xff));
  return Buffer.concat([bytes, mask]);
}

/** ITU-T X.690: tag, length, content of at most 65,535 bytes. */
function der(tag: number, content: Uint8Array): Buffer {
  const n = content.length;
  const length = n < 0x80 ? [n] : n < 0x100 ? [0x81, n] : [0x82, n >> 8, n & 0xff];
  return Buffer.concat([Buffer.from([tag, ...length]), content]);
}

/** The 4 or 16 bytes of an address. */
function bytesOf(address: string): Buffer {
  if (isIPv4(address)) return Buffer.from(address.split('.').map(Number));
  const [head = '', tail] = address.split('::');
  const groups = (text: string): number[] => (text === '' ? [] : text.split(':').map((group) => Number.parseInt(group, 16)));
  const front = groups(head);
  const back = tail === undefined ? [] : groups(tail);
  const all = [...front, ...new Array<number>(8 - front.length - back.length).fill(0), ...back];
  const bytes = Buffer.alloc(16);
  all.forEach((group, i) => {
    bytes.writeUInt16BE(group, 2 * i);
  });
  return bytes;
}
