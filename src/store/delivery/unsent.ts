/** What a forwarder has not delivered, as the numbers of its lanes have it. Filters do not count. */
import type { Recent } from '../tail/recent.ts';
import type { Lanes } from './lanes.ts';

export interface Unsent {
  /** Stretches that only the files have. */
  readonly spans: { log: number; from: number; to: number }[];
  /** Readings that only memory has. */
  readonly readings: number;
  readonly exact: boolean;
}

/** @param uncommitted readings that no file has @param exact whether all of them are for the forwarder */
export function unsentOf(
  parts: readonly { readonly ordinal: number; readonly lanes: Lanes; readonly end: number | undefined }[],
  { recent, committed }: { readonly recent: Recent; readonly committed: number },
  uncommitted: number,
  exact: boolean,
): Unsent {
  const spans: Unsent['spans'] = [];
  let readings = 0;
  for (const { ordinal, lanes, end } of parts)
    for (const lane of ['history', 'data'] as const)
      for (const { from, to } of lanes.spans(lane)) {
        const inMemory = lane === 'data' && end === undefined;
        const upTo = Math.min(to, end ?? committed, inMemory ? recent.from - 1 : Number.POSITIVE_INFINITY);
        if (from <= upTo) spans.push({ log: ordinal, from, to: upTo });
        if (inMemory) readings += recent.count(Math.max(from, recent.from), Number.MAX_SAFE_INTEGER, to);
      }
  const current = parts.at(-1)?.lanes;
  if (current === undefined || current.live) return { spans, readings, exact };
  // The open range is history: what no file has belongs to it, apart from what data took before it began.
  const open = current.spans('history').at(-1)?.from ?? 0;
  return { spans, readings: readings + uncommitted, exact: exact && open <= committed + 1 };
}
