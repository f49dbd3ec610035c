/**
 * Modbus on a serial line, or on something that passes bytes on to one: one request at a time.
 *
 * Frames on a serial line carry no transaction id, so a reply that comes after its time-out looks like the answer to the
 * next request of the same unit. The port therefore keeps what it gave up (late.ts): such a frame is dropped as late. What it
 * cannot tell apart (same unit and function) is not asked for meanwhile (`heldUntil`).
 *
 * A reply cannot have come before its bytes had time to pass. Where a serial port has shown that it keeps its pace (a pseudo-
 * terminal need not), a frame that comes earlier belongs to something else: a device that says everything twice.
 *
 * Bytes are kept until a sound frame is found in them, because noise precedes replies where the line is not biased.
 * Bound: 1,024 bytes kept.
 */
import type { Clock } from '../../core/clock.ts';
import { SluiceError } from '../../core/errors.ts';
import type { Awaited, Framing } from './framing.ts';
import { LateReplies } from './late.ts';
import type { MakePipe, Pipe } from './pipe.ts';
import type { Ask, ModbusPort, PortEvents } from './port.ts';

const KEPT = 1024;
/** Replies in a row that took as long as their bytes take, until a line is believed to keep its pace. */
const PROVEN = 16;
/** Clocks and adapters are not exact. */
const EARLY = 0.9;

export interface LineTiming {
  /** Milliseconds of one character on the wire; 0 where it is not known. */
  readonly character: number;
  /** Least silence before a request, milliseconds. */
  readonly silence: number;
  /** Replies come at the pace of the characters: not where a network lies between. */
  readonly paced?: boolean;
  /** Time-outs without a byte in between that end the port, where a connection may be dead without a sign. */
  readonly inVain?: number;
}

interface Pending extends Awaited {
  readonly id: number;
  readonly request: Uint8Array;
  /** Bytes of the request frame. */
  readonly sent: number;
  readonly at: number;
  /** Milliseconds after sending in which the reply may come. */
  readonly late: number;
}

export class LinePort implements ModbusPort {
  readonly #framing: Framing;
  readonly #timing: LineTiming;
  readonly #clock: Clock;
  readonly #events: PortEvents;
  readonly #pipe: Pipe;
  #pending: Pending | undefined;
  readonly #late: LateReplies;
  #bytes: Buffer = Buffer.alloc(0);
  /** When the line was last busy. */
  #busyAt = Number.NEGATIVE_INFINITY;
  #closed = false;
  /** Replies in a row that did not come too early. */
  #onTime = 0;
  /** For this request something was dropped because it came too early. */
  #doubted: number | undefined;
  #inVain = 0;
  /** A reply was taken, and the line has not been silent since: what follows may be the same once more. */
  #answered = false;

  /** @param late of the bus: what earlier ports gave up is still to come */
  constructor(
    framing: Framing,
    timing: LineTiming,
    make: MakePipe,
    clock: Clock,
    events: PortEvents,
    late: LateReplies = new LateReplies(),
  ) {
    this.#framing = framing;
    this.#timing = timing;
    this.#clock = clock;
    this.#events = events;
    this.#late = late;
    this.#pipe = make({
      data: (chunk) => this.#receive(chunk),
      gone: (error) => this.#end(error, false),
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
    this.#expectLate();
    this.#pipe.close(done);
  }

  heldUntil({ unitId, pdu }: Ask, again: boolean): number {
    return this.#late.heldUntil(unitId, pdu.expected.code, again ? pdu.bytes : undefined);
  }

  send(id: number, { unitId, pdu }: Ask, late: number): void {
    this.#skip(this.#bytes.length);
    const frame = this.#framing.encode(unitId, pdu.bytes);
    const at = this.#clock.monotonic();
    this.#pending = { id, unitId, expected: pdu.expected, request: pdu.bytes, sent: frame.length, at, late };
    this.#busyAt = at + frame.length * this.#timing.character;
    this.#answered = false;
    this.#events.tap?.('out', frame, at);
    this.#pipe.write(frame);
  }

  giveUp(id: number): SluiceError {
    const pending = this.#pending;
    if (pending?.id !== id) return new SluiceError('timeout');
    // The reply may still come, also after other bytes.
    this.#expectLate();
    // The reply that seemed early was the reply after all.
    if (this.#doubted === id) this.#onTime = 0;
    const received = this.#bytes.length;
    const other = this.#framing.foreign(this.#bytes);
    this.#skip(received);
    if (other !== undefined)
      return new SluiceError('bad-reply', `unit ${other} answered, unit ${pending.unitId} was asked`, { data: { received } });
    if (received >= this.#framing.least)
      return new SluiceError('crc', `${received} bytes came, but no whole reply`, { data: { received } });
    if (++this.#inVain === this.#timing.inVain)
      this.#end(new SluiceError('timeout', 'there is no answer; the gateway connects again'), true);
    return new SluiceError('timeout');
  }

  /** The request under way ends here without its reply. */
  #expectLate(): void {
    const pending = this.#pending;
    this.#pending = undefined;
    if (pending === undefined) return;
    const { unitId, expected, request, at, late } = pending;
    this.#late.add({ unitId, expected, request, until: at + late, span: late });
  }

  #end(error: SluiceError, ours: boolean): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#expectLate();
    if (ours) this.#pipe.close(() => {});
    this.#events.closed(error, ours);
  }

  #receive(chunk: Buffer): void {
    if (this.#closed) return;
    const at = this.#clock.monotonic();
    if (at - this.#busyAt > this.#timing.silence) this.#answered = false;
    this.#busyAt = at;
    this.#bytes = this.#bytes.length === 0 ? chunk : Buffer.concat([this.#bytes, chunk]);
    if (this.#bytes.length > KEPT) this.#skip(this.#bytes.length - KEPT);
    this.#inVain = 0;
    for (;;) {
      const pending = this.#pending;
      const late = this.#late.expected(at);
      const awaited: readonly Awaited[] = pending ? [pending, ...late] : late;
      const found = this.#framing.find(this.#bytes, 0, awaited, pending !== undefined);
      if (found.kind === 'more') return;
      if (found.kind === 'damaged') {
        // While another reply is out, whosever it is, it may have been that one.
        this.#refuse(new SluiceError('crc'), late.length > 0);
        return;
      }
      const { start, end, pdu, fits } = found;
      if (fits < 0) {
        // It answers something else, so the answer may still come.
        this.#refuse(new SluiceError('bad-reply', 'the reply has another function or length than was asked for'), true);
        return;
      }
      const frame = this.#bytes.subarray(start, end);
      this.#skip(start);
      this.#events.tap?.('in', frame, at);
      if (pending !== undefined && fits === 0 && this.#tooEarly(pending, pdu, at)) {
        this.#bytes = this.#bytes.subarray(end - start);
        this.#events.late(pending.unitId);
        continue;
      }
      if (pending !== undefined && fits === 0) {
        const behind = this.#bytes.subarray(end - start);
        this.#bytes = Buffer.alloc(0);
        this.#pending = undefined;
        this.#answered = true;
        this.#late.answered(pending.unitId, pending.expected.code, pending.at);
        if (behind.length > 0) this.#drop(behind, at);
        this.#events.reply(pending.id, pdu, at);
        return;
      }
      this.#bytes = this.#bytes.subarray(end - start);
      const came = late[pending === undefined ? fits : fits - 1];
      if (came === undefined) continue;
      if (!this.#answered) this.#late.came(came);
      this.#events.late(came.unitId);
    }
  }

  #tooEarly({ id, sent, at: sentAt }: Pending, pdu: Uint8Array, at: number): boolean {
    if (this.#timing.paced !== true) return false;
    const wire = (sent + this.#framing.size(pdu.length)) * this.#timing.character;
    if (at - sentAt >= wire * EARLY) {
      this.#onTime++;
      return false;
    }
    if (this.#onTime < PROVEN) {
      this.#onTime = 0;
      return false;
    }
    this.#doubted = id;
    return true;
  }

  /** @param owed the reply to what is under way may still come */
  #refuse(error: SluiceError, owed: boolean): void {
    const pending = this.#pending;
    if (owed) this.#expectLate();
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
