/**
 * The TLS in front of a listener. Invariants:
 * - A handshake costs a board some milliseconds of the event loop in which devices are polled. HANDSHAKES_PER_SECOND limits them,
 *   and the others wait. One begins at a time, with a HANDSHAKE_REST after it. A connection takes a turn only when its first bytes
 *   are here.
 * - MAX_WAITING_HANDSHAKES connections wait. The next one closes one of the address that has most of them: the oldest that has sent
 *   nothing, else the newest. So one machine keeps no other one out.
 * - A connection that sends nothing, or does not end its handshake, within HANDSHAKE_WITHIN is closed.
 * - A client may show a certificate where one is asked for. It is not judged here: who it is, access decides by its fingerprint.
 * - Once the handshake is done, the connection belongs to the owner of the listener.
 */
import type { Socket } from 'node:net';
import { createServer, type Server, type TLSSocket } from 'node:tls';
import type { Clock } from '../../core/clock.ts';
import { placeOf } from '../../core/peer-place.ts';
import type { TlsSource } from '../../core/tls-source.ts';
import { HANDSHAKE_REST, HANDSHAKE_WITHIN, HANDSHAKES_AT_ONCE, HANDSHAKES_PER_SECOND, MAX_WAITING_HANDSHAKES } from './limits.ts';
import { lies } from './reset.ts';

export interface TlsDoorOptions {
  readonly source: TlsSource;
  readonly clock: Clock;
  /** Whether clients are asked for a certificate. A browser would ask the person in front of it for one. */
  readonly asksCertificate: boolean;
  /** What is spoken inside, where clients can be told (ALPN). */
  readonly protocol?: string | undefined;
  readonly connected: (socket: TLSSocket) => void;
  /** A certificate is there now. */
  readonly ready: () => void;
  readonly refused: (error: Error) => void;
}

export class TlsDoor {
  readonly #o: TlsDoorOptions;
  readonly #server: Server;
  readonly #endChange: () => void;
  /** Those without a whole handshake. */
  readonly #sockets = new Map<string, Socket>();
  /** Connections that have sent nothing yet, oldest first, with the end of their time. */
  readonly #silent = new Map<Socket, () => void>();
  /** Connections with bytes, whose handshake has not begun, oldest first. */
  readonly #waiting: Socket[] = [];
  #left = HANDSHAKES_AT_ONCE;
  #at: number;
  #cancel: (() => void) | undefined;
  /** The address whose handshake began last. */
  #last = '';

  constructor(options: TlsDoorOptions) {
    this.#o = options;
    this.#at = options.clock.monotonic();
    this.#server = createServer({
      minVersion: 'TLSv1.2',
      requestCert: options.asksCertificate,
      rejectUnauthorized: false,
      handshakeTimeout: HANDSHAKE_WITHIN,
      ...(options.protocol === undefined ? {} : { ALPNProtocols: [options.protocol] }),
      ...options.source.current,
    });
    this.#server.on('secureConnection', (socket) => {
      const peer = peerOf(socket);
      const plain = this.#sockets.get(peer);
      if (plain !== undefined) lies(socket, plain);
      this.#sockets.delete(peer);
      options.connected(socket);
    });
    this.#server.on('tlsClientError', (error, socket) => {
      socket.destroy();
      options.refused(error);
    });
    this.#endChange = options.source.onChange(() => {
      const { current } = options.source;
      if (current === undefined) return;
      this.#server.setSecureContext({ minVersion: 'TLSv1.2', ...current });
      options.ready();
    });
  }

  /** Why no handshake can be made, in words. */
  get lack(): string | undefined {
    const { current, fault } = this.#o.source;
    if (current !== undefined) return undefined;
    return this.isBeingMade ? 'its certificate is being made' : `it has no certificate: ${fault}`;
  }

  get isBeingMade(): boolean {
    const { current, fault } = this.#o.source;
    return current === undefined && fault === undefined;
  }

  /** A connection before its first byte. */
  enter(socket: Socket): void {
    // Until the handshake begins nobody else listens for the end of the socket.
    socket.on('error', () => socket.destroy());
    const peer = peerOf(socket);
    this.#sockets.set(peer, socket);
    socket.once('close', () => {
      if (this.#sockets.get(peer) === socket) this.#sockets.delete(peer);
    });
    if (this.#waiting.length + this.#silent.size >= MAX_WAITING_HANDSHAKES) {
      const giving = this.#givesWay(socket);
      this.#refuse(giving, 'more connections than the gateway makes TLS handshakes for');
      if (giving === socket) return;
    }
    this.#silent.set(
      socket,
      this.#o.clock.after(HANDSHAKE_WITHIN, () => this.#refuse(socket, 'it sent nothing')),
    );
    socket.once('close', () => this.#speaks(socket));
    // The bytes stay in the socket; the TLS socket takes them from there.
    socket.once('readable', () => {
      if (!this.#speaks(socket)) return;
      this.#waiting.push(socket);
      this.#begin();
    });
  }

  stop(): void {
    this.#endChange();
    this.#cancel?.();
    this.#waiting.length = 0;
    // What ends from here on is no fault of its peer.
    this.#server.removeAllListeners('tlsClientError');
    // Those in the middle of a handshake too: nobody else knows them.
    for (const socket of this.#sockets.values()) socket.destroy();
  }

  /** It is silent no longer. @returns whether it was */
  #speaks(socket: Socket): boolean {
    this.#silent.get(socket)?.();
    return this.#silent.delete(socket);
  }

  /** Picks one of the address with most connections here; the new one counts. */
  #givesWay(arrives: Socket): Socket {
    const silent = [...this.#silent.keys()];
    const counts = new Map<string, number>();
    let most = addressOf(arrives);
    for (const socket of [arrives, ...silent, ...this.#waiting]) {
      const address = addressOf(socket);
      const count = (counts.get(address) ?? 0) + 1;
      counts.set(address, count);
      if (count > (counts.get(most) ?? 0)) most = address;
    }
    const ofMost = (socket: Socket): boolean => addressOf(socket) === most;
    return silent.find(ofMost) ?? (ofMost(arrives) ? arrives : (this.#waiting.findLast(ofMost) ?? arrives));
  }

  #refuse(socket: Socket, why: string): void {
    this.#speaks(socket);
    const at = this.#waiting.indexOf(socket);
    if (at >= 0) this.#waiting.splice(at, 1);
    socket.destroy();
    this.#o.refused(new Error(why));
  }

  /** The first of another address than the last one had, so that one machine does not keep the others waiting. */
  #next(): Socket | undefined {
    const other = this.#waiting.findIndex((socket) => addressOf(socket) !== this.#last);
    return this.#waiting.splice(Math.max(0, other), 1)[0];
  }

  #begin(): void {
    if (this.#cancel !== undefined) return;
    const now = this.#o.clock.monotonic();
    this.#left = Math.min(HANDSHAKES_AT_ONCE, this.#left + ((now - this.#at) / 1000) * HANDSHAKES_PER_SECOND);
    this.#at = now;
    if (this.#left >= 1) {
      let socket = this.#next();
      while (socket?.destroyed === true) socket = this.#next();
      if (socket === undefined) return;
      this.#last = addressOf(socket);
      this.#left--;
      this.#server.emit('connection', socket);
    }
    const untilNext = Math.ceil(((1 - this.#left) * 1000) / HANDSHAKES_PER_SECOND);
    this.#cancel = this.#o.clock.after(Math.max(HANDSHAKE_REST, untilNext), () => {
      this.#cancel = undefined;
      if (this.#waiting.length > 0) this.#begin();
    });
  }
}

/** Its place; the address is undefined once it is closed. */
function addressOf({ remoteAddress }: Socket): string {
  return remoteAddress === undefined ? '' : placeOf(remoteAddress);
}

/** The TLS socket and the socket below it have the same peer, and no other connection has it at the same time. */
function peerOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`;
}
