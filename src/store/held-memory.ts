/** What of the log lies in memory, between the wire and the disk. Every part has its bound. */

import type { Outlets } from './delivery/outlets.ts';
import { MIRROR_MOST } from './tail/mirror.ts';
import { PENDING_MOST } from './tail/pending.ts';
import { RECENT_MOST } from './tail/recent.ts';
import type { Tail } from './tail/tail.ts';
import { type Keeper, MAX_QUESTIONS } from './threads/threads.ts';

export interface HeldMemory {
  /** What the disk does not have yet. */
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

export function heldMemory({ pending, mirror, recent }: Tail, outlets: Outlets, keeper: Keeper): HeldMemory {
  return {
    pending: { bytes: pending.bytes, limit: PENDING_MOST },
    tail: { bytes: mirror.bytes, limit: MIRROR_MOST },
    live: { bytes: recent.bytes, limit: RECENT_MOST },
    unanswered: outlets.unanswered,
    questions: { asked: keeper.asked, limit: MAX_QUESTIONS },
  };
}
