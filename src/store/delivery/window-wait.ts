/**
 * When a forwarder with windows of time may be given the next ones. Windows are made of what is committed: a power cut then
 * changes nothing in a window that was sent. So the files are asked once for each window, and not with each commit.
 */
import type { RecordFilter } from '../../codecs/record-filter.ts';
import { LATE } from '../../codecs/windows.ts';
import type { Lane } from '../files/lane-state.ts';

export class WindowWait {
  #every = 0;
  #gather = 0;
  /** The last commit that began: the number behind it, and when. */
  #begun: { readonly next: number; readonly at: number } | undefined;
  #settled = Number.NEGATIVE_INFINITY;
  readonly #open: Partial<Record<Lane, { readonly log: number; readonly from: number; readonly until: number } | undefined>> = {};

  commitBegins(next: number, now: number, committed: number): void {
    this.#look(committed);
    this.#begun = { next, at: now };
  }
  #look(committed: number): void {
    if (this.#begun === undefined || committed < this.#begun.next - 1) return;
    this.#settled = Math.max(this.#settled, this.#begun.at);
    this.#begun = undefined;
  }

  /** Every record of this boot that is not younger is committed. Monotonic milliseconds. @param next the number that the next item gets */
  settled(next: number, committed: number, now: number): number {
    this.#look(committed);
    return (committed >= next - 1 ? now : this.#settled) - LATE;
  }

  /** From `from` on nothing can be said before `until` is settled. On `data` it waits for more, so that a batch has several. */
  hold(lane: Lane, log: number, from: number, until: number | undefined): void {
    const gather = lane === 'data' ? this.#gather : 0;
    this.#open[lane] = until === undefined ? undefined : { log, from, until: until + gather };
  }
  /** Whether it has to wait. @param settled as above */
  holds(lane: Lane, log: number, from: number, settled: number): boolean {
    const open = this.#open[lane];
    return open?.log === log && open.from === from && settled < open.until;
  }
  begin({ thinning, gather = 0 }: RecordFilter = {}): void {
    this.#every = thinning?.every ?? 0;
    this.#gather = gather;
    this.#open.data = undefined;
    this.#open.history = undefined;
  }
  /** How old the oldest record may get that is not acknowledged: its window has to be over, and committed. */
  slack(commitEvery: number): number {
    return this.#every === 0 ? 0 : this.#every + LATE + this.#gather + commitEvery;
  }
}
