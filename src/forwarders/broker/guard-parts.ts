/** What a frame guard is made with. */
import type { Clock } from '../../core/clock.ts';
import type { Turnstile } from '../../core/turns.ts';
import type { Lingering } from './linger.ts';
import type { PartialPackets } from './packet-cutter.ts';

export interface GuardLimits {
  /** Largest Remaining Length of the CONNECT, and of what follows it. */
  readonly beforeConnect: number;
  readonly afterConnect: number;
  /** Milliseconds from the first byte of a packet to its last. */
  readonly packetTimeout: number;
  /** Milliseconds. */
  readonly drainTimeout: number;
  /** Bytes waiting to be sent from which on it is congested. */
  readonly unsent: number;
  /** Bytes and levels of a topic that is published, levels of a filter; topic filters of a packet. */
  readonly topicBytes: number;
  readonly topicLevels: number;
  readonly filterLevels: number;
  readonly filters: number;
}

/** Shared by all clients. */
export interface GuardShares {
  readonly clock: Clock;
  readonly turnstile: Turnstile;
  readonly partial: PartialPackets;
  /** Sockets that wait for their peer to read why it was refused. */
  readonly lingering: Lingering;
}
