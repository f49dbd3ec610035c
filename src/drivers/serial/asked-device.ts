/**
 * A device that speaks when it is asked. Invariants:
 * - one request at a time: the next goes out no sooner than the reply or the time-out of the one before;
 * - requests are due at start + k × interval; one that passes while its predecessor waits is skipped and counted;
 * - every due request gives exactly one sample: values, or one reason for all its points; with a closed port, and at once
 *   when it is gone, `disconnected`;
 * - after UNANSWERED requests in a row the device is silent and asked at growing intervals, doubled up to LONGEST (or the
 *   interval, where that is longer); the first answer ends that;
 * - a reading by hand is asked for at once, joins a request that is under way, and gives no sample of its own;
 * - a frame for which no request waits came late, and is thrown away;
 * - what follows an answer without an end is a prompt. Where a request before may still get its reply, the next one waits until the
 *   line is quiet: the reply is then whole, and thrown away.
 */
import type { TalkerConfig } from '../../codecs/serial/types.ts';
import { SluiceError } from '../../core/errors.ts';
import type { Sample, Shape } from '../../core/point.ts';
import { badSample } from '../../core/point.ts';
import type { DeviceStatus, Share } from '../../core/ports.ts';
import { formatDuration } from '../../core/units.ts';
import { Latency } from '../latency.ts';
import { Replies } from '../replies.ts';
import { Hearing } from './hearing.ts';
import type { DeviceContext, LineDevice } from './line-device.ts';

const UNANSWERED = 3;
/** Milliseconds between two requests to a silent device, at most. */
const LONGEST = 60_000;

/** A reply comes within so many time-outs of its request, or never. */
const LATE = 3;

/** A request waits so long for a quiet line, ms. */
const QUIET_WITHIN = 200;

const KINDS: Readonly<Record<string, Share['kind']>> = { timeout: 'missing', crc: 'damaged', 'bad-reply': 'wrong' };

export interface Question {
  readonly bytes: Uint8Array;
  /** Milliseconds from the end of the request to the end of the reply. */
  readonly timeout: number;
  /** Milliseconds that the request takes on the line. */
  readonly wireTime: number;
  /** Milliseconds of one character. */
  readonly character: number;
  /** Milliseconds. */
  readonly interval: number;
}

interface Reading {
  readonly promise: Promise<Sample[]>;
  resolve(samples: Sample[]): void;
  reject(error: SluiceError): void;
}

export class AskedDevice implements LineDevice {
  readonly name: string;
  readonly shapes: readonly Shape[];
  private readonly question: Question;
  private readonly context: DeviceContext;
  private readonly hearing: Hearing;
  private readonly counters = { requests: 0, replies: 0, timeouts: 0, lateReplies: 0, missedPolls: 0 };
  private readonly latency = new Latency();
  private readonly replies = new Replies();
  private running = false;
  private send: ((bytes: Uint8Array) => void) | undefined;
  /** The request under way; `due`: it gives a sample. */
  private waiting: { readonly due: boolean; readonly sentAt: number } | undefined;
  private reading: Reading | undefined;
  private due = 0;
  /** The last request has its answer. */
  private isAnswered = false;
  /** Monotonic: until then a reply may come to a request that has none. */
  private lateUntil = Number.NEGATIVE_INFINITY;
  /** Monotonic: a request waits for a quiet line no longer. */
  private askBy: number | undefined;
  /** Monotonic time at which a request last left or ended. */
  private turned = Number.NEGATIVE_INFINITY;
  private cancelTimer: (() => void) | undefined;
  private failures = 0;
  private fault: string | undefined;
  private lastReply: number | undefined;

  constructor(config: TalkerConfig, question: Question, context: DeviceContext) {
    this.name = config.device;
    this.question = question;
    this.context = context;
    this.hearing = new Hearing(config, context);
    this.shapes = this.hearing.shapes;
  }

  start(): void {
    this.running = true;
    // The port may open in a moment, and a request to a closed one would only be a bad sample.
    this.due = this.context.clock.monotonic();
    this.wake(this.question.timeout);
  }

  stop(): void {
    this.running = false;
    this.cancelTimer?.();
    this.askBy = undefined;
    this.waiting = undefined;
    this.send = undefined;
    this.end()?.reject(new SluiceError('bus-closed', 'the gateway stops using this port'));
  }

  opened(send: (bytes: Uint8Array) => void): void {
    this.send = send;
    this.hearing.opened(this.context.clock.monotonic());
    this.next();
  }

  interrupted(why: string): void {
    this.send = undefined;
    this.isAnswered = false;
    const { waiting } = this;
    this.waiting = undefined;
    const gone = badSample(this.shape, this.context.clock.monotonic(), 'disconnected');
    // No value is good any more, whether one was asked for or not.
    if (waiting?.due) this.finish(gone);
    else this.context.emit(gone);
    this.end()?.reject(new SluiceError('bus-closed', why));
    this.next();
  }

  receive(chunk: Uint8Array): void {
    const at = this.context.clock.monotonic();
    for (const sample of this.hearing.hear(chunk, at)) {
      if (this.waiting === undefined) {
        this.counters.lateReplies++;
        this.isAnswered = false;
      } else this.answered(sample, this.waiting);
    }
  }

  read(): Promise<Sample[]> {
    if (this.reading !== undefined) return this.reading.promise;
    const { promise, resolve, reject } = Promise.withResolvers<Sample[]>();
    this.reading = { promise, resolve, reject };
    if (this.waiting === undefined) this.ask(false);
    return promise;
  }

  status(): DeviceStatus {
    const { crcErrors, badFrames: badReplies, skippedBytes, resyncs, halfFrames } = this.hearing.counters;
    const silent = this.failures >= UNANSWERED;
    const now = this.context.clock.monotonic();
    return {
      name: this.name,
      state: silent ? 'silent' : this.lastReply === undefined ? 'unknown' : 'answering',
      fault: this.fault,
      lastReply: this.lastReply,
      ...{ recovery: this.replies.recovery(now), share: this.replies.share() },
      restsUntil: silent && this.waiting === undefined && this.due > now ? this.due : undefined,
      counters: {
        ...{ ...this.counters, exceptions: 0, crcErrors, badReplies, skippedBytes, resyncs, halfFrames },
        ...this.latency.report,
      },
    };
  }

  turns(): { next: number; last: number; by: number } {
    const { timeout, wireTime } = this.question;
    // The first request waits for a port that may open in a moment, for as long as for a reply.
    return { next: this.due, last: this.turned, by: Math.max(this.turned, this.due) + QUIET_WITHIN + timeout + wireTime };
  }

  /** Frames of one request have one form, so there is one shape. */
  private get shape(): Shape {
    return this.shapes[0] ?? { device: this.name, points: [] };
  }

  /** Asks when that is due, or sets the timer for it. */
  private next(): void {
    if (!this.running || this.waiting !== undefined) return;
    const left = this.due - this.context.clock.monotonic();
    if (left > 0) this.wake(left);
    else this.ask(true);
  }

  private wake(ms: number): void {
    this.cancelTimer?.();
    this.cancelTimer = this.context.clock.after(ms, () => this.next());
  }

  private ask(due: boolean): void {
    const now = this.context.clock.monotonic();
    if (this.send === undefined) {
      if (due) this.finish(badSample(this.shape, now, 'disconnected'));
      this.end()?.reject(new SluiceError('bus-closed', 'the port is not open'));
      this.next();
      return;
    }
    const { bytes, timeout, wireTime } = this.question;
    const isDone = this.isAnswered && now >= this.lateUntil;
    const quietIn = this.hearing.quietIn(now);
    if (!isDone && quietIn !== undefined && quietIn > 0 && now < (this.askBy ?? Number.POSITIVE_INFINITY)) {
      this.askBy ??= now + QUIET_WITHIN;
      this.cancelTimer?.();
      this.cancelTimer = this.context.clock.after(quietIn, () => this.ask(due));
      return;
    }
    // A reply would have gone on: it was a prompt.
    if (this.askBy !== undefined && quietIn === 0) this.lateUntil = Number.NEGATIVE_INFINITY;
    this.askBy = undefined;
    this.hearing.asked(now, isDone);
    this.isAnswered = false;
    this.turned = now;
    this.counters.requests++;
    this.waiting = { due, sentAt: now };
    this.cancelTimer?.();
    this.cancelTimer = this.context.clock.after(timeout + wireTime, () => this.unanswered());
    this.send(bytes);
  }

  private answered(sample: Sample, { due, sentAt }: { due: boolean; sentAt: number }): void {
    const { wireTime, character } = this.question;
    this.waiting = undefined;
    this.isAnswered = true;
    // It may be the one to the request before, and that to this one is still to come.
    if (sample.at < this.lateUntil) this.lateUntil = sentAt + LATE * this.question.timeout;
    this.counters.replies++;
    this.latency.answered(sample.at - sentAt, wireTime + this.hearing.heard * character);
    this.replies.good(sample.at, this.failures >= UNANSWERED);
    if (this.failures >= UNANSWERED) this.context.logger.info({ device: this.name }, 'The device answers again.');
    this.failures = 0;
    this.fault = undefined;
    this.lastReply = sample.at;
    this.hearing.good();
    if (due) this.finish(sample);
    this.end()?.resolve([sample]);
    this.next();
  }

  private unanswered(): void {
    const { waiting } = this;
    if (waiting === undefined) return;
    this.waiting = undefined;
    this.lateUntil = waiting.sentAt + LATE * this.question.timeout;
    const reason = this.hearing.reason();
    if (reason === 'timeout') this.counters.timeouts++;
    this.replies.failed(KINDS[reason] ?? 'failed', this.context.clock.monotonic());
    this.failures++;
    this.fault = this.hearing.symptom(
      'it does not answer: check power, the wires (TX of the device to RX and RX to TX), baudRate and `request`',
    );
    if (this.failures === UNANSWERED)
      this.context.logger.warn({ device: this.name, symptom: this.fault }, 'The device is silent.');
    if (waiting.due) this.finish(badSample(this.shape, this.context.clock.monotonic(), reason));
    const code = reason === 'crc' || reason === 'bad-reply' ? reason : 'timeout';
    this.end()?.reject(new SluiceError(code, `no reply within ${formatDuration(this.question.timeout)}: ${this.fault}`));
    this.next();
  }

  /** A due request has ended: its sample, and when the next one is due. */
  private finish(sample: Sample): void {
    const now = this.context.clock.monotonic();
    this.turned = now;
    const { interval } = this.question;
    if (this.failures >= UNANSWERED)
      this.due = now + Math.max(interval, Math.min(LONGEST, interval * 2 ** Math.min(this.failures - UNANSWERED, 20)));
    else {
      const ticks = Math.max(1, Math.floor((now - this.due) / interval) + 1);
      this.due += ticks * interval;
      this.counters.missedPolls += ticks - 1;
    }
    this.context.emit(sample);
  }

  private end(): Reading | undefined {
    const { reading } = this;
    this.reading = undefined;
    return reading;
  }
}
