/**
 * One open wire: modbus-serial's client on a port of ours. It builds requests and takes replies apart; time-outs and all
 * failures are ours, so that every request is answered exactly once, at the latest at its time-out.
 */
import type { ModbusRTU } from 'modbus-serial/ModbusRTU.js';
import type { Clock } from '../../core/clock.ts';
import { SluiceError, toError } from '../../core/errors.ts';
import type { Expected } from './frame.ts';
import { assertReadable, FUNCTION } from './frame.ts';
import type { ReadRequest } from './plan.ts';
import type { Dial, ModbusPort, PortEvents } from './port.ts';

/** @param payload what follows the byte count; empty with an error. @param at monotonic arrival of the last byte. */
export type ReadDone = (error: SluiceError | null, payload: Uint8Array, at: number) => void;

const NOTHING = new Uint8Array(0);

export class Client {
  readonly port: ModbusPort;
  readonly #clock: Clock;
  readonly #dial: Dial;
  #library: ModbusRTU | undefined;
  #done: ReadDone | undefined;
  #cancel: (() => void) | undefined;
  #sequence = 0;
  #abandon: () => void = () => {};

  constructor(dial: Dial, clock: Clock, events: PortEvents) {
    this.#clock = clock;
    this.#dial = dial;
    this.port = this.#dial({
      ...events,
      fault: (error) => this.#settle(error, NOTHING),
      closed: (error, ours) => {
        // First the bus learns that the wire is gone, so that it does not send the next request into it.
        events.closed(error, ours);
        this.#settle(error, NOTHING);
      },
    });
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
    import('modbus-serial').then(
      ({ default: library }) => {
        this.#library = new library.default(this.port);
        this.#library.open((error?: unknown) => finish(error ? toError(error) : undefined));
      },
      (error) => finish(toError(error)),
    );
  }

  /** @param timeout milliseconds for the device; the time of the bytes on a serial wire is added. */
  read(unit: number, request: ReadRequest, timeout: number, done: ReadDone): void {
    if (this.#done) throw new SluiceError('internal', 'two requests on one wire');
    assertReadable(request);
    const expected: Expected = { unit, code: FUNCTION[request.table], bytes: replyBytes(request) };
    const wait = timeout + this.port.wireTime(expected.bytes + 5);
    const sequence = ++this.#sequence;
    this.#done = done;
    const sentAt = this.#clock.monotonic();
    this.#cancel = this.#clock.after(wait, () => this.#settle(this.port.giveUp(sentAt + 2 * wait), NOTHING));
    const reply = (error: unknown, result?: { buffer: Uint8Array }) => {
      // The library may still call for a request that we have settled long ago.
      if (sequence !== this.#sequence) return;
      if (error || !result) this.#settle(fromLibrary(error), NOTHING);
      else if (result.buffer.length !== expected.bytes) this.#settle(new SluiceError('bad-reply'), NOTHING);
      else this.#settle(null, result.buffer);
    };
    const { start, count } = request;
    const library = this.#library;
    if (!library) this.#settle(new SluiceError('bus-closed'), NOTHING);
    else if (request.table === 'holding') library.writeFC3(unit, start, count, reply);
    else if (request.table === 'input') library.writeFC4(unit, start, count, reply);
    else if (request.table === 'coil') library.writeFC1(unit, start, count, reply);
    else library.writeFC2(unit, start, count, reply);
  }

  close(done: () => void): void {
    // An opening under way must not keep its timer, and with it the process, alive.
    this.#abandon();
    this.port.close(() => {
      this.#settle(new SluiceError('bus-closed'), NOTHING);
      done();
    });
  }

  #settle(error: SluiceError | null, payload: Uint8Array): void {
    const done = this.#done;
    if (!done) return;
    this.#done = undefined;
    this.#sequence++;
    this.#cancel?.();
    this.#cancel = undefined;
    const answered = error === null || error.code === 'exception';
    done(error, payload, answered ? this.port.arrivedAt : this.#clock.monotonic());
  }
}

function replyBytes(request: ReadRequest): number {
  return request.table === 'coil' || request.table === 'discrete' ? Math.ceil(request.count / 8) : request.count * 2;
}

/** The library's errors are not all Errors and have no class: what they carry tells them apart. */
export function fromLibrary(thrown: unknown): SluiceError {
  const facts: { modbusCode?: unknown; errno?: unknown } = typeof thrown === 'object' && thrown !== null ? thrown : {};
  if (typeof facts.modbusCode === 'number')
    return new SluiceError('exception', undefined, { data: { exception: facts.modbusCode } });
  if (facts.errno === 'ETIMEDOUT') return new SluiceError('timeout');
  if (facts.errno === 'ECONNREFUSED') return new SluiceError('bus-closed');
  return new SluiceError('bad-reply', undefined, { cause: toError(thrown) });
}
