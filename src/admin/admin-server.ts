/**
 * How people, programs and the command line reach a running gateway. Invariants:
 * - the Unix socket `<stateDir>/sluice.sock` (0660) is there from start to stop; what a dead gateway left behind is replaced.
 *   Who starts this has locked the state directory (store/state-dir.ts); an earlier version that runs there still answers;
 * - loopback HTTP only reads, answers only local names, and its address may be in use: it is tried again for ever;
 * - no reader, however slow or many, holds up the gateway, makes its memory grow past limits.ts, or keeps another one out:
 *   one connection too many ends the one that has been of no use for the longest time.
 */
import { chmodSync, lstatSync, unlinkSync } from 'node:fs';
import type { Server, ServerOptions } from 'node:http';
import { connect } from 'node:net';
import { SocketCallers } from '../access/socket-callers.ts';
import type { Clock } from '../core/clock.ts';
import { SluiceError } from '../core/errors.ts';
import { listenFault } from '../core/listen-fault.ts';
import type { Logger } from '../core/logger.ts';
import { Api } from './api.ts';
import { request } from './client.ts';
import { Connections } from './connections.ts';
import { type AdminDoor, loopbackDoor, socketDoor } from './doors.ts';
import * as limits from './limits.ts';
import type { StatusReport } from './metrics.ts';
import { ProcessMeter } from './process-meter.ts';
import type { AdminTarget, HttpStatus } from './target.ts';

// An `import` would also read the exports that stand for WebSocket and fetch, and load them: 12 MB and 40 ms of each start.
const { createServer } = process.getBuiltinModule('node:http');

export interface AdminServerOptions {
  readonly target: AdminTarget;
  /** `<stateDir>/sluice.sock`. The system allows 107 bytes. */
  readonly socketPath: string;
  /** Loopback HTTP; absent: none. */
  readonly listen?: { readonly host: string; readonly port: number } | undefined;
  readonly logger: Logger;
  readonly clock: Clock;
  /** Who calls on the socket; default: as the kernel says. */
  readonly callers?: SocketCallers;
  /** Loopback HTTP cannot have its address, with the words for it; undefined: it has got it. Once each. */
  readonly onListen?: (fault: string | undefined) => void;
}

const SERVER: ServerOptions = {
  maxHeaderSize: limits.MAX_HEADERS,
  headersTimeout: limits.HEADERS_WITHIN,
  requestTimeout: limits.REQUEST_WITHIN,
  keepAliveTimeout: limits.KEEP_ALIVE,
  connectionsCheckingInterval: limits.CHECK_EVERY,
};

export class AdminServer {
  readonly #o: AdminServerOptions;
  readonly #meter = new ProcessMeter();
  readonly #api: Api;
  readonly #callers: SocketCallers;
  #socket: Server | undefined;
  #http: Server | undefined;
  #listen: AdminServerOptions['listen'];
  #fault: string | undefined;
  #cancelRetry: (() => void) | undefined;
  #retryIn = limits.LISTEN_RETRY_MIN;

  constructor(options: AdminServerOptions) {
    this.#o = options;
    this.#listen = options.listen;
    this.#callers = options.callers ?? new SocketCallers({ logger: options.logger });
    this.#api = new Api(options.target, this.#meter, options.clock);
  }

  /**
   * Resolves when the Unix socket is there; HTTP follows in the background.
   * @throws SluiceError already-running, listen-failed
   */
  async start(): Promise<void> {
    const { socketPath } = this.#o;
    if (Buffer.byteLength(socketPath) > 107)
      throw new SluiceError('listen-failed', `${socketPath} is too long for a Unix socket; choose a shorter gateway.stateDir`);
    this.#meter.start();
    const server = this.#server(socketDoor(this.#callers));
    try {
      await listenOn(server, socketPath);
    } catch (first) {
      await removeStale(socketPath, first);
      await listenOn(server, socketPath);
    }
    this.#socket = server;
    if (this.#listen !== undefined) this.#listenHttp();
  }

  async stop(): Promise<void> {
    this.#meter.stop();
    this.#api.endTails();
    await Promise.all([this.#stopHttp(), this.#close(this.#socket)]);
    this.#socket = undefined;
  }

  /** Moves, opens or closes loopback HTTP; for a reload. An unchanged address is not disturbed. */
  async setListen(listen: AdminServerOptions['listen']): Promise<void> {
    if (listen?.host === this.#listen?.host && listen?.port === this.#listen?.port) return;
    await this.#stopHttp();
    this.#listen = listen;
    if (listen !== undefined && this.#socket !== undefined) this.#listenHttp();
  }

  http(): HttpStatus {
    const address = this.#http?.listening === true ? this.#http.address() : null;
    if (typeof address === 'object' && address !== null)
      return { state: 'listening', address: { host: address.address, port: address.port } };
    return { state: this.#listen === undefined ? 'off' : 'waiting', fault: this.#fault };
  }

  #server(door: AdminDoor): Server {
    const connections = new Connections(limits.MAX_CONNECTIONS);
    const server = createServer(SERVER, (req, res) => {
      connections.asked(req, res);
      // handle() answers every fault itself.
      this.#api.handle(req, res, door).catch((error: unknown) => res.destroy(error as Error));
    });
    server.on('connection', (socket) => connections.admit(socket));
    // `upgrade` and `CONNECT` have no use here, and without a listener Node closes such connections.
    return server;
  }

  #listenHttp(): void {
    const listen = this.#listen;
    if (listen === undefined) return;
    const server = this.#server(loopbackDoor);
    this.#http = server;
    server.on('error', (error) => {
      // One that listens goes on: a second server beside it would only find the address in use.
      if (this.#http !== server || server.listening) return;
      const fault = listenFault(listen, error, 'dashboard.listen');
      const first = this.#fault === undefined;
      this.#fault = fault;
      if (first) {
        this.#o.logger.error({ ...listen, error: fault }, 'Local HTTP cannot listen; it keeps trying.');
        this.#o.onListen?.(fault);
      }
      this.#cancelRetry = this.#o.clock.after(this.#retryIn, () => this.#listenHttp());
      this.#retryIn = Math.min(this.#retryIn * 2, limits.LISTEN_RETRY_MAX);
    });
    server.once('listening', () => {
      if (this.#http !== server) {
        server.close();
        return;
      }
      if (this.#fault !== undefined) {
        this.#o.logger.info(listen, 'Local HTTP has its address now and listens.');
        this.#o.onListen?.(undefined);
      }
      this.#fault = undefined;
      this.#retryIn = limits.LISTEN_RETRY_MIN;
    });
    server.listen(listen.port, listen.host);
  }

  async #stopHttp(): Promise<void> {
    this.#cancelRetry?.();
    this.#cancelRetry = undefined;
    this.#fault = undefined;
    const server = this.#http;
    this.#http = undefined;
    await this.#close(server);
  }

  async #close(server: Server | undefined): Promise<void> {
    if (server?.listening !== true) return;
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    server.closeIdleConnections();
    const cancel = this.#o.clock.after(limits.STOP_WITHIN, () => server.closeAllConnections());
    await closed;
    cancel();
  }
}

function listenOn(server: Server, socketPath: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const failed = (cause: Error) =>
      reject(new SluiceError('listen-failed', `cannot make the socket ${socketPath}: ${cause.message}`, { cause }));
    server.once('error', failed);
    // bind() happens inside listen(): with this mask the socket is never open to others, not even for a moment.
    const mask = process.umask(0o117);
    try {
      server.listen(socketPath, () => {
        server.off('error', failed);
        // A connection that could not be taken costs that connection alone.
        server.on('error', () => {});
        chmodSync(socketPath, 0o660);
        resolve();
      });
    } finally {
      process.umask(mask);
    }
  });
}

/** Removes the socket of a daemon that died. @throws already-running, or `first` when something else is wrong */
async function removeStale(socketPath: string, first: unknown): Promise<void> {
  if (!(first instanceof SluiceError) || !inUse(first.cause)) throw first;
  if (!lstatSync(socketPath).isSocket())
    throw new SluiceError('listen-failed', `${socketPath} is in the way and is not a socket; remove it`);
  const state = await new Promise<'alive' | 'dead'>((resolve) => {
    const probe = connect(socketPath);
    probe.once('connect', () => {
      probe.destroy();
      resolve('alive');
    });
    // EAGAIN is a full queue of a living one; only a refusal says that nobody listens.
    probe.once('error', (error) => resolve('code' in error && error.code === 'ECONNREFUSED' ? 'dead' : 'alive'));
  });
  if (state === 'alive') {
    const report = (await request(socketPath, 'GET', '/api/v1/status').catch(() => undefined)) as
      | Partial<StatusReport>
      | undefined;
    const pid = report?.process?.pid;
    throw new SluiceError(
      'already-running',
      `a gateway is running with this state directory (it answers on ${socketPath}); stop it first${
        pid === undefined ? '' : `: systemctl stop sluice, or or, without a service, kill ${pid}`
      }`,
    );
  }
  unlinkSync(socketPath);
}

function inUse(cause: unknown): boolean {
  return cause instanceof Error && 'code' in cause && cause.code === 'EADDRINUSE';
}
