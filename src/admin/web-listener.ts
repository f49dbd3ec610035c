/**
 * One address of HTTP or HTTPS. The HTTP server in it listens nowhere: it gets the connections that the listener has taken and,
 * with TLS, whose handshake is done (access/doors).
 */
import type { IncomingMessage, Server, ServerOptions, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { type ListenAddress, Listener } from '../access/doors/listener.ts';
import type { Clock } from '../core/clock.ts';
import type { Logger } from '../core/logger.ts';
import type { Connections } from './connections.ts';
import * as limits from './limits.ts';
import type { RequestGate } from './request-gate.ts';
import type { HttpStatus } from './target.ts';

// An `import` would also read the exports that stand for WebSocket and fetch, and load them: 12 MB and 40 ms of each start.
const { createServer } = process.getBuiltinModule('node:http');

export const SERVER: ServerOptions = {
  maxHeaderSize: limits.MAX_HEADERS,
  headersTimeout: limits.HEADERS_WITHIN,
  requestTimeout: limits.REQUEST_WITHIN,
  keepAliveTimeout: limits.KEEP_ALIVE,
  connectionsCheckingInterval: limits.CHECK_EVERY,
};

/** `http`: without TLS, for this machine only; `open`: without TLS, where others reach it. */
export type WebDoor = 'http' | 'https' | 'open';

export interface WebListen extends ListenAddress {
  readonly door: WebDoor;
  /** Two with the same text are the same listener, before and after a reload. */
  readonly key: string;
}

export interface WebListenerOptions {
  readonly listen: WebListen;
  readonly connections: Connections;
  readonly gate: RequestGate;
  readonly handle: (req: IncomingMessage, res: ServerResponse, door: WebDoor) => Promise<void>;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly onListen: (fault: string | undefined) => void;
  readonly site: WebSite;
}

/** What is served there, where it is not the API. */
export interface WebSite {
  /** For messages: `HTTPS` is put before it. */
  readonly who: string;
  /** The key of the configuration that names its addresses. */
  readonly key: string;
  /** Milliseconds in which a request comes whole. */
  readonly requestWithin: number;
  /** Absent: there are no WebSockets. It never rejects. */
  readonly upgrade?: (req: IncomingMessage, socket: Socket, head: Buffer, door: WebDoor) => Promise<void>;
}

const WHO: Readonly<Record<WebDoor, string>> = { http: 'Local HTTP', https: 'HTTPS', open: 'HTTP without TLS' };

export class WebListener {
  readonly listen: WebListen;
  readonly #o: WebListenerOptions;
  readonly #server: Server;
  readonly #listener: Listener;
  readonly #sockets = new Set<Socket>();
  #over = false;

  constructor(options: WebListenerOptions) {
    this.#o = options;
    this.listen = options.listen;
    const { listen, connections, gate, handle, logger, clock, onListen, site } = options;
    this.#server = createServer({ ...SERVER, requestTimeout: site.requestWithin }, (req, res) => {
      connections.asked(req, res);
      // No further request on a connection whose address is gone.
      res.once('finish', () => {
        if (this.#over) req.socket.end();
      });
      gate.asked(req, res, () => {
        // handle() answers every fault itself.
        handle(req, res, listen.door).catch((error: unknown) => res.destroy(error as Error));
      });
    });
    // CONNECT has no use: without a listener Node closes the connection. The API has no WebSockets: it answers as if none was asked for.
    const { upgrade } = site;
    if (upgrade !== undefined)
      this.#server.on('upgrade', (req: IncomingMessage, socket: Socket, head: Buffer) => {
        connections.upgraded(socket);
        gate.release(socket);
        upgrade(req, socket, head, listen.door).catch(() => socket.destroy());
      });
    this.#listener = new Listener({
      ...{ listen, logger, clock, onListen, who: `${WHO[listen.door]}${site.who}`, key: site.key },
      ...{ maxSockets: limits.MAX_SOCKETS, asksCertificate: false, protocol: 'http/1.1' },
      connected: (socket) => {
        this.#sockets.add(socket);
        socket.once('close', () => this.#sockets.delete(socket));
        connections.admit(socket);
        this.#server.emit('connection', socket);
        gate.admit(socket);
      },
    });
  }

  /** Takes the address; who connects waits until `start`. @throws SluiceError listen-failed; then nothing is left of it */
  async reserve(): Promise<void> {
    await this.#listener.reserve();
  }

  /** Returns at once. */
  start(): void {
    // Node looks for late requests from this event on. The server listens nowhere, so nothing else emits it.
    this.#server.emit('listening');
    this.#listener.start();
  }

  /** Takes nobody any more; gives answers that are under way STOP_WITHIN. */
  stop(): Promise<void> {
    return this.#end(limits.STOP_WITHIN, 'all');
  }

  /** Its address goes, and its port is free at once. Each connection that has it gets one more answer, within RETIRE_WITHIN. */
  retire(): Promise<void> {
    return this.#end(limits.RETIRE_WITHIN, 'used');
  }

  async #end(within: number, idle: 'all' | 'used'): Promise<void> {
    this.#over = true;
    const closed = this.#listener.stop();
    this.#o.connections.endIdle(this.#sockets, idle);
    const cancel = this.#o.clock.after(within, () => {
      for (const socket of this.#sockets) socket.destroy();
    });
    await closed;
    cancel();
    this.#server.close();
  }

  get status(): HttpStatus['listeners'][number] {
    const { fault, tls, address } = this.#listener;
    const { host, port } = address ?? this.listen;
    return { host, port, tls, fault, fingerprint: this.listen.tls?.current?.fingerprint };
  }
  get address(): { readonly host: string; readonly port: number } | undefined {
    return this.#listener.address;
  }
  /** Connections that were not taken. */
  get dropped(): number {
    return this.#listener.dropped;
  }
}
