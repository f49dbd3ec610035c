/**
 * Whether data lags: its oldest record that is not acknowledged waits for longer than a bound. A reading that comes late from its device
 * waits since it came.
 */
import type { Recent } from '../tail/recent.ts';

/** Calls remembered; one a second, so a bound of 10 s needs eleven. */
const MAX_MARKS = 32;

export class LagWatch {
  /** The next number at each call, the first of them at least `lag` ago. */
  readonly #marks: { next: number; at: number }[] = [];

  /** @param from the oldest number that is not acknowledged @param lag milliseconds */
  lags({ recent, next }: { recent: Recent; next: number }, from: number | undefined, now: number, lag: number): boolean {
    if (now - (this.#marks.at(-1)?.at ?? Number.NEGATIVE_INFINITY) >= lag / (MAX_MARKS / 2)) this.#marks.push({ next, at: now });
    while ((this.#marks[1]?.at ?? Number.POSITIVE_INFINITY) <= now - lag || this.#marks.length > MAX_MARKS) this.#marks.shift();
    if (from === undefined) return false;
    // It came after that call.
    const before = this.#marks.findLast(({ next: of }) => of <= from);
    if (before !== undefined && now - before.at <= lag) return false;
    if (from >= recent.from) return now - (recent.at(from)?.sample.at ?? now) > lag;
    // A fast site: memory holds less than that of it.
    const [mark] = this.#marks as [{ next: number; at: number }];
    return now - mark.at >= lag && from < mark.next;
  }
}
