/** Where a responder listens: a serial line, a TCP port with a stream for each connection, a UDP port. */
import { createSocket, type Socket as Datagrams } from 'node:dgram';
import { createServer, type Server, type Socket } from 'node:net';
import { SluiceError } from '../../core/errors.ts';
import type { FaultBoard } from './faults.ts';
import type { Line } from './line.ts';
import type { Responder } from './responder.ts';

export class LineServer {
  readonly bus: string;
  readonly #line: Line;
  readonly #responder: Responder;

  constructor(line: Line, responder: Responder) {
    this.bus = responder.bus;
    this.#line = line;
    this.#responder = responder;
  }

  /** @throws SluiceError `bus-open` */
  start(): Promise<void> {
    const take = this.#responder.stream((bytes) => this.#line.write(bytes));
    return this.#line.open((data) => void take(data));
  }

  stop(): Promise<void> {
    this.#responder.stop();
    return this.#line.close();
  }
}

/** Makes the answers: one stream for each connection, or for each datagram. */
export interface Streams {
  /** @returns takes what comes; false when there is no sense in going on */
  stream(send: (bytes: Uint8Array) => void): (data: Buffer) => boolean;
}

export interface Listener {
  /** @returns the port. @throws what the system says */
  listen(host: string, port: number): Promise<number>;
  close(): Promise<void>;
}

export function listenerFor(kind: 'tcp' | 'udp', host: string, streams: Streams): Listener {
  return kind === 'tcp' ? new TcpListener(streams) : new UdpListener(streams, host);
}

/** A network bus; goes down and comes back, on the same port, as the board of faults says. */
export class NetworkServer {
  readonly bus: string;
  readonly host: string;
  #port: number;
  readonly #make: () => Listener;
  readonly #responder: Responder;
  readonly #faults: FaultBoard;
  #listener: Listener | undefined;
  /** Changes of state one after the other: a listener that is closing must not be opened yet. */
  #turn: Promise<void> = Promise.resolve();
  #wanted = false;

  /** @param address port 0 takes any free one; `port` says which, once started */
  constructor(
    kind: 'tcp' | 'udp',
    address: { readonly host: string; readonly port: number },
    responder: Responder,
    faults: FaultBoard,
  ) {
    this.bus = responder.bus;
    this.host = address.host;
    this.#port = address.port;
    this.#make = () => listenerFor(kind, address.host, responder);
    this.#responder = responder;
    this.#faults = faults;
  }

  get port(): number {
    return this.#port;
  }

  /** @throws SluiceError `listen-failed` */
  async start(): Promise<void> {
    this.#wanted = true;
    await this.#listen();
    this.#faults.onChange(() => {
      this.#turn = this.#turn.then(() => this.#follow());
    });
  }

  async stop(): Promise<void> {
    this.#wanted = false;
    await this.#turn;
    await this.#close();
  }

  async #follow(): Promise<void> {
    const up = this.#wanted && this.#faults.bus(this.bus).down !== true;
    if (up && this.#listener === undefined) await this.#listen().catch(() => {});
    else if (!up && this.#listener !== undefined) await this.#close();
  }

  async #listen(): Promise<void> {
    const listener = this.#make();
    try {
      this.#port = await listener.listen(this.host, this.#port);
    } catch (cause) {
      throw listenError(this.host, this.#port, cause as NodeJS.ErrnoException);
    }
    this.#listener = listener;
  }

  async #close(): Promise<void> {
    const listener = this.#listener;
    this.#listener = undefined;
    this.#responder.stop();
    await listener?.close();
  }
}

class TcpListener implements Listener {
  readonly #streams: Streams;
  readonly #sockets = new Set<Socket>();
  readonly #server: Server;

  constructor(streams: Streams) {
    this.#streams = streams;
    this.#server = createServer((socket) => this.#serve(socket));
  }

  listen(host: string, port: number): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(port, host, () => {
        const address = this.#server.address();
        resolve(address !== null && typeof address === 'object' ? address.port : port);
      });
    });
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  #serve(socket: Socket): void {
    this.#sockets.add(socket);
    socket.setNoDelay(true);
    socket.on('error', () => {});
    socket.on('close', () => this.#sockets.delete(socket));
    const take = this.#streams.stream((bytes) => {
      if (!socket.destroyed) socket.write(bytes);
    });
    socket.on('data', (data: Buffer) => {
      if (!take(data)) socket.destroy();
    });
  }
}

class UdpListener implements Listener {
  readonly #streams: Streams;
  readonly #socket: Datagrams;
  #closed = false;

  constructor(streams: Streams, host: string) {
    this.#streams = streams;
    this.#socket = createSocket(host.includes(':') ? 'udp6' : 'udp4');
    this.#socket.on('message', (datagram, from) => {
      // A datagram is whole or nothing: each is a stream of its own.
      this.#streams.stream((bytes) => {
        if (!this.#closed) this.#socket.send(bytes, from.port, from.address, () => {});
      })(datagram);
    });
  }

  listen(host: string, port: number): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#socket.on('error', reject);
      this.#socket.bind(port, host, () => resolve(this.#socket.address().port));
    });
  }

  close(): Promise<void> {
    this.#closed = true;
    return new Promise((resolve) => this.#socket.close(() => resolve()));
  }
}

export function listenError(host: string, port: number, cause: NodeJS.ErrnoException): SluiceError {
  const why =
    cause.code === 'EACCES'
      ? 'ports below 1024 need root; give the bus another port'
      : cause.code === 'EADDRINUSE'
        ? 'another program listens there'
        : cause.code === 'EADDRNOTAVAIL'
          ? 'this machine does not have that address; give one of its own with --listen'
          : cause.message;
  return new SluiceError('listen-failed', `cannot listen on ${host}:${port}: ${why}`, { cause });
}
