/** A device on the bus: its counters, how patient to be with it, and its faults as they start and end. */
import type { ModbusPoint } from '../../codecs/modbus-point.ts';
import type { SunspecModel } from '../../codecs/sunspec.ts';
import type { Clock } from '../../core/clock.ts';
import { SluiceError } from '../../core/errors.ts';
import type { Logger } from '../../core/logger.ts';
import type { Sample } from '../../core/point.ts';
import type { DeviceCounters, DeviceStatus, SafePoint, Share } from '../../core/ports.ts';
import { Latency } from '../latency.ts';
import { Replies } from '../replies.ts';
import { Faults } from './faults.ts';
import { type ModelSearch, SEARCH, type SearchEnd, type SearchStep } from './model-search.ts';
import type { Movable } from './placed.ts';
import { DAMAGED, Rest, UNANSWERED } from './silence.ts';
import type { Wire } from './words.ts';
import { faultWords, sayFault } from './words.ts';

/**
 * So many good replies end a fault that comes and goes (noise, replies that are late now and then), so that it is logged once and
 * not at every damaged reply. Time-outs count as such from the second time within RECURS ms; before, UNSURE good replies end them.
 */
const GOOD_TO_END = 20;
const UNSURE = 3;
const RECURS = 600_000;
const SHARES: Readonly<Record<string, Share['kind']>> = { timeout: 'missing', crc: 'damaged', 'bad-reply': 'wrong' };
/** The key of the fault that says what is wrong with its SunSpec models. */
const MODELS = 'models';
/** The bridge in between says that the unit did not answer (MODBUS Application Protocol, section 7). */
const UNREACHED: readonly unknown[] = [10, 11];

export function isUnreached(error: SluiceError): boolean {
  return error.code === 'exception' && UNREACHED.includes(error.data.exception);
}

/** A device that fails so will fail the next request as well. */
export function isAway(error: SluiceError): boolean {
  return ['timeout', 'bus-open', 'bus-closed'].includes(error.code) || isUnreached(error);
}

export interface Patience {
  /** Upper bound of the time-out, ms. */
  readonly timeout: number;
  readonly retries: number;
  /** Pause after this device had its turn, ms. */
  readonly turnaround: number;
  /** Pause after the port was opened, ms. */
  readonly connectDelay: number;
}

export class Device {
  readonly name: string;
  readonly unitId: number;
  readonly patience: Patience;
  /** By name. */
  readonly points: ReadonlyMap<string, ModbusPoint>;
  /** It knows the functions for many registers and coils only. */
  readonly writesMultiple: boolean;
  /** For a SunSpec device: where its models lie. */
  readonly models?: ModelSearch | undefined;
  readonly counters = {
    requests: 0,
    replies: 0,
    timeouts: 0,
    exceptions: 0,
    crcErrors: 0,
    badReplies: 0,
    lateReplies: 0,
    skippedBytes: 0,
    missedPolls: 0,
  };
  readonly latency = new Latency();
  readonly rest = new Rest();
  state: DeviceStatus['state'] = 'unknown';
  /** Why its last request that failed did: the reason of polls that are not even sent while it rests. */
  lastError: SluiceError | undefined;
  /** Requests of it that are on the wire. */
  underWay = 0;
  #openedAt = Number.NEGATIVE_INFINITY;
  #lastReply: number | undefined;
  readonly #faults: Faults;
  readonly #replies = new Replies();
  /** When a fault by time-outs ended last. */
  #slowUntil = Number.NEGATIVE_INFINITY;
  /** Late replies, and when the last one came; counted anew after RECURS without one. */
  #late = { replies: 0, at: Number.NEGATIVE_INFINITY };
  readonly #wire: Wire;
  readonly #clock: Clock;
  readonly #logger: Logger;

  constructor(
    of: Pick<Device, 'name' | 'unitId' | 'patience' | 'points' | 'writesMultiple' | 'models'>,
    wire: Wire,
    clock: Clock,
    logger: Logger,
  ) {
    this.name = of.name;
    this.unitId = of.unitId;
    this.patience = of.patience;
    this.points = of.points;
    this.writesMultiple = of.writesMultiple;
    this.models = of.models;
    this.#wire = wire;
    this.#clock = clock;
    this.#logger = logger;
    this.#faults = new Faults(this.name, clock, logger);
  }

  opened(now: number): void {
    this.#openedAt = now;
    this.models?.restart();
  }

  /** A point where it lies now, and the SunSpec model it lies in. @throws SluiceError write-refused while that is not known */
  locate(point: ModbusPoint): { readonly point: ModbusPoint; readonly model?: SunspecModel | undefined } {
    return this.models?.locate(point) ?? { point };
  }

  /** Monotonic time from which it may be asked. */
  get readyAt(): number {
    return this.#openedAt + this.patience.connectDelay;
  }

  /**
   * @param request what was asked, in words
   * @param latency milliseconds from writing the request to the last byte of the reply
   * @param wire how much of it its bytes take
   */
  succeeded(request: string, at: number, latency: number, wire: number): void {
    this.counters.replies++;
    const { shown } = this.#faults;
    this.#answered(latency, wire);
    this.#lastReply = at;
    if (this.#faults.any) this.#faults.good(`exception ${request}`);
    this.#replies.good(at, shown && !this.#faults.shown);
  }

  /** A write was refused: the device answered, and the value is wrong. The caller gets the error. */
  refused(latency: number, wire: number): void {
    this.counters.exceptions++;
    this.#answered(latency, wire);
  }

  failed(error: SluiceError, request: string, at: number, latency: number, wire: number): void {
    const c = this.counters;
    this.lastError = error;
    const unreached = isUnreached(error);
    if (error.code === 'timeout') c.timeouts++;
    else if (error.code === 'exception') c.exceptions++;
    else if (error.code === 'crc') c.crcErrors++;
    else if (error.code === 'bad-reply') c.badReplies++;
    if (error.code === 'exception' && !unreached) this.#answered(latency, wire);
    if (error.code === 'timeout') this.latency.timedOut();
    if (error.data.exception === 2) this.models?.doubt();
    const enough = Math.max(UNANSWERED, this.patience.retries + 1);
    if (error.code === 'timeout' || unreached) this.rest.unanswered(at, enough);
    // A device that never gives a whole reply costs the others as much as a silent one; but a noisy line is no reason to ask less.
    else if (error.code === 'crc' || error.code === 'bad-reply') this.rest.unanswered(at, DAMAGED * enough);
    const key = error.code === 'exception' ? `exception ${request}` : error.code;
    this.#replies.failed(error.code === 'exception' ? (unreached ? 'missing' : undefined) : (SHARES[error.code] ?? 'failed'), at);
    if (this.#faults.again(key, error)) return;
    if (error.code === 'timeout') {
      const enough = at - this.#slowUntil < RECURS ? GOOD_TO_END : UNSURE;
      const answered = this.#lastReply !== undefined;
      const words = () => faultWords(error, this.unitId, this.#wire, request, { ...this.#slowness(), answered });
      this.#faults.begin(key, words, error, enough, false);
    } else {
      const enough = error.code === 'crc' || error.code === 'bad-reply' ? GOOD_TO_END : 1;
      const words = faultWords(error, this.unitId, this.#wire, request);
      this.#faults.begin(key, () => words, error, enough);
    }
  }

  /** A reply came after it had been given up. */
  late(now: number): void {
    this.counters.lateReplies++;
    this.#late = { replies: (now - this.#late.at < RECURS ? this.#late.replies : 0) + 1, at: now };
  }

  #slowness(): { late: number; timeout: number } {
    const fresh = this.#clock.monotonic() - this.#late.at < RECURS;
    return { late: fresh ? this.#late.replies : 0, timeout: this.patience.timeout };
  }

  /**
   * A step of the search for its models was answered. @param payload undefined where it was refused
   * @returns the sample of the job, where that was all that it waited for
   */
  stepped(
    job: Movable,
    step: SearchStep,
    payload: Uint8Array | undefined,
    at: number,
    latency: number,
    wire: number,
  ): Sample | undefined {
    if (payload === undefined) this.refused(latency, wire);
    else this.succeeded(SEARCH, at, latency, wire);
    const sample = this.looked(job, step, payload, at);
    if (sample === undefined) this.searched(this.models?.learn(step, payload, at));
    return sample;
  }

  /** A good reply. @returns its sample; undefined where it is not sure that these are its registers, or sure that they are not */
  took(job: Movable, payload: Uint8Array, at: number): Sample | undefined {
    const fault = this.models?.strayed(job, payload);
    if (fault !== undefined) this.searched({ moved: false, found: '', fault });
    return fault !== undefined || this.models?.hold(job, payload) === true ? undefined : job.decode(payload, at);
  }

  /** A look at the model of a reply was answered. @returns its sample, at the time at which that was sure */
  looked(job: Movable, step: SearchStep, head: Uint8Array | undefined, at: number): Sample | undefined {
    const held = this.models?.looked(job, step, head);
    if (typeof held === 'string') this.searched({ moved: false, found: '', fault: held });
    return held instanceof Uint8Array ? job.decode(held, at) : undefined;
  }

  /** The search for its models came to an end. */
  searched(end: SearchEnd | undefined): void {
    if (end === undefined) return;
    const { moved, found, fault } = end;
    if (moved) {
      // They were of registers that nobody asks for any more.
      this.#faults.drop('exception ');
      if (found !== '') this.#logger.info({ device: this.name }, `${this.name}: ${found}`);
    }
    const who = `unit ${this.unitId} on ${this.#wire.label}`;
    const words = fault === undefined ? undefined : { symptom: who, advice: fault };
    if (this.#faults.saysNow(MODELS) === (words && sayFault(words))) return;
    this.#faults.good(MODELS);
    if (words !== undefined) this.#faults.begin(MODELS, () => words, new SluiceError('bad-reply', sayFault(words)), 1);
  }

  /** A poll has ended without a good reply, after all repeats. */
  gaveUp(error: SluiceError): void {
    if (error.code === 'timeout') this.#faults.tell('timeout', error);
    this.models?.letGo();
    if (error.code === 'exception' && !isUnreached(error)) return;
    this.state = 'silent';
    this.models?.restart();
  }

  get safePoints(): SafePoint[] {
    return [...this.points.values()].flatMap(({ name, write }) =>
      write?.safe === undefined ? [] : [{ device: this.name, point: name, ...write.safe }],
    );
  }

  /** Words for what is wrong now. */
  get fault(): string | undefined {
    return this.#faults.newest;
  }

  status(): DeviceStatus {
    const counters: DeviceCounters = { ...this.counters, ...this.latency.report };
    const now = this.#clock.monotonic();
    return {
      // A person at the wire can act on what was seen last.
      ...{ name: this.name, state: this.state, fault: this.fault, lastReply: this.#lastReply, counters },
      ...{ recovery: this.#replies.recovery(now), share: this.#replies.share() },
      restsUntil: this.rest.until > now ? this.rest.until : undefined,
    };
  }

  /** A whole, undamaged answer came, good or an exception: the wire and the device are well. */
  #answered(latency: number, wire: number): void {
    this.latency.answered(latency, wire);
    this.rest.answered();
    this.state = 'answering';
    if (!this.#faults.any) return;
    for (const code of ['timeout', 'bus-closed', 'crc', 'bad-reply'])
      if (this.#faults.good(code) && code === 'timeout') this.#slowUntil = this.#clock.monotonic();
  }
}
