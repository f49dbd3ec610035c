/** What a forwarder owes its far side, log by log and lane by lane, and what a receipt from there means. Pure. */
import type { Lane, NoticeKind } from '../files/lane-state.ts';
import type { HandOverPromise } from './hand-over.ts';
import type { Lanes } from './lanes.ts';

/** The state of the forwarder in one log. */
export interface OutletPart {
  readonly ordinal: number;
  readonly name: string;
  readonly lanes: Lanes;
  /** Last number of a log that grows no more; undefined for the current log. */
  end: number | undefined;
  readonly promise: HandOverPromise;
}

/** A stretch of a lane that is in the files and not acknowledged. */
export interface OwedStretch {
  readonly ordinal: number;
  readonly log: string;
  readonly lane: Lane | NoticeKind;
  readonly first: number;
  readonly last: number;
}

/**
 * The outcome of a receipt for one range. `old`: it was acknowledged before. `gap`: something before it is missing. `unknown`: there is
 * no such log, or no such number in it.
 */
export type Received = 'moved' | 'old' | 'gap' | 'unknown';

/** A whole range of a lane that the far side has. */
export interface ReceivedRange {
  readonly log: string;
  readonly lane: Lane | NoticeKind;
  readonly first: number;
  readonly last: number;
}

/** Alarms first, older logs first. @param committed every number of the current log up to here is in the file */
export function owedOf(parts: readonly OutletPart[], committed: number): OwedStretch[] {
  const top = (part: OutletPart): number => part.end ?? committed;
  const notices = (['alarm', 'event'] as const).flatMap((lane) =>
    parts.map((part) => ({ part, lane, first: part.lanes.noticesAcked(lane) + 1, last: top(part) })),
  );
  const records = parts.flatMap((part) =>
    (['history', 'data'] as const).flatMap((lane) =>
      part.lanes.spans(lane).map(({ from, to }) => ({ part, lane, first: from, last: Math.min(to, top(part)) })),
    ),
  );
  return [...notices, ...records]
    .filter(({ first, last }) => first <= last)
    .map(({ part, lane, first, last }) => ({ ordinal: part.ordinal, log: part.name, lane, first, last }));
}

export function isNotice(lane: Lane | NoticeKind): lane is NoticeKind {
  return lane === 'alarm' || lane === 'event';
}

/** A range counts only where nothing of its lane is missing before it. @param part undefined: there is no such log */
export function judged(part: OutletPart | undefined, { lane, first, last }: ReceivedRange, committed: number): Received {
  if (part === undefined || last > (part.end ?? committed)) return 'unknown';
  const lowest = isNotice(lane) ? part.lanes.noticesAcked(lane) + 1 : part.lanes.span(lane)?.from;
  if (lowest === undefined || last < lowest) return 'old';
  return first > lowest ? 'gap' : 'moved';
}
