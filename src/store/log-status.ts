/** The state of an open log, for status and metrics; also the parts of it that lie in memory. */

import type { LogParts } from './log-parts.ts';
import { MIRROR_MOST } from './tail/mirror.ts';
import { PENDING_MOST } from './tail/pending.ts';
import { RECENT_MOST } from './tail/recent.ts';
import { MAX_QUESTIONS } from './threads/threads.ts';

/** Between the wire and the disk. Every part has its bound. */
export interface HeldMemory {
  /** Items that the disk does not have yet. */
  readonly pending: Held;
  /** The runtime directory. */
  readonly tail: Held;
  /** Newest records, for live batches; about. */
  readonly live: Held;
  /** Bytes of batches that were made for a forwarder and are not acknowledged: one for each lane. */
  readonly unanswered: number;
  /** Questions to the keeper that wait for an answer, each of bounded size. */
  readonly questions: { readonly asked: number; readonly limit: number };
}
/** Bytes, and how many at most. */
interface Held {
  readonly bytes: number;
  readonly limit: number;
}

export type LogStatus = ReturnType<typeof statusOf> & {
  readonly id: string;
  readonly boot: number;
  readonly checkpointFault: string | undefined;
};

export function statusOf({ committer, tail, tiers, outlets, numbers, keeper }: LogParts) {
  const { cycle, last, committed } = committer;
  const { pending, mirror, recent } = tail;
  const memory: HeldMemory = {
    pending: { bytes: pending.bytes, limit: PENDING_MOST },
    tail: { bytes: mirror.bytes, limit: MIRROR_MOST },
    live: { bytes: recent.bytes, limit: RECENT_MOST },
    unanswered: outlets.unanswered,
    questions: { asked: keeper.asked, limit: MAX_QUESTIONS },
  };
  return {
    next: numbers.next,
    committed,
    bytes: last.bytes + tiers.bytes,
    limit: tiers.limit,
    pendingReadings: pending.readings,
    memory,
    commits: cycle.count,
    lastCommit: cycle.last,
    held: last.held + tiers.held,
    historyBytes: tiers.bytes,
    tidyFault: tiers.fault,
    oldest: tiers.oldestWith(last.oldest),
    fault: cycle.fault,
    mirrorFault: mirror.fault,
  };
}
