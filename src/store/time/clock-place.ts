/**
 * Where to put boots that never learnt the time: between the end of the last boot that did and the start of the next one
 * that did, in their order, never over each other, the time in between spread evenly. Pure.
 */

export interface Placed {
  /** UTC ms of each start, as many as there are lengths. */
  readonly starts: readonly number[];
  /** They lasted longer than there is space: they end at `before` all the same, and reach back over `after`. */
  readonly tight: boolean;
}

/**
 * @param after UTC ms, end of the last known boot; undefined when there is none: then they end right before the next one
 * @param before UTC ms, start of the next known boot
 * @param lengths milliseconds that each lasted, oldest first
 */
export function placeBoots(after: number | undefined, before: number, lengths: readonly number[]): Placed {
  const total = lengths.reduce((sum, n) => sum + n, 0);
  const slack = after === undefined ? 0 : before - after - total;
  const gap = Math.max(0, slack) / (lengths.length + 1);
  let left = total;
  const starts = lengths.map((length, i) => {
    const start = Math.floor(before - left - gap * (lengths.length - i));
    left -= length;
    return start;
  });
  return { starts, tight: slack < 0 };
}
