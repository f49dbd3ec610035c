/**
 * How the alarms of a gateway do, by the performance figures of ISA-18.2 and IEC 62682. Invariants:
 *
 * - An alarm counts when it is annunciated: each transition to `active-unacknowledged`. What is shelved, suppressed, out of service or
 *   only observed does not count, and nothing is left out in a flood.
 * - Pure, as the rule engine: times come in. A clock that is set does not change them, since they lie on an axis of their own that
 *   goes on over restarts and counts the time off where it is known.
 * - Bounded: 24 hours, 30 days and the eleven newest times in all; 30 days and three times for each rule that was ever annunciated.
 * - Saved at most once a minute, so that a flood costs no writes of its own. A kill loses the counts of that minute.
 */
import * as z from 'zod';
import type { AlarmTransition } from '../core/alarm.ts';
import type { Moment } from './rule-state.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/**
 * The limits as they are commonly given for ANSI/ISA-18.2 and IEC 62682, clause 16 (performance metrics); we read them in secondary
 * sources, not in the text of the standards. A flood begins with more than 10 alarms in 10 minutes for one operator and ends below 5 in
 * 10 minutes. An alarm chatters with 3 or more annunciations in a minute. A standing (stale) alarm is active for more than 24 hours.
 * The worst alarms ("bad actors") are the ten most frequent ones.
 */
export const FLOOD = { window: 10 * MINUTE, begins: 11, ends: 5 } as const;
export const CHATTER = { window: MINUTE, times: 3 } as const;
export const STANDING_AFTER = DAY;
const WORST = 10;

const HOURS = 24;
const DAYS = 30;
/**
 * Rules whose counts survive a restart: the most frequent ones. Measured: a rule takes 108 bytes of JSON with one day and 173 with
 * thirty, so a save has at most 22 kB, once a minute while alarms come.
 */
const MOST_SAVED = 128;
const SAVE_EVERY = MINUTE;
/** Rules that a list names. */
const MOST_NAMED = 10;
/** The key of the saved figures: no rule can have this name. */
export const FIGURES_KEY = 'alarm figures';

const LAST = 8.64e15;
const time = z.number().min(-LAST).max(LAST);
const count = z
  .int()
  .min(0)
  .max(2 ** 40);
const schema = z.object({
  kind: z.literal('alarm-figures'),
  savedAt: z.number().min(0).max(LAST),
  wallKnown: z.boolean(),
  /** The axis at `savedAt`, and at the beginning of the figures. */
  axis: time,
  since: time,
  total: count,
  hours: z.array(count).max(HOURS),
  days: z.array(count).max(DAYS),
  recent: z.array(time).max(FLOOD.begins),
  flood: z.object({ since: time.optional(), alarms: count, floods: count, time: z.number().min(0).max(LAST) }),
  chatters: count,
  rules: z
    .array(
      z.object({
        rule: z.string().max(64),
        total: count,
        days: z.array(count).max(DAYS),
        recent: z.array(time).max(CHATTER.times),
      }),
    )
    .max(MOST_SAVED),
});
export type SavedFigures = z.output<typeof schema>;

/** Counts by hour or day, the newest first. */
class Buckets {
  readonly #length: number;
  readonly #counts: number[];
  #newest: number;

  constructor(length: number, size: number, now: number, counts: readonly number[] = []) {
    this.#length = length;
    this.#counts = Array.from({ length: size }, (_, i) => counts[i] ?? 0);
    this.#newest = Math.floor(now / length);
  }

  add(at: number): void {
    this.#roll(at);
    this.#counts[0] = (this.#counts[0] ?? 0) + 1;
  }
  sum(at: number): number {
    this.#roll(at);
    return this.#counts.reduce((sum, n) => sum + n, 0);
  }
  save(at: number): number[] {
    this.#roll(at);
    const last = this.#counts.findLastIndex((n) => n > 0);
    return this.#counts.slice(0, last + 1);
  }

  #roll(at: number): void {
    const now = Math.floor(at / this.#length);
    const past = Math.min(now - this.#newest, this.#counts.length);
    if (past <= 0) return;
    this.#counts.unshift(...new Array<number>(past).fill(0));
    this.#counts.length -= past;
    this.#newest = now;
  }
}

interface RuleFigures {
  total: number;
  readonly days: Buckets;
  /** The newest last. */
  readonly recent: number[];
}

/** A rule and how often it was annunciated in the last 30 days; `share` of all, 0 to 1. */
export interface FrequentAlarm {
  readonly rule: string;
  readonly count: number;
  readonly share: number;
}

export interface AlarmFiguresView {
  /** UTC ms: since when alarms are counted. */
  readonly since: number;
  /** Annunciated alarms since then. */
  readonly annunciated: number;
  /** Averages of the last 24 hours and of the last 30 days, or of the time since `since`. */
  readonly perHour: number;
  readonly perDay: number;
  readonly flood: {
    readonly active: boolean;
    /** UTC ms at which the flood began. */
    readonly since?: number | undefined;
    /** Alarms in this flood, or in the last one. */
    readonly alarms: number;
    /** Floods so far, and their time in ms. */
    readonly floods: number;
    readonly time: number;
  };
  /** Rules that chatter now, at most ten of them by name; `episodes`: how often a rule began to chatter. */
  readonly chattering: { readonly now: number; readonly rules: readonly string[]; readonly episodes: number };
  /** Rules that are active for more than 24 hours, the oldest ten by name. */
  readonly standing: { readonly now: number; readonly rules: readonly string[] };
  /** The ten most frequent alarms of the last 30 days. */
  readonly worst: readonly FrequentAlarm[];
}

export class AlarmFigures {
  readonly #rules = new Map<string, RuleFigures>();
  /** The axis minus the monotonic time of this run. */
  #shift: number;
  readonly #start: number;
  /** Wall time of the saved figures, while this run's clock is not known. */
  #unmapped: number | undefined;
  #since: number;
  #total = 0;
  readonly #hours: Buckets;
  readonly #days: Buckets;
  readonly #recent: number[];
  #flood: { since?: number | undefined; alarms: number; floods: number; time: number } = { alarms: 0, floods: 0, time: 0 };
  #chatters = 0;
  #changed = false;
  #savedAt = Number.NEGATIVE_INFINITY;

  /** @param saved what an earlier run left; what is damaged is dropped */
  constructor(start: Moment, saved?: unknown) {
    const before = schema.safeParse(saved).data;
    const off = before?.wallKnown && start.wallKnown ? Math.max(0, start.wall - before.savedAt) : 0;
    const now = (before?.axis ?? 0) + off;
    this.#start = start.at;
    this.#shift = now - start.at;
    this.#since = Math.min(before?.since ?? now, now);
    if (before?.wallKnown && !start.wallKnown) this.#unmapped = before.savedAt;
    const past = (times: readonly number[] = []): number[] => times.map((at) => Math.min(at, now)).sort((a, b) => a - b);
    const axis = before?.axis ?? now;
    this.#total = before?.total ?? 0;
    this.#hours = new Buckets(HOUR, HOURS, axis, before?.hours);
    this.#days = new Buckets(DAY, DAYS, axis, before?.days);
    this.#recent = past(before?.recent);
    if (before !== undefined)
      this.#flood = { ...before.flood, ...(before.flood.since !== undefined && { since: Math.min(before.flood.since, now) }) };
    this.#chatters = before?.chatters ?? 0;
    for (const { rule, total, days, recent } of before?.rules ?? [])
      this.#rules.set(rule, { total, days: new Buckets(DAY, DAYS, axis, days), recent: past(recent) });
  }

  /** Counts the transition, if it annunciates an alarm. */
  take({ rule, state, at, observed }: Pick<AlarmTransition, 'rule' | 'state' | 'at' | 'observed'>): void {
    if (state !== 'active-unacknowledged' || observed) return;
    const now = Math.max(at + this.#shift, this.#recent.at(-1) ?? Number.NEGATIVE_INFINITY);
    this.#endFlood(now);
    this.#changed = true;
    this.#total++;
    this.#hours.add(now);
    this.#days.add(now);
    this.#recent.push(now);
    if (this.#recent.length > FLOOD.begins) this.#recent.shift();
    const oldest = this.#recent[0];
    if (this.#flood.since !== undefined) this.#flood.alarms++;
    else if (this.#recent.length === FLOOD.begins && oldest !== undefined && oldest > now - FLOOD.window)
      this.#flood = { ...this.#flood, since: now, alarms: FLOOD.begins, floods: this.#flood.floods + 1 };
    this.#countRule(rule, now);
  }

  /** The wall clock has become known: the time off of an earlier run counts now. */
  clockKnown(moment: Moment): void {
    if (this.#unmapped === undefined) return;
    const off = Math.max(0, moment.wall - (moment.at - this.#start) - this.#unmapped);
    this.#unmapped = undefined;
    if (off === 0) return;
    const begin = this.#start + this.#shift;
    this.#shift += off;
    // Alarms of this run happened after the time off. Their hours and days are those that were thought, which is a small error.
    const later = (at: number): number => (at >= begin ? at + off : at);
    for (const list of [this.#recent, ...[...this.#rules.values()].map(({ recent }) => recent)])
      list.splice(0, list.length, ...list.map(later));
    const { since } = this.#flood;
    if (since !== undefined) this.#flood.since = later(since);
  }

  /** Rules that are gone have no figures; what they added to the sums stays. */
  keep(names: { has(name: string): boolean }): void {
    for (const rule of this.#rules.keys()) if (!names.has(rule)) this.#rules.delete(rule);
  }

  /** @param active since when each active alarm stands, monotonic */
  view(moment: Moment, active: readonly { readonly rule: string; readonly since: number }[]): AlarmFiguresView {
    const now = moment.at + this.#shift;
    const utc = (axis: number): number => Math.round(moment.wall + axis - now);
    this.#endFlood(now);
    const observed = Math.max(0, now - this.#since);
    const { since, ...flood } = this.#flood;
    const chattering = [...this.#rules].filter(([, { recent }]) => chatters(recent, now)).map(([rule]) => rule);
    const standing = active.filter((alarm) => moment.at - alarm.since > STANDING_AFTER).sort((a, b) => a.since - b.since);
    const all = this.#days.sum(now);
    return {
      since: utc(this.#since),
      annunciated: this.#total,
      perHour: this.#hours.sum(now) / Math.min(HOURS, Math.max(1, observed / HOUR)),
      perDay: all / Math.min(DAYS, Math.max(1, observed / DAY)),
      flood: {
        ...{ active: since !== undefined, alarms: flood.alarms, floods: flood.floods },
        ...(since !== undefined && { since: utc(since) }),
        time: Math.round(flood.time + (since === undefined ? 0 : Math.max(0, now - since))),
      },
      chattering: { now: chattering.length, rules: chattering.slice(0, MOST_NAMED), episodes: this.#chatters },
      standing: { now: standing.length, rules: standing.slice(0, MOST_NAMED).map(({ rule }) => rule) },
      worst: this.#frequent(now)
        .slice(0, WORST)
        .map(({ rule, n }) => ({ rule, count: n, share: all === 0 ? 0 : Math.min(1, n / all) })),
    };
  }

  /** What a restart would lose, at most once a minute; undefined: nothing. @param whole also before the minute is over */
  takeDirty(moment: Moment, whole = false): SavedFigures | undefined {
    if (!this.#changed || (!whole && moment.at - this.#savedAt < SAVE_EVERY)) return undefined;
    this.#changed = false;
    this.#savedAt = moment.at;
    return this.save(moment);
  }

  save(moment: Moment): SavedFigures {
    const now = moment.at + this.#shift;
    const before = this.#unmapped !== undefined && !moment.wallKnown ? this.#unmapped + (moment.at - this.#start) : undefined;
    return {
      kind: 'alarm-figures',
      savedAt: before ?? moment.wall,
      wallKnown: before !== undefined || moment.wallKnown,
      ...{ axis: now, since: this.#since, total: this.#total },
      ...{ hours: this.#hours.save(now), days: this.#days.save(now), recent: [...this.#recent] },
      ...{ flood: { ...this.#flood }, chatters: this.#chatters },
      rules: this.#frequent(now)
        .slice(0, MOST_SAVED)
        .map(({ rule, of }) => ({ rule, total: of.total, days: of.days.save(now), recent: [...of.recent] })),
    };
  }

  #countRule(rule: string, now: number): void {
    let of = this.#rules.get(rule);
    if (of === undefined) {
      of = { total: 0, days: new Buckets(DAY, DAYS, now), recent: [] };
      this.#rules.set(rule, of);
    }
    const before = chatters(of.recent, now);
    of.total++;
    of.days.add(now);
    of.recent.push(now);
    if (of.recent.length > CHATTER.times) of.recent.shift();
    if (!before && chatters(of.recent, now)) this.#chatters++;
  }

  #frequent(now: number): { readonly rule: string; readonly of: RuleFigures; readonly n: number }[] {
    return [...this.#rules]
      .map(([rule, of]) => ({ rule, of, n: of.days.sum(now) }))
      .filter(({ n }) => n > 0)
      .sort((a, b) => b.n - a.n || (a.rule < b.rule ? -1 : 1));
  }

  /** Fewer than five in the last ten minutes: the flood ended when the fifth newest became older than that. */
  #endFlood(now: number): void {
    const { since } = this.#flood;
    if (since === undefined) return;
    const fifth = this.#recent.at(-FLOOD.ends) ?? Number.NEGATIVE_INFINITY;
    const end = Math.max(since, fifth + FLOOD.window);
    if (end > now) return;
    this.#flood = { ...this.#flood, since: undefined, time: this.#flood.time + (end - since) };
    this.#changed = true;
  }
}

function chatters(recent: readonly number[], now: number): boolean {
  const third = recent.at(-CHATTER.times);
  return third !== undefined && third > now - CHATTER.window;
}
