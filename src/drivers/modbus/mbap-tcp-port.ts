/**
 * Modbus TCP (MODBUS Messaging on TCP/IP V1.0b). Several requests may be under way; a transaction id tells which one a
 * reply answers, so one that comes late or twice is known and dropped, and the connection stays: many units behind one bridge share it.
 * The first byte that no reply has closes it: there is no way back into step in a stream whose lengths cannot be
 * trusted. So does a silence in which everything asked was in vain. Bounds: 260 bytes kept, 64 transactions that are over.
 */
import type { Clock } from '../../core/clock.ts';
import { SluiceError } from '../../core/errors.ts';
import { encodeAdu, HEADER, wrongHeader, wrongReply } from './mbap.ts';
import type { MakePipe, Pipe } from './pipe.ts';
import type { Ask, ModbusPort, PortEvents } from './port.ts';

const OVER = 64;
/** Time-outs without a byte in between after which the connection counts as dead. */
export const IN_VAIN = 3;

interface Sent extends Ask {
  readonly id: number;
  /** Monotonic ms. */
  readonly at: number;
}

export class MbapTcpPort implements ModbusPort {
  readonly #turnaround: number;
  readonly #clock: Clock;
  readonly #events: PortEvents;
  readonly #pipe: Pipe;
  #gone = false;
  #transaction = 0;
  readonly #sent = new Map<number, Sent>();
  /** Transactions that are over: given up, or answered by a device that may say everything twice. */
  readonly #over = new Map<number, { readonly unitId: number; readonly answered: boolean }>();
  #rest: Buffer | undefined;
  /** When the first byte of it came. */
  #restAt = 0;
  #arrivedAt = Number.NEGATIVE_INFINITY;
  #inVain = 0;

  /** @param turnaround pause between a reply and the next request, ms */
  constructor(make: MakePipe, turnaround: number, clock: Clock, events: PortEvents) {
    this.#turnaround = turnaround;
    this.#clock = clock;
    this.#events = events;
    this.#pipe = make({
      data: (chunk) => this.#receive(chunk),
      gone: (error) => this.#end(error, false),
    });
  }

  get isOpen(): boolean {
    return this.#pipe.isOpen && !this.#gone;
  }

  wireTime(): number {
    return 0;
  }

  readyAt(): number {
    return this.#turnaround === 0 ? 0 : this.#arrivedAt + this.#turnaround;
  }

  open(done: (error?: Error | null) => void): void {
    this.#pipe.open(done);
  }

  close(done: () => void): void {
    this.#gone = true;
    this.#pipe.close(done);
  }

  heldUntil(): number {
    return Number.NEGATIVE_INFINITY;
  }

  send(id: number, ask: Ask): void {
    this.#transaction = (this.#transaction + 1) & 0xffff;
    this.#over.delete(this.#transaction);
    const at = this.#clock.monotonic();
    this.#sent.set(this.#transaction, { ...ask, id, at });
    const adu = encodeAdu(this.#transaction, ask.unitId, ask.pdu.bytes);
    this.#events.tap?.('out', adu, at);
    this.#pipe.write(adu);
  }

  giveUp(id: number): SluiceError {
    const [transaction, sent] = [...this.#sent].find(([, s]) => s.id === id) ?? [];
    if (transaction === undefined || sent === undefined) return new SluiceError('timeout');
    this.#sent.delete(transaction);
    const rest = this.#rest;
    const own = rest !== undefined && rest.length >= 2 && rest.readUInt16BE(0) === transaction;
    // A reply that broke off before this request takes every later reply for its own end, also the reply to this one.
    if (rest !== undefined && (own || this.#restAt <= sent.at)) {
      const error = new SluiceError('bad-reply', `the reply broke off after ${rest.length} bytes`, {
        data: { received: rest.length },
      });
      this.#end(error, true);
      return error;
    }
    this.#remember(transaction, sent.unitId, false);
    const error = new SluiceError('timeout');
    if (++this.#inVain >= IN_VAIN) this.#end(new SluiceError('timeout', 'there is no answer; the gateway connects again'), true);
    return error;
  }

  #remember(transaction: number, unitId: number, answered: boolean): void {
    this.#over.set(transaction, { unitId, answered });
    const [oldest] = this.#over.keys();
    if (this.#over.size > OVER && oldest !== undefined) this.#over.delete(oldest);
  }

  #receive(chunk: Buffer): void {
    if (this.#gone) return;
    const at = this.#clock.monotonic();
    this.#inVain = 0;
    let pieces = this.#rest !== undefined;
    const began = pieces ? this.#restAt : at;
    let bytes = this.#rest === undefined ? chunk : Buffer.concat([this.#rest, chunk]);
    this.#rest = undefined;
    while (bytes.length > 0 && !this.#gone) {
      const transaction = bytes.length >= 2 ? bytes.readUInt16BE(0) : undefined;
      const sent = transaction === undefined ? undefined : this.#sent.get(transaction);
      const late = transaction === undefined ? undefined : this.#over.get(transaction);
      const why =
        transaction !== undefined && sent === undefined && late === undefined
          ? 'a reply came with a transaction id of no request'
          : (wrongHeader(bytes) ?? (sent === undefined ? undefined : wrongReply(bytes, sent.unitId, sent.pdu.expected)));
      if (why !== undefined) {
        this.#events.tap?.('noise', bytes, at);
        this.#doubt(why);
        return;
      }
      const length = bytes.length < HEADER ? Number.POSITIVE_INFINITY : HEADER + bytes.readUInt16BE(4);
      if (bytes.length < length) {
        this.#rest = bytes;
        this.#restAt = pieces ? began : at;
        return;
      }
      const adu = bytes.subarray(0, length);
      bytes = bytes.subarray(length);
      // A reply that broke off looks whole as soon as enough of another follows it.
      if (sent !== undefined && ((pieces && this.#anyLate) || wrongHeader(bytes) !== undefined)) {
        this.#events.tap?.('noise', adu, at);
        this.#doubt('where the reply ends is not certain');
        return;
      }
      pieces = false;
      this.#events.tap?.('in', adu, at);
      if (sent === undefined) {
        this.#remember(transaction as number, late?.unitId ?? 0, true);
        this.#events.late(late?.unitId ?? 0);
        continue;
      }
      this.#sent.delete(transaction as number);
      this.#remember(transaction as number, sent.unitId, true);
      this.#arrivedAt = at;
      this.#events.reply(sent.id, Uint8Array.from(adu.subarray(HEADER + 1)), at);
    }
  }

  /** A reply that was given up may still come. */
  get #anyLate(): boolean {
    for (const { answered } of this.#over.values()) if (!answered) return true;
    return false;
  }

  #doubt(why: string): void {
    this.#end(new SluiceError('bad-reply', `${why}; the connection was closed`), true);
  }

  #end(error: SluiceError, ours: boolean): void {
    if (this.#gone) return;
    this.#gone = true;
    this.#sent.clear();
    if (ours) this.#pipe.close(() => {});
    this.#events.closed(error, ours);
  }
}
