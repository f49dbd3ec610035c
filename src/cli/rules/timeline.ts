/** The timeline of a play: what alarms would have done, in words and as JSON. */

import type { ResolvedRule } from '../../config/kinds.ts';
import { ALARM_STATES, type AlarmState, type AlarmTransition } from '../../core/alarm.ts';
import { plainValue } from '../../core/point.ts';
import { withUnit } from '../../core/unit-words.ts';
import { STATE_WORDS } from '../alarm.ts';
import { localDate } from '../local-time.ts';
import { paint } from '../running.ts';
import { clean } from '../terminal/clean.ts';
import type { Wanted } from './recording.ts';

/** Transitions that are kept; more of them are only counted. */
export const MOST_KEPT = 10_000;

export interface Entry {
  /** UTC milliseconds. */
  readonly time: number;
  readonly rule: string;
  readonly occurrence: number;
  readonly state: AlarmState;
  readonly severity: AlarmTransition['severity'];
  readonly point: string;
  readonly value?: string | number | boolean | undefined;
  readonly unit?: string | undefined;
  /** `above 8` */
  readonly limit?: string | undefined;
  /** Milliseconds since this alarm began; only where it is over. */
  readonly lasted?: number | undefined;
  readonly message: string;
  readonly cause: AlarmTransition['cause'];
  /** The first of its group. */
  readonly firstOut?: true | undefined;
  /** The rule is only observed. */
  readonly observed?: true | undefined;
}

export interface RuleSummary {
  readonly rule: string;
  readonly observed?: true | undefined;
  /** Alarms that began. */
  readonly count: number;
  /** Milliseconds of the longest one, and of all. */
  readonly longest: number;
  readonly total: number;
  readonly state: AlarmState;
}

interface Track {
  count: number;
  longest: number;
  total: number;
  state: AlarmState;
  /** When the alarm began; undefined: it does not stand. */
  began: number | undefined;
}

const isActive = (state: AlarmState): boolean => state.startsWith('active') || state === 'shelved';

/** Bounded: MOST_KEPT entries and one track a rule. */
export class Timeline {
  readonly entries: Entry[] = [];
  /** Entries that were not kept. */
  more = 0;
  readonly #rules: ReadonlyMap<string, ResolvedRule>;
  readonly #limits: ReadonlyMap<string, string>;
  readonly #wanted: Wanted;
  readonly #tracks: Map<string, Track>;

  /** @param limits by rule, in words */
  constructor(rules: readonly ResolvedRule[], limits: ReadonlyMap<string, string>, wanted: Wanted) {
    this.#rules = new Map(rules.map((rule) => [rule.name, rule]));
    this.#limits = limits;
    this.#wanted = wanted;
    this.#tracks = new Map(
      rules.map(({ name }) => [name, { count: 0, longest: 0, total: 0, state: ALARM_STATES[0], began: undefined }]),
    );
  }

  /** The entry of a transition. */
  take(t: AlarmTransition): Entry {
    const lasted = this.#follow(t);
    const value = t.value === undefined ? undefined : plainValue(t.value, t.type);
    const limit = this.#limits.get(t.rule);
    const unit = this.#wanted.get(t.point)?.unit;
    const entry: Entry = {
      ...{ time: t.at, rule: t.rule, occurrence: t.occurrence, state: t.state, severity: t.severity, point: t.point },
      ...(value !== undefined && { value }),
      ...(value !== undefined && unit !== undefined && { unit }),
      ...(limit !== undefined && { limit }),
      ...(lasted !== undefined && { lasted }),
      ...{ message: t.message, cause: t.cause },
      ...(t.firstOut && { firstOut: true as const }),
      ...(t.observed && { observed: true as const }),
    };
    if (this.entries.length < MOST_KEPT) this.entries.push(entry);
    else this.more++;
    return entry;
  }

  /** @param to the end of the play, UTC ms @param without rules that were not tested */
  summary(to: number, without: ReadonlySet<string>): RuleSummary[] {
    return [...this.#tracks].flatMap(([rule, { began, count, longest, total, state }]) => {
      if (without.has(rule)) return [];
      const open = began === undefined ? 0 : to - began;
      const observed = this.#rules.get(rule)?.observe;
      return [{ rule, ...(observed && { observed }), count, longest: Math.max(longest, open), total: total + open, state }];
    });
  }

  #follow({ rule, state, at }: AlarmTransition): number | undefined {
    const track = this.#tracks.get(rule);
    if (track === undefined) return undefined;
    track.state = state;
    if (isActive(state)) {
      if (track.began === undefined) {
        track.began = at;
        track.count++;
      }
      return undefined;
    }
    if (track.began === undefined) return undefined;
    const lasted = at - track.began;
    track.began = undefined;
    track.longest = Math.max(track.longest, lasted);
    track.total += lasted;
    return lasted;
  }
}

/** Two lines of an entry. */
export function entryLines(entry: Entry): string {
  const { time, rule, state, severity, value, unit, limit, lasted, message, observed, firstOut, cause } = entry;
  const colour = state === 'normal' ? 32 : 31;
  const over = lasted === undefined ? '' : ` after ${lengthWords(lasted)}`;
  const facts = [
    value === undefined ? '' : typeof value === 'string' ? `value "${clean(value)}"` : `value ${withUnit(String(value), unit)}`,
    limit === undefined ? '' : `limit ${limit}`,
    firstOut ? 'first of its group' : '',
    `cause: ${cause}`,
  ].filter((fact) => fact !== '');
  const head = `${localDate(time)}  ${paint(colour, `${rule} (${severity}): ${STATE_WORDS[state]}${over}`)}${observed ? ' (observed only)' : ''}`;
  return `${head}\n    ${clean(message)}${facts.length === 0 ? '' : ` [${facts.join(', ')}]`}`;
}

/** `40s`, `36m`, `1h 24m`, `3d 4h` */
export function lengthWords(ms: number): string {
  const parts: readonly (readonly [size: number, unit: string])[] = [
    [86_400_000, 'd'],
    [3_600_000, 'h'],
    [60_000, 'm'],
    [1000, 's'],
  ];
  let rest = ms >= 60_000 ? Math.round(ms / 1000) * 1000 : ms;
  const words: string[] = [];
  for (const [size, unit] of parts) {
    const count = Math.floor(rest / size);
    rest -= count * size;
    if (count > 0) words.push(`${count}${unit}`);
    if (words.length === 2) break;
  }
  return words.length === 0 ? `${Math.round(ms)}ms` : words.join(' ');
}
