/**
 * The number that a value is compared with: fixed, the value of another point, or a schedule.
 *
 * While the time is not known, a schedule counts with the strictest of its values: an alarm may then come too early, never too late.
 * While the other point is bad, nothing is said.
 */

import * as z from 'zod';
import { decimalSum } from '../codecs/decimal.ts';
import type { RuleInput } from '../config/kinds.ts';
import { POINT, POINT_WORDS } from '../config/sections.ts';
import { explain, UNION } from '../config/zod-words.ts';
import type { Calendar } from '../core/calendar.ts';
import { WEEKDAYS } from '../core/calendar.ts';
import type { Value } from '../core/point.ts';
import { phrase, type Sentence } from '../core/sentence.ts';
import { isNumeric } from './rule-kind.ts';
import { Schedule } from './schedule.ts';
import type { WallClock } from './wall-clock.ts';

/** Lines of one schedule. */
const MOST_LINES = 16;
const MINUTE = 60_000;
const WEEK = 7 * 1440;

const time = () =>
  z
    .string({ error: "write a time in quotes, for example '08:00'" })
    .regex(
      /^(([01]\d|2[0-3]):[0-5]\d|24:00)$/,
      "write a time with two digits each, for example '08:00'; the day ends at '24:00'",
    );

const line = z
  .strictObject({
    days: z.array(z.enum(WEEKDAYS)).min(1).max(7).optional().describe('Days of the week. Without this key: every day.'),
    from: time().describe('The first minute, in local time.'),
    to: time().describe('The end, in local time. At or before `from` it lies in the next day.'),
    value: z.number().describe('The setpoint in this time.'),
  })
  .refine(({ from, to }) => from !== to && from !== '24:00' && to !== '00:00', {
    message: "from and to must differ, and a day begins at '00:00' and ends at '24:00'",
    path: ['to'],
  });

const moving = z
  .strictObject({
    point: z.string().regex(POINT, POINT_WORDS).optional().describe('The point whose value is the setpoint, as device.point.'),
    plus: z.number().optional().describe('A number that the gateway adds to that value. Default 0.'),
    schedule: z
      .array(line)
      .min(1)
      .max(MOST_LINES)
      .optional()
      .describe('Setpoints by the local time (`gateway.timezone`). The first line that holds counts.'),
    otherwise: z.number().optional().describe('The setpoint at all other times.'),
  })
  .refine(({ point, schedule }) => (point === undefined) !== (schedule === undefined), {
    message: 'write a number, {point: device.point, plus: 1}, or {schedule: [{from, to, value}], otherwise: 8}',
  })
  .refine(({ plus, schedule }) => plus === undefined || schedule === undefined, {
    message: 'plus belongs to a point; write the sum as value',
    path: ['plus'],
  })
  .refine(({ otherwise, schedule }) => (schedule === undefined) === (otherwise === undefined), {
    message: 'otherwise belongs to a schedule and is the setpoint at all other times',
    path: ['otherwise'],
  });

export type Setpoint = number | z.output<typeof moving>;

export function setpointSchema() {
  return z.union([z.number(), moving], {
    error: (issue) =>
      typeof issue.input === 'object' && issue.input !== null && !Array.isArray(issue.input)
        ? UNION
        : explain({ ...issue, code: 'invalid_type', expected: 'number' }),
  });
}

export function isFixed(setpoint: Setpoint): setpoint is number {
  return typeof setpoint === 'number';
}

/** @param at where the setpoint is written, relative to the key of the kind */
export function setpointInputs(setpoint: Setpoint, at: readonly string[] = []): readonly RuleInput[] {
  if (isFixed(setpoint) || setpoint.point === undefined) return [];
  return [{ point: setpoint.point, at: [...at, 'point'], needs: 'number' }];
}

/** Adds decimals; exact for an int64. */
export function boundSum(bound: number | bigint, plus: number): number | bigint {
  if (typeof bound === 'number') return decimalSum(bound, plus);
  if (Number.isInteger(plus)) return bound + BigInt(plus);
  // Beyond 2^53 no value lies between two whole numbers.
  const near = Number(bound);
  return Number.isSafeInteger(near) ? decimalSum(near, plus) : bound + BigInt(Math.round(plus));
}

/** A setpoint that moves, as it is now. */
export class MovingSetpoint {
  readonly #setpoint: Exclude<Setpoint, number>;
  readonly #schedule: Schedule | undefined;
  readonly #strict: 'lowest' | 'highest';
  readonly #clock: WallClock;
  /** Where there is a schedule. */
  readonly #calendar: Calendar | undefined;
  /** Undefined: not known. */
  bound: number | bigint | undefined;
  /** Monotonic ms at which the schedule changes it. */
  due = Number.POSITIVE_INFINITY;

  /** @param strict which of the values of a schedule alarms first */
  constructor(setpoint: Exclude<Setpoint, number>, strict: 'lowest' | 'highest', clock: WallClock, at: number) {
    this.#setpoint = setpoint;
    this.#strict = strict;
    this.#clock = clock;
    const { schedule, otherwise = 0 } = setpoint;
    this.#schedule = schedule && new Schedule(schedule.map(entryOf), otherwise);
    this.#calendar = schedule && clock.calendar;
    this.look(at);
  }

  get byPoint(): boolean {
    return this.#schedule === undefined;
  }

  /** A reading of the other point; undefined: a bad one. */
  take(value: Value | undefined): void {
    const { plus = 0 } = this.#setpoint;
    this.bound = value === undefined || !isNumeric(value) ? undefined : boundSum(value, plus);
  }

  /** Looks at the clock. */
  look(at: number): void {
    const calendar = this.#calendar;
    if (this.#schedule === undefined || calendar === undefined) return;
    const exact = this.#clock.wall(at);
    // At `due` the sum of two clocks may lie a little before the minute that was meant.
    const wall = exact === undefined ? undefined : Math.round(exact);
    if (wall === undefined) {
      this.bound = this.#schedule[this.#strict];
      this.due = Number.POSITIVE_INFINITY;
      return;
    }
    const { value, left } = this.#schedule.at(minuteOfWeek(calendar, wall));
    this.bound = value;
    this.due = left === Number.POSITIVE_INFINITY ? left : this.#clock.monotonic(changeAfter(calendar, wall, left));
  }

  /** Where the bound is from: `vent.setpoint + 1`, `by the schedule`. */
  get words(): Sentence {
    const { point, plus = 0 } = this.#setpoint;
    if (point !== undefined) return plus === 0 ? point : `${point} ${plus < 0 ? '-' : '+'} ${Math.abs(plus)}`;
    return phrase(this.#clock.wall(0) === undefined ? 'strictest-of-schedule' : 'by-schedule');
  }
}

function entryOf({ days, from, to, value }: z.output<typeof line>) {
  const all = days === undefined ? WEEKDAYS.map((_, i) => i) : days.map((day) => WEEKDAYS.indexOf(day));
  return { days: [...new Set(all)], from: minutes(from), to: minutes(to), value };
}

function minutes(text: string): number {
  return Number(text.slice(0, 2)) * 60 + Number(text.slice(3));
}

function minuteOfWeek(calendar: Calendar, wall: number): number {
  const { weekday, minute } = calendar.local(wall);
  return weekday * 1440 + minute;
}

/**
 * UTC ms at which a schedule must be looked at again: when the face of the clock has gone on for `left` minutes, or when the clock
 * is put forward or back before that.
 */
function changeAfter(calendar: Calendar, wall: number, left: number): number {
  const start = Math.floor(wall / MINUTE);
  const face = minuteOfWeek(calendar, wall);
  const shifted = (after: number) => (minuteOfWeek(calendar, (start + after) * MINUTE) - face - after + 2 * WEEK) % WEEK !== 0;
  if (!shifted(left)) return (start + left) * MINUTE;
  // One change of the offset lies in between: the first minute behind it.
  let [before, behind] = [0, left];
  while (behind - before > 1) {
    const middle = Math.floor((before + behind) / 2);
    if (shifted(middle)) behind = middle;
    else before = middle;
  }
  return (start + behind) * MINUTE;
}
