/**
 * What a forwarder's connections took today and this month. The owner keeps it over restarts.
 *
 * - A day is one of the gateway's time zone. It begins when the clock is known and shows a later day.
 * - A clock that is not known, or goes back, begins no day: spending goes on against the day before. After 26 hours
 *   of running a day begins all the same, or a gateway without a clock would never send again. They count over restarts; the time
 *   between two runs is unknown, and counts nothing. The longest day of a calendar has 25.
 * - A month follows the same rule.
 */
import { addBytes, allBytes, NO_BYTES, type WireBytes } from '../wire/wire-meter.ts';
import type { Days } from './calendar.ts';

const LONGEST_DAY = 26 * 3_600_000;

export interface LedgerState {
  readonly day: string;
  /** Bytes, all of them. */
  readonly spent: number;
  /** Transitions of alarms that left on that day. */
  readonly alarms: number;
  /** That day's overrun was reported. */
  readonly overrun: boolean;
  readonly month: string;
  readonly wire: WireBytes;
  /** Milliseconds of running since the day began, and since the month did. An earlier version kept none. */
  readonly ran: number;
  readonly monthRan: number;
}

/** Where time comes from. */
export interface LedgerTime {
  /** UTC ms, as far as the gateway knows. */
  utc(): number;
  known(): boolean;
  monotonic(): number;
  readonly days: Pick<Days, 'dayOf' | 'monthOf'>;
}

export class Ledger {
  readonly #time: LedgerTime;
  #state: LedgerState;
  /** Monotonic: until when the state has counted. */
  #counted: number;

  constructor(saved: unknown, time: LedgerTime) {
    this.#time = time;
    this.#state = parse(saved) ?? {
      day: '',
      spent: 0,
      alarms: 0,
      overrun: false,
      month: '',
      wire: NO_BYTES,
      ran: 0,
      monthRan: 0,
    };
    this.#counted = time.monotonic();
  }

  /** Plain data. */
  get state(): LedgerState {
    this.#turn();
    return this.#state;
  }

  add(bytes: WireBytes): void {
    this.#turn();
    const { spent, wire } = this.#state;
    this.#state = { ...this.#state, spent: spent + allBytes(bytes), wire: addBytes(wire, bytes) };
  }

  /** An alarm left. */
  alarm(): void {
    this.#turn();
    this.#state = { ...this.#state, alarms: this.#state.alarms + 1 };
  }

  /** @returns whether it is the first of its day */
  overrun(): boolean {
    this.#turn();
    if (this.#state.overrun) return false;
    this.#state = { ...this.#state, overrun: true };
    return true;
  }

  #turn(): void {
    const { utc, known, monotonic, days } = this.#time;
    const now = monotonic();
    const [day, month] = [days.dayOf(utc()), days.monthOf(utc())];
    const passed = now - this.#counted;
    this.#counted = now;
    if (passed > 0) this.#state = { ...this.#state, ran: this.#state.ran + passed, monthRan: this.#state.monthRan + passed };
    // What came before the first known clock belongs to its day.
    if (known() && this.#state.day === '') this.#state = { ...this.#state, day };
    if ((known() && day > this.#state.day) || this.#state.ran >= LONGEST_DAY)
      this.#state = { ...this.#state, day: known() ? day : this.#state.day, spent: 0, alarms: 0, overrun: false, ran: 0 };
    if (!known()) return;
    if (month > this.#state.month || (month < this.#state.month && this.#state.monthRan >= LONGEST_DAY))
      // What came before the first known clock belongs to no other month.
      this.#state = { ...this.#state, month, wire: this.#state.month === '' ? this.#state.wire : NO_BYTES, monthRan: 0 };
  }
}

/** undefined: it is none, or was written by another version. */
function parse(saved: unknown): LedgerState | undefined {
  if (typeof saved !== 'object' || saved === null) return undefined;
  const {
    day,
    spent,
    alarms,
    overrun,
    month,
    wire,
    ran = 0,
    monthRan = 0,
  } = saved as Partial<Record<keyof LedgerState, unknown>>;
  if (typeof day !== 'string' || typeof month !== 'string' || typeof overrun !== 'boolean') return undefined;
  if (typeof wire !== 'object' || wire === null) return undefined;
  const { sent, received, headers } = wire as Partial<Record<keyof WireBytes, unknown>>;
  if (![spent, alarms, sent, received, headers, ran, monthRan].every(isCount)) return undefined;
  return { day, spent, alarms, overrun, month, wire: { sent, received, headers }, ran, monthRan } as LedgerState;
}

function isCount(n: unknown): boolean {
  return typeof n === 'number' && Number.isFinite(n) && n >= 0;
}
