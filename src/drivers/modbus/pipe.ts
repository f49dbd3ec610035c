/** Bytes both ways: a serial port, a TCP connection, or datagrams. Opened once. */
import { createSocket, type Socket as Datagrams } from 'node:dgram';
import { connect, type Socket } from 'node:net';
import type { Clock } from '../../core/clock.ts';
import { SluiceError } from '../../core/errors.ts';
import type { LineSettings } from '../line-settings.ts';
import { type LineOpener, type OpenLine, openLine, watchPath } from '../serial-line.ts';

export interface PipeEvents {
  /** The received bytes: a piece of a stream, or one datagram. */
  data(chunk: Buffer): void;
  /** It is not open any more, and was not closed by `close`. */
  gone(error: SluiceError): void;
}

export interface Pipe {
  readonly isOpen: boolean;
  open(done: (error?: Error | null) => void): void;
  close(done: () => void): void;
  write(bytes: Uint8Array): void;
}

export type MakePipe = (events: PipeEvents) => Pipe;

export interface PortWatch {
  readonly clock: Clock;
  /** Another program has the port open as well, in words. */
  readonly shared: (words: string) => void;
}

export class SerialPipe implements Pipe {
  readonly #settings: LineSettings;
  readonly #events: PipeEvents;
  readonly #watch: PortWatch;
  readonly #openLine: LineOpener;
  #cancelWatch: (() => void) | undefined;
  #line: OpenLine | undefined;
  #closed = false;

  constructor(settings: LineSettings, events: PipeEvents, watch: PortWatch, open: LineOpener = openLine) {
    this.#settings = settings;
    this.#events = events;
    this.#watch = watch;
    this.#openLine = open;
  }

  get isOpen(): boolean {
    return this.#line !== undefined && !this.#closed;
  }

  open(done: (error?: Error | null) => void): void {
    const events = {
      data: (chunk: Uint8Array) => {
        if (!this.#closed) this.#events.data(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength));
      },
      closed: (_reason: string, fault?: SluiceError) => this.#lost(fault),
    };
    // Bytes that the operating system kept from before are not ours.
    this.#openLine(this.#settings, events, { flush: true }).then((line) => {
      if (this.#closed) {
        void line.close().then(() => done(new SluiceError('bus-closed')));
        return;
      }
      this.#line = line;
      this.#cancelWatch = watchPath(line, this.#watch.clock, () => {
        this.#lost();
        void line.close();
      });
      line.alsoOpenIn().then(
        (words) => {
          if (words !== undefined && this.isOpen) this.#watch.shared(words);
        },
        () => {},
      );
      done();
    }, done);
  }

  close(done: () => void): void {
    this.#closed = true;
    this.#cancelWatch?.();
    if (this.#line === undefined) done();
    else void this.#line.close().then(done);
  }

  write(bytes: Uint8Array): void {
    this.#line?.write(bytes);
  }

  #lost(fault = new SluiceError('bus-closed', `${this.#settings.port} is gone (unplugged?)`)): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#cancelWatch?.();
    this.#events.gone(fault);
  }
}

export class TcpPipe implements Pipe {
  readonly #address: { readonly host: string; readonly port: number };
  readonly #events: PipeEvents;
  #socket: Socket | undefined;
  #open = false;
  #closed = false;

  constructor(address: { readonly host: string; readonly port: number }, events: PipeEvents) {
    this.#address = address;
    this.#events = events;
  }

  get isOpen(): boolean {
    return this.#open;
  }

  open(done: (error?: Error | null) => void): void {
    if (this.#closed) {
      done(new SluiceError('bus-closed'));
      return;
    }
    const { host, port } = this.#address;
    const socket = connect({ host, port, noDelay: true, keepAlive: true, keepAliveInitialDelay: 30_000 });
    this.#socket = socket;
    let failed = (error: Error) => done(error);
    socket.on('connect', () => {
      failed = () => {};
      this.#open = true;
      done();
    });
    // An error is always followed by `close`, which ends the pipe.
    let cause: Error | undefined;
    socket.on('error', (error) => {
      cause = error;
      failed(error);
      failed = () => {};
    });
    socket.on('data', (chunk: Buffer) => {
      if (!this.#closed) this.#events.data(chunk);
    });
    socket.on('end', () => this.#lost(new SluiceError('bus-closed', 'the device closed the connection')));
    socket.on('close', () => this.#lost(new SluiceError('bus-closed', 'the connection was lost', { cause })));
  }

  close(done: () => void): void {
    this.#closed = true;
    this.#open = false;
    const socket = this.#socket;
    if (!socket || socket.closed) {
      done();
      return;
    }
    socket.once('close', () => done());
    socket.destroy();
  }

  write(bytes: Uint8Array): void {
    this.#socket?.write(bytes);
  }

  #lost(error: SluiceError): void {
    if (this.#closed) return;
    this.#closed = true;
    const wasOpen = this.#open;
    this.#open = false;
    this.#socket?.destroy();
    if (wasOpen) this.#events.gone(error);
  }
}

/** Each write is a datagram, and each datagram that comes is one `data`. It is never gone: what is refused or lost is a time-out. */
export class UdpPipe implements Pipe {
  readonly #address: { readonly host: string; readonly port: number };
  readonly #events: PipeEvents;
  #socket: Datagrams | undefined;
  #open = false;
  #closed = false;

  constructor(address: { readonly host: string; readonly port: number }, events: PipeEvents) {
    this.#address = address;
    this.#events = events;
  }

  get isOpen(): boolean {
    return this.#open;
  }

  open(done: (error?: Error | null) => void): void {
    if (this.#closed) {
      done(new SluiceError('bus-closed'));
      return;
    }
    const { host, port } = this.#address;
    const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4');
    this.#socket = socket;
    let failed = (error: Error) => done(error);
    socket.on('error', (error) => {
      failed(error);
      failed = () => {};
    });
    socket.on('message', (datagram) => {
      if (!this.#closed) this.#events.data(datagram);
    });
    // The socket is connected: the system drops datagrams of all others.
    socket.connect(port, host, () => {
      failed = () => {};
      if (this.#closed) {
        done(new SluiceError('bus-closed'));
        return;
      }
      this.#open = true;
      done();
    });
  }

  close(done: () => void): void {
    this.#closed = true;
    this.#open = false;
    const socket = this.#socket;
    this.#socket = undefined;
    if (socket === undefined) done();
    else socket.close(() => done());
  }

  write(bytes: Uint8Array): void {
    this.#socket?.send(bytes, () => {});
  }
}
