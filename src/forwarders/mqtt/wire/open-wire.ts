/**
 * The way to a broker, from the ground up: TCP, a proxy, TLS, WebSocket, as far as the address asks for them. Nothing of the
 * gateway's (no name, no password, no topic) leaves before the broker has proved who it is.
 */
import { createConnection, isIP, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import type { Clock } from '../../../core/clock.ts';
import { toError } from '../../../core/errors.ts';
import { type BrokerAddress, hostAndPort, usesTls } from '../address.ts';
import { networkWords, type Stage } from '../refusal-words.ts';
import { ConnectError, failureOfCode } from '../retry-plan.ts';
import { Gathered } from './gathered.ts';
import { type ProxyRoute, throughProxy } from './proxy.ts';
import { smallHello } from './small-hello.ts';
import type { TlsMaterial } from './tls-material.ts';
import { type TlsSession, TlsSessions } from './tls-sessions.ts';
import { pinWords, type TlsAttempt, tlsWords } from './tls-words.ts';
import { webSocket } from './web-socket.ts';
import type { WireMeter } from './wire-meter.ts';

export interface Route {
  readonly address: BrokerAddress;
  readonly tls: TlsMaterial;
  /** Sessions of earlier connections, which this one may resume. */
  readonly sessions?: TlsSessions | undefined;
  readonly proxy?: ProxyRoute | undefined;
  /** Each connection costs money: the key exchange is the one with fewer bytes, and packets are as few as can be. */
  readonly thrifty?: boolean | undefined;
  /** Counts what passes. */
  readonly meter?: WireMeter | undefined;
  /** Where names led, by name: the caller keeps it. Only what a configuration names is in it. */
  readonly addresses?: Map<string, string> | undefined;
  /** Go where the name led before, without asking again. */
  readonly asBefore?: boolean | undefined;
  readonly clock: Clock;
  readonly clockKnown: boolean;
  /** Gives up. */
  readonly signal: AbortSignal;
}

export interface Wire {
  readonly stream: Duplex;
  /** To be called before the last words: they leave with the end of TLS, in one packet. Where bytes of TLS cost. */
  readonly lastWords?: () => void;
}

/** @throws ConnectError, and errors of the system as they are */
export async function openWire(route: Route, reached: (stage: Stage) => void): Promise<Wire> {
  const { address, proxy, signal, clock, meter, addresses } = route;
  const { host, port } = proxy?.address ?? address;
  const known = route.asBefore === true ? addresses?.get(host) : undefined;
  // The caller may have given up while the files of TLS were read.
  if (signal.aborted) throw closedError();
  const socket = createConnection({ host: known ?? host, port, noDelay: true });
  meter?.watch(socket, !usesTls(address) ? 'plain' : route.thrifty === true ? 'gathered' : 'tls');
  socket.once('connect', () => {
    if (socket.remoteAddress !== undefined) addresses?.set(host, socket.remoteAddress);
  });
  const abort = (): void => void socket.destroy();
  signal.addEventListener('abort', abort, { once: true });
  // Between two steps nobody else listens.
  socket.on('error', () => {});
  try {
    if (proxy === undefined) await ready(socket, 'connect');
    else {
      reached('proxy');
      await atProxy(socket, proxy, address);
    }
    let stream: Duplex = socket;
    let gathered: Gathered | undefined;
    if (usesTls(address)) {
      reached('tls');
      if (route.thrifty === true) gathered = new Gathered(socket, () => meter?.look());
      stream = await secure(socket, gathered ?? socket, route);
    }
    if (address.path !== '') {
      reached('web-socket');
      stream = await webSocket(stream, address, () => clock.monotonic());
    }
    meter?.look();
    reached('mqtt');
    return { stream, ...(gathered !== undefined && { lastWords: () => gathered.lastWords() }) };
  } catch (thrown) {
    socket.destroy();
    throw thrown;
  } finally {
    signal.removeEventListener('abort', abort);
  }
}

async function atProxy(socket: Socket, proxy: ProxyRoute, address: BrokerAddress): Promise<void> {
  try {
    await ready(socket, 'connect');
    await throughProxy(socket, proxy, address);
  } catch (thrown) {
    const error = toError(thrown);
    if (error instanceof ConnectError) throw error;
    const failure = failureOfCode('code' in error ? error.code : undefined);
    throw new ConnectError(failure, `the proxy ${hostAndPort(proxy.address)} cannot be reached: ${networkWords(error)}`, error);
  }
}

async function secure(socket: Socket, below: Duplex, route: Route): Promise<TLSSocket> {
  const { address, tls, sessions, clock } = route;
  const { fingerprint, ca, cert, key, alpn } = tls;
  const name = tls.serverName ?? address.host;
  const kept = sessions && TlsSessions.key(address, tls);
  const offered = kept === undefined ? undefined : sessions?.newest(kept, clock.wall());
  const offer = route.thrifty === true && kept !== undefined ? sessions?.offer(kept) : undefined;
  let secured: TLSSocket;
  try {
    secured = connectTls({
      ...{ socket: below, host: name, minVersion: 'TLSv1.2' },
      // A pinned certificate needs no authority: it is compared before anything is sent.
      rejectUnauthorized: fingerprint === undefined || ca !== undefined,
      ...(isIP(name) === 0 && { servername: name }),
      ...(ca !== undefined && { ca }),
      ...(cert !== undefined && { cert, key }),
      ...(alpn !== undefined && { ALPNProtocols: [...alpn] }),
      ...(offered !== undefined && { session: offered.bytes }),
      ...(route.thrifty === true && smallHello(offer?.wide === true, offered?.version)),
    });
  } catch (thrown) {
    throw tlsFault(route, toError(thrown)) ?? thrown;
  }
  secured.on('error', () => {});
  // The first flight of the handshake is on its way.
  route.meter?.look();
  // A session of TLS 1.2 comes before the broker is believed.
  const early: Buffer[] = [];
  let keep = (bytes: Buffer): void => void (early.length < EARLY && early.push(bytes));
  secured.on('session', (bytes: Buffer) => keep(bytes));
  try {
    await ready(secured, 'secureConnect');
  } catch (thrown) {
    const error = toError(thrown);
    const small = offer?.failed('code' in error ? error.code : undefined, offered?.version) === true;
    const fault = tlsFault({ ...route, only13: small && offered?.version === 'TLSv1.3' }, error);
    if (kept !== undefined && offered !== undefined) sessions?.failed(kept, fault !== undefined && !small);
    throw fault ?? cutShort(route, error);
  }
  offer?.came(secured.getCipher().name);
  const resumed = offered !== undefined && secured.isSessionReused();
  const shown = resumed ? offered : shownBy(secured);
  // Brokers then give two tickets, each in a message of its own.
  if (!resumed) route.meter?.unseen(socket);
  if (fingerprint !== undefined && shown.fingerprint !== fingerprint) {
    secured.destroy();
    throw new ConnectError('tls', `the broker ${hostAndPort(address)} ${pinWords(fingerprint, shown.fingerprint)}`, undefined);
  }
  if (sessions === undefined || kept === undefined) return secured;
  keep = (bytes) => sessions.keep(kept, { ...shown, bytes });
  for (const bytes of early) keep(bytes);
  if (resumed) sessions.succeeded(kept);
  return secured;
}

/** Sessions that a broker may give before it is believed. */
const EARLY = 2;

/** The certificate of a full handshake. Node has none of a resumed one. */
function shownBy(socket: TLSSocket): Omit<TlsSession, 'bytes'> {
  const found = socket.getPeerX509Certificate();
  return {
    version: socket.getProtocol() ?? '',
    fingerprint: found?.fingerprint256.replaceAll(':', '').toLowerCase() ?? '',
    from: found?.validFromDate.getTime() ?? Number.POSITIVE_INFINITY,
    until: found?.validToDate.getTime() ?? Number.NEGATIVE_INFINITY,
  };
}

/** A fault of TLS in words; undefined where it is none. Under TLS 1.3 a broker refuses a certificate after the handshake. */
export function tlsFault(
  { address, tls, clock, clockKnown, only13 = false }: Omit<Route, 'signal'> & { readonly only13?: boolean },
  error: Error,
): ConnectError | undefined {
  const attempt: TlsAttempt = {
    ...{ name: tls.serverName ?? address.host, now: clock.wall(), clockKnown },
    ...{ ca: tls.ca !== undefined, own: tls.own, only13 },
  };
  const found = tlsWords(attempt, 'code' in error ? error.code : undefined, error);
  return found && new ConnectError(found.failure, `the broker ${hostAndPort(address)} ${found.words}`, error);
}

function cutShort({ address, tls }: Route, error: Error): ConnectError {
  const own =
    tls.own === undefined ? ', may it demand a certificate of this gateway?' : ', does it take the certificate of this gateway?';
  return new ConnectError(
    'hung-up',
    `the broker ${hostAndPort(address)} ended the TLS handshake without a reason (does this port take TLS${own} its log says why)`,
    error,
  );
}

/** @throws the error of the stream, or one with the code ECONNRESET when it just closes */
export function ready(stream: Duplex, event: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (error?: Error): void => {
      stream.off(event, done);
      stream.off('error', settle);
      stream.off('close', closed);
      if (error === undefined) resolve();
      else reject(error);
    };
    const done = (): void => settle();
    const closed = (): void => settle(closedError());
    stream.once(event, done);
    stream.once('error', settle);
    stream.once('close', closed);
  });
}

function closedError(): Error {
  return Object.assign(new Error('the connection was closed'), { code: 'ECONNRESET' });
}
