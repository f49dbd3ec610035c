/** Bytes both ways: a serial port, a TCP connection, or datagrams. Opened once. */
import { createSocket, type Socket as Datagrams } from 'node:dgram';
import { connect, type Socket } from 'node:net';
import type { SerialPort } from 'serialport';
import type { Clock } from '../../core/clock.ts';
import { SluiceError } from '../../core/errors.ts';
import { alsoOpenIn, portIdentity } from '../serial-ports.ts';
import { readDirectly, writeDirectly } from './direct.ts';

export interface PipeEvents {
  /** What came: a piece of a stream, or one datagram. */
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

export interface LineSettings {
  readonly port: string;
  readonly baudRate: number;
  readonly dataBits: 7 | 8;
  readonly parity: 'none' | 'even' | 'odd';
  readonly stopBits: 1 | 2;
}

export interface PortWatch {
  readonly clock: Clock;
  /** Another program has the port open as well, in words. */
  readonly shared: (words: string) => void;
}

/** A port is compared with its path this often, ms: not every driver reports an unplugged adapter. */
const WATCH_EVERY = 2000;

export class SerialPipe implements Pipe {
  readonly #settings: LineSettings;
  readonly #events: PipeEvents;
  readonly #watch: PortWatch;
  #cancelWatch: (() => void) | undefined;
  #serial: SerialPort | undefined;
  #closed = false;

  constructor(settings: LineSettings, events: PipeEvents, watch: PortWatch) {
    this.#settings = settings;
    this.#events = events;
    this.#watch = watch;
  }

  get isOpen(): boolean {
    return this.#serial?.isOpen === true && !this.#closed;
  }

  open(done: (error?: Error | null) => void): void {
    Promise.all([import('serialport'), portIdentity(this.#settings.port)]).then(([{ SerialPort }, identity]) => {
      if (this.#closed) {
        done(new SluiceError('bus-closed'));
        return;
      }
      const { port: path, baudRate, dataBits, parity, stopBits } = this.#settings;
      const serial = new SerialPort({ path, baudRate, dataBits, parity, stopBits, autoOpen: false });
      this.#serial = serial;
      serial.on('data', (chunk: Buffer) => {
        if (!this.#closed) this.#events.data(chunk);
      });
      // Errors while open are followed by `close`, which is what ends the port (an unplugged adapter shows only there).
      serial.on('error', () => {});
      serial.on('close', () => this.#lost());
      serial.open((error) => {
        if (error) done(error);
        else if (this.#closed) serial.close(() => done(new SluiceError('bus-closed')));
        // What the operating system kept from before is not ours.
        else
          serial.flush(() => {
            readDirectly(serial);
            this.#look(identity);
            alsoOpenIn(path).then(
              (words) => {
                if (words !== undefined && this.isOpen) this.#watch.shared(words);
              },
              () => {},
            );
            done();
          });
      });
    }, done);
  }

  close(done: () => void): void {
    this.#closed = true;
    this.#cancelWatch?.();
    if (this.#serial?.isOpen) this.#serial.close(() => done());
    else done();
  }

  write(bytes: Uint8Array): void {
    if (this.#serial?.isOpen) writeDirectly(this.#serial, bytes);
  }

  #lost(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#cancelWatch?.();
    this.#events.gone(new SluiceError('bus-closed', `${this.#settings.port} is gone (unplugged?)`));
  }

  #look(identity: string): void {
    this.#cancelWatch = this.#watch.clock.after(WATCH_EVERY, () => {
      portIdentity(this.#settings.port).then(
        (now) => {
          if (!this.isOpen) return;
          if (now === identity) return this.#look(identity);
          const serial = this.#serial;
          this.#lost();
          serial?.close(() => {});
        },
        () => {},
      );
    });
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
    // Connected: datagrams of anybody else are dropped by the system.
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
