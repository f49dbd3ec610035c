/**
 * Modbus TCP frames in UDP datagrams, one frame in each. There is no connection: a reply is known by its transaction id,
 * a datagram that is no right reply is dropped and counted, and a lost one is a time-out. Bounds: 64 given-up requests.
 */
import { createSocket, type Socket } from 'node:dgram';
import type { Clock } from '../../core/clock.ts';
import { SluiceError } from '../../core/errors.ts';
import { encodeAdu, HEADER, wrongHeader, wrongReply } from './mbap.ts';
import type { Ask, ModbusPort, PortEvents } from './port.ts';

const GIVEN_UP = 64;

interface Sent extends Ask {
  readonly id: number;
}

export class MbapUdpPort implements ModbusPort {
  readonly #address: { readonly host: string; readonly port: number; readonly turnaround: number };
  readonly #clock: Clock;
  readonly #events: PortEvents;
  #socket: Socket | undefined;
  #open = false;
  #gone = false;
  #transaction: number;
  readonly #sent = new Map<number, Sent>();
  readonly #late = new Map<number, number>();
  #arrivedAt = Number.NEGATIVE_INFINITY;

  constructor(
    address: { readonly host: string; readonly port: number; readonly turnaround: number },
    clock: Clock,
    events: PortEvents,
    /** Where the ids begin: datagrams of an earlier socket may still be under way. */
    firstTransaction: number,
  ) {
    this.#address = address;
    this.#clock = clock;
    this.#events = events;
    this.#transaction = firstTransaction & 0xffff;
  }

  get isOpen(): boolean {
    return this.#open && !this.#gone;
  }

  wireTime(): number {
    return 0;
  }

  readyAt(): number {
    return this.#address.turnaround === 0 ? 0 : this.#arrivedAt + this.#address.turnaround;
  }

  open(done: (error?: Error | null) => void): void {
    const { host, port } = this.#address;
    const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4');
    this.#socket = socket;
    let failed = (error: Error) => done(error);
    socket.on('error', (error) => {
      failed(error);
      failed = () => {};
      // A refused datagram (nothing listens there) is a time-out like any lost one; the socket stays.
    });
    socket.on('message', (datagram) => this.#receive(datagram));
    // Connected: datagrams of anybody else are dropped by the system.
    socket.connect(port, host, () => {
      failed = () => {};
      if (this.#gone) {
        done(new SluiceError('bus-closed'));
        return;
      }
      this.#open = true;
      done();
    });
  }

  close(done: () => void): void {
    this.#gone = true;
    this.#open = false;
    const socket = this.#socket;
    this.#socket = undefined;
    if (socket === undefined) done();
    else socket.close(() => done());
  }

  send(id: number, ask: Ask): void {
    this.#transaction = (this.#transaction + 1) & 0xffff;
    this.#late.delete(this.#transaction);
    this.#sent.set(this.#transaction, { ...ask, id });
    const adu = encodeAdu(this.#transaction, ask);
    this.#events.tap?.('out', adu, this.#clock.monotonic());
    this.#socket?.send(adu, () => {});
  }

  giveUp(id: number): SluiceError {
    const [transaction, sent] = [...this.#sent].find(([, s]) => s.id === id) ?? [];
    if (transaction !== undefined && sent !== undefined) {
      this.#sent.delete(transaction);
      this.#late.set(transaction, sent.unit);
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
    const why = !sound || sent === undefined ? 'damaged' : wrongReply(datagram, sent.unit, sent.pdu.expected);
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
