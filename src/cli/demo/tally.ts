/**
 * What became of the readings of this run, from two sources that are asked in the same moment: the gateway (read, lost) and
 * the platform (delivered). What is neither delivered nor lost waits in the log of the gateway.
 */
import type { GatewayStatus } from '../../admin/target.ts';

export interface Tally {
  readonly read: number;
  readonly delivered: number;
  readonly waiting: number;
  readonly lost: number;
  /** Readings that waited when an outage ended, and those that wait in one now: they were not lost. */
  readonly kept: number;
}

export class Counter {
  #tally: Tally = { read: 0, delivered: 0, waiting: 0, lost: 0, kept: 0 };
  #keptBefore = 0;
  #away: { readonly since: number; waiting: number } | undefined;
  /** The end of the last outage, until all that it kept is delivered. */
  #returned: { readonly read: number; readonly waiting: number } | undefined;

  get now(): Tally {
    return this.#tally;
  }
  /** UTC ms since when the gateway does not reach the platform. */
  get awaySince(): number | undefined {
    return this.#away?.since;
  }

  /**
   * @param delivered readings of this run that the platform has
   * @returns how many readings waited in an outage, once when the last of them is delivered
   */
  take(status: GatewayStatus, delivered: number): number | undefined {
    const lost = status.log.dropped;
    // The platform may have got some since the gateway counted.
    const read = Math.max(status.log.appended, delivered + lost);
    const waiting = read - delivered - lost;
    const { state, lag } = status.forwarders[0] ?? {};
    // It connects before it delivers for the first time as well; nothing is away then.
    if (state === 'waiting' || (state === 'connecting' && this.#away !== undefined))
      this.#away = { since: this.#away?.since ?? status.gateway.time, waiting: Math.max(waiting, this.#away?.waiting ?? 0) };
    else if (this.#away !== undefined) {
      this.#keptBefore += this.#away.waiting;
      this.#returned = { read, waiting: this.#away.waiting };
      this.#away = undefined;
    }
    this.#tally = { read, delivered, waiting, lost, kept: this.#keptBefore + (this.#away?.waiting ?? 0) };
    if (this.#returned === undefined || this.#away !== undefined) return undefined;
    if (lag?.history !== 0 || delivered + lost < this.#returned.read) return undefined;
    const kept = this.#returned.waiting;
    this.#returned = undefined;
    return kept;
  }
}
