/**
 * The outcomes of the newest requests to a device, so that a cured fault gives no advice any more and one that comes and goes
 * shows as a share.
 */
import type { Recovery, Share } from '../core/ports.ts';

/** Newest replies (and requests without one) that a share is of. */
const WINDOW = 20;
/** Milliseconds for which a device is reported as good again after its last failure. */
const TOLD = 600_000;

export class Replies {
  /** Oldest first, at most WINDOW; undefined: good. */
  readonly #newest: (Share['kind'] | undefined)[] = [];
  #failedAt = Number.NEGATIVE_INFINITY;
  #good: { readonly since: number; replies: number } | undefined;

  /** @param kind undefined: an answer that refuses something, which is no share of the wire's */
  failed(kind: Share['kind'] | undefined, at: number): void {
    if (kind !== undefined) this.#push(kind);
    this.#failedAt = at;
    this.#good = undefined;
  }

  /** @param cured this reply ended the last fault that a person was shown */
  good(at: number, cured: boolean): void {
    this.#push(undefined);
    if (this.#good !== undefined) this.#good.replies++;
    else if (cured) this.#good = { since: at, replies: 1 };
  }

  /** @returns undefined where nothing was wrong of late, or still is */
  recovery(now: number): Recovery | undefined {
    return now - this.#failedAt < TOLD && this.#good !== undefined ? { ...this.#good } : undefined;
  }

  /** @returns undefined unless the newest replies were bad, good and bad again: an outage is no share */
  share(): Share | undefined {
    const bad = this.#newest.filter((kind) => kind !== undefined);
    const begun = this.#newest.filter((kind, i) => kind !== undefined && (i === 0 || this.#newest[i - 1] === undefined)).length;
    if (begun < 2) return undefined;
    const [kind = 'failed'] = bad;
    return { bad: bad.length, of: this.#newest.length, kind: bad.every((each) => each === kind) ? kind : 'failed' };
  }

  #push(kind: Share['kind'] | undefined): void {
    this.#newest.push(kind);
    if (this.#newest.length > WINDOW) this.#newest.shift();
  }
}
