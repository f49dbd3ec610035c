/**
 * Replies that did not come in time and may still come. Where frames carry no transaction id they look like the answers to
 * what is asked next, so they are kept in mind for the whole bus, whatever port is open: a converter hands what a
 * line said to whoever is connected now. Bound: 64.
 */
import type { Awaited } from './framing.ts';

const MOST = 64;

export interface LateReply extends Awaited {
  /** Function and data of what was asked. */
  readonly request: Uint8Array;
  /** Monotonic ms until which it may come. */
  until: number;
  /** From writing its request to then, ms. */
  readonly span: number;
}

export class LateReplies {
  #all: LateReply[] = [];

  add(reply: LateReply): void {
    this.#all = [...this.#all, reply].slice(-MOST);
  }

  /** Those that may come now. */
  expected(now: number): readonly LateReply[] {
    if (this.#all.length > 0) this.#all = this.#all.filter((late) => late.until > now);
    return this.#all;
  }

  came(reply: LateReply): void {
    this.#all = this.#all.filter((late) => late !== reply);
  }

  /**
   * A reply was taken. Whether it was the one to a repeat, or the late one to what was repeated, nobody knows: then that of the
   * repeat is still to come.
   */
  answered(unitId: number, code: number, sentAt: number): void {
    for (const late of this.#all) if (alike(late, unitId, code)) late.until = Math.max(late.until, sentAt + late.span);
  }

  /**
   * An exception shows no more than the function, so everything with one function looks alike.
   * @param but late replies to this request do not count
   */
  heldUntil(unitId: number, code: number, but?: Uint8Array): number {
    let until = Number.NEGATIVE_INFINITY;
    for (const late of this.#all)
      if (alike(late, unitId, code) && !(but !== undefined && Buffer.compare(late.request, but) === 0))
        until = Math.max(until, late.until);
    return until;
  }
}

/** Whether an exception could answer the late request as well. */
function alike(late: LateReply, unitId: number, code: number): boolean {
  return late.unitId === unitId && late.expected.code === code;
}
