/** Values by the time of the week, as the clock on the wall shows it. Pure: local time comes in. */

const DAY = 1440;
const WEEK = 7 * DAY;

/** One line of a schedule. */
export interface ScheduleEntry {
  /** 0 is Monday; absent: every day. */
  readonly days: readonly number[];
  /** Minutes since midnight. `to` at or before `from` lies in the next day. */
  readonly from: number;
  readonly to: number;
  readonly value: number;
}

/**
 * The first line that holds counts, or else `otherwise`. A line that goes past midnight belongs to the day on which it begins.
 * The value depends on the face of the clock alone: an hour that is shown twice has its value twice, and a skipped one never.
 */
export class Schedule {
  /** Minutes of the week at which the value changes, ascending, and the value from there on. Empty: it never changes. */
  readonly #changes: readonly { readonly minute: number; readonly value: number }[];
  readonly #first: number;
  readonly lowest: number;
  readonly highest: number;

  constructor(entries: readonly ScheduleEntry[], otherwise: number) {
    const edges = new Set<number>();
    const spans = entries.flatMap(({ days, from, to, value }) =>
      days.map((day) => ({ start: day * DAY + from, length: to > from ? to - from : to - from + DAY, value })),
    );
    for (const { start, length } of spans) edges.add(start).add((start + length) % WEEK);
    const valueAt = (minute: number): number =>
      spans.find(({ start, length }) => (minute - start + WEEK) % WEEK < length)?.value ?? otherwise;
    const all = [...edges].sort((a, b) => a - b).map((minute) => ({ minute, value: valueAt(minute) }));
    this.#changes = all.filter(({ value }, i) => value !== all.at(i - 1)?.value);
    this.#first = all[0]?.value ?? otherwise;
    const values = all.length === 0 ? [otherwise] : all.map(({ value }) => value);
    this.lowest = Math.min(...values);
    this.highest = Math.max(...values);
  }

  /** @param minute of the week, 0 at Monday 00:00 @returns the value, and the minutes until the next one */
  at(minute: number): { readonly value: number; readonly left: number } {
    const next = this.#changes.find((change) => change.minute > minute) ?? this.#changes[0];
    const now = this.#changes.findLast((change) => change.minute <= minute) ?? this.#changes.at(-1);
    if (now === undefined || next === undefined) return { value: this.#first, left: Number.POSITIVE_INFINITY };
    return { value: now.value, left: ((next.minute - minute + WEEK - 1) % WEEK) + 1 };
  }
}
