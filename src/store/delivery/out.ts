/** The interface of an outlet to its forwarder. */
import type { Encoded } from '../../codecs/format.ts';
import type { Lane, NoticeKind } from '../files/lane-state.ts';

export interface OutBatch {
  readonly lane: Lane;
  readonly log: number;
  readonly boot: string;
  readonly first: number;
  readonly last: number;
  readonly records: number;
  readonly readings: number;
  readonly messages: readonly Encoded[];
  /** Monotonic time of the oldest record; undefined when it was read from the file. */
  readonly oldest: number | undefined;
  /** `ClockBook.version` that its times are of. */
  readonly clock: number;
}

export interface OutNotice {
  readonly log: number;
  readonly seq: number;
  readonly kind: NoticeKind;
  readonly key: string;
  readonly json: string;
}

/** What a forwarder can take now. */
export interface OfferAsk {
  /** Notices, at most. */
  readonly limit: number;
  /** Notices of one channel keep their order. undefined: the far side has no place for it, and it is passed over. */
  readonly channel: (notice: OutNotice) => string | undefined;
  /** Nothing of this channel may leave now. */
  readonly held: (channel: string) => boolean;
}
