/**
 * Modbus on a serial line, or on something that passes bytes on to one: one request at a time.
 *
 * Frames on a serial line carry no transaction id, so a reply that comes after its time-out looks like the answer to the
 * next request of the same unit. The port therefore keeps what it gave up: such a frame is dropped as late. What it
 * cannot tell apart (same unit, function and length, other address) the bus does not ask for meanwhile.
 *
 * A reply cannot have come before its bytes had time to pass. Where a line has shown that it keeps its pace (a pseudo-
 * terminal need not), a frame that comes earlier belongs to something else: a device that says everything twice.
 *
 * Bytes are kept until a sound frame is found in them, because noise precedes replies where the line is not biased.
 * Bounds: 1,024 bytes kept, 64 given-up requests.
 */
import type { Clock } from '../../core/clock.ts';
import { SluiceError } from '../../core/errors.ts';
import type { Awaited, Framing } from './framing.ts';
import type { MakePipe, Pipe } from './pipe.ts';
import type { Ask, ModbusPort, PortEvents } from './port.ts';

const KEPT = 1024;
const GIVEN_UP = 64;
/** Replies in a row that took as long as their bytes take, until a line is believed to keep its pace. */
const PROVEN = 8;
/** Clocks and adapters are not exact. */
const EARLY = 0.9;

export interface LineTiming {
  /** Milliseconds of one character on the wire; 0 where it is not known. */
  readonly character: number;
  /** Least silence before a request, milliseconds. */
  readonly silence: number;
}

interface Pending extends Awaited {
  readonly id: number;
  /** Milliseconds that request and reply take on the wire. */
  readonly wire: number;
}
/** `span` is the time from writing a request to the end of its being expected late. */
interface GivenUp extends Awaited {
  until: number;
  readonly span: number;
}

export class LinePort implements ModbusPort {
  readonly #framing: Framing;
  readonly #timing: LineTiming;
  readonly #clock: Clock;
  readonly #events: PortEvents;
  readonly #pipe: Pipe;
  #pending: Pending | undefined;
  #givenUp: GivenUp[] = [];
  #sentAt = 0;
  #bytes: Buffer = Buffer.alloc(0);
  /** When the line was last busy. */
  #busyAt = Number.NEGATIVE_INFINITY;
  #closed = false;
  /** Replies in a row that did not come too early. */
  #onTime = 0;
  /** For this request something was dropped because it came too early. */
  #doubted: number | undefined;

  constructor(framing: Framing, timing: LineTiming, make: MakePipe, clock: Clock, events: PortEvents) {
    this.#framing = framing;
    this.#timing = timing;
    this.#clock = clock;
    this.#events = events;
    this.#pipe = make({
      data: (chunk) => this.#receive(chunk),
      gone: (error) => {
        this.#closed = true;
        this.#events.closed(error, false);
      },
    });
  }

  get isOpen(): boolean {
    return this.#pipe.isOpen && !this.#closed;
  }

  wireTime({ pdu }: Ask): number {
    const reply = pdu.expected.length ?? 253;
    return (this.#framing.size(pdu.bytes.length) + this.#framing.size(reply)) * this.#timing.character;
  }

  readyAt(): number {
    return this.#busyAt + this.#timing.silence;
  }

  open(done: (error?: Error | null) => void): void {
    this.#pipe.open(done);
  }

  close(done: () => void): void {
    this.#closed = true;
    this.#pipe.close(done);
  }

  send(id: number, { unit, pdu }: Ask): void {
    this.#skip(this.#bytes.length);
    this.#pending = { id, unit, expected: pdu.expected, wire: this.wireTime({ unit, pdu }) };
    const frame = this.#framing.encode(unit, pdu.bytes);
    this.#sentAt = this.#clock.monotonic();
    this.#busyAt = this.#sentAt + frame.length * this.#timing.character;
    this.#events.tap?.('out', frame, this.#sentAt);
    this.#pipe.write(frame);
  }

  giveUp(id: number, until: number): SluiceError {
    const pending = this.#pending;
    if (pending?.id !== id) return new SluiceError('timeout');
    this.#pending = undefined;
    // What came early was the reply after all.
    if (this.#doubted === id) this.#onTime = 0;
    const received = this.#bytes.length;
    const other = this.#framing.foreign(this.#bytes);
    this.#skip(received);
    if (other !== undefined)
      return new SluiceError('bad-reply', `unit ${other} answered, unit ${pending.unit} was asked`, { data: { received } });
    if (received >= this.#framing.least)
      return new SluiceError('crc', `${received} bytes came, but no whole reply`, { data: { received } });
    const { unit, expected } = pending;
    this.#givenUp = [...this.#givenUp, { unit, expected, until, span: until - this.#sentAt }].slice(-GIVEN_UP);
    return new SluiceError('timeout');
  }

  #receive(chunk: Buffer): void {
    if (this.#closed) return;
    const at = this.#clock.monotonic();
    this.#busyAt = at;
    this.#bytes = this.#bytes.length === 0 ? chunk : Buffer.concat([this.#bytes, chunk]);
    if (this.#bytes.length > KEPT) this.#skip(this.#bytes.length - KEPT);
    if (this.#givenUp.length > 0) this.#givenUp = this.#givenUp.filter((late) => late.until > at);
    for (;;) {
      const pending = this.#pending;
      const awaited: readonly Awaited[] = pending ? [pending, ...this.#givenUp] : this.#givenUp;
      const found = this.#framing.find(this.#bytes, 0, awaited, pending !== undefined);
      if (found.kind === 'more') return;
      if (found.kind === 'damaged') {
        this.#refuse(new SluiceError('crc'));
        return;
      }
      const { start, end, pdu, fits } = found;
      if (fits < 0) {
        this.#refuse(new SluiceError('bad-reply', 'the reply has another function or length than was asked for'));
        return;
      }
      const frame = this.#bytes.subarray(start, end);
      this.#skip(start);
      this.#events.tap?.('in', frame, at);
      if (pending !== undefined && fits === 0 && this.#tooEarly(pending, pdu, at)) {
        this.#bytes = this.#bytes.subarray(end - start);
        this.#events.late(pending.unit);
        continue;
      }
      if (pending !== undefined && fits === 0) {
        const behind = this.#bytes.subarray(end - start);
        this.#bytes = Buffer.alloc(0);
        this.#pending = undefined;
        // Was this the reply to the repeat, or the late one to what it repeats? Then that of the repeat is still to come.
        for (const late of this.#givenUp)
          if (late.unit === pending.unit) late.until = Math.max(late.until, this.#sentAt + late.span);
        if (behind.length > 0) this.#drop(behind, at);
        this.#events.reply(pending.id, pdu, at);
        return;
      }
      const [late] = this.#givenUp.splice(pending === undefined ? fits : fits - 1, 1);
      this.#bytes = this.#bytes.subarray(end - start);
      if (late !== undefined) this.#events.late(late.unit);
    }
  }

  #tooEarly({ id, wire, expected }: Pending, pdu: Uint8Array, at: number): boolean {
    // An exception is shorter than the reply that was asked for.
    const saved = Math.max(0, (expected.length ?? pdu.length) - pdu.length) * this.#timing.character;
    if (at - this.#sentAt >= (wire - saved) * EARLY) {
      this.#onTime++;
      return false;
    }
    if (this.#onTime < PROVEN || wire === 0) {
      this.#onTime = 0;
      return false;
    }
    this.#doubted = id;
    return true;
  }

  #refuse(error: SluiceError): void {
    const pending = this.#pending;
    this.#pending = undefined;
    this.#skip(this.#bytes.length);
    if (pending !== undefined) this.#events.fault(pending.id, error);
  }

  #skip(bytes: number): void {
    if (bytes <= 0) return;
    const noise = this.#bytes.subarray(0, bytes);
    this.#bytes = this.#bytes.subarray(bytes);
    this.#drop(noise, this.#busyAt);
  }

  #drop(noise: Buffer, at: number): void {
    this.#events.tap?.('noise', noise, at);
    this.#events.skipped(noise.length);
  }
}
