/**
 * Points that come in the same messages: messages in, samples out.
 * - A message that the broker had kept is no reading of now. It gives nothing, or an uncertain reading where that is asked for
 *   and the device has not sent yet; it counts for no counter.
 * - A message with the stamp and the values of the one before is a repeat. A stamp is compared and never read as a time: the
 *   clocks of devices are wrong, and some have none.
 */
import type { CounterMemory } from '../../codecs/counter.ts';
import { createDecoder, PointGroups } from '../../codecs/serial/point-groups.ts';
import type { Decoded, Decoder } from '../../codecs/serial/types.ts';
import type { DeviceMessage } from '../../core/device-topics.ts';
import type { Sample, Shape } from '../../core/point.ts';
import { reasonCode } from '../../core/reasons.ts';
import { matches } from '../../core/topic-filter.ts';
import type { Source } from './plan.ts';

const RETAINED = reasonCode('retained');

export type SourceOutcome =
  | { readonly kind: 'reading'; readonly sample: Sample }
  /** It came before. */
  | { readonly kind: 'repeat' }
  /** The broker had kept it, and it may say so. */
  | { readonly kind: 'kept'; readonly sample: Sample }
  /** Nothing of it is a point. */
  | { readonly kind: 'other' }
  | { readonly kind: 'refused' };

export interface SourceOptions {
  readonly device: string;
  readonly stamp: string | undefined;
  /** Messages that the broker had kept give uncertain readings. */
  readonly retained: boolean;
  readonly counters: CounterMemory;
}

export class MessageSource {
  readonly shape: Shape;
  readonly #filters: readonly string[];
  readonly #decoder: Decoder;
  readonly #points: PointGroups;
  readonly #o: SourceOptions;
  /** Stamp and values of the newest message. */
  #last: string | undefined;
  #live = false;

  constructor(source: Source, options: SourceOptions) {
    const { filters, decode, points } = source;
    this.#filters = filters;
    this.#decoder = createDecoder(source);
    this.#points = new PointGroups({ device: options.device, decode, points, place: filters.join(' ') }, options.counters);
    this.#o = options;
    // Messages have one kind of content.
    this.shape = this.#points.shapes[0] ?? { device: options.device, points: [] };
  }

  matches(topic: string): boolean {
    return this.#filters.some((filter) => matches(filter, topic));
  }

  take({ payload, at, retained }: DeviceMessage): SourceOutcome {
    const decoded = this.#decoder.decode(payload);
    if (decoded.kind === 'refused') return { kind: 'refused' };
    const isRepeat = this.#isRepeat(decoded, retained);
    if (retained) {
      const doubtful = this.#o.retained && !this.#live ? this.#points.read(decoded, at, RETAINED) : undefined;
      return doubtful === undefined ? { kind: 'repeat' } : { kind: 'kept', sample: doubtful };
    }
    if (isRepeat) return { kind: 'repeat' };
    const sample = this.#points.read(decoded, at);
    if (sample === undefined) return { kind: 'other' };
    this.#live = true;
    return { kind: 'reading', sample };
  }

  #isRepeat(decoded: Decoded, retained: boolean): boolean {
    const { stamp } = this.#o;
    if (stamp === undefined || decoded.kind !== 'fields') return false;
    const mark = decoded.get(stamp);
    if (mark === undefined || mark === null || typeof mark === 'symbol') return false;
    const now = JSON.stringify([String(mark), ...this.#points.raw(decoded)]);
    const before = this.#last;
    this.#last = now;
    return !retained && now === before;
  }
}
