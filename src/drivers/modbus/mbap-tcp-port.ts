/**
 * Modbus TCP (MODBUS Messaging on TCP/IP V1.0b). Several requests may be under way; a transaction id tells which one a
 * reply answers, so a late one is known and dropped, and the connection stays: many units behind one bridge share it.
 * The first byte that no reply has closes it: there is no way back into step in a stream whose lengths cannot be
 * trusted. So does a silence in which everything asked was in vain. Bounds: 260 bytes kept, 64 given-up requests.
 */
import type { Clock } from '../../core/clock.ts';
import { SluiceError } from '../../core/errors.ts';
import { encodeAdu, HEADER, wrongHeader, wrongReply } from './mbap.ts';
import { type Pipe, TcpPipe } from './pipe.ts';
import type { Ask, ModbusPort, PortEvents } from './port.ts';

const GIVEN_UP = 64;
/** So many time-outs without a byte in between: the connection is dead, whatever it says. */
const IN_VAIN = 3;

interface Sent extends Ask {
  readonly id: number;
}

export class MbapTcpPort implements ModbusPort {
  readonly #turnaround: number;
  readonly #clock: Clock;
  readonly #events: PortEvents;
  readonly #pipe: Pipe;
  #gone = false;
  #transaction = 0;
  readonly #sent = new Map<number, Sent>();
  /** Transactions that were given up. */
  readonly #late = new Map<number, number>();
  #rest: Buffer | undefined;
  #arrivedAt = Number.NEGATIVE_INFINITY;
  #inVain = 0;

  constructor(address: { host: string; port: number; turnaround: number }, clock: Clock, events: PortEvents) {
    this.#turnaround = address.turnaround;
    this.#clock = clock;
    this.#events = events;
    this.#pipe = new TcpPipe(address, {
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

  send(id: number, ask: Ask): void {
    this.#transaction = (this.#transaction + 1) & 0xffff;
    this.#late.delete(this.#transaction);
    this.#sent.set(this.#transaction, { ...ask, id });
    const adu = encodeAdu(this.#transaction, ask);
    this.#events.tap?.('out', adu, this.#clock.monotonic());
    this.#pipe.write(adu);
  }

  giveUp(id: number): SluiceError {
    const [transaction, sent] = [...this.#sent].find(([, s]) => s.id === id) ?? [];
    if (transaction === undefined || sent === undefined) return new SluiceError('timeout');
    this.#sent.delete(transaction);
    const rest = this.#rest;
    if (rest !== undefined && rest.length >= 2 && rest.readUInt16BE(0) === transaction) {
      const error = new SluiceError('bad-reply', `the reply broke off after ${rest.length} bytes`, {
        data: { received: rest.length },
      });
      this.#end(error, true);
      return error;
    }
    this.#late.set(transaction, sent.unit);
    for (const old of this.#late.keys()) {
      if (this.#late.size <= GIVEN_UP) break;
      this.#late.delete(old);
    }
    const error = new SluiceError('timeout');
    if (++this.#inVain >= IN_VAIN) this.#end(error, true);
    return error;
  }

  #receive(chunk: Buffer): void {
    if (this.#gone) return;
    const at = this.#clock.monotonic();
    this.#inVain = 0;
    let bytes = this.#rest === undefined ? chunk : Buffer.concat([this.#rest, chunk]);
    this.#rest = undefined;
    while (bytes.length > 0 && !this.#gone) {
      const transaction = bytes.length >= 2 ? bytes.readUInt16BE(0) : undefined;
      const sent = transaction === undefined ? undefined : this.#sent.get(transaction);
      const late = transaction === undefined ? undefined : this.#late.get(transaction);
      const why =
        transaction !== undefined && sent === undefined && late === undefined
          ? 'a reply came with a transaction id that nobody asked with'
          : (wrongHeader(bytes) ?? (sent === undefined ? undefined : wrongReply(bytes, sent.unit, sent.pdu.expected)));
      if (why !== undefined) {
        this.#events.tap?.('noise', bytes, at);
        this.#doubt(why);
        return;
      }
      const length = bytes.length < HEADER ? Number.POSITIVE_INFINITY : HEADER + bytes.readUInt16BE(4);
      if (bytes.length < length) {
        this.#rest = bytes;
        return;
      }
      const adu = bytes.subarray(0, length);
      bytes = bytes.subarray(length);
      this.#events.tap?.('in', adu, at);
      if (sent === undefined) {
        this.#late.delete(transaction as number);
        this.#events.late(late as number);
        continue;
      }
      this.#sent.delete(transaction as number);
      this.#arrivedAt = at;
      this.#events.reply(sent.id, Uint8Array.from(adu.subarray(HEADER + 1)), at);
    }
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
