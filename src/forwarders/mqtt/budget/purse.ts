/** How many bytes of a budget there are for something now. When a visit comes is up to Visits. */
import { exchangeHeaders } from '../wire/wire-meter.ts';
import type { Account } from './account.ts';
import type { Days, Window } from './calendar.ts';

/** What the end of a visit takes at most: the goodbye, its answer, and the end of the connection. */
export const CLOSING = 600;
/** What MQTT and TLS add to one message and its answer, apart from the topic. */
const FRAME = 90;
/** Letters of a topic, about. */
const TOPIC = 60;
/** The part of a day's budget that is kept for alarms still to come. */
const ALARM_SHARE = 1 / 3;
/** Gateways of a fleet begin within so much of a window, or so much time. */
export const SPREAD = { share: 0.1, longest: 600_000 };
/** Without windows a visit carries so many times what it costs, or such a part of a day's budget where that is less. */
const WORTH = { costs: 4, share: 1 / 3 };
/** That part of a day's end, shorter by a random tenth, within which it falls to nothing on a day without a bulk visit. */
const LATE = 1 / 12;
/** Smaller batches are not worth their headers. */
export const LEAST = 200;

export interface Budget {
  /** Bytes. */
  readonly perDay?: number | undefined;
  readonly between?: Window | undefined;
  /** Whether summaries leave before the readings; absent: they do. */
  readonly summary?: boolean | undefined;
}

export class Purse {
  /** Bytes that a bulk visit takes until it is greeted. */
  cost: number;
  readonly #budget: Budget;
  readonly #account: Account;
  /** 0..1: gateways of a fleet are not all as late. */
  readonly #place: number;
  /** The day of the last bulk visit. */
  #bulkDay = '';

  constructor(budget: Budget, account: Account, cost: number, place: number) {
    this.cost = cost;
    this.#budget = budget;
    this.#account = account;
    this.#place = place;
  }

  /** A bulk visit came to its end. */
  bulkToday(): void {
    this.#bulkDay = this.#account.days.dayOf(this.#account.utc);
  }

  /** Bytes that a bulk visit may still take today. */
  today(): number {
    const { perDay, between } = this.#budget;
    if (perDay === undefined) return Number.POSITIVE_INFINITY;
    const passed = this.#account.days.passedOfDay(this.#account.utc);
    const one = this.#lastAlarm(perDay);
    if (between === undefined) return perDay * passed - one - this.#account.spent;
    return perDay - Math.max(one, perDay * ALARM_SHARE * (1 - passed)) - this.#account.spent;
  }

  /** Bytes that messages of rules may still take today. @param promised bytes of what is under way */
  forMessages(promised: number): number {
    const { perDay = Number.POSITIVE_INFINITY } = this.#budget;
    return perDay - this.#lastAlarm(perDay) - CLOSING - promised - this.#account.spent;
  }

  /** Bytes of the batches of one visit, when nothing else was spent on its day. */
  mostEver(window: ReturnType<Days['windowAt']> | undefined): number {
    const { perDay, between } = this.#budget;
    if (perDay === undefined) return Number.POSITIVE_INFINITY;
    const { from, to } = between === undefined || window === undefined ? { from: 0, to: 0 } : window;
    const { days } = this.#account;
    const passed = to > 0 && days.dayOf(from) === days.dayOf(to - 1) ? days.passedOfDay(to - 1) : 1;
    return perDay - Math.max(this.#lastAlarm(perDay), perDay * ALARM_SHARE * (1 - passed)) - this.cost - CLOSING;
  }

  /** Bytes that a bulk visit is to carry, without windows. */
  worth(): number {
    const { utc, days } = this.#account;
    const worth = Math.min(WORTH.costs * this.cost, WORTH.share * (this.#budget.perDay ?? 0));
    if (this.#bulkDay === days.dayOf(utc)) return worth;
    return worth * Math.min(1, (1 - days.passedOfDay(utc)) / (LATE * (1 - SPREAD.share * this.#place)));
  }

  /** A last alarm has to fit as well. */
  #lastAlarm(perDay: number): number {
    return Math.min(this.cost + CLOSING, ALARM_SHARE * perDay);
  }
}

/** Bytes of one message and its answer on the wire, at most. */
export function costOf(bytes: number): number {
  return bytes + TOPIC + FRAME + exchangeHeaders(bytes + TOPIC + FRAME);
}
