/**
 * Modbus RTU on a serial port (MODBUS over Serial Line V1.02).
 *
 * Frames on a serial line carry no transaction id, so a reply that comes after its time-out looks like the answer to the
 * next request of the same unit. The port therefore keeps what it gave up: such a frame is dropped as late. What it
 * cannot tell apart (same unit, function and length, other address) the bus does not ask for meanwhile.
 *
 * Bytes are kept until a frame with a right checksum is found in them, because noise precedes replies where the line is
 * not biased. Bounds: 1,024 bytes kept, 64 given-up requests.
 */
import { EventEmitter } from 'node:events';
import type { SerialPort } from 'serialport';
import type { Clock } from '../../core/clock.ts';
import { SluiceError } from '../../core/errors.ts';
import type { Expected } from './frame.ts';
import { crc16, expectedOf } from './frame.ts';
import type { ModbusPort, PortEvents } from './port.ts';

export interface LineSettings {
  readonly port: string;
  readonly baudRate: number;
  readonly dataBits: 7 | 8;
  readonly parity: 'none' | 'even' | 'odd';
  readonly stopBits: 1 | 2;
  readonly turnaround: number;
}

const KEPT = 1024;
const GIVEN_UP = 64;
const REQUEST_BYTES = 8;

export class RtuPort extends EventEmitter implements ModbusPort {
  arrivedAt = 0;
  readonly #settings: LineSettings;
  readonly #clock: Clock;
  readonly #events: PortEvents;
  /** Milliseconds of one character. */
  readonly #character: number;
  #serial: SerialPort | undefined;
  #closed = false;
  #pending: Expected | undefined;
  /** `span` is the time from writing a request to the end of its being expected late. */
  #givenUp: (Expected & { until: number; readonly span: number })[] = [];
  #sentAt = 0;
  #bytes: Buffer = Buffer.alloc(0);
  /** When the line was last busy. */
  #busyAt = Number.NEGATIVE_INFINITY;

  constructor(settings: LineSettings, clock: Clock, events: PortEvents) {
    super();
    this.#settings = settings;
    this.#clock = clock;
    this.#events = events;
    const bits = 1 + settings.dataBits + (settings.parity === 'none' ? 0 : 1) + settings.stopBits;
    this.#character = (bits / settings.baudRate) * 1000;
  }

  get isOpen(): boolean {
    return this.#serial?.isOpen === true && !this.#closed;
  }

  wireTime(replyBytes: number): number {
    return (REQUEST_BYTES + replyBytes) * this.#character;
  }

  readyAt(): number {
    // 3.5 characters, at least 1.75 ms (section 2.5.1.1).
    return this.#busyAt + Math.max(3.5 * this.#character, 1.75, this.#settings.turnaround);
  }

  open(done: (error?: Error | null) => void): void {
    import('serialport').then(({ SerialPort }) => {
      if (this.#closed) {
        done(new SluiceError('bus-closed'));
        return;
      }
      const { port: path, baudRate, dataBits, parity, stopBits } = this.#settings;
      const serial = new SerialPort({ path, baudRate, dataBits, parity, stopBits, autoOpen: false });
      this.#serial = serial;
      serial.on('data', (chunk: Buffer) => this.#receive(chunk));
      // Errors while open are followed by `close`, which is what ends the port (an unplugged adapter shows only there).
      serial.on('error', () => {});
      serial.on('close', () => this.#lost());
      serial.open((error) => {
        if (error) done(error);
        else if (this.#closed) serial.close(() => done(new SluiceError('bus-closed')));
        // What the operating system kept from before is not ours.
        else serial.flush(() => done());
      });
    }, done);
  }

  close(done: () => void): void {
    this.#closed = true;
    if (this.#serial?.isOpen) this.#serial.close(() => done());
    else done();
  }

  write(frame: Buffer): void {
    this.#skip(this.#bytes.length);
    this.#pending = expectedOf(frame);
    this.#sentAt = this.#clock.monotonic();
    this.#busyAt = this.#sentAt + frame.length * this.#character;
    this.#serial?.write(frame);
  }

  giveUp(until: number): SluiceError {
    const pending = this.#pending;
    this.#pending = undefined;
    const received = this.#bytes.length;
    const foreign = received > 0 && this.#frameLength(0) <= received && this.#checks(0, this.#frameLength(0));
    const unit = this.#bytes[0];
    this.#skip(received);
    if (foreign)
      return new SluiceError('bad-reply', `unit ${unit} answered, unit ${pending?.unit} was asked`, { data: { received } });
    // Fewer bytes than the shortest frame are noise, not a damaged reply.
    if (received >= 5) return new SluiceError('crc', `${received} bytes came, but no whole reply`, { data: { received } });
    if (pending) this.#givenUp = [...this.#givenUp, { ...pending, until, span: until - this.#sentAt }].slice(-GIVEN_UP);
    return new SluiceError('timeout');
  }

  #receive(chunk: Buffer): void {
    if (this.#closed) return;
    const at = this.#clock.monotonic();
    this.#busyAt = at;
    this.#bytes = this.#bytes.length === 0 ? chunk : Buffer.concat([this.#bytes, chunk]);
    if (this.#bytes.length > KEPT) this.#skip(this.#bytes.length - KEPT);
    this.#givenUp = this.#givenUp.filter((late) => late.until > at);
    let start = 0;
    while (start + 5 <= this.#bytes.length) {
      const length = this.#frameLength(start);
      const awaited = this.#matches(start, this.#pending);
      const lateIndex = awaited ? -1 : this.#givenUp.findIndex((late) => this.#matches(start, late));
      if (start + length > this.#bytes.length) {
        if (awaited || lateIndex >= 0) return;
        start++;
        continue;
      }
      const sound = this.#checks(start, length);
      if (sound && awaited) {
        const frame = Buffer.from(this.#bytes.subarray(start, start + length));
        this.#skip(start);
        this.#bytes = Buffer.alloc(0);
        this.#pending = undefined;
        // Was this the reply to the repeat, or the late one to what it repeats? Then that of the repeat is still to come.
        for (const late of this.#givenUp) if (late.unit === frame[0]) late.until = Math.max(late.until, this.#sentAt + late.span);
        this.arrivedAt = at;
        this.emit('data', frame);
        return;
      }
      if (sound && lateIndex >= 0) {
        const [late] = this.#givenUp.splice(lateIndex, 1);
        this.#skip(start);
        this.#bytes = this.#bytes.subarray(length);
        start = 0;
        this.#events.late((late as Expected).unit);
        continue;
      }
      if (sound && this.#pending && this.#bytes[start] === this.#pending.unit) {
        this.#refuse(new SluiceError('bad-reply', 'the reply has another function or length than was asked for'));
        return;
      }
      // The whole of the awaited frame is there, right at the front, and damaged: waiting will not mend it.
      if (awaited && start === 0) {
        this.#refuse(new SluiceError('crc'));
        return;
      }
      start++;
    }
  }

  #frameLength(start: number): number {
    return (this.#bytes[start + 1] as number) & 0x80 ? 5 : 5 + (this.#bytes[start + 2] as number);
  }

  #matches(start: number, expected: Expected | undefined): boolean {
    if (!expected || this.#bytes[start] !== expected.unit) return false;
    const code = this.#bytes[start + 1];
    return code === (expected.code | 0x80) || (code === expected.code && this.#bytes[start + 2] === expected.bytes);
  }

  #checks(start: number, length: number): boolean {
    const end = start + length - 2;
    return crc16(this.#bytes, start, end) === this.#bytes.readUInt16LE(end);
  }

  #refuse(error: SluiceError): void {
    this.#pending = undefined;
    this.#skip(this.#bytes.length);
    this.#events.fault(error);
  }

  #skip(bytes: number): void {
    if (bytes <= 0) return;
    this.#bytes = this.#bytes.subarray(bytes);
    this.#events.skipped(bytes);
  }

  #lost(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#events.closed(new SluiceError('bus-closed', `${this.#settings.port} is gone (unplugged?)`), false);
  }
}
