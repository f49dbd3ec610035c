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
import { type ProxyRoute, throughProxy } from './proxy.ts';
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
  /** Each connection costs money: the key exchange is the one with fewer bytes. */
  readonly thrifty?: boolean | undefined;
  /** Counts what passes. */
  readonly meter?: WireMeter | undefined;
  readonly clock: Clock;
  readonly clockKnown: boolean;
  /** Gives up. */
  readonly signal: AbortSignal;
}

/** @throws ConnectError, and errors of the system as they are */
export async function openWire(route: Route, reached: (stage: Stage) => void): Promise<Duplex> {
  const { address, proxy, signal, clock, meter } = route;
  const { host, port } = proxy?.address ?? address;
  // The caller may have given up while the files of TLS were read.
  if (signal.aborted) throw closedError();
  const socket = createConnection({ host, port, noDelay: true });
  meter?.watch(socket);
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
    let wire: Duplex = socket;
    if (usesTls(address)) {
      reached('tls');
      wire = await secure(socket, route);
    }
    if (address.path !== '') {
      reached('web-socket');
      wire = await webSocket(wire, address, () => clock.monotonic());
    }
    meter?.look();
    reached('mqtt');
    return wire;
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

async function secure(below: Socket, route: Route): Promise<TLSSocket> {
  const { address, tls, sessions, clock } = route;
  const { fingerprint, ca, cert, key, alpn } = tls;
  const name = tls.serverName ?? address.host;
  const kept = sessions && TlsSessions.key(address, tls);
  const offered = kept === undefined ? undefined : sessions?.newest(kept, clock.wall());
  let socket: TLSSocket;
  try {
    socket = connectTls({
      ...{ socket: below, host: name, minVersion: 'TLSv1.2' },
      // A pinned certificate needs no authority: it is compared before anything is sent.
      rejectUnauthorized: fingerprint === undefined || ca !== undefined,
      ...(isIP(name) === 0 && { servername: name }),
      ...(ca !== undefined && { ca }),
      ...(cert !== undefined && { cert, key }),
      ...(alpn !== undefined && { ALPNProtocols: [...alpn] }),
      ...(offered !== undefined && { session: offered.bytes }),
      ...(route.thrifty === true && { ecdhCurve: SMALL_GROUPS }),
    });
  } catch (thrown) {
    throw tlsFault(route, toError(thrown)) ?? thrown;
  }
  socket.on('error', () => {});
  // A session of TLS 1.2 comes before the broker is believed.
  const early: Buffer[] = [];
  let keep = (bytes: Buffer): void => void (early.length < EARLY && early.push(bytes));
  socket.on('session', (bytes: Buffer) => keep(bytes));
  try {
    await ready(socket, 'secureConnect');
  } catch (thrown) {
    const error = toError(thrown);
    const fault = tlsFault(route, error);
    if (kept !== undefined && offered !== undefined) sessions?.failed(kept, fault !== undefined);
    throw fault ?? cutShort(route, error);
  }
  const resumed = offered !== undefined && socket.isSessionReused();
  const shown = resumed ? offered : shownBy(socket);
  if (fingerprint !== undefined && shown.fingerprint !== fingerprint) {
    socket.destroy();
    throw new ConnectError('tls', `the broker ${hostAndPort(address)} ${pinWords(fingerprint, shown.fingerprint)}`, undefined);
  }
  if (sessions === undefined || kept === undefined) return socket;
  keep = (bytes) => sessions.keep(kept, { ...shown, bytes });
  for (const bytes of early) keep(bytes);
  if (resumed) sessions.succeeded(kept);
  return socket;
}

/**
 * Without ML-KEM, which OpenSSL 3.5 offers first: its shares are 1,184 and 1,088 bytes (FIPS 203), in resumed handshakes too.
 * Under TLS 1.2 a certificate may only have a curve of this list, so all of them stay; a share goes along of the first one alone.
 */
const SMALL_GROUPS = 'X25519:prime256v1:secp384r1:secp521r1';
/** Sessions that a broker may give before it is believed. */
const EARLY = 2;

/** The certificate of a full handshake. Node has none of a resumed one. */
function shownBy(socket: TLSSocket): Omit<TlsSession, 'bytes'> {
  const found = socket.getPeerX509Certificate();
  return {
    fingerprint: found?.fingerprint256.replaceAll(':', '').toLowerCase() ?? '',
    from: found?.validFromDate.getTime() ?? Number.POSITIVE_INFINITY,
    until: found?.validToDate.getTime() ?? Number.NEGATIVE_INFINITY,
  };
}

/** A fault of TLS in words; undefined where it is none. Under TLS 1.3 a broker refuses a certificate after the handshake. */
export function tlsFault({ address, tls, clock, clockKnown }: Omit<Route, 'signal'>, error: Error): ConnectError | undefined {
  const attempt: TlsAttempt = {
    ...{ name: tls.serverName ?? address.host, now: clock.wall(), clockKnown },
    ...{ ca: tls.ca !== undefined, own: tls.own },
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
