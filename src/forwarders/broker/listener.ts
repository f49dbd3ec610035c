/**
 * The socket on which the broker listens. An address in use is tried again for ever. What fails while it listens (the process
 * has no file left for a connection) costs that connection and nothing else.
 */
import { createServer, type Server, type Socket } from 'node:net';
import type { Clock } from '../../core/clock.ts';
import { listenFault } from '../../core/listen-fault.ts';
import type { Logger } from '../../core/logger.ts';
import { LISTEN_RETRY_MAX, LISTEN_RETRY_MIN, MAX_SOCKETS } from './limits.ts';

/** A fault of taking connections is logged at most so often, ms. */
const LOG_EVERY = 60_000;

export interface ListenerOptions {
  readonly listen: { readonly host: string; readonly port: number };
  readonly logger: Logger;
  readonly clock: Clock;
  readonly connected: (socket: Socket) => void;
  /** It cannot have its address, with the words for it; undefined: it has got it. Once each. */
  readonly onListen?: ((fault: string | undefined) => void) | undefined;
}

export class Listener {
  /** Connections that were not taken: too many at once, or no file for them. */
  dropped = 0;
  /** Why it has no address. */
  fault: string | undefined;
  readonly #o: ListenerOptions;
  #server: Server | undefined;
  #cancelRetry: (() => void) | undefined;
  #retryIn = LISTEN_RETRY_MIN;
  #quietUntil = Number.NEGATIVE_INFINITY;

  constructor(options: ListenerOptions) {
    this.#o = options;
  }

  /** Returns at once. */
  start(): void {
    this.#retryIn = LISTEN_RETRY_MIN;
    this.#listen();
  }

  /** Frees the address. The owners of the connections end them before. */
  async stop(): Promise<void> {
    this.#cancelRetry?.();
    const server = this.#server;
    this.#server = undefined;
    if (server?.listening === true) await new Promise((done) => server.close(done));
  }

  /** undefined while it does not listen. */
  get address(): { readonly host: string; readonly port: number } | undefined {
    const address = this.#server?.listening === true ? this.#server.address() : null;
    return typeof address === 'object' && address !== null ? { host: address.address, port: address.port } : undefined;
  }

  #listen(): void {
    const { listen, logger, onListen, connected } = this.#o;
    const server = createServer(connected);
    this.#server = server;
    server.maxConnections = MAX_SOCKETS;
    server.on('drop', () => {
      this.dropped++;
    });
    server.once('listening', () => {
      if (this.#server !== server) {
        server.close();
        return;
      }
      if (this.fault !== undefined) {
        logger.info({ ...listen }, 'The embedded broker has got its address and listens.');
        onListen?.(undefined);
      }
      this.fault = undefined;
      this.#retryIn = LISTEN_RETRY_MIN;
    });
    server.on('error', (error) => {
      if (server.listening) this.#notTaken(error);
      else if (this.#server === server) this.#failed(error);
    });
    server.listen(listen.port, listen.host);
  }

  #failed(error: Error): void {
    const { listen, logger, clock, onListen } = this.#o;
    const first = this.fault === undefined;
    this.fault = listenFault(listen, error, 'broker.listen');
    if (first) {
      logger.error({ ...listen, error: this.fault }, 'The embedded broker cannot listen; it keeps trying.');
      onListen?.(this.fault);
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
      'The embedded broker cannot take a connection; it goes on with those it has.',
    );
  }
}
