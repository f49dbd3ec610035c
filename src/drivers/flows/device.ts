/**
 * A device whose points flows make: readings in, samples out. Invariants:
 * - nothing is emitted but what a flow gave, and once all bad (`timeout`) when it gave nothing for `silentAfter`;
 * - a reading that is refused changes nothing, and is no sign of life;
 * - the time of a reading is not before that of the reading of the same point before it.
 */
import type { Clock } from '../../core/clock.ts';
import type { Duty } from '../../core/duty.ts';
import { SluiceError } from '../../core/errors.ts';
import type { AcceptedMemory, FlowReading, FlowRefusal, FlowTaken } from '../../core/flow-points.ts';
import type { Logger } from '../../core/logger.ts';
import { badSample, type Sample, type Shape } from '../../core/point.ts';
import type { DeviceStatus, SampleSink } from '../../core/ports.ts';
import { formatDuration } from '../../core/units.ts';
import type { Allowance } from '../mqtt/intake.ts';
import { NextSamples } from '../next-samples.ts';
import { Replies } from '../replies.ts';
import { LeftOut, SilenceWatch, senderCounters } from '../sender.ts';
import { ReadingIntake } from './intake.ts';
import { type FlowPoint, PointTable, sampleOf } from './points.ts';
import type { FlowsDeviceSettings, FlowsPointSettings } from './schema.ts';

export interface FlowsDeviceContext {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly emit: SampleSink;
  readonly accepted: AcceptedMemory;
  readonly all: Allowance;
  /** Whether flows can give readings now. */
  readonly isOpen: () => boolean;
  /** Flows begin to give more than the device takes. */
  readonly flooded: (device: string) => void;
  /** The device has a further point. */
  readonly grew: () => void;
}

export class FlowsDevice {
  readonly name: string;
  readonly #settings: FlowsDeviceSettings;
  readonly #c: FlowsDeviceContext;
  readonly #points: PointTable;
  readonly #intake: ReadingIntake<Sample>;
  readonly #replies = new Replies();
  readonly #counts = { replies: 0, timeouts: 0, badReplies: 0 };
  readonly #leftOut: LeftOut;
  readonly #silence: SilenceWatch;
  #next: NextSamples;
  #lastReply: number | undefined;
  #refusal: string | undefined;

  constructor(
    name: string,
    points: ReadonlyMap<string, FlowsPointSettings>,
    settings: FlowsDeviceSettings,
    context: FlowsDeviceContext,
  ) {
    this.name = name;
    this.#settings = settings;
    this.#c = context;
    const { clock, all, accepted } = context;
    this.#points = new PointTable(name, points, settings.accept, accepted.load(name));
    this.#intake = new ReadingIntake({ clock, all, perSecond: settings.perSecond });
    this.#next = new NextSamples(clock, this.#points.all.length);
    this.#leftOut = new LeftOut(() => context.flooded(name));
    this.#silence = new SilenceWatch({ clock, after: settings.silentAfter, fell: (now) => this.#fell(now) });
  }

  get shapes(): readonly Shape[] {
    return this.#points.shapes;
  }

  start(): void {
    this.#silence.start();
  }

  stop(): void {
    this.#silence.stop();
    this.#intake.stop();
    this.#next.reject(new SluiceError('bus-closed', 'the gateway stops listening to this device'));
  }

  reading(reading: FlowReading): FlowTaken {
    const known = this.#points.get(reading.point) ?? this.#accept(reading);
    if (!('shape' in known)) return this.#refused(known);
    const sample = sampleOf(known, reading);
    if (!('shape' in sample)) return this.#refused(sample);
    const replaced = this.#intake.take(known.name, sample, (one) => this.#give(known, one));
    if (replaced) this.#leftOut.add(this.#c.clock.monotonic());
    return replaced ? 'replaced' : 'taken';
  }

  read(timeout: number): Promise<Sample[]> {
    return this.#next.read(timeout, () => {
      // The asker may be a platform that must not have the point, and a refusal quotes what a flow gave.
      const refused = this.#c.isOpen() && this.#refusal !== undefined;
      const why = refused ? 'the gateway refuses what flows give; sluice status shows why' : this.#symptom();
      return new SluiceError('timeout', `no reading of flows within ${formatDuration(timeout)}: ${why}`);
    });
  }

  duty(): Duty {
    return this.#silence.duty(this.name);
  }

  status(): DeviceStatus {
    const { silent } = this.#silence;
    const now = this.#c.clock.monotonic();
    const { point, device } = this.#settings.perSecond;
    const flood = this.#leftOut.isFlood(now)
      ? `flows give more than ${point} readings a second of a point, or ${device} in all`
      : undefined;
    return {
      name: this.name,
      state: silent ? 'silent' : this.#lastReply === undefined ? 'unknown' : 'answering',
      fault: silent ? this.#symptom() : (flood ?? this.#refusal),
      lastReply: this.#lastReply,
      ...{ recovery: this.#replies.recovery(now), share: this.#replies.share() },
      counters: senderCounters({ ...this.#counts, leftOut: this.#leftOut.count }),
    };
  }

  #give(point: FlowPoint, sample: Sample): void {
    const { at } = sample;
    point.lastAt = at;
    this.#counts.replies++;
    this.#replies.good(at, this.#silence.silent || this.#refusal !== undefined);
    this.#refusal = undefined;
    this.#lastReply = Math.max(at, this.#lastReply ?? at);
    if (this.#silence.speaks()) this.#c.logger.info({ device: this.name }, 'Flows give readings of the device again.');
    this.#silence.heard(this.#c.clock.monotonic());
    this.#c.emit(sample);
    this.#next.take(sample);
  }

  #accept(reading: FlowReading): FlowPoint | FlowRefusal {
    const { accepted, clock, grew } = this.#c;
    const point = this.#points.accept(reading);
    if (!('shape' in point)) return point;
    accepted.save(this.name, this.#points.accepted);
    // A read by hand that waits has the points of its beginning.
    this.#next.reject(new SluiceError('busy', 'the device has just got a further point; ask again'));
    this.#next = new NextSamples(clock, this.#points.all.length);
    grew();
    return point;
  }

  #refused(refusal: FlowRefusal): FlowRefusal {
    this.#counts.badReplies++;
    this.#replies.failed('wrong', this.#c.clock.monotonic());
    this.#refusal = refusal.message;
    return refusal;
  }

  #fell(now: number): void {
    this.#counts.timeouts++;
    this.#replies.failed('missing', now);
    this.#c.logger.warn({ device: this.name, symptom: this.#symptom() }, 'Flows give no readings of the device.');
    for (const { shape } of this.#points.all) this.#c.emit(badSample(shape, now, 'timeout'));
  }

  #symptom(): string {
    if (!this.#c.isOpen()) return 'Node-RED does not run';
    if (this.#refusal !== undefined) return this.#refusal;
    return `no flow gives a reading of ${this.name}: is the flow with "sluice reading out" deployed, and does it run?`;
  }
}
