/**
 * How people, programs and the command line reach a running gateway. Invariants:
 * - the Unix socket `<stateDir>/sluice.sock` (0660) is there from start to stop; what a dead gateway left behind is replaced.
 *   Who starts this has locked the state directory (store/state-dir.ts); an earlier version that runs there still answers;
 * - an address of HTTP may be in use, and a certificate may be missing: it is tried again for ever (access/doors/listener.ts);
 * - no reader, however slow or many, holds up the gateway, makes its memory grow past limits.ts, or keeps another one out:
 *   one connection too many ends the one that has been of no use for the longest time.
 */
import { chmodSync, lstatSync, unlinkSync } from 'node:fs';
import type { Server } from 'node:http';
import { connect } from 'node:net';
import path from 'node:path';
import { AdminKey } from '../access/admin-key.ts';
import { SocketCallers } from '../access/socket-callers.ts';
import type { Clock } from '../core/clock.ts';
import { SluiceError } from '../core/errors.ts';
import type { Logger } from '../core/logger.ts';
import type { GatewayEvent } from '../core/ports.ts';
import { Api } from './api.ts';
import { request } from './client.ts';
import { Connections } from './connections.ts';
import { type AdminDoor, socketDoor } from './doors.ts';
import { Front, type FrontListen } from './front/front.ts';
import { FrontAudit } from './front/front-audit.ts';
import type { FrontSide } from './front/front-side.ts';
import type { FrontKind } from './front/headers.ts';
import * as limits from './limits.ts';
import type { StatusReport } from './metric.ts';
import { pageFiles } from './page-files.ts';
import { ProcessMeter } from './process-meter.ts';
import { RequestGate } from './request-gate.ts';
import type { AdminTarget, HttpStatus } from './target.ts';
import { WebDoors } from './web-doors.ts';
import { SERVER, type WebListen } from './web-listener.ts';
import { WebListeners } from './web-listeners.ts';

// An `import` would also read the exports that stand for WebSocket and fetch, and load them: 12 MB and 40 ms of each start.
const { createServer } = process.getBuiltinModule('node:http');

export interface AdminServerOptions {
  readonly target: AdminTarget;
  /** `<stateDir>/sluice.sock`. The system allows 107 bytes. */
  readonly socketPath: string;
  /** Addresses of HTTP from the start on; `setListen` changes them. */
  readonly listen?: readonly WebListen[];
  readonly logger: Logger;
  readonly clock: Clock;
  /** The folder of the built status page; absent: a page says that there is none. */
  readonly pages?: string | undefined;
  /** Who calls on the socket; default: as the kernel says. */
  readonly callers?: SocketCallers;
  /** Node-RED behind its own front. Absent: there is none. */
  readonly flows?: Omit<FrontSide, 'clock' | 'people' | 'names' | 'audit' | 'font'> & {
    readonly tell: (event: GatewayEvent) => void;
  };
  /** HTTP cannot have an address, with the words for it; undefined: it has got it. Once each. */
  readonly onListen?: (listen: WebListen, fault: string | undefined, site: 'dashboard' | FrontKind) => void;
}

export class AdminServer {
  readonly #o: AdminServerOptions;
  readonly #meter = new ProcessMeter();
  readonly #api: Api;
  readonly #callers: SocketCallers;
  readonly #socketDoor: AdminDoor;
  readonly #doors: WebDoors;
  readonly #web: WebListeners;
  readonly #front: Front | undefined;
  #socket: Server | undefined;

  constructor(options: AdminServerOptions) {
    this.#o = options;
    const { target, clock, logger, onListen, callers } = options;
    this.#callers = callers ?? callersOf(options);
    this.#socketDoor = socketDoor(this.#callers);
    this.#api = new Api(target, this.#meter, clock);
    const assets = pageFiles(options.pages ?? '');
    this.#doors = new WebDoors({ target, clock, assets });
    this.#web = new WebListeners({
      ...{ clock, logger, onListen: (listen, fault) => onListen?.(listen, fault, 'dashboard') },
      handle: (req, res, door) => this.#api.handle(req, res, this.#doors.door(door)),
    });
    const font = [...assets].find(([name]) => name.endsWith('.woff2'))?.[1];
    this.#front = options.flows && frontOf(options, { ...options.flows, font });
  }

  /**
   * Resolves when the Unix socket is there.
   * @throws SluiceError already-running, listen-failed
   */
  async start(): Promise<void> {
    const { socketPath } = this.#o;
    if (Buffer.byteLength(socketPath) > 107)
      throw new SluiceError('listen-failed', `${socketPath} is too long for a Unix socket; choose a shorter gateway.stateDir`);
    this.#meter.start();
    this.#api.start();
    this.#doors.onTooMany = (socket) => this.#web.rest(socket);
    const server = this.#server();
    try {
      await listenOn(server, socketPath);
    } catch (first) {
      await removeStale(socketPath, first);
      await listenOn(server, socketPath);
    }
    this.#socket = server;
    this.#web.set(this.#o.listen ?? []);
  }

  async stop(): Promise<void> {
    this.#meter.stop();
    this.#api.stop();
    await Promise.all([this.#web.stop(), this.#front?.stop(), this.#close(this.#socket)]);
    await this.#callers.stop();
    this.#socket = undefined;
  }

  /** Opens, moves or closes addresses of HTTP. They follow in the background; an unchanged one is not disturbed. */
  setListen(listen: readonly WebListen[]): void {
    this.#web.set(listen);
  }

  /** The first addresses of the editor and of HTTP-in nodes. They follow in the background. */
  setFront(listen: FrontListen): void {
    this.#front?.set(listen);
  }

  /**
   * Takes the new addresses of all sites, and disturbs nothing; `apply` exchanges them, `cancel` lets them go. A port may move from
   * one site to another.
   * @param leaving ports on which something of this gateway still listens that ends with the reload
   * @throws SluiceError listen-failed; then everything is as it was
   */
  async prepare(
    listen: { readonly dashboard: readonly WebListen[] } & FrontListen,
    leaving: ReadonlySet<number>,
  ): Promise<{ readonly apply: () => void; readonly cancel: () => Promise<void> }> {
    const front = this.#front;
    const tries = await Promise.allSettled([
      this.#web.prepare(listen.dashboard, leaving),
      ...(front === undefined ? [] : (['editor', 'http-in'] as const).map((k) => front.prepare(k, listen[k], leaving))),
    ]);
    const sites = tries.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
    const cancel = async (): Promise<void> => {
      await Promise.all(sites.map((site) => site.cancel()));
    };
    const failed = tries.find((one) => one.status === 'rejected');
    if (failed !== undefined) {
      await cancel();
      throw failed.reason;
    }
    return {
      apply: () => {
        for (const site of sites) site.open();
        for (const site of sites) site.close();
        for (const site of sites) site.follow();
      },
      cancel,
    };
  }

  /** The doors to Node-RED; undefined: a door is switched off. */
  front(): ReturnType<Front['status']> | undefined {
    return this.#front?.status();
  }

  http(): HttpStatus {
    const { all, connections, refused } = this.#web;
    const listeners = all.map(({ status }) => status);
    const address = all.find((one) => one.address !== undefined)?.address;
    return {
      state: address !== undefined ? 'listening' : all.length === 0 ? 'off' : 'waiting',
      ...{ address, fault: listeners.find(({ fault }) => fault !== undefined)?.fault },
      ...{ listeners, connections },
      refused: { connections: refused, ...this.#doors.refused },
    };
  }

  #server(): Server {
    const connections = new Connections({ most: limits.MAX_CONNECTIONS });
    const gate = new RequestGate(this.#o.clock);
    const server = createServer(SERVER, (req, res) => {
      connections.asked(req, res);
      gate.asked(req, res, () => {
        // handle() answers every fault itself.
        this.#api.handle(req, res, this.#socketDoor).catch((error: unknown) => res.destroy(error as Error));
      });
    });
    server.on('connection', (socket) => {
      connections.admit(socket);
      gate.admit(socket);
    });
    // `upgrade` and `CONNECT` have no use here: without a listener Node answers an upgrade as a plain request, and closes CONNECT.
    return server;
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
        pid === undefined ? '' : `: systemctl stop sluice, or, without a service, kill ${pid}`
      }`,
    );
  }
  unlinkSync(socketPath);
}

function inUse(cause: unknown): boolean {
  return cause instanceof Error && 'code' in cause && cause.code === 'EADDRINUSE';
}

function frontOf(
  { target, clock, logger, onListen }: AdminServerOptions,
  { tell, ...side }: NonNullable<AdminServerOptions['flows']> & Pick<FrontSide, 'font'>,
): Front {
  return new Front({
    ...{ logger, onListen },
    side: { ...side, clock, names: () => target.names, people: target.people, audit: new FrontAudit({ clock, logger, tell }) },
  });
}

function callersOf({ logger, socketPath }: Pick<AdminServerOptions, 'logger' | 'socketPath'>): SocketCallers {
  return new SocketCallers({ logger, key: new AdminKey(path.dirname(socketPath), logger) });
}
