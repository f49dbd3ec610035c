/**
 * Modbus TCP frames in UDP datagrams, one frame in each. There is no connection: a reply is known by its transaction id,
 * a datagram that is no right reply is dropped and counted, and a lost one is a time-out. Bounds: 64 given-up requests.
 */
import type { Clock } from '../../core/clock.ts';
import { SluiceError } from '../../core/errors.ts';
import { encodeAdu, HEADER, wrongHeader, wrongReply } from './mbap.ts';
import type { MakePipe, Pipe } from './pipe.ts';
import type { Ask, ModbusPort, PortEvents } from './port.ts';

const GIVEN_UP = 64;

interface Sent extends Ask {
  readonly id: number;
}

export class MbapUdpPort implements ModbusPort {
  readonly #turnaround: number;
  readonly #clock: Clock;
  readonly #events: PortEvents;
  readonly #pipe: Pipe;
  #gone = false;
  #transaction: number;
  readonly #sent = new Map<number, Sent>();
  /** Transactions that were given up. */
  readonly #late = new Map<number, number>();
  #arrivedAt = Number.NEGATIVE_INFINITY;

  /**
   * @param turnaround pause between a reply and the next request, ms
   * @param firstTransaction where the ids begin: datagrams of an earlier socket may still be under way
   */
  constructor(make: MakePipe, turnaround: number, clock: Clock, events: PortEvents, firstTransaction: number) {
    this.#turnaround = turnaround;
    this.#clock = clock;
    this.#events = events;
    this.#transaction = firstTransaction & 0xffff;
    this.#pipe = make({
      data: (datagram) => this.#receive(datagram),
      gone: (error) => {
        this.#gone = true;
        this.#events.closed(error, false);
      },
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
    this.#late.delete(this.#transaction);
    this.#sent.set(this.#transaction, { ...ask, id });
    const adu = encodeAdu(this.#transaction, ask.unitId, ask.pdu.bytes);
    this.#events.tap?.('out', adu, this.#clock.monotonic());
    this.#pipe.write(adu);
  }

  giveUp(id: number): SluiceError {
    const [transaction, sent] = [...this.#sent].find(([, s]) => s.id === id) ?? [];
    if (transaction !== undefined && sent !== undefined) {
      this.#sent.delete(transaction);
      this.#late.set(transaction, sent.unitId);
      const [oldest] = this.#late.keys();
      if (this.#late.size > GIVEN_UP && oldest !== undefined) this.#late.delete(oldest);
    }
    return new SluiceError('timeout');
  }

  #receive(datagram: Buffer): void {
    if (this.#gone) return;
    const at = this.#clock.monotonic();
    const transaction = datagram.length > HEADER + 1 ? datagram.readUInt16BE(0) : undefined;
    const whole = transaction !== undefined && datagram.length === HEADER + datagram.readUInt16BE(4);
    const sent = transaction === undefined ? undefined : this.#sent.get(transaction);
    const late = transaction === undefined ? undefined : this.#late.get(transaction);
    const sound = whole && wrongHeader(datagram) === undefined;
    if (sound && late !== undefined) {
      this.#events.tap?.('in', datagram, at);
      this.#late.delete(transaction);
      this.#events.late(late);
      return;
    }
    const why = !sound || sent === undefined ? 'damaged' : wrongReply(datagram, sent.unitId, sent.pdu.expected);
    if (sent === undefined || why !== undefined) {
      this.#events.tap?.('noise', datagram, at);
      this.#events.skipped(datagram.length);
      // With its transaction id it was meant to be the reply.
      if (sent !== undefined && sound && why !== undefined) {
        this.#sent.delete(transaction as number);
        this.#events.fault(sent.id, new SluiceError('bad-reply', why));
      }
      return;
    }
    this.#events.tap?.('in', datagram, at);
    this.#sent.delete(transaction as number);
    this.#arrivedAt = at;
    this.#events.reply(sent.id, Uint8Array.from(datagram.subarray(HEADER + 1)), at);
  }
}
