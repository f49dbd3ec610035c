/**
 * An address on which the gateway listens, plain or with TLS. An address in use is tried again for ever. What fails while it listens
 * (the process has no file left for a connection) costs that connection and nothing else. A reload takes an address before it
 * stops anything (`reserve`): who connects meanwhile waits until `start`.
 */
import { createServer, type Server, type Socket } from 'node:net';
import type { Clock } from '../../core/clock.ts';
import { SluiceError } from '../../core/errors.ts';
import { listenFault } from '../../core/listen-fault.ts';
import type { Logger } from '../../core/logger.ts';
import type { TlsSource } from '../../core/tls-source.ts';
import { BACKLOG, LISTEN_RETRY_MAX, LISTEN_RETRY_MIN } from './limits.ts';
import { TlsDoor } from './tls-door.ts';

/** A fault of taking connections is logged at most so often, ms. */
const LOG_EVERY = 60_000;

/** A connection that fails before anybody has it is closed by Node. */
const ignore = (): void => {};

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
  /** Between `reserve` and `start`: those who wait; the server admits maxSockets. */
  #held: Set<Socket> | undefined;
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

  /**
   * Takes the address and serves nobody before `start`. One try; where it fails, nothing is held.
   * @throws SluiceError listen-failed
   */
  async reserve(): Promise<void> {
    const lack = this.#door()?.lack;
    const held = new Set<Socket>();
    this.#held = held;
    try {
      if (lack !== undefined) throw new SluiceError('listen-failed', `${this.#o.who}: ${lack}`);
      await new Promise<void>((resolve, reject) => {
        const { key } = this.#o;
        const server = this.#listenOn({
          // A stop that came meanwhile found nothing to close.
          listens: () => (this.#server === server ? resolve() : server.close()),
          fails: (cause) => reject(new SluiceError('listen-failed', listenFault(this.#where, cause, key), { cause })),
        });
        server.once('close', () => reject(new SluiceError('listen-failed', `${this.#o.who}: the gateway stops`)));
      });
    } catch (thrown) {
      await this.stop();
      throw thrown;
    }
  }

  /** Returns at once. */
  start(): void {
    const held = this.#held;
    this.#held = undefined;
    if (held !== undefined) {
      this.#tried.resolve();
      for (const socket of held) {
        socket.removeListener('error', ignore);
        this.#take(socket);
      }
      return;
    }
    this.#retryIn = LISTEN_RETRY_MIN;
    this.#door();
    this.#listen();
  }

  #door(): TlsDoor | undefined {
    const { listen, clock, connected, asksCertificate, protocol } = this.#o;
    if (listen.tls !== undefined)
      this.#tls ??= new TlsDoor({
        ...{ clock, connected, asksCertificate, protocol, source: listen.tls },
        // A certificate that came late: nobody waits for the next try.
        ready: () => {
          if (this.#cancelRetry !== undefined && this.address === undefined) this.#listen();
        },
        refused: (error) => this.#notTaken(error),
      });
    return this.#tls;
  }

  /** Takes nobody from now on. Resolves when the connections have ended, which is up to their owner. */
  async stop(): Promise<void> {
    this.#cancelRetry?.();
    this.#cancelRetry = undefined;
    this.#tls?.stop();
    for (const socket of this.#held ?? []) socket.destroy();
    this.#held = undefined;
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
    const { logger, onListen, who, key } = this.#o;
    const lack = this.#tls?.lack;
    if (lack !== undefined) {
      this.#failed(lack);
      return;
    }
    const server = this.#listenOn({
      listens: () => {
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
      },
      fails: (error) => {
        if (this.#server === server) this.#failed(listenFault(this.#where, error, key));
      },
    });
  }

  #listenOn({ listens, fails }: { readonly listens: () => void; readonly fails: (cause: Error) => void }): Server {
    const server = createServer((socket) => this.#take(socket));
    this.#server = server;
    server.maxConnections = this.#o.maxSockets;
    server.on('drop', () => {
      this.dropped++;
    });
    server.once('listening', listens);
    server.on('error', (error) => {
      if (server.listening) this.#notTaken(error);
      else fails(error);
    });
    server.listen({ ...this.#where, backlog: BACKLOG });
    return server;
  }

  #take(socket: Socket): void {
    const held = this.#held;
    if (held !== undefined) {
      held.add(socket);
      socket.once('close', () => held.delete(socket));
      socket.on('error', ignore);
    } else if (this.#tls !== undefined) this.#tls.enter(socket);
    else this.#o.connected(socket);
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
