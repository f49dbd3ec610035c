/**
 * When a forwarder with a budget connects, and what may leave then. It holds no connection: it visits the broker.
 *
 * - An alarm is worth a visit of its own at any time. It leaves whatever was spent; what it takes counts.
 * - What the broker takes later is not offered again on the same visit. An alarm that was is worth no visit of its own until a pause is over,
 *   and neither is a later one on its topic. Those of other topics do not wait.
 * - A message of a rule is worth one as well, as long as the day's budget has place for it and a last alarm.
 * - Everything else leaves in a bulk visit, and only as far as the budget goes. Such a visit never spends more than its share.
 * - With windows there is one bulk visit in each. A third of a day's budget, less towards its end, is left for alarms.
 * - Without windows the budget grows with the day. A visit comes when it carries four times what it costs, and once an hour at most. On a
 *   day without one this falls in the last two hours: what is left then is lost at midnight.
 * - What a visit costs is learned from each. One for an alarm is a bulk visit without its greeting.
 */
import { waitAfter } from '../../../core/backoff.ts';
import type { Clock } from '../../../core/clock.ts';
import { exchangeHeaders, NO_BYTES, type WireBytes } from '../wire/wire-meter.ts';
import type { Account } from './account.ts';
import type { Days } from './calendar.ts';
import { KeptAlarms } from './kept-alarms.ts';
import { type Budget, CLOSING, costOf, LEAST, Purse, SPREAD } from './purse.ts';

/** Alarms of a day that belong to the budget; more are an overrun. */
export const ALARMS_A_DAY = 50;
/** Bytes of a visit until it is greeted, before one was measured: without and with TLS. */
const COST = { plain: 1200, tls: 4500 };
/** What a bulk visit says until it is greeted and one for an alarm does not; an inventory, which leaves once a day, is not in it. */
const GREETING = 500;
const HOUR = 3_600_000;
/** After visits in a row that failed the next one is tried so much later, ms: each try has its bytes. */
const RETRY = { first: 1000, longest: 900_000, spent: HOUR };
/** An alarm is done with on a visit that fails then. Another one does not wait longer than so, ms, whatever was spent. */
const PASSED = 1000;
/** What a visit carries. */
type Carried = 'data' | 'history' | 'alarm' | 'event';
/** After visits in a row at which the log could not give what it has, ms. */
const UNFINISHED = { first: 60_000, longest: 900_000 };
/** A reading that did not fit may be thinned or filtered out meanwhile: the log is asked for the next one so often, ms. */
const ASK_AGAIN = 600_000;
/** Bytes that a broker may send in a visit beside as many as it gets: answers and commands, and over TLS its certificates. */
const INBOUND = { plain: 4096, tls: 12_288 };

export interface VisitSide {
  readonly budget: Budget;
  readonly account: Account;
  readonly clock: Clock;
  readonly random: () => number;
  readonly tls: boolean;
  /** Whether an alarm waits that the platform takes, of a channel that is not held. */
  readonly alarms: (held: (channel: string) => boolean) => Promise<boolean>;
  /** Bytes of the payloads of messages of rules that wait. Absent: none do. */
  readonly messages?: () => readonly number[];
  /** Whether readings wait that leave. */
  readonly readings: () => boolean | Promise<boolean>;
  /** Bytes of the payload of the smallest batch that waits. Absent, or undefined: nobody can say. */
  readonly smallest?: () => Promise<number | undefined>;
  /** The first overrun of a day. */
  readonly overrun: (spent: number, alarms: number) => void;
  /** The next batch takes more bytes than a visit may ever take. Once for each such batch. */
  readonly tooLarge: (bytes: number, most: number) => void;
}

export class Visits {
  readonly #side: VisitSide;
  #kind: 'alarm' | 'bulk' = 'alarm';
  readonly #purse: Purse;
  #countedBefore = 0;
  #before: WireBytes = NO_BYTES;
  #failures = 0;
  /** Bytes of what is under way. */
  #promised = 0;
  /** Monotonic: no bulk visit before; without windows. */
  #notBefore: number;
  /** Monotonic: no bulk visit before; the log could not give what it has. */
  #againAt = Number.NEGATIVE_INFINITY;
  #unfinished = false;
  /** An alarm was taken in this visit. */
  #passed = false;
  #laters = 0;
  /** What the broker takes later, and why, on this visit or the last one. */
  readonly #kept = new Map<Carried, string>();
  /** The channels of which it takes the alarms later. */
  readonly #alarms = new KeptAlarms();
  /** Whether a batch was admitted in this visit; bytes of the smallest one that was not, and of that in the last visit. */
  #admitted = false;
  #stuck = Number.POSITIVE_INFINITY;
  #needs = 0;
  #reported = 0;
  /** Monotonic: when `#needs` was known to be so. */
  #neededAt = 0;
  /** The window that the bulk visit is of. UTC, `to` is not in it. */
  #window: ReturnType<Days['windowAt']> | undefined;
  /** UTC: the begin of the window in which everything left that may. */
  #served = Number.NEGATIVE_INFINITY;
  /** Gateways of a fleet do not all begin with the window: 0..1. */
  readonly #place: number;

  constructor(side: VisitSide) {
    this.#side = side;
    this.#place = side.random();
    this.#purse = new Purse(side.budget, side.account, side.tls ? COST.tls : COST.plain, this.#place);
    this.#notBefore = side.clock.monotonic() + SPREAD.longest * this.#place;
  }

  get bulk(): boolean {
    return this.#kind === 'bulk';
  }

  /** Whether a visit is worth it now, and then which. */
  async due(): Promise<boolean> {
    if (await this.#bulkIsDue()) {
      this.#kind = 'bulk';
      return true;
    }
    this.#kind = 'alarm';
    if (await this.#alarmIsDue()) return true;
    return (this.#side.messages?.() ?? []).some(
      (bytes) => costOf(bytes) + this.#purse.cost <= this.#purse.forMessages(this.#promised),
    );
  }

  /** A visit is tried. */
  begins(): void {
    this.#promised = 0;
    this.#alarms.visited(this.#side.clock.monotonic(), (before) => this.#pause(before));
    this.#kept.clear();
    this.#unfinished = this.#admitted = this.#passed = false;
    this.#stuck = Number.POSITIVE_INFINITY;
    this.#countedBefore = this.#side.account.counted;
    this.#before = this.#side.account.wire;
    this.#side.account.save();
  }

  /** What is wrong with how much came in this visit, as the end of "the broker …". */
  excess(): string | undefined {
    const { account, budget, tls } = this.#side;
    const { wire } = account;
    const [received, sent] = [wire.received - this.#before.received, wire.sent - this.#before.sent];
    const most = (tls ? INBOUND.tls : INBOUND.plain) + sent;
    if (received > most) return `sends more than a visit under a budget may bring: ${most} bytes`;
    // What leaves is asked for beforehand; what comes is not.
    const { perDay = Number.POSITIVE_INFINITY } = budget;
    return this.bulk && received > sent && account.spent > perDay ? `sends more than the budget of the day has left` : undefined;
  }

  /** The connection stands, and everything follows that it is for. */
  greeted(): void {
    const cost = this.#side.account.counted - this.#countedBefore;
    const purse = this.#purse;
    if (!this.bulk) {
      purse.cost = Math.min(purse.cost, Math.max(cost + GREETING, COST.plain));
      return;
    }
    // Some visits bring an inventory or make a new TLS session, and most do not: it falls at once and rises slowly.
    purse.cost = cost < purse.cost ? cost : Math.round((3 * purse.cost + cost) / 4);
  }

  /** A visit failed. @returns milliseconds until the next one, at least; a change of the network may come first */
  failed(): number {
    this.#side.account.save();
    this.#alarms.visited(this.#side.clock.monotonic(), (before) => this.#pause(before));
    if (this.#passed) {
      this.#failures = 0;
      return waitAfter({ first: PASSED, longest: PASSED }, 0, this.#side.random());
    }
    return this.#pause(this.#failures++);
  }

  /** @param before failures in a row */
  #pause(before: number): number {
    const { account, budget, random } = this.#side;
    const spent = account.spent >= (budget.perDay ?? Number.POSITIVE_INFINITY);
    const longest = spent ? RETRY.spent : RETRY.longest;
    return waitAfter({ first: spent ? RETRY.spent : RETRY.first, longest }, Math.min(before, 30), random());
  }

  /** Everything left that may. */
  done(): void {
    this.#failures = 0;
    const { account, clock, random } = this.#side;
    this.#alarms.visited(clock.monotonic(), (before) => this.#pause(before));
    if (this.bulk) {
      this.#purse.bulkToday();
      // It may have ended in the meantime, and the next one is to be served too.
      if (this.#window !== undefined && !this.#unfinished) this.#served = this.#window.from;
      this.#laters = this.#unfinished ? this.#laters + 1 : 0;
      if (this.#unfinished) this.#againAt = clock.monotonic() + waitAfter(UNFINISHED, Math.min(this.#laters - 1, 30), random());
      this.#needs = this.#admitted || this.#stuck === Number.POSITIVE_INFINITY ? 0 : this.#stuck;
      this.#neededAt = clock.monotonic();
      this.#report();
      this.#notBefore = clock.monotonic() + HOUR + SPREAD.longest * random();
    }
    account.save();
  }

  /**
   * @param bytes of the payload @param readings of the batch, or 1 @param batch false: an event or a summary
   * @returns true: it may leave, and is counted until `settled`. Otherwise how many readings may, 0 for none.
   */
  admit(bytes: number, readings: number, batch = true): true | number {
    if (this.#window !== undefined && this.#side.account.utc >= this.#window.to) return 0;
    const cost = costOf(bytes);
    const { left } = this;
    if (cost <= left) {
      if (batch) this.#admitted = true;
      this.#promised += cost;
      return true;
    }
    const fits = left - costOf(0);
    return fits < LEAST ? 0 : Math.floor(0.9 * readings * (fits / bytes) * (1 - exchangeHeaders(fits) / (fits + 1000)));
  }
  /**
   * A message of a rule: it leaves at any time of the day, while the day's budget has place for it and for a last alarm.
   * @param bytes of the payload @returns true: it may leave, and is counted until `settled`
   */
  admitMessage(bytes: number): boolean {
    const fits = costOf(bytes) <= this.#purse.forMessages(this.#promised);
    if (fits) this.#promised += costOf(bytes);
    return fits;
  }
  /** At the last visit no batch fitted: this one leaves all of its space to readings. */
  get starved(): boolean {
    return this.#needs > 0;
  }
  /** Bytes on the wire that this visit may still take. */
  get left(): number {
    return this.#purse.today() - CLOSING - this.#promised;
  }
  settled(bytes: number): void {
    this.#promised = Math.max(0, this.#promised - costOf(bytes));
  }

  /** The broker takes it later: no more of its kind is offered on this visit. @param why its words */
  kept(of: Carried, why: string): void {
    this.#kept.set(of, why);
  }
  /** As `kept`, for an alarm of this channel. */
  alarmKept(channel: string, why: string): void {
    this.#alarms.keep(channel, why);
  }
  /** Whether no alarm of this channel is offered now. */
  holds(channel: string): boolean {
    return this.#alarms.holds(channel, this.#side.clock.monotonic());
  }
  /** Whether no more of it is offered on this visit. */
  over(of: Carried): boolean {
    return this.#kept.has(of);
  }

  /** The log has something that it could not give at this visit: the window is not served. */
  unfinished(): void {
    this.#unfinished = true;
  }
  /** Nothing of a lane left: its smallest batch has so many bytes, and did not fit. */
  stuck(bytes: number): void {
    // The end of a window says nothing about its size.
    if (this.#window !== undefined && this.#side.account.utc >= this.#window.to) return;
    this.#stuck = Math.min(this.#stuck, costOf(bytes));
  }
  /** Why something does not leave, in words; undefined: everything may. */
  get fault(): string | undefined {
    const most = this.#purse.mostEver(this.#window);
    if (this.#needs <= most) return [...this.#kept.values()][0] ?? this.#alarms.why;
    return `the next reading takes ${this.#needs} B, and perDay leaves ${Math.max(0, Math.floor(most))} B for a visit; raise perDay`;
  }
  #report(): void {
    const most = this.#purse.mostEver(this.#window);
    if (this.#needs <= most || this.#needs === this.#reported) return;
    this.#reported = this.#needs;
    this.#side.tooLarge(this.#needs, Math.max(0, Math.floor(most)));
  }
  /** An alarm of this channel will not be offered again. */
  alarmPassed(channel: string): void {
    this.#passed = true;
    this.#alarms.forget(channel);
  }

  /** An alarm left. */
  alarmLeft(): void {
    const { account, budget, overrun } = this.#side;
    account.alarmLeft();
    const { spent, alarms } = account;
    if ((alarms > ALARMS_A_DAY || spent > (budget.perDay ?? Number.POSITIVE_INFINITY)) && account.overrun())
      overrun(spent, alarms);
  }

  /** What did not fit may be gone. */
  async #askNeeds(): Promise<void> {
    const { clock, smallest } = this.#side;
    if (clock.monotonic() - this.#neededAt < ASK_AGAIN) return;
    this.#neededAt = clock.monotonic();
    const bytes = await smallest?.();
    if (bytes !== undefined) this.#needs = Math.min(this.#needs, costOf(bytes));
  }

  async #alarmIsDue(): Promise<boolean> {
    const now = this.#side.clock.monotonic();
    // The visit before ended on the way to another broker, and nobody said so.
    this.#alarms.visited(now, (before) => this.#pause(before));
    const waiting = new Set<string>();
    const due = await this.#side.alarms((channel) => {
      waiting.add(channel);
      return this.#alarms.waits(channel, now);
    });
    // All that waits was asked about: others are gone from the log.
    if (!due) this.#alarms.forgetOthers(waiting);
    return due;
  }

  async #bulkIsDue(): Promise<boolean> {
    const { budget, account, clock, readings } = this.#side;
    const left = this.#purse.today() - this.#purse.cost - CLOSING;
    if (left >= LEAST && left < this.#needs) await this.#askNeeds();
    if (left < Math.max(LEAST, this.#needs) || clock.monotonic() < this.#againAt) return false;
    if (budget.between === undefined) {
      if (clock.monotonic() < this.#notBefore || left < this.#purse.worth()) return false;
    } else {
      const { utc } = account;
      this.#window = account.days.windowAt(budget.between, utc);
      const { from, to } = this.#window;
      if (from === this.#served || utc < from + Math.min(SPREAD.share * (to - from), SPREAD.longest) * this.#place) return false;
    }
    return readings();
  }
}
