/**
 * Where a connection comes from, as the one key of every limit of an address: of the embedded broker, of the log-ins, of TLS, HTTP and
 * Node-RED. Pure. Invariants:
 * - an IPv4 address counts as one, in each of the forms in which IPv6 writes it;
 * - an IPv6 network (/64) counts as one: a household and an outsider have all of its addresses, and take a new one whenever they like.
 */

const DOTTED = /^\d+\.\d+\.\d+\.\d+$/;
const GROUP = /^[0-9a-f]{1,4}$/;

/** The key of an address as a socket gives it. @param address undefined: a Unix socket, or the peer is gone */
export function placeOf(address: string | undefined): string {
  if (address === undefined) return 'this board';
  const plain = address.slice(0, 64).toLowerCase().replace(/%.*$/, '');
  if (!plain.includes(':')) return plain;
  const groups = groupsOf(plain);
  const four = mapped(groups);
  if (four !== undefined) return four;
  return groups.join(':') === '0:0:0:0:0:0:0:1' ? '::1' : `${groups.slice(0, 4).join(':')}::/64`;
}

/** Whether it is a client of this board, over TCP or a Unix socket. */
export function isOfThisBoard(address: string | undefined): boolean {
  const place = placeOf(address);
  return address === undefined || place === '::1' || (place.startsWith('127.') && DOTTED.test(place));
}

/** The groups of an IPv6 address without leading zeros; eight where it is one. */
function groupsOf(address: string): string[] {
  const [head = '', tail] = address.split('::');
  const [front, back] = [head, tail ?? ''].map((part) => (part === '' ? [] : part.split(':').flatMap(hexOf)));
  const known = [...(front ?? []), ...(back ?? [])].length;
  const zeros = tail === undefined ? 0 : Math.max(0, 8 - known);
  return [...(front ?? []), ...Array.from({ length: zeros }, () => '0'), ...(back ?? [])].map((g) => g.replace(/^0+(?=.)/, ''));
}

/** The last 32 bits may be written as those of IPv4. */
function hexOf(group: string): string[] {
  if (!DOTTED.test(group)) return [group];
  const [a = 0, b = 0, c = 0, d = 0] = group.split('.').map(Number);
  return [(a * 256 + b).toString(16), (c * 256 + d).toString(16)];
}

/** The IPv4 address inside `::ffff:0:0/96`. */
function mapped(groups: readonly string[]): string | undefined {
  if (groups.length !== 8 || groups.slice(0, 6).join(':') !== '0:0:0:0:0:ffff') return undefined;
  const [high = '', low = ''] = groups.slice(6);
  if (!GROUP.test(high) || !GROUP.test(low)) return undefined;
  const bits = [high, low].map((group) => Number.parseInt(group, 16));
  return bits.flatMap((two) => [two >> 8, two & 255]).join('.');
}
