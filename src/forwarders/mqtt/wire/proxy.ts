/**
 * The way through a proxy: HTTP CONNECT (RFC 9110, 9.3.6) and SOCKS 5 (RFC 1928, RFC 1929). The proxy looks up the name of the
 * broker. Its answers are read to the byte and within bounds; what follows them belongs to the broker.
 */
import { isIPv4, isIPv6, type Socket } from 'node:net';
import { foreignText } from '../../../core/foreign-text.ts';
import { hostAndPort, type ProxyAddress } from '../address.ts';
import type { Failure } from '../failure.ts';
import { ConnectError } from '../retry-plan.ts';
import { exactly, httpHead } from './answers.ts';

export interface ProxyRoute {
  readonly address: ProxyAddress;
  readonly username?: string | undefined;
  readonly password?: string | undefined;
}

interface Target {
  readonly host: string;
  readonly port: number;
}

/** Bytes that a name, a password or a host may have in SOCKS. */
const MOST_FIELD = 255;

/** @param socket connected to the proxy @throws ConnectError, and the error of the socket */
export async function throughProxy(socket: Socket, proxy: ProxyRoute, target: Target): Promise<void> {
  if (proxy.address.scheme === 'http') await httpConnect(socket, proxy, target);
  else await socks5(socket, proxy, target);
}

async function httpConnect(socket: Socket, proxy: ProxyRoute, target: Target): Promise<void> {
  const to = hostAndPort(target);
  const lines = [`CONNECT ${to} HTTP/1.1`, `Host: ${to}`];
  if (proxy.username !== undefined) {
    const login = Buffer.from(`${proxy.username}:${proxy.password ?? ''}`).toString('base64');
    lines.push(`Proxy-Authorization: Basic ${login}`);
  }
  socket.write(`${lines.join('\r\n')}\r\n\r\n`);
  const answer = await httpHead(socket);
  if (answer === undefined) throw fault(proxy, 'protocol', 'does not answer in HTTP/1.1; is it a SOCKS proxy (socks5://)?');
  if (answer.status >= 200 && answer.status < 300) return;
  const [failure, words] = httpWords(answer.status, to, proxy.username !== undefined);
  throw fault(proxy, failure, `${words} ("${foreignText(answer.line, 100)}")`);
}

function httpWords(status: number, to: string, named: boolean): [Failure, string] {
  switch (status) {
    case 407:
      return named
        ? ['login', 'does not take this user name and password; correct `username` and `password` under `proxy`']
        : ['login', 'demands a user name and a password; write `proxy: {url: …, username: …, password: …}`'];
    case 403:
    case 405:
      return [
        'login',
        `does not allow a connection to ${to}; ask who runs the proxy to allow it, or use a port that it allows (often 443)`,
      ];
    case 502:
    case 503:
    case 504:
      return ['hung-up', `does not reach ${to}; is the broker running, are its name and port right?`];
    default:
      return ['hung-up', `refuses a connection to ${to}`];
  }
}

async function socks5(socket: Socket, proxy: ProxyRoute, target: Target): Promise<void> {
  const { username, password = '' } = proxy;
  const methods = username === undefined ? [0] : [0, 2];
  socket.write(Uint8Array.of(5, methods.length, ...methods));
  const [version, method] = await exactly(socket, 2);
  if (version !== 5) throw fault(proxy, 'protocol', 'does not speak SOCKS 5; is it an HTTP proxy (http://)?');
  if (method === 0xff) {
    const words =
      username === undefined ? 'demands a user name and a password; write' : 'takes no user name and password; correct';
    throw fault(proxy, 'login', `${words} \`proxy: {url: …, username: …, password: …}\``);
  }
  if (!methods.includes(method as number)) throw fault(proxy, 'protocol', `chose a log-in (${method}) that was not offered`);
  if (method === 2 && username !== undefined) {
    socket.write(Buffer.concat([Uint8Array.of(1), field(proxy, username), field(proxy, password)]));
    const [, status] = await exactly(socket, 2);
    if (status !== 0)
      throw fault(proxy, 'login', 'does not take this user name and password; correct `username` and `password` under `proxy`');
  }
  socket.write(
    Buffer.concat([Uint8Array.of(5, 1, 0), place(proxy, target.host), Uint8Array.of(target.port >> 8, target.port & 255)]),
  );
  const [answered, reply = 1, , kind] = await exactly(socket, 4);
  if (answered !== 5) throw fault(proxy, 'protocol', 'broke off SOCKS 5');
  if (reply !== 0) {
    const [failure, words] = SOCKS_WORDS[reply] ?? ['hung-up', `refuses a connection (code ${reply})`];
    throw fault(proxy, failure, `${words} (${hostAndPort(target)})`);
  }
  // The address that the proxy bound; nobody needs it, and what follows it is the broker's.
  const length = kind === 1 ? 4 : kind === 4 ? 16 : kind === 3 ? (await exactly(socket, 1))[0] : undefined;
  if (length === undefined) throw fault(proxy, 'protocol', `answered with an address of a kind that is not known (${kind})`);
  await exactly(socket, length + 2);
}

/** RFC 1928, section 6. */
const SOCKS_WORDS: Readonly<Record<number, [Failure, string]>> = {
  1: ['hung-up', 'failed; its log says why'],
  2: ['login', 'does not allow this connection; ask who runs it to allow it'],
  3: ['unreachable', 'has no way to the network of the broker'],
  4: ['unreachable', 'has no way to the broker; is its name right?'],
  5: ['refused', 'reaches the host of the broker, and nothing listens there; is the broker running, is the port right?'],
  6: ['silent', 'got no answer from the broker'],
  7: ['login', 'does not make connections (CONNECT)'],
  8: ['login', 'does not take this kind of address; write the broker by name, or by its IPv4 address'],
};

function place(proxy: ProxyRoute, host: string): Buffer {
  if (isIPv4(host)) return Buffer.from([1, ...host.split('.').map(Number)]);
  if (isIPv6(host)) return Buffer.from([4, ...sixteen(host)]);
  return Buffer.concat([Uint8Array.of(3), field(proxy, host)]);
}

/** The bytes of an IPv6 address that `isIPv6` takes. */
function sixteen(host: string): number[] {
  const [plain = ''] = host.split('%');
  const dotted = plain.replace(/(\d+)\.(\d+)\.(\d+)\.(\d+)$/, (_, a, b, c, d) =>
    [Number(a) * 256 + Number(b), Number(c) * 256 + Number(d)].map((n) => n.toString(16)).join(':'),
  );
  const [head = '', tail] = dotted.split('::');
  const groups = (text: string) => (text === '' ? [] : text.split(':').map((group) => Number.parseInt(group, 16)));
  const [front, back] = [groups(head), groups(tail ?? '')];
  const all = [...front, ...Array.from({ length: 8 - front.length - back.length }, () => 0), ...back];
  return all.flatMap((group) => [group >> 8, group & 255]);
}

function field(proxy: ProxyRoute, text: string): Buffer {
  const bytes = Buffer.from(text);
  if (bytes.length > MOST_FIELD)
    throw fault(proxy, 'login', `takes names and passwords of at most ${MOST_FIELD} bytes, and one of them is longer`);
  return Buffer.concat([Uint8Array.of(bytes.length), bytes]);
}

function fault({ address }: ProxyRoute, failure: Failure, words: string): ConnectError {
  return new ConnectError(failure, `the proxy ${hostAndPort(address)} ${words}`, undefined);
}
