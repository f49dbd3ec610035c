/**
 * What one subscription of a client waits for. Invariants:
 * - nothing leaves without credit: a client that is slow gets less, and nobody else waits for it;
 * - `current`: of each point the newest reading waits, and nothing else. `every`: the newest WAITING_READINGS wait; older ones are
 *   dropped and counted;
 * - with `every` milliseconds, one reading of a point leaves in this time, the newest of it.
 */
import type { Clock } from '../../core/clock.ts';
import { reasonAt, type Sample, type Shape } from '../../core/point.ts';
import { ABSENT, GOOD } from '../../core/reasons.ts';
import * as limits from './limits.ts';
import type { AlarmsWanted, ReadingsWanted } from './lines.ts';
import { isMeant } from './patterns.ts';
import { type LineReading, readingOf } from './readings.ts';

export class Credit {
  left: number;

  constructor(left: number) {
    this.left = left;
  }

  add(n: number): void {
    this.left = Math.min(limits.MOST_CREDIT, this.left + n);
  }
}

export interface SubscriptionSide {
  readonly clock: Clock;
  /** There is something to send. */
  readonly ready: () => void;
  /** One more was dropped: counted at once, since a client that stands still hears of it later or never. */
  readonly left: () => void;
}

export class ReadingSubscription {
  readonly kind = 'readings';
  readonly credit: Credit;
  /** Readings that were dropped since the last line, and those that no line to the client has reported yet. */
  dropped = 0;
  unreported = 0;
  readonly #wanted: ReadingsWanted;
  readonly #side: SubscriptionSide;
  /** By `device.point` in the mode `current`; else by a number, the oldest first. */
  readonly #waiting = new Map<string | number, LineReading>();
  readonly #places = new WeakMap<Shape, readonly number[]>();
  /** With `every`: when a point has left last, and what came since. */
  readonly #sentAt = new Map<string, number>();
  readonly #held = new Map<string, LineReading>();
  #number = 0;
  #cancel: (() => void) | undefined;

  constructor(wanted: ReadingsWanted, credit: number, side: SubscriptionSide) {
    this.#wanted = wanted;
    this.credit = new Credit(credit);
    this.#side = side;
  }

  sample(sample: Sample, offset: number, known: boolean): void {
    for (const i of this.#placesOf(sample.shape)) {
      const reason = reasonAt(sample, i);
      if (reason === ABSENT || (this.#wanted.good && reason !== GOOD)) continue;
      this.offer(readingOf(sample, i, offset, known));
    }
  }

  isMeant(device: string, point: string): boolean {
    return isMeant(this.#wanted.points, device, point);
  }

  /** @param reading of a point that is meant */
  offer(reading: LineReading): void {
    const { every, good } = this.#wanted;
    if (good && reading.quality !== 'good') return;
    if (every === 0) {
      this.#wait(reading);
      return;
    }
    const now = this.#side.clock.monotonic();
    const due = (this.#sentAt.get(reading.point) ?? Number.NEGATIVE_INFINITY) + every;
    if (now >= due) {
      this.#sentAt.set(reading.point, now);
      this.#wait(reading);
      return;
    }
    this.#held.set(reading.point, reading);
    this.#cancel ??= this.#side.clock.after(due - now, () => this.#release());
  }

  get isReady(): boolean {
    return this.credit.left > 0 && this.#waiting.size > 0;
  }

  /** Readings for one line. @param fits false: the line has no room for this one, which waits for the next */
  take(most: number, fits: (reading: LineReading) => boolean = () => true): LineReading[] {
    const taken: LineReading[] = [];
    for (const [key, reading] of this.#waiting) {
      if (taken.length >= most || !fits(reading)) break;
      this.#waiting.delete(key);
      taken.push(reading);
    }
    return taken;
  }

  end(): void {
    this.#cancel?.();
    this.#waiting.clear();
    this.#held.clear();
  }

  #wait(reading: LineReading): void {
    if (this.#wanted.mode === 'current') {
      // The place of the one before: a point that changes often never keeps another one waiting.
      this.#waiting.set(reading.point, reading);
    } else {
      this.#waiting.set(++this.#number, reading);
      if (this.#waiting.size > limits.WAITING_READINGS)
        for (const oldest of this.#waiting.keys().take(1)) {
          this.#waiting.delete(oldest);
          this.dropped++;
          this.unreported++;
          this.#side.left();
        }
    }
    this.#side.ready();
  }

  #release(): void {
    this.#cancel = undefined;
    const { clock } = this.#side;
    const now = clock.monotonic();
    let next = Number.POSITIVE_INFINITY;
    for (const [point, reading] of this.#held) {
      const due = (this.#sentAt.get(point) ?? 0) + this.#wanted.every;
      if (now < due) {
        next = Math.min(next, due);
        continue;
      }
      this.#held.delete(point);
      this.#sentAt.set(point, now);
      this.#wait(reading);
    }
    // Many points that are due one after the other cost one timer.
    if (this.#held.size > 0) this.#cancel = clock.after(Math.max(20, next - now), () => this.#release());
  }

  #placesOf(shape: Shape): readonly number[] {
    let places = this.#places.get(shape);
    if (places === undefined) {
      places = shape.points.flatMap(({ name }, i) => (this.isMeant(shape.device, name) ? [i] : []));
      this.#places.set(shape, places);
    }
    return places;
  }
}

export class AlarmSubscription {
  readonly kind = 'alarms';
  readonly credit: Credit;
  unreported = 0;
  readonly #wanted: AlarmsWanted;
  readonly #side: SubscriptionSide;
  #waiting: object[] = [];

  constructor(wanted: AlarmsWanted, credit: number, side: SubscriptionSide) {
    this.#wanted = wanted;
    this.credit = new Credit(credit);
    this.#side = side;
  }

  isMeant(rule: string): boolean {
    return this.#wanted.alarms.some((one) => one === '*' || one === rule);
  }

  /** A rule may trigger the flow of this name through it. */
  listens(flow: string): boolean {
    return this.#wanted.triggers?.includes(flow) === true;
  }

  offer(alarm: object): void {
    this.#waiting.push(alarm);
    if (this.#waiting.length > limits.WAITING_ALARMS) {
      this.#waiting.shift();
      this.unreported++;
      this.#side.left();
    }
    this.#side.ready();
  }

  get isReady(): boolean {
    return this.credit.left > 0 && this.#waiting.length > 0;
  }

  take(): object | undefined {
    return this.#waiting.shift();
  }

  end(): void {
    this.#waiting = [];
  }
}

export type Subscription = ReadingSubscription | AlarmSubscription;
