/** A device on the bus: its counters, and its faults as they start and end. */
import type { Clock } from '../../core/clock.ts';
import type { SluiceError } from '../../core/errors.ts';
import type { Logger } from '../../core/logger.ts';
import type { DeviceCounters, DeviceStatus } from '../../core/ports.ts';
import { formatDuration } from '../../core/units.ts';
import type { ReadRequest } from './plan.ts';
import type { Wire } from './words.ts';
import { faultWords, requestLabel } from './words.ts';

interface Fault {
  readonly message: string;
  readonly since: number;
  count: number;
  /** Good replies since it was last seen. */
  good: number;
  /** Which of the failures it was, counted over all of the device. */
  last: number;
}

/** So many good replies end a fault that comes and goes (noise), so that it is not logged at every damaged reply. */
const GOOD_TO_END = 3;

export class Device {
  readonly name: string;
  readonly unit: number;
  readonly counters: DeviceCounters = {
    requests: 0,
    replies: 0,
    timeouts: 0,
    exceptions: 0,
    crcErrors: 0,
    badReplies: 0,
    lateReplies: 0,
    skippedBytes: 0,
    missedPolls: 0,
    latencyLast: 0,
    latencyMax: 0,
    latencySum: 0,
  };
  state: DeviceStatus['state'] = 'unknown';
  /** Replies that did not come in time and could still be taken for the answer to another request, until then. */
  #owed: { count: number; readonly span: number; until: number } | undefined;
  #lastReply: number | undefined;
  /** By what failed; at most one per kind, and one per request for exceptions. */
  readonly #faults = new Map<string, Fault>();
  #failures = 0;
  readonly #wire: Wire;
  readonly #clock: Clock;
  readonly #logger: Logger;

  constructor(name: string, unit: number, wire: Wire, clock: Clock, logger: Logger) {
    this.name = name;
    this.unit = unit;
    this.#wire = wire;
    this.#clock = clock;
    this.#logger = logger;
  }

  /**
   * Monotonic time from which a new request may be sent. A repeat of what was not answered need not wait: the late reply
   * answers it as well.
   */
  heldUntil(now: number): number {
    if (this.#owed && this.#owed.until <= now) this.#owed = undefined;
    return this.#owed?.until ?? Number.NEGATIVE_INFINITY;
  }

  /** No answer came within `waited` milliseconds; for as long again it may still come. */
  owes(sentAt: number, waited: number): void {
    const span = Math.max(2 * waited, this.#owed?.span ?? 0);
    this.#owed = { count: (this.#owed?.count ?? 0) + 1, span, until: sentAt + span };
  }

  /** A late reply came and was dropped. */
  cameLate(): void {
    this.counters.lateReplies++;
    if (this.#owed && --this.#owed.count === 0) this.#owed = undefined;
  }

  /** @param latency milliseconds from writing the request to the last byte of the reply */
  succeeded(request: ReadRequest, at: number, latency: number): void {
    const c = this.counters;
    c.replies++;
    c.latencyLast = latency;
    c.latencySum += latency;
    if (latency > c.latencyMax) c.latencyMax = latency;
    this.#lastReply = at;
    // The answer may have been the late one to what this repeats; then that of the repeat is still to come.
    if (this.#owed) this.#owed.until = Math.max(this.#owed.until, at - latency + this.#owed.span);
    this.state = 'answering';
    if (this.#faults.size === 0) return;
    this.#end('timeout', 1);
    this.#end('bus-closed', 1);
    this.#end(exceptionKey(request), 1);
    this.#end('crc', GOOD_TO_END);
    this.#end('bad-reply', GOOD_TO_END);
  }

  failed(error: SluiceError, request: ReadRequest): void {
    const c = this.counters;
    if (error.code === 'timeout') c.timeouts++;
    else if (error.code === 'exception') c.exceptions++;
    else if (error.code === 'crc') c.crcErrors++;
    else if (error.code === 'bad-reply') c.badReplies++;
    this.state = error.code === 'exception' ? 'answering' : this.state;
    if (error.code === 'exception') {
      // An exception is a whole, undamaged answer.
      this.#end('timeout', 1);
      this.#end('bus-closed', 1);
      this.#end('crc', GOOD_TO_END);
      this.#end('bad-reply', GOOD_TO_END);
    }
    const key = error.code === 'exception' ? exceptionKey(request) : error.code;
    const known = this.#faults.get(key);
    if (known) {
      known.count++;
      known.good = 0;
      known.last = ++this.#failures;
      return;
    }
    const message = faultWords(error, this.unit, this.#wire, request);
    this.#faults.set(key, { message, since: this.#clock.monotonic(), count: 1, good: 0, last: ++this.#failures });
    // The bus itself tells that it is closed, once for all devices.
    if (error.code !== 'bus-closed')
      this.#logger.warn({ device: this.name, code: error.code, ...error.data }, `${this.name}: ${message}`);
  }

  /** A poll has ended without a good reply, after all repeats. */
  gaveUp(error: SluiceError): void {
    if (error.code !== 'exception') this.state = 'silent';
  }

  status(): DeviceStatus {
    // What was seen last is what a person at the wire can act on now.
    const fault = [...this.#faults.values()].sort((a, b) => b.last - a.last)[0]?.message;
    return { name: this.name, state: this.state, fault, lastReply: this.#lastReply, counters: { ...this.counters } };
  }

  #end(key: string, enough: number): void {
    const fault = this.#faults.get(key);
    if (!fault || ++fault.good < enough) return;
    this.#faults.delete(key);
    if (key === 'bus-closed') return;
    const lasted = formatDuration(this.#clock.monotonic() - fault.since);
    this.#logger.info({ device: this.name, times: fault.count }, `${this.name}: over after ${lasted}: ${fault.message}`);
  }
}

function exceptionKey(request: ReadRequest): string {
  return `exception ${requestLabel(request)}`;
}
