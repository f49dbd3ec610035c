/**
 * In alarm: a reading is unusual, and news, by more than the sensitivity allows (anomaly/detector.ts says what is unusual).
 * Back: it is within what was usual when the alarm began, or nothing new came for six hours: what stays is the new usual.
 */

import * as z from 'zod';
import type { Calendar } from '../../core/calendar.ts';
import { duration as lasting, phrase, type Sentence } from '../../core/sentence.ts';
import { ASPECTS, AVERAGE_OF, Detector, detectorSchema, type Finding, METHOD, NEWS } from '../anomaly/detector.ts';
import { findingWords, tidy } from '../anomaly/explain.ts';
import { type ConditionMemory, type MemoryStart, type MemoryVerdict, ruleKind } from '../rule-kind.ts';

/** How far outside of the usual range a reading must lie, as a share of the width of the range. */
export const SENSITIVITIES = { low: 0.1, normal: 0.04, high: 0.02 } as const;
const HOUR = 3_600_000;

const finite = z.number().min(-1e302).max(1e302);
const schema = z.strictObject({
  method: z.literal(METHOD),
  detector: detectorSchema,
  alarm: z
    .strictObject({
      aspect: z.enum(ASPECTS),
      score: z.number().min(0),
      measured: finite,
      low: finite,
      high: finite,
      span: z.number().min(0),
      base: finite,
      newsAt: z.number().min(0),
    })
    .nullable(),
});

interface Alarm extends Finding {
  /** The time of learning (ms) at the latest news: only what is learned becomes usual. */
  newsAt: number;
}

export interface AnomalySetting {
  readonly season: 'day' | 'none';
  readonly sensitivity: keyof typeof SENSITIVITIES;
}

export class AnomalyMemory implements ConditionMemory {
  readonly words = '';
  readonly resave = HOUR;
  /** A reading ends the alarm, never time alone. */
  readonly due = Number.POSITIVE_INFINITY;
  verdict: MemoryVerdict = 'normal';
  readonly #from: MemoryStart;
  readonly #calendar: Calendar;
  readonly #detector: Detector;
  readonly #threshold: number;
  #alarm: Alarm | undefined;
  #ended: Sentence | undefined;

  constructor({ season, sensitivity }: AnomalySetting, margin: number, from: MemoryStart) {
    this.#from = from;
    this.#calendar = from.clock.calendar;
    this.#threshold = SENSITIVITIES[sensitivity];
    const saved = schema.safeParse(from.saved).data;
    const before = from.at - (from.off ?? 0);
    this.#detector = new Detector({ hourly: season === 'day', margin, enough: this.#threshold }, saved?.detector, before);
    if (saved?.alarm == null) return;
    this.#alarm = { ...saved.alarm };
    this.verdict = 'unknown';
  }

  value(at: number, value: unknown): void {
    if (typeof value !== 'number' && typeof value !== 'bigint') return;
    const reading = Number(value);
    const hour = this.#hour(at);
    const learns = !this.#from.suspect();
    const news = this.#detector.observe(at, hour, reading, learns);
    if (news !== undefined && news.score >= this.#threshold) {
      if (this.#alarm === undefined) this.#alarm = { ...news, newsAt: this.#detector.learned };
      else this.#alarm.newsAt = this.#detector.learned;
      this.verdict = 'alarm';
    } else this.verdict = this.#judge(reading, hour);
  }

  bad(at: number): void {
    this.#detector.pause(at);
    this.verdict = 'unknown';
  }

  advance(): void {}

  clockChanged(_at: number, off: number | undefined): void {
    if (off !== undefined) this.#detector.shift(this.#from.at, off);
  }

  explain(unit: string | undefined): Sentence {
    return this.#alarm === undefined ? phrase('unusual', { method: METHOD }) : findingWords(this.#alarm, unit);
  }

  /** How the last alarm ended, where that was not by a usual reading. */
  get ended(): Sentence | undefined {
    return this.#ended;
  }

  get measured() {
    if (this.#alarm?.aspect !== 'average') return undefined;
    const { measured, low, high } = this.#alarm;
    return { words: phrase('average-about', { time: lasting(AVERAGE_OF) }), value: tidy(measured, high - low) };
  }

  save(at: number): z.input<typeof schema> {
    return { method: METHOD, detector: this.#detector.save(at), alarm: this.#alarm === undefined ? null : { ...this.#alarm } };
  }

  #hour(at: number): number | undefined {
    const wall = this.#from.clock.wall(at);
    return wall === undefined ? undefined : Math.floor(this.#calendar.local(wall).minute / 60);
  }

  #judge(reading: number, hour: number | undefined): MemoryVerdict {
    const alarm = this.#alarm;
    if (alarm === undefined) return 'normal';
    if (this.#detector.learned - alarm.newsAt >= NEWS) {
      this.#alarm = undefined;
      this.#ended = phrase('usual-now', { time: lasting(NEWS) });
      return 'normal';
    }
    const now = this.#detector.measure(alarm.aspect, reading, hour);
    if (now === undefined) return 'between';
    const outside = Math.max(now + alarm.base - alarm.high, alarm.low - now - alarm.base);
    if (outside > 0) return outside > this.#detector.margin(alarm.aspect) ? 'alarm' : 'between';
    this.#alarm = undefined;
    this.#ended = undefined;
    return 'normal';
  }
}

export const anomaly = ruleKind({
  key: 'anomaly',
  schema: z.strictObject({
    season: z
      .enum(['day', 'none'])
      .prefault('day')
      .describe('`day`: each hour of the day has its own usual values. `none`: the hour does not matter.'),
    sensitivity: z
      .enum(['low', 'normal', 'high'])
      .prefault('normal')
      .describe(
        'How far outside of the usual range a reading must lie: a tenth of its width (`low`), a twenty-fifth, or a fiftieth (`high`).',
      ),
  }),
  doc: 'In alarm when a reading is unusual for the point, and says why. It learns for a day first. It only advises: it is never critical and does nothing else.',
  needs: 'number',
  advisory: true,
  create: (setting, deadband) => ({ type: 'memory', start: (from) => new AnomalyMemory(setting, deadband, from) }),
});
