/**
 * Modbus TCP (MODBUS Messaging on TCP/IP V1.0b). Header and length of a reply are known before it comes, so the first byte
 * that differs closes the connection: there is no way back into step in a stream whose lengths cannot be trusted. A
 * time-out closes it as well; so no late reply can ever be read.
 */
import { EventEmitter } from 'node:events';
import { connect, type Socket } from 'node:net';
import type { Clock } from '../../core/clock.ts';
import { SluiceError } from '../../core/errors.ts';
import type { Expected } from './frame.ts';
import { crc16, expectedOf } from './frame.ts';
import type { ModbusPort, PortEvents } from './port.ts';

const HEADER = 6;
/** Unit, function, byte count. */
const PREFIX = 3;

export class TcpPort extends EventEmitter implements ModbusPort {
  arrivedAt = 0;
  readonly #host: string;
  readonly #port: number;
  readonly #turnaround: number;
  readonly #clock: Clock;
  readonly #events: PortEvents;
  #socket: Socket | undefined;
  #open = false;
  #gone = false;
  #transaction = 0;
  #pending: Expected | undefined;
  #rest: Buffer | undefined;

  constructor(address: { host: string; port: number; turnaround: number }, clock: Clock, events: PortEvents) {
    super();
    this.#host = address.host;
    this.#port = address.port;
    this.#turnaround = address.turnaround;
    this.#clock = clock;
    this.#events = events;
  }

  get isOpen(): boolean {
    return this.#open;
  }

  wireTime(): number {
    return 0;
  }

  readyAt(): number {
    return this.#turnaround === 0 ? 0 : this.arrivedAt + this.#turnaround;
  }

  open(done: (error?: Error | null) => void): void {
    if (this.#gone) {
      done(new SluiceError('bus-closed'));
      return;
    }
    const socket = connect({ host: this.#host, port: this.#port, noDelay: true, keepAlive: true, keepAliveInitialDelay: 30_000 });
    this.#socket = socket;
    let failed = (error: Error) => done(error);
    socket.on('connect', () => {
      failed = () => {};
      this.#open = true;
      done();
    });
    // An error is always followed by `close`, which ends the port.
    let cause: Error | undefined;
    socket.on('error', (error) => {
      cause = error;
      failed(error);
      failed = () => {};
    });
    socket.on('data', (chunk: Buffer) => this.#receive(chunk));
    socket.on('end', () => this.#end(new SluiceError('bus-closed', 'the device closed the connection'), false));
    socket.on('close', () => this.#end(new SluiceError('bus-closed', 'the connection was lost', { cause }), false));
  }

  close(done: () => void): void {
    this.#gone = true;
    this.#open = false;
    const socket = this.#socket;
    if (!socket || socket.closed) {
      done();
      return;
    }
    socket.once('close', () => done());
    socket.destroy();
  }

  write(frame: Buffer): void {
    if (this.#rest) {
      this.#doubt('bytes came that nobody asked for');
      return;
    }
    this.#pending = expectedOf(frame);
    this.#transaction = (this.#transaction + 1) & 0xffff;
    const length = frame.length - 2;
    const out = Buffer.allocUnsafe(HEADER + length);
    out.writeUInt16BE(this.#transaction, 0);
    out.writeUInt16BE(0, 2);
    out.writeUInt16BE(length, 4);
    frame.copy(out, HEADER, 0, length);
    this.#socket?.write(out);
  }

  giveUp(): SluiceError {
    const part = this.#rest?.length ?? 0;
    const error =
      part === 0
        ? new SluiceError('timeout')
        : new SluiceError('bad-reply', `the reply broke off after ${part} bytes`, { data: { received: part } });
    this.#pending = undefined;
    this.#end(error, true);
    return error;
  }

  #receive(chunk: Buffer): void {
    if (this.#gone) return;
    const at = this.#clock.monotonic();
    const bytes = this.#rest ? Buffer.concat([this.#rest, chunk]) : chunk;
    this.#rest = undefined;
    const expected = this.#pending;
    const why = expected ? this.#wrong(bytes, expected) : 'bytes came that nobody asked for';
    if (why) {
      this.#doubt(why);
      return;
    }
    const length = bytes.length < HEADER ? Number.POSITIVE_INFINITY : HEADER + bytes.readUInt16BE(4);
    // Bounded: `length` was checked against the request, at most 259 bytes.
    if (bytes.length < length) {
      this.#rest = bytes;
      return;
    }
    if (bytes.length > length) this.#rest = bytes.subarray(length);
    this.#pending = undefined;
    this.arrivedAt = at;
    const frame = Buffer.allocUnsafe(length - HEADER + 2);
    bytes.copy(frame, 0, HEADER, length);
    frame.writeUInt16LE(crc16(frame, 0, frame.length - 2), frame.length - 2);
    this.emit('data', frame);
    if (this.#rest && !this.#pending) this.#doubt('bytes came that nobody asked for');
  }

  /** The first thing in the bytes so far that the one right reply does not have. */
  #wrong(bytes: Buffer, expected: Expected): string | undefined {
    const n = bytes.length;
    if (n >= 2 && bytes.readUInt16BE(0) !== this.#transaction) return 'the reply has another transaction id';
    if (n >= 4 && bytes.readUInt16BE(2) !== 0) return 'the reply is not Modbus (protocol id is not 0)';
    const length = n >= HEADER ? bytes.readUInt16BE(4) : undefined;
    if (length !== undefined && length !== PREFIX && length !== PREFIX + expected.bytes)
      return `the reply says it is ${length} bytes long, ${PREFIX + expected.bytes} are right`;
    if (n > HEADER && bytes[HEADER] !== expected.unit) return `unit ${bytes[HEADER]} answered, unit ${expected.unit} was asked`;
    if (n > HEADER + 1) {
      const code = bytes[HEADER + 1] as number;
      if (code !== (length === PREFIX ? expected.code | 0x80 : expected.code))
        return `the reply is to function ${code & 0x7f}, function ${expected.code} was asked`;
    }
    if (n > HEADER + 2 && length !== PREFIX && bytes[HEADER + 2] !== expected.bytes)
      return `the reply counts ${bytes[HEADER + 2]} data bytes, ${expected.bytes} are right`;
    return undefined;
  }

  #doubt(why: string): void {
    this.#pending = undefined;
    this.#end(new SluiceError('bad-reply', `${why}; the connection was closed`), true);
  }

  #end(error: SluiceError, ours: boolean): void {
    if (this.#gone) return;
    this.#gone = true;
    const wasOpen = this.#open;
    this.#open = false;
    this.#socket?.destroy();
    if (wasOpen) this.#events.closed(error, ours);
  }
}
