/**
 * A device that publishes: messages in, samples out, and what is known of the device. Invariants:
 * - only a message that a client publishes now is a reading, and its time is that of its arrival;
 * - the device is gone (`disconnected`) when its availability says so, and silent (`timeout`) when nothing came for `silentAfter`;
 *   both give one sample of each shape in which all is bad, and then nothing until it sends again;
 * - what is newer counts: a message of the device after its last will shows that it is there.
 */
import { type CounterMemory, CounterStates } from '../../codecs/counter.ts';
import type { Clock } from '../../core/clock.ts';
import type { DeviceMessage } from '../../core/device-topics.ts';
import type { Duty } from '../../core/duty.ts';
import { SluiceError } from '../../core/errors.ts';
import type { Logger } from '../../core/logger.ts';
import { badSample, type Sample, type Shape } from '../../core/point.ts';
import type { DeviceStatus, SampleSink } from '../../core/ports.ts';
import { formatDuration } from '../../core/units.ts';
import { NextSamples } from '../next-samples.ts';
import { Replies } from '../replies.ts';
import { LeftOut, SilenceWatch, senderCounters } from '../sender.ts';
import { type Allowance, Intake } from './intake.ts';
import { MAX_PAYLOAD, MESSAGES_PER_SECOND } from './limits.ts';
import type { MqttPlan } from './plan.ts';
import { Presence } from './presence.ts';
import { Repeats } from './repeats.ts';
import type { MqttDeviceSettings } from './schema.ts';
import { MessageSource } from './source.ts';
import type { WaitingBytes } from './waiting-bytes.ts';

export interface MqttDeviceContext {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly emit: SampleSink;
  readonly counters?: CounterMemory | undefined;
  /** What devices may send together. */
  readonly all: Allowance;
  /** The bytes that wait of all devices. */
  readonly waiting: WaitingBytes;
  /** Whether clients can publish now. */
  readonly isOpen: () => boolean;
  /** The device began to send more than it may. */
  readonly flooded: (device: string) => void;
}

export class MqttDevice {
  readonly plan: MqttPlan;
  readonly shapes: readonly Shape[];
  readonly #settings: MqttDeviceSettings;
  readonly #c: MqttDeviceContext;
  readonly #sources: readonly MessageSource[];
  readonly #presence: Presence;
  readonly #repeats = new Repeats();
  readonly #intake: Intake;
  readonly #next: NextSamples;
  readonly #replies = new Replies();
  readonly #watching = new Set<(sample: Sample) => void>();
  readonly #counts = { replies: 0, timeouts: 0, badReplies: 0, repeats: 0 };
  readonly #leftOut: LeftOut;
  readonly #silence: SilenceWatch;
  #lastReply: number | undefined;
  /** Its availability says so, or the broker did not run when it became silent. */
  #isGone = false;
  #misunderstood: string | undefined;

  constructor(plan: MqttPlan, settings: MqttDeviceSettings, context: MqttDeviceContext) {
    this.plan = plan;
    this.#settings = settings;
    this.#c = context;
    const { counters = new CounterStates(), clock, all, waiting } = context;
    const { stamp, retained } = settings;
    this.#sources = plan.sources.map(
      (source) => new MessageSource(source, { device: plan.device, stamp, retained: retained === 'uncertain', counters }),
    );
    this.shapes = this.#sources.map(({ shape }) => shape);
    this.#presence = new Presence(plan.availability);
    this.#next = new NextSamples(clock, this.shapes.length);
    this.#intake = new Intake({
      ...{ clock, all, waiting },
      give: (message) => this.#take(message),
      leftOut: () => this.#leftOut.add(clock.monotonic()),
    });
    this.#leftOut = new LeftOut(() => context.flooded(plan.device));
    this.#silence = new SilenceWatch({ clock, after: settings.silentAfter, fell: (now) => this.#fell(now) });
  }

  get name(): string {
    return this.plan.device;
  }

  /** The topic that reports the device as gone. */
  get goneBy(): string | undefined {
    return this.#presence.goneBy;
  }

  start(): void {
    this.#silence.start();
  }

  stop(): void {
    // What it gives begins the watch anew.
    this.#intake.stop();
    this.#silence.stop();
    this.#next.reject(new SluiceError('bus-closed', 'the gateway stops listening to this device'));
  }

  /** A message of one of its topics. */
  message(message: DeviceMessage): void {
    const { topic, payload, at } = message;
    // It clears a retained message, and says nothing else. On the topics of writes others speak.
    if (payload.length === 0 || this.plan.written.has(topic)) return;
    // This comes before it can wait, and so bounds the bytes that wait.
    if (payload.length > MAX_PAYLOAD)
      this.#refused(topic, `has ${payload.length} bytes, and more than ${MAX_PAYLOAD} are not read`, at);
    else this.#intake.take(message);
  }

  /** Every sample of a message that was published now, until the returned function is called. */
  watch(listener: (sample: Sample) => void): () => void {
    this.#watching.add(listener);
    return () => this.#watching.delete(listener);
  }

  read(timeout: number): Promise<Sample[]> {
    return this.#next.read(
      timeout,
      () => new SluiceError('timeout', `no message within ${formatDuration(timeout)}: ${this.#symptom()}`),
    );
  }

  duties(): Duty[] {
    return [this.#silence.duty(this.name), this.#intake.duty(this.name)];
  }

  status(): DeviceStatus {
    const { silent } = this.#silence;
    const now = this.#c.clock.monotonic();
    const flood = this.#leftOut.isFlood(now) ? `it sends more than ${MESSAGES_PER_SECOND} messages a second` : undefined;
    return {
      name: this.name,
      state: silent ? 'silent' : this.#lastReply === undefined ? 'unknown' : 'answering',
      fault: silent ? this.#symptom() : (flood ?? this.#misunderstood),
      lastReply: this.#lastReply,
      ...{ recovery: this.#replies.recovery(now), share: this.#replies.share() },
      counters: senderCounters({ ...this.#counts, leftOut: this.#leftOut.count }),
    };
  }

  #take(message: DeviceMessage): void {
    const { topic, at, retained } = message;
    if (!retained && this.#repeats.isRepeat(message)) {
      this.#counts.repeats++;
      return;
    }
    const word = this.#presence.take(message);
    if (word === 'not-understood') this.#refused(topic, 'says neither online nor offline', at);
    else if (word === 'offline') this.#gone(at);
    else if (word === 'online' && !retained) this.#silence.heard(at);
    this.#read(message);
  }

  #read(message: DeviceMessage): void {
    const { topic, at } = message;
    const outcomes = this.#sources.filter((source) => source.matches(topic)).map((source) => source.take(message));
    if (outcomes.length === 0) return;
    if (outcomes.every(({ kind }) => kind === 'refused')) {
      this.#refused(topic, 'is not in the form that `decode` says', at);
      return;
    }
    if (outcomes.some(({ kind }) => kind === 'repeat')) this.#counts.repeats++;
    // A kept message says nothing of a device that is gone.
    for (const outcome of outcomes) if (outcome.kind === 'kept' && !this.#silence.silent) this.#c.emit(outcome.sample);
    const samples = outcomes.flatMap((outcome) => (outcome.kind === 'reading' ? [outcome.sample] : []));
    // A repeat is no sign of life of the device: its bridge may have sent it.
    if (samples.length > 0 || outcomes.some(({ kind }) => kind === 'other')) this.#live(at);
    if (samples.length > 0) this.#counts.replies++;
    for (const sample of samples) {
      this.#c.emit(sample);
      this.#next.take(sample);
      for (const watch of [...this.#watching]) watch(sample);
    }
  }

  /** The device itself has sent something that is understood. */
  #live(at: number): void {
    this.#replies.good(at, this.#silence.silent || this.#misunderstood !== undefined);
    this.#misunderstood = undefined;
    this.#presence.seen();
    this.#lastReply = at;
    if (this.#silence.speaks()) this.#c.logger.info({ device: this.name }, 'The device sends again.');
    this.#isGone = false;
    this.#silence.heard(at);
  }

  #refused(topic: string, why: string, at: number): void {
    this.#counts.badReplies++;
    this.#replies.failed('wrong', at);
    this.#misunderstood = `a message on ${topic} ${why}`;
  }

  #gone(at: number): void {
    if (this.#silence.silent && this.#isGone) return;
    this.#isGone = true;
    this.#silence.mute();
    this.#replies.failed('missing', at);
    this.#c.logger.warn({ device: this.name, topic: this.#presence.goneBy }, 'The device is gone, as its availability says.');
    for (const shape of this.shapes) this.#c.emit(badSample(shape, at, 'disconnected'));
  }

  #fell(now: number): void {
    this.#isGone = !this.#c.isOpen();
    this.#counts.timeouts++;
    this.#replies.failed('missing', now);
    this.#c.logger.warn({ device: this.name, symptom: this.#symptom() }, 'The device is silent.');
    for (const shape of this.shapes) this.#c.emit(badSample(shape, now, this.#isGone ? 'disconnected' : 'timeout'));
  }

  #symptom(): string {
    if (!this.#c.isOpen()) return 'the embedded broker does not run';
    const { goneBy } = this.#presence;
    if (goneBy !== undefined) return `${goneBy} says that it is gone: check its power and its network`;
    if (this.#misunderstood !== undefined) return this.#misunderstood;
    const topic = this.plan.sources[0]?.filters[0] ?? this.#settings.topic;
    return `nothing arrives on ${topic}: check the topic, and the account with which the device logs in`;
  }
}
