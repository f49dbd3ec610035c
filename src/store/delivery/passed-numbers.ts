/**
 * What a filter left out of each lane since the last batch. The next batch covers it, so a receiver that looks for gaps finds
 * none there. It is forgotten at a restart: a gap is then all that a receiver sees, as after a kill.
 */
import type { Lane } from '../files/lane-state.ts';
import type { Passed } from './backlog-request.ts';

export class PassedNumbers {
  readonly #last: Partial<Record<Lane, { readonly log: number; readonly next: number; readonly passed: Passed } | undefined>> =
    {};

  /** What was left out just before `from`. */
  before(log: number, lane: Lane, from: number): Passed | undefined {
    const last = this.#last[lane];
    return last?.log === log && last.next === from ? last.passed : undefined;
  }

  /** Nothing of from..upTo is for the forwarder. @param passed the last boot of it; undefined: it has no records */
  pass(log: number, lane: Lane, from: number, upTo: number, passed: Passed | undefined): void {
    const before = this.before(log, lane, from);
    const first = before?.boot === passed?.boot ? before?.first : undefined;
    const now = passed === undefined ? before : { boot: passed.boot, first: Math.min(first ?? passed.first, passed.first) };
    this.#last[lane] = now === undefined ? undefined : { log, next: upTo + 1, passed: now };
  }
}
