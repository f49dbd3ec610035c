/**
 * A device that talks by itself: bytes in, samples out, and what is known of the device.
 * - Every valid frame gives a sample; with `interval` the first one that comes when the interval has passed is emitted, at
 *   once, and those between are dropped: at most one record an interval, never late, no timer.
 * - A shape without a frame for `silentAfter`, and at once every shape whose port is gone, gives one sample in which all is
 *   bad, and then nothing until it talks again.
 */
import type { TalkerConfig } from '../../codecs/serial/types.ts';
import type { Duty } from '../../core/duty.ts';
import { SluiceError } from '../../core/errors.ts';
import type { Sample, Shape } from '../../core/point.ts';
import { badSample } from '../../core/point.ts';
import type { DeviceStatus } from '../../core/ports.ts';
import { formatDuration } from '../../core/units.ts';
import { NextSamples } from '../next-samples.ts';
import { Replies } from '../replies.ts';
import { Hearing } from './hearing.ts';
import type { DeviceContext, LineDevice } from './line-device.ts';
import type { SerialDeviceSettings } from './schema.ts';

/** A talker that keeps time to within this part of its interval is not thinned to half its rate. */
const EARLY = 0.1;

interface Track {
  readonly shape: Shape;
  lastFrame: number;
  /** When the next record is due. */
  due: number;
  /** The reason of its last sample, when all of it was bad. */
  silent: false | 'timeout' | 'disconnected';
}

export class TalkingDevice implements LineDevice {
  readonly name: string;
  readonly shapes: readonly Shape[];
  private readonly settings: SerialDeviceSettings;
  private readonly context: DeviceContext;
  private readonly hearing: Hearing;
  private readonly tracks: Map<Shape, Track>;
  private readonly next: NextSamples;
  private cancelSilence: (() => void) | undefined;
  /** Monotonic time of the next look at silence; Infinity: all of it is silent already. */
  private looksAt = Number.POSITIVE_INFINITY;
  private lastReply: number | undefined;
  private readonly replies = new Replies();
  private timeouts = 0;
  private silent = false;

  constructor(config: TalkerConfig, settings: SerialDeviceSettings, context: DeviceContext) {
    this.name = config.device;
    this.settings = settings;
    this.context = context;
    this.hearing = new Hearing(config, context);
    this.shapes = this.hearing.shapes;
    this.next = new NextSamples(context.clock, this.shapes.length);
    this.tracks = new Map(
      this.shapes.map((shape) => [shape, { shape, lastFrame: 0, due: Number.NEGATIVE_INFINITY, silent: false }]),
    );
  }

  start(): void {
    const now = this.context.clock.monotonic();
    for (const track of this.tracks.values()) track.lastFrame = now;
    this.watchSilence();
  }

  stop(): void {
    this.cancelSilence?.();
    this.cancelSilence = undefined;
    this.looksAt = Number.POSITIVE_INFINITY;
    this.next.reject(new SluiceError('bus-closed', 'the gateway stops using this port'));
  }

  opened(): void {
    const now = this.context.clock.monotonic();
    this.hearing.opened(now);
    for (const track of this.tracks.values()) track.lastFrame = now;
    this.watchSilence();
  }

  interrupted(why: string): void {
    this.next.reject(new SluiceError('bus-closed', why));
    const now = this.context.clock.monotonic();
    for (const track of this.tracks.values()) if (track.silent !== 'disconnected') this.declareSilent(track, now);
  }

  receive(chunk: Uint8Array): void {
    const now = this.context.clock.monotonic();
    const before = this.hearing.counters;
    const samples = this.hearing.hear(chunk, now);
    const { crcErrors, badFrames } = this.hearing.counters;
    if (crcErrors > before.crcErrors) this.replies.failed('damaged', now);
    else if (badFrames > before.badFrames) this.replies.failed('wrong', now);
    for (const sample of samples) this.accept(sample);
  }

  /** One sample for each shape, of the next frames; after `timeout` those that have come, or an error when none has. */
  read(timeout: number): Promise<Sample[]> {
    return this.next.read(
      timeout,
      () => new SluiceError('timeout', `no frame within ${formatDuration(timeout)}: ${this.symptom()}`),
    );
  }

  status(): DeviceStatus {
    const { frames, crcErrors, badFrames, skippedBytes, resyncs, halfFrames } = this.hearing.counters;
    return {
      name: this.name,
      state: this.silent ? 'silent' : this.lastReply === undefined ? 'unknown' : 'answering',
      fault: this.silent ? this.symptom() : undefined,
      lastReply: this.lastReply,
      ...{ recovery: this.replies.recovery(this.context.clock.monotonic()), share: this.replies.share() },
      counters: {
        requests: 0,
        replies: frames,
        timeouts: this.timeouts,
        exceptions: 0,
        crcErrors,
        badReplies: badFrames,
        lateReplies: 0,
        skippedBytes,
        resyncs,
        halfFrames,
        latencyLast: 0,
        latencyMax: 0,
        latencySum: 0,
      },
    };
  }

  duties(): Duty[] {
    return [{ name: `the watch on the device ${this.name}`, due: this.looksAt }];
  }

  private accept(sample: Sample): void {
    const track = this.tracks.get(sample.shape);
    if (track === undefined) return;
    this.replies.good(sample.at, this.silent);
    if (this.silent) this.context.logger.info({ device: this.name }, 'The device talks again.');
    this.silent = false;
    this.lastReply = sample.at;
    this.hearing.good();
    track.lastFrame = sample.at;
    if (track.silent) {
      track.silent = false;
      track.due = Number.NEGATIVE_INFINITY;
      this.watchSilence();
    }
    if (this.isDue(track, sample.at)) this.context.emit(sample);
    this.next.take(sample);
  }

  private isDue(track: Track, at: number): boolean {
    const { interval } = this.settings;
    if (interval === undefined) return true;
    if (at < track.due - interval * EARLY) return false;
    track.due = Number.isFinite(track.due) ? Math.max(track.due + interval, at + interval * (1 - EARLY)) : at + interval;
    return true;
  }

  private watchSilence(): void {
    this.cancelSilence?.();
    const now = this.context.clock.monotonic();
    let next = Number.POSITIVE_INFINITY;
    for (const track of this.tracks.values()) {
      if (track.silent === 'timeout' || (track.silent === 'disconnected' && !this.context.isOpen())) continue;
      const left = track.lastFrame + this.settings.silentAfter - now;
      if (left > 0) next = Math.min(next, left);
      else this.declareSilent(track, now);
    }
    this.looksAt = now + next;
    this.cancelSilence = Number.isFinite(next) ? this.context.clock.after(next, () => this.watchSilence()) : undefined;
  }

  private declareSilent(track: Track, now: number): void {
    const open = this.context.isOpen();
    track.silent = open ? 'timeout' : 'disconnected';
    if (open) this.timeouts++;
    this.context.emit(badSample(track.shape, now, track.silent));
    if (this.silent || Array.from(this.tracks.values()).some((other) => !other.silent)) return;
    this.silent = true;
    this.replies.failed('missing', now);
    // The bus reports a port that is gone.
    if (open)
      this.context.logger.warn(
        { device: this.name, silentAfter: this.settings.silentAfter, symptom: this.symptom() },
        'The device is silent.',
      );
  }

  private symptom(): string {
    if (!this.context.isOpen()) return 'the port is not open';
    return this.hearing.symptom('nothing arrives: check power, the wires (TX of the device to RX) and the port');
  }
}
