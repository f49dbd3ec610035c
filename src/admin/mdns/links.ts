/**
 * The sockets of multicast DNS. Each interface has one for IPv4 and one for IPv6, where it has an address of that kind that is
 * announced: an answer leaves where its question came from.
 */
import { createSocket, type Socket } from 'node:dgram';
import { BlockList } from 'node:net';
import type { NetworkInterfaceInfo, networkInterfaces } from 'node:os';

export const PORT = 5353;
const GROUPS = { udp4: '224.0.0.251', udp6: 'ff02::fb' } as const;
/** Interfaces of a board; further ones are not announced on. */
const MOST_INTERFACES = 8;

/** A socket that should be there. */
export interface Place {
  /** The same as long as nothing of the interface changes. */
  readonly key: string;
  readonly type: keyof typeof GROUPS;
  /** For people: "IPv6 on eth0". */
  readonly name: string;
  /** As the kernel wants the interface named. */
  readonly through: string;
  /** The addresses of the same interface that are announced, of both kinds. */
  readonly addresses: readonly string[];
  /** Whether an address is in the network of this interface: answers to others would serve attacks on them. */
  isNear(address: string): boolean;
}

export interface Link extends Place {
  readonly socket: Socket;
  readonly group: string;
  /** Packets of this second, of its network and of others. */
  near: number;
  foreign: number;
  /** It takes and sends. */
  open: boolean;
}

export function placesOf(interfaces: ReturnType<typeof networkInterfaces>): Place[] {
  return Object.entries(interfaces)
    .slice(0, 64)
    .map(([name, list = []]) => placesOn(name, list))
    .filter((places) => places.length > 0)
    .slice(0, MOST_INTERFACES)
    .flat();
}

function placesOn(name: string, list: readonly NetworkInterfaceInfo[]): Place[] {
  const outer = list.filter(({ internal }) => !internal);
  // Programs that ask seldom know what to do with an address that counts on one interface alone.
  const announced = outer.filter((one) => one.family === 'IPv4' || !isLinkLocal(one.address));
  const addresses = announced.map(({ address }) => address);
  const [four] = announced.filter(({ family }) => family === 'IPv4');
  const six = announced.filter(({ family }) => family === 'IPv6');
  const places: Place[] = [];
  const place = (type: Place['type'], through: string, isNear: Place['isNear']): void => {
    const kind = type === 'udp4' ? 'IPv4' : 'IPv6';
    places.push({ key: `${type} ${name} ${addresses.join(' ')}`, type, name: `${kind} on ${name}`, through, addresses, isNear });
  };
  if (four !== undefined) place('udp4', four.address, (address) => isNear(address, four));
  if (six.length > 0) {
    const near = new BlockList();
    for (const { cidr } of six) addTo(near, cidr);
    place('udp6', `::%${name}`, (from) => {
      const [address = '', scope] = from.split('%');
      return scope === undefined ? near.check(address, 'ipv6') : scope === name;
    });
  }
  return places;
}

export function linkAt(place: Place): Link {
  const socket = createSocket({ type: place.type, reuseAddr: true, ...(place.type === 'udp6' && { ipv6Only: true }) });
  return { ...place, socket, group: GROUPS[place.type], near: 0, foreign: 0, open: false };
}

/** @param ready the socket takes and sends @param failed it cannot, and has to be dropped */
export function openLink(link: Link, ready: () => void, failed: (error: Error) => void): void {
  const { socket, group, through } = link;
  socket.on('error', failed);
  socket.bind(PORT, () => {
    try {
      socket.addMembership(group, through);
      socket.setMulticastInterface(through);
      socket.setMulticastTTL(255);
      socket.setMulticastLoopback(true);
      link.open = true;
      ready();
    } catch (thrown) {
      socket.emit('error', thrown);
    }
  });
  socket.unref();
}

export function isNear(
  address: string,
  { address: own, netmask }: { readonly address: string; readonly netmask: string },
): boolean {
  const number = (text: string): number => text.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
  const mask = number(netmask);
  // Bits beyond 31 need unsigned shifts.
  return (number(address) & mask) >>> 0 === (number(own) & mask) >>> 0;
}

const isLinkLocal = (address: string): boolean => /^fe[89ab]/i.test(address);

function addTo(list: BlockList, cidr: string | null): void {
  const [address = '', length = ''] = cidr?.split('/') ?? [];
  if (/^\d{1,3}$/.test(length)) list.addSubnet(address, Number(length), 'ipv6');
}
