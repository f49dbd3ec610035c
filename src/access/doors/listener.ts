/**
 * An address on which the gateway listens, plain or with TLS. An address in use is tried again for ever. What fails while it listens
 * (the process has no file left for a connection) costs that connection and nothing else.
 */
import { createServer, type Server, type Socket } from 'node:net';
import type { Clock } from '../../core/clock.ts';
import { listenFault } from '../../core/listen-fault.ts';
import type { Logger } from '../../core/logger.ts';
import type { TlsSource } from '../../core/tls-source.ts';
import { LISTEN_RETRY_MAX, LISTEN_RETRY_MIN } from './limits.ts';
import { TlsDoor } from './tls-door.ts';

/** A fault of taking connections is logged at most so often, ms. */
const LOG_EVERY = 60_000;

export interface ListenAddress {
  readonly host: string;
  readonly port: number;
  /** Absent: plain TCP. */
  readonly tls?: TlsSource | undefined;
}

export interface ListenerOptions {
  readonly listen: ListenAddress;
  /** Who listens, for messages, and the key of the configuration that names the address. */
  readonly who: string;
  readonly key: string;
  /** Connections at one time, those that are being closed among them. */
  readonly maxSockets: number;
  readonly asksCertificate: boolean;
  readonly protocol?: string | undefined;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly connected: (socket: Socket) => void;
  /** It cannot have its address, with the words for it; undefined: it has got it. Once each. */
  readonly onListen?: ((fault: string | undefined) => void) | undefined;
}

export class Listener {
  /** Connections that were not taken: too many at once, no file for them, or no TLS. */
  dropped = 0;
  /** Why it has no address. */
  fault: string | undefined;
  readonly #o: ListenerOptions;
  readonly #where: { readonly host: string; readonly port: number };
  #server: Server | undefined;
  #tls: TlsDoor | undefined;
  #cancelRetry: (() => void) | undefined;
  #retryIn = LISTEN_RETRY_MIN;
  #reported = false;
  #quietUntil = Number.NEGATIVE_INFINITY;
  readonly #tried = Promise.withResolvers<void>();

  constructor(options: ListenerOptions) {
    this.#o = options;
    const { host, port } = options.listen;
    this.#where = { host, port };
  }

  /** Resolves when it listens for the first time, or has a fault; a certificate that is being made is none. */
  get tried(): Promise<void> {
    return this.#tried.promise;
  }

  /** Returns at once. */
  start(): void {
    const { listen, clock, connected, asksCertificate, protocol } = this.#o;
    this.#retryIn = LISTEN_RETRY_MIN;
    if (listen.tls !== undefined)
      this.#tls = new TlsDoor({
        ...{ clock, connected, asksCertificate, protocol, source: listen.tls },
        // A certificate that came late: nobody waits for the next try.
        ready: () => {
          if (this.#cancelRetry !== undefined && this.address === undefined) this.#listen();
        },
        refused: (error) => this.#notTaken(error),
      });
    this.#listen();
  }

  /** Takes nobody from now on. Resolves when the connections have ended, which is up to their owner. */
  async stop(): Promise<void> {
    this.#cancelRetry?.();
    this.#cancelRetry = undefined;
    this.#tls?.stop();
    const server = this.#server;
    this.#server = undefined;
    if (server?.listening === true) await new Promise((done) => server.close(done));
  }

  get tls(): boolean {
    return this.#o.listen.tls !== undefined;
  }
  /** undefined while it does not listen. */
  get address(): { readonly host: string; readonly port: number } | undefined {
    const address = this.#server?.listening === true ? this.#server.address() : null;
    return typeof address === 'object' && address !== null ? { host: address.address, port: address.port } : undefined;
  }

  #listen(): void {
    this.#cancelRetry?.();
    this.#cancelRetry = undefined;
    const { logger, onListen, connected, who, key, maxSockets } = this.#o;
    const lack = this.#tls?.lack;
    if (lack !== undefined) {
      this.#failed(lack);
      return;
    }
    const door = this.#tls;
    const server = createServer(door === undefined ? connected : (socket) => door.enter(socket));
    this.#server = server;
    server.maxConnections = maxSockets;
    server.on('drop', () => {
      this.dropped++;
    });
    server.once('listening', () => {
      if (this.#server !== server) {
        server.close();
        return;
      }
      if (this.#reported) {
        logger.info({ ...this.#where }, `${who} has its address now and listens.`);
        onListen?.(undefined);
      }
      this.fault = undefined;
      this.#reported = false;
      this.#retryIn = LISTEN_RETRY_MIN;
      this.#tried.resolve();
    });
    server.on('error', (error) => {
      if (server.listening) this.#notTaken(error);
      else if (this.#server === server) this.#failed(listenFault(this.#where, error, key));
    });
    server.listen(this.#where.port, this.#where.host);
  }

  #failed(why: string): void {
    const { logger, clock, onListen, who } = this.#o;
    this.fault = why;
    // A certificate that is being made is no fault: it takes a second at the first start.
    if (!this.#reported && this.#tls?.isBeingMade !== true) {
      this.#reported = true;
      this.#tried.resolve();
      logger.error({ ...this.#where, error: why }, `${who} cannot listen; it keeps trying.`);
      onListen?.(why);
    }
    this.#cancelRetry = clock.after(this.#retryIn, () => this.#listen());
    this.#retryIn = Math.min(this.#retryIn * 2, LISTEN_RETRY_MAX);
  }

  #notTaken(error: Error): void {
    this.dropped++;
    const now = this.#o.clock.monotonic();
    if (now < this.#quietUntil) return;
    this.#quietUntil = now + LOG_EVERY;
    this.#o.logger.warn(
      { error: error.message, dropped: this.dropped },
      `${this.#o.who} cannot take a connection; it keeps the connections that it has.`,
    );
  }
}
