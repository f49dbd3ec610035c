/** The sides of a drain loop: what it carries, whom it gives it to, and what bounds it. */
import type { Clock } from '../core/clock.ts';
import type { SluiceError } from '../core/errors.ts';
import type { OutBatch, OutNotice } from '../store/delivery/out.ts';
import type { Outlet } from '../store/delivery/outlet.ts';
import type { Lane, NoticeKind } from '../store/files/lane-state.ts';
import type { Log } from '../store/log.ts';

/** What a pump carries. */
export type Carried = Lane | NoticeKind;

/**
 * The outcome of a message for the far side: it has it for good; it will never take it, and it is passed
 * over; nobody can say that it has it, and the same is offered again on this connection.
 */
export type Outcome = 'accept' | 'keep' | { readonly reject: SluiceError };

/** The far side does not take an alarm now: it is offered again after so many milliseconds. Other channels do not wait for it. */
export interface Later {
  readonly later: number;
}

export interface DrainTarget {
  /** @throws SluiceError when the connection is over */
  batch(batch: OutBatch): Promise<Outcome>;
  /** Notices of one channel keep their order. undefined: the far side has no place for it, and it is passed over. */
  channel(notice: OutNotice): string | undefined;
  /** @throws SluiceError when the connection is over */
  notice(notice: OutNotice): Promise<Outcome | Later>;
}

/** A connection that is made for what waits now. */
export interface DrainVisit {
  /** Alarms alone leave. */
  readonly alarmsOnly: boolean;
  /** Data, history and events begin when this is done; alarms do not wait for it. @throws SluiceError when the connection is over */
  first?(): Promise<void>;
  /** Nothing else leaves on this connection beside the drain loop, as far as one can tell. Absent: so it is. */
  quiet?(): boolean;
  /** @returns true, or how many readings of a batch may leave; 0: none */
  admit(what: OutBatch | OutNotice): true | number;
  /** What was admitted is answered. */
  settled(what: OutBatch | OutNotice): void;
  /** The far side takes nothing more of this on this visit: what was kept is not offered again on it. Alarms have channels instead. */
  over(of: Carried): boolean;
  /** The far side takes no alarm of this channel on this visit. */
  holds(channel: string): boolean;
  /** An alarm of this channel is not offered again. */
  passed(channel: string): void;
  /** The log has something that it could not give in time. */
  unfinished(): void;
  /** Nothing of a lane left, since its smallest batch was not admitted. */
  stuck(batch: OutBatch): void;
}

/** Keeps batches small on a slow link. A full batch leaves as several. */
export interface DrainCut {
  /** Readings that the next batch is asked to have, at most. */
  readings(lane: Lane): number;
  /** @returns true, or how many readings it should have instead; a single record leaves all the same */
  fits(batch: OutBatch): true | number;
}

/** Until when a channel has nothing to offer. */
export interface AlarmHold {
  /** Monotonic. */
  readonly until: number;
  /** The far side named a pause: a stop does not wait for it. */
  readonly later: boolean;
}

export interface DrainOptions {
  readonly log: Log;
  readonly outlet: Outlet;
  /** Readings of the next batch, at most; asked for each. */
  readonly maxReadings: () => number;
  /** Milliseconds. */
  readonly maxAge: number;
  /** What the link carries; absent: batches of any size. */
  readonly cut?: DrainCut | undefined;
  readonly clock: Clock;
  /** Data and history wait while it says so (the clock is not known yet); alarms and events do not. */
  readonly hold: () => boolean;
  /** Asked before a batch is handed over. 0: it may leave and is counted; otherwise milliseconds until the next question. */
  readonly pace?: (batch: OutBatch) => number;
  /** Channels whose alarms the far side takes later; it outlives connections. Absent: it does not. */
  readonly held?: Map<string, AlarmHold> | undefined;
  /** The connection is a visit: `run` resolves when nothing is left that may leave. */
  readonly visit?: DrainVisit | undefined;
  readonly refused: (batch: OutBatch | OutNotice, error: SluiceError) => void;
  /** Called after each read of the log: the error for which it cannot give what waits; undefined: it can. */
  readonly unread: (of: Carried, error: SluiceError | undefined) => void;
  readonly sent: (batch: OutBatch) => void;
  readonly delivered: (batch: OutBatch) => void;
}

/** What a drain loop gives to its pumps of notices. */
export interface PumpSide {
  readonly options: DrainOptions;
  readonly target: DrainTarget;
  /** Nothing new is handed over. */
  readonly ended: boolean;
  /** What there is leaves, and no more. */
  readonly finishing: boolean;
  /** Pumps of a visit that still have something, apart from that of alarms. */
  readonly busy: number;
  /** Asks the log. undefined: it cannot answer now. */
  read<T>(ask: () => Promise<T>): Promise<T | undefined>;
  /** Until `ms` are over, or something wakes the pump. */
  sleep(ms: number): Promise<void>;
  wake(): void;
  /** Nothing waits to be handed over. */
  calmDown(): void;
}
