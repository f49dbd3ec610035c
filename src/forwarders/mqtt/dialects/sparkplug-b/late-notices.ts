/** Alarms and events that were sent in the last moments before a connection was lost: nobody says that a host has them. */
import type { OutNotice } from '../../../../store/delivery/out.ts';

const MOST = 200;
/** A line that breaks all the time must not carry the same for ever. */
const MOST_TIMES = 3;

export class LateNotices {
  readonly #keep: number;
  #sent: { readonly notice: OutNotice; readonly at: number; readonly times: number }[] = [];
  #owed: { readonly notice: OutNotice; readonly times: number }[] = [];

  /** @param keep milliseconds */
  constructor(keep: number) {
    this.#keep = keep;
  }

  /** @param now monotonic */
  add(notice: OutNotice, now: number, times = 1): void {
    this.#sent = this.#sent.filter(({ at }) => now - at <= this.#keep);
    this.#sent.push({ notice, at: now, times });
    if (this.#sent.length > MOST) this.#sent.shift();
  }
  /** The connection is over. @param since monotonic; what was sent before has arrived */
  lost(since: number): void {
    const lost = this.#sent.filter(({ at, times }) => at >= since && times < MOST_TIMES);
    this.#owed = [...this.#owed, ...lost].slice(-MOST);
    this.#sent = [];
  }
  /** What births are followed by. It counts as sent. @param now monotonic */
  take(now: number): OutNotice[] {
    const owed = this.#owed;
    this.#owed = [];
    for (const { notice, times } of owed) this.add(notice, now, times + 1);
    return owed.map(({ notice }) => notice);
  }
}
