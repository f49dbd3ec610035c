/**
 * One open wire, and the requests under way on it. Time-outs are here, so that every request is answered exactly once,
 * at the latest at its time-out.
 */
import { exceptionOf } from '../../codecs/modbus-pdu.ts';
import type { Clock } from '../../core/clock.ts';
import { SluiceError, toError } from '../../core/errors.ts';
import type { Ask, Dial, ModbusPort, PortEvents } from './port.ts';

/** @param pdu the reply; empty with an error. @param at monotonic arrival of the last byte, or when it failed. */
export type Done = (error: SluiceError | null, pdu: Uint8Array, at: number) => void;

const NOTHING = new Uint8Array(0);
/** A timer that is later than this, ms, shows that the process had no time. */
const STALLED = 20;
/** So often a reply gets STALLED more, while the process has no time. */
const MORE = 5;

interface Waiting {
  readonly done: Done;
  readonly cancel: () => void;
}

export class Client {
  readonly port: ModbusPort;
  readonly #clock: Clock;
  readonly #waiting = new Map<number, Waiting>();
  #id = 0;
  #abandon: () => void = () => {};

  constructor(dial: Dial, clock: Clock, events: Omit<PortEvents, 'reply' | 'fault'>) {
    this.#clock = clock;
    this.port = dial({
      late: events.late,
      skipped: events.skipped,
      get tap() {
        return events.tap;
      },
      reply: (id, pdu, at) => {
        const exception = exceptionOf(pdu);
        if (exception === undefined) this.#settle(id, null, pdu, at);
        else this.#settle(id, new SluiceError('exception', undefined, { data: { exception } }), NOTHING, at);
      },
      fault: (id, error) => this.#settle(id, error, NOTHING, clock.monotonic()),
      closed: (error, ours) => {
        // First the bus learns that the wire is gone, so that it does not send the next request into it.
        events.closed(error, ours);
        this.#settleAll(error);
      },
    });
  }

  /** Requests that were sent and have no answer. */
  get underWay(): number {
    return this.#waiting.size;
  }

  /** @param limit milliseconds */
  open(limit: number, done: (error?: Error) => void): void {
    let finished = false;
    const finish = (error?: Error) => {
      if (finished) return;
      finished = true;
      cancel();
      if (error) this.port.close(() => done(error));
      else done();
    };
    this.#abandon = () => finish(new SluiceError('bus-closed'));
    const cancel = this.#clock.after(limit, () => finish(new SluiceError('timeout', 'no connection within the time-out')));
    this.port.open((error) => finish(error ? toError(error) : undefined));
  }

  /**
   * @param timeout milliseconds for the device; the time of the bytes on a serial wire is added
   * @param late for so long after it was sent the reply may still come, ms
   */
  send(ask: Ask, timeout: number, late: number, done: Done): void {
    const id = ++this.#id;
    const wait = timeout + this.port.wireTime(ask);
    let due = this.#clock.monotonic() + wait;
    let more = MORE;
    let cancel: () => void;
    const giveUp = (): void => {
      // Giving up may end the port, which fails everything that waits: this one has its own reason.
      this.#waiting.delete(id);
      done(this.port.giveUp(id), NOTHING, this.#clock.monotonic());
    };
    // Timers run before what has arrived is read. Where it was this process that had no time, the reply may lie there.
    const timeUp = (): void => {
      const now = this.#clock.monotonic();
      if (now - due >= STALLED && more-- > 0) {
        due = now + STALLED;
        cancel = this.#clock.after(STALLED, timeUp);
      } else giveUp();
    };
    cancel = this.#clock.after(wait, timeUp);
    this.#waiting.set(id, { done, cancel: () => cancel() });
    this.port.send(id, ask, late);
  }

  close(done: () => void): void {
    // An opening under way must not keep its timer, and with it the process, alive.
    this.#abandon();
    this.port.close(() => {
      this.#settleAll(new SluiceError('bus-closed'));
      done();
    });
  }

  #settle(id: number, error: SluiceError | null, pdu: Uint8Array, at: number): void {
    const waiting = this.#waiting.get(id);
    if (!waiting) return;
    this.#waiting.delete(id);
    waiting.cancel();
    waiting.done(error, pdu, at);
  }

  #settleAll(error: SluiceError): void {
    for (const id of [...this.#waiting.keys()]) this.#settle(id, error, NOTHING, this.#clock.monotonic());
  }
}
