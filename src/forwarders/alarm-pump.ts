/**
 * Hands over alarms, each channel for itself: one alarm of a channel is under way at most, and what the far side takes later holds back
 * its own channel alone.
 *
 * - Any answer goes on: no channel waits for the answer or for the pause of another one.
 * - An alarm that was taken is not offered again in this run, also when an older one of another channel is not taken yet.
 * - What a dialect keeps waits for what a connection begins with, and leaves right behind it.
 * - A stop waits for no alarm that the far side takes later, and a visit for none that it takes on another visit.
 */
import type { OutNotice } from '../store/delivery/out.ts';
import type { AlarmHold, Later, Outcome, PumpSide } from './drain-sides.ts';

/** Alarms under way at once. */
const UNDER_WAY = 16;
/** On a visit alarms are waited for so long after the last one, ms: they come in groups. */
const LINGER = 2000;
/** Those that follow each other for longer than so get a visit of their own, ms: what is due besides does not wait for silence. */
const STAY = 60_000;
/** Longest sleep: a bound, everything that matters wakes it. A target that keeps without a pause is asked again so often. */
const NAP = 1000;

/**
 * On a new connection others leave first for so long, ms: there are brokers that refuse an alarm and end the connection for it, and with
 * each connection it would be the first again.
 */
const LATER_FIRST = 2000;

export class AlarmPump {
  readonly #side: PumpSide;
  readonly #underWay = new Set<string>();
  /** At most one for each channel that waits in the log, see NoticeHeads. */
  readonly #holds: Map<string, AlarmHold>;
  #failure: { readonly thrown: unknown } | undefined;
  /** Something changed since the log was asked last. */
  #again = false;
  /** How often what the connection begins with was sent anew. */
  #greetings = 0;
  #answered: (() => void) | undefined;

  constructor(side: PumpSide) {
    this.#side = side;
    const { held, clock } = side.options;
    this.#holds = held ?? new Map();
    const until = clock.monotonic() + LATER_FIRST;
    for (const [channel, { later }] of this.#holds)
      if (later) this.#holds.set(channel, { until, later });
      else this.#holds.delete(channel);
  }

  /** Something came, or may leave now: the next look is at once. */
  wake(): void {
    this.#again = true;
  }

  /** What a dialect kept until now may leave. A pause of the far side goes on. */
  greeted(): void {
    this.#greetings++;
    for (const [channel, { later }] of this.#holds) if (!later) this.#holds.delete(channel);
    this.wake();
  }

  /** Until nothing more is to be handed over, and what is under way is answered. @throws what made an offer fail */
  async run(): Promise<void> {
    const { visit, clock } = this.#side.options;
    let lingered = false;
    let alone: number | undefined;
    while (!this.#side.ended) {
      this.#again = false;
      const offered = await this.#offer();
      if (this.#failure !== undefined) throw this.#failure.thrown;
      if (offered > 0) lingered = false;
      if (this.#again || this.#side.ended) continue;
      if (this.#underWay.size > 0) {
        await this.#side.sleep(NAP);
        continue;
      }
      this.#side.calmDown();
      const hold = this.#nextHold();
      if (this.#side.finishing && (hold === undefined || this.#side.options.hold())) return;
      if (visit !== undefined && this.#holds.size === 0) {
        const { busy } = this.#side;
        if (busy === 0) alone ??= clock.monotonic();
        const stayed = alone !== undefined && clock.monotonic() - alone >= STAY;
        if (stayed || (lingered && busy === 0 && visit.quiet?.() !== false)) return;
        lingered = busy === 0;
      } else lingered = false;
      await this.#side.sleep(lingered ? LINGER : Math.min(NAP, hold ?? NAP));
    }
    while (this.#underWay.size > 0 && this.#failure === undefined)
      await new Promise<void>((resolve) => {
        this.#answered = resolve;
      });
    if (this.#failure !== undefined) throw this.#failure.thrown;
  }

  /** @returns how many alarms were handed over */
  async #offer(): Promise<number> {
    const { target, options } = this.#side;
    const { outlet, visit, clock } = options;
    const now = clock.monotonic();
    for (const [channel, { until }] of this.#holds) if (until <= now) this.#holds.delete(channel);
    const limit = UNDER_WAY - this.#underWay.size;
    if (limit === 0) return 0;
    const held = (channel: string): boolean =>
      this.#underWay.has(channel) || this.#holds.has(channel) || visit?.holds(channel) === true;
    const ask = { limit, channel: (notice: OutNotice) => target.channel(notice), held };
    const offers = (await this.#side.read(() => outlet.offers('alarm', ask))) ?? [];
    if (this.#side.ended || this.#failure !== undefined) return 0;
    for (const notice of offers) this.#handOver(notice, target.channel(notice) ?? '');
    return offers.length;
  }

  #handOver(notice: OutNotice, channel: string): void {
    this.#underWay.add(channel);
    const greetings = this.#greetings;
    void this.#side.target
      .notice(notice)
      .then((outcome) => this.#settle(notice, channel, outcome, greetings < this.#greetings))
      .catch((thrown: unknown) => {
        this.#failure ??= { thrown };
      })
      .finally(() => {
        this.#underWay.delete(channel);
        this.#answered?.();
        this.#side.wake();
      });
  }

  /** @param greeted the connection was greeted anew since it was handed over */
  #settle(notice: OutNotice, channel: string, outcome: Outcome | Later, greeted: boolean): void {
    const { outlet, visit, clock, refused } = this.#side.options;
    if (outcome === 'keep') {
      if (visit?.holds(channel) !== true && !greeted) this.#holds.set(channel, { until: clock.monotonic() + NAP, later: false });
    } else if (outcome !== 'accept' && 'later' in outcome) {
      this.#holds.set(channel, { until: clock.monotonic() + outcome.later, later: true });
    } else {
      if (outcome !== 'accept') refused(notice, outcome.reject);
      outlet.noticeTaken(notice);
      visit?.passed(channel);
    }
  }

  /** Milliseconds until a channel may be offered again; of a stop's interest are those alone that wait for no pause of the far side. */
  #nextHold(): number | undefined {
    let next: number | undefined;
    for (const { until, later } of this.#holds.values())
      if (!(later && this.#side.finishing)) next = Math.min(next ?? Number.POSITIVE_INFINITY, until);
    return next === undefined ? undefined : Math.max(0, next - this.#side.options.clock.monotonic());
  }
}
