/** Hands over events in the order of the log. On a visit a few of them have room at once, and readings have the rest of it. */
import type { OutNotice } from '../store/delivery/out.ts';
import type { PumpSide } from './drain-sides.ts';

/** Asked of the log at once. */
const EVENTS = 16;
/** Events that have room on a visit at once. */
const ON_VISIT = 4;
/** Longest sleep, ms: a bound, everything that matters wakes it. */
const NAP = 1000;

export class EventPump {
  readonly #side: PumpSide;

  constructor(side: PumpSide) {
    this.#side = side;
  }

  /** Until nothing more is to be handed over. @throws what made an offer fail */
  async run(): Promise<void> {
    const { outlet, visit, hold } = this.#side.options;
    while (!this.#side.ended) {
      const most = visit === undefined ? EVENTS : ON_VISIT;
      const waiting = (await this.#side.read(() => outlet.notices('event', most))) ?? [];
      if (this.#side.ended) return;
      if (waiting.length === 0) {
        if (this.#side.finishing || visit !== undefined) return;
        await this.#side.sleep(NAP);
        continue;
      }
      if (visit !== undefined) {
        const tooMuch = waiting.findIndex((notice) => visit.admit(notice) !== true);
        if (tooMuch === 0) return;
        if (tooMuch > 0) waiting.length = tooMuch;
      }
      let from = 0;
      while (from < waiting.length && !this.#side.ended) {
        const together = this.#sideBySide(waiting.slice(from));
        from += together.length;
        const settled = await Promise.all(together.map((notice) => this.#notice(notice)));
        const kept = settled.indexOf(false);
        for (const notice of together) visit?.settled(notice);
        const done = together[kept < 0 ? together.length - 1 : kept - 1];
        if (done !== undefined) outlet.noticesDone(done);
        if (kept < 0) continue;
        if (visit?.over('event') === true) break;
        // The far side takes nothing now, and a stop does not wait for it.
        if (this.#side.finishing && hold()) return;
        await this.#side.sleep(NAP);
        break;
      }
      // Those behind one that is offered again are asked for anew.
      for (const notice of waiting.slice(from)) visit?.settled(notice);
      if (visit?.over('event') === true) return;
    }
  }

  /** The first of them, as long as no channel comes twice: each keeps its order. */
  #sideBySide(waiting: readonly OutNotice[]): OutNotice[] {
    const channels = new Set<string>();
    const together: OutNotice[] = [];
    for (const notice of waiting) {
      const channel = this.#side.target.channel(notice);
      if (channel !== undefined && channels.has(channel)) break;
      if (channel !== undefined) channels.add(channel);
      together.push(notice);
    }
    return together;
  }

  /** @returns false when it has to be offered again */
  async #notice(notice: OutNotice): Promise<boolean> {
    if (this.#side.target.channel(notice) === undefined) return true;
    const outcome = await this.#side.target.notice(notice);
    if (outcome === 'accept') return true;
    if (outcome === 'keep' || 'later' in outcome) return false;
    this.#side.options.refused(notice, outcome.reject);
    return true;
  }
}
