/**
 * Finds unusual readings of one point and says why. Three numbers are compared with where they lay in the last 30 to 60 days:
 * the reading itself, its distance from what is usual at this hour, and a slow average. The score of a reading is how far the
 * worst of them lies outside, as a share of the width of its range. Its invariants:
 *
 * - Streaming and pure: it knows only what came before, reads no clock, and the same readings give the same scores.
 * - Robust: a reading is taken in no further outside than its range is wide, so a single outlier cannot make it blind.
 * - News only: a score is reported when it is higher than any within the last six hours.
 * - Bounded: 24 hours, three ranges and a few numbers a point; constant time a reading.
 * - Each number that comes in or out is finite.
 */
import * as z from 'zod';
import { rangeSchema, SLOT, UsualRange } from './usual-range.ts';

/** Names the way of detection in messages; the version changes with anything that changes a score. */
export const METHOD = 'usual-range 1';

export const HOURS = 24;
/** Nothing is reported before so much was learned, ms: a whole day, so that each hour is known. */
export const LEARNS_FIRST = 86_400_000;
/** Nothing is said of an hour before so much was learned, ms: a day to know it, and two to know how far it differs from day to day. */
export const HOURS_FIRST = 3 * LEARNS_FIRST;
/** Ms in which only a higher score is news. */
export const NEWS = 6 * 3_600_000;
/** Time constant of the slow average, ms. */
export const AVERAGE_OF = 2 * 3_600_000;
/** Time constant of what is usual at an hour, ms: an hour a day makes this eight days. */
const HOUR_OF = 8 * 3_600_000;
/** A longer pause between readings (ms) counts as this much: a reading after it stands for no more. */
const LONGEST_STEP = 1_800_000;
/** By this share of itself a reading moves the slow average before the range of averages follows. */
const AVERAGE_SHARE = SLOT / AVERAGE_OF;
/** Greater numbers count as this one, so that no difference overflows. */
const GREATEST = 1e300;
/** A width that is smaller than this share of the number counts as this much. */
const LEAST_WIDTH = 1e-6;

/** What is unusual about a reading, the plainest first. */
export const ASPECTS = ['value', 'hour', 'average'] as const;
export type Aspect = (typeof ASPECTS)[number];

export interface Finding {
  readonly aspect: Aspect;
  /** How far the worst of the three lies outside, as a share of the width of its range. */
  readonly score: number;
  /** What was compared, and the usual range, both as the point measures. */
  readonly measured: number;
  readonly low: number;
  readonly high: number;
  /** What is usual at the hour, where that is the aspect; else 0. The numbers above contain it. */
  readonly base: number;
  /** What the range remembers, ms. */
  readonly span: number;
}

export interface DetectorOptions {
  /** False: nothing depends on the hour of the day. */
  readonly hourly: boolean;
  /** Distance outside of a range that does not count, in the unit of the point. */
  readonly margin: number;
  /** A score from which an aspect is reason enough: the plainest of these is reported. */
  readonly enough: number;
}

const finite = z.number().min(-1e301).max(1e301);
export const detectorSchema = z.strictObject({
  learned: z.number().min(0),
  average: finite.nullable(),
  averaged: z.number().min(0),
  step: z.number().min(0).max(1e301).nullable(),
  last: finite.nullable(),
  lastAgo: z.number().min(0).nullable(),
  high: z.number().min(0),
  highAgo: z.number().min(0).nullable(),
  usual: z.array(finite.nullable()).length(HOURS),
  times: z.array(z.number().min(0)).length(HOURS),
  ranges: z.strictObject({ value: rangeSchema, hour: rangeSchema, average: rangeSchema }),
});

export type SavedDetector = z.output<typeof detectorSchema>;

export class Detector {
  readonly #options: DetectorOptions;
  readonly #ranges: Record<Aspect, UsualRange>;
  /** What is usual at each hour, and how long it was learned there. */
  readonly #usual: (number | null)[];
  readonly #times: number[];
  #learned: number;
  /** The slow average, and how long it was learned. */
  #average: number | null;
  #averaged: number;
  /** The least change seen so far. */
  #step: number | null;
  #last: number | null;
  #lastAt: number;
  /** The highest score of late. */
  #high: number;
  #highAt: number;

  /** @param saved of an earlier run, validated; @param at monotonic ms that its "ago" is counted from */
  constructor(options: DetectorOptions, saved?: SavedDetector, at = 0) {
    this.#options = options;
    this.#ranges = {
      value: new UsualRange(saved?.ranges.value),
      hour: new UsualRange(saved?.ranges.hour),
      average: new UsualRange(saved?.ranges.average),
    };
    this.#usual = saved?.usual.slice() ?? new Array<null>(HOURS).fill(null);
    this.#times = saved?.times.slice() ?? new Array<number>(HOURS).fill(0);
    this.#learned = saved?.learned ?? 0;
    this.#average = saved?.average ?? null;
    this.#averaged = saved?.averaged ?? 0;
    this.#step = saved?.step ?? null;
    this.#last = saved?.last ?? null;
    this.#lastAt = at - (saved?.lastAgo ?? LONGEST_STEP);
    this.#high = saved?.high ?? 0;
    this.#highAt = at - (saved?.highAgo ?? NEWS);
  }

  /** Time of learning so far, ms. */
  get learned(): number {
    return this.#learned;
  }

  /** Nothing is learned between the last reading and this time: there was none, or none that can be trusted. */
  pause(at: number): void {
    this.#lastAt = Math.max(this.#lastAt, at);
  }

  /** What an earlier run saw is so much longer ago, ms. @param start of this run: what it saw itself is not moved */
  shift(start: number, off: number): void {
    if (this.#lastAt <= start) this.#lastAt -= off;
    if (this.#highAt <= start) this.#highAt -= off;
  }

  /**
   * @param at monotonic ms; earlier than the last call counts as the same time
   * @param hour local hour of the day, 0 to 23; undefined: not known
   * @param learns false: the reading is judged and nothing is learned from it
   * @returns what is unusual and news; undefined when nothing is
   */
  observe(at: number, hour: number | undefined, reading: number, learns = true): Finding | undefined {
    // JSON knows no -0, and a restart must change nothing.
    const value = Math.min(Math.max(reading, -GREATEST), GREATEST) + 0;
    const elapsed = this.#last === null ? 0 : Math.min(Math.max(at - this.#lastAt, 0), LONGEST_STEP);
    this.#lastAt = Math.max(this.#lastAt, at);
    const slot = this.#options.hourly ? hour : undefined;
    const finding = this.#judge(value, slot, learns ? elapsed : 0);
    if (learns) this.#learn(value, slot, elapsed);
    else this.#last ??= value;
    if (finding === undefined || this.#learned < LEARNS_FIRST) return undefined;
    if (at - this.#highAt <= NEWS && finding.score <= this.#high) return undefined;
    this.#high = finding.score;
    this.#highAt = at;
    return finding;
  }

  /** Where a reading stands to what is usual, without learning. @param hour as in `observe` */
  measure(aspect: Aspect, reading: number, hour: number | undefined): number | undefined {
    if (aspect === 'average') return this.#average ?? undefined;
    if (aspect === 'value') return reading;
    const usual = hour === undefined ? undefined : this.#usual[hour];
    return usual === undefined || usual === null ? undefined : reading - usual;
  }

  /** The distance outside of a range that counts as inside. */
  margin(aspect: Aspect): number {
    const { low, high } = this.#ranges.value;
    if (aspect === 'average') return this.#options.margin * AVERAGE_SHARE;
    // A pump that is on or off has one step, as wide as all it does.
    return Math.max(this.#options.margin, Math.min(this.#step ?? 0, high - low));
  }

  save(at: number): SavedDetector {
    return {
      learned: this.#learned,
      average: this.#average,
      averaged: this.#averaged,
      step: this.#step,
      last: this.#last,
      lastAgo: Math.max(0, at - this.#lastAt),
      high: this.#high,
      highAgo: Math.max(0, at - this.#highAt),
      usual: this.#usual.slice(),
      times: this.#times.slice(),
      ranges: { value: this.#ranges.value.save(), hour: this.#ranges.hour.save(), average: this.#ranges.average.save() },
    };
  }

  #judge(value: number, hour: number | undefined, elapsed: number): Finding | undefined {
    const floor = Math.max(LEAST_WIDTH * Math.abs(this.#average ?? value), Number.MIN_VALUE);
    let reason: Finding | undefined;
    let worst = 0;
    for (const aspect of ASPECTS) {
      let compared = value;
      let base = 0;
      if (aspect === 'hour') {
        const usual = hour === undefined ? null : (this.#usual[hour] as number | null);
        if (usual === null || this.#learned < HOURS_FIRST) continue;
        base = usual;
        compared = value - usual;
      } else if (aspect === 'average') {
        if (this.#averaged < 2 * AVERAGE_OF) continue;
        compared = this.#averageWith(value, elapsed);
      }
      const range = this.#ranges[aspect];
      const score = range.beyond(compared, this.margin(aspect), floor);
      if (score <= worst) continue;
      const plainer = worst >= this.#options.enough;
      worst = score;
      if (plainer) continue;
      const { low, high, span } = range;
      reason = { aspect, score, measured: compared + base, low: low + base, high: high + base, base, span };
    }
    return reason === undefined ? undefined : { ...reason, score: worst };
  }

  #averageWith(value: number, elapsed: number): number {
    const before = this.#average;
    if (before === null) return value;
    // At first it is the plain mean of what came, so that it does not lean on the very first reading.
    const share = elapsed === 0 ? 0 : Math.max(1 - Math.exp(-elapsed / AVERAGE_OF), elapsed / (this.#averaged + 2 * elapsed));
    return before + share * (this.#ranges.value.reach(value) - before);
  }

  #learn(value: number, hour: number | undefined, elapsed: number): void {
    const { value: values, hour: hours, average: averages } = this.#ranges;
    const reached = values.reach(value);
    this.#learned += elapsed;
    // Before the first range there is nothing to tell an outlier by.
    if (values.ready) {
      this.#average = this.#averageWith(value, elapsed);
      this.#averaged += elapsed;
      if (this.#averaged > 2 * AVERAGE_OF) averages.learn(this.#average, elapsed);
    }
    if (hour !== undefined && values.ready) {
      const usual = this.#usual[hour] as number | null;
      if (usual === null) this.#usual[hour] = reached;
      else {
        const distance = reached - usual;
        hours.learn(distance, elapsed);
        const time = (this.#times[hour] as number) + elapsed;
        this.#times[hour] = time;
        if (elapsed > 0)
          this.#usual[hour] = usual + Math.max(1 - Math.exp(-elapsed / HOUR_OF), elapsed / (time + elapsed)) * distance;
      }
    }
    values.learn(value, elapsed);
    const change = Math.abs(value - (this.#last ?? value));
    if (change > 0 && change < (this.#step ?? Number.POSITIVE_INFINITY)) this.#step = change;
    this.#last = value;
  }
}
