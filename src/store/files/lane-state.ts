/** The saved lanes of a forwarder: as JSON in the table `lanes` of log.db and in the runtime directory. The rules are in delivery/lanes.ts. */

export type Lane = 'data' | 'history';
/** Alarms and events have no lanes, and a cursor each. */
export type NoticeKind = 'alarm' | 'event';

/** As the store and the runtime directory keep it. */
export interface LaneState {
  /** First number of each range, ascending, with its lane; the last range is open. Lanes alternate. */
  readonly ranges: readonly (readonly [from: number, lane: Lane])[];
  /** Everything of that lane up to here is acknowledged, refused or gone. */
  readonly data: number;
  readonly history: number;
  /** The same for alarms and events. */
  readonly notices: number;
  /** Present where alarms and events stand at different numbers; the one that is further. */
  readonly alarms?: number | undefined;
  readonly events?: number | undefined;
  /** Present where alarms beyond the cursor are delivered. */
  readonly beyond?: Beyond | undefined;
  /** The highest number ever handed to the client on data, and on history. */
  readonly handed: number;
  readonly handedHistory: number;
  /** Numbers below were never meant for this forwarder. */
  readonly since: number;
  /** See `promise`. */
  readonly promised?: Promised | undefined;
}

/** How far each lane may be handed over without the file knowing of it. */
export interface Promised {
  readonly data: number;
  readonly history: number;
  /** The runtime directory does not know of it either. */
  readonly blind: boolean;
}

export interface Span {
  readonly from: number;
  /** Inclusive; Infinity in the open range. */
  readonly to: number;
}

/**
 * Alarms beyond the cursor: each one up to `upTo` is delivered, apart from those of these rules from these numbers on. A rule delivers its
 * alarms in order, so one number says it all.
 */
export interface Beyond {
  readonly upTo: number;
  /** Ascending, at most MOST_WAITING. */
  readonly waiting: readonly (readonly [rule: string, from: number])[];
}

/** Rules that wait, as they are saved: some 20 bytes each, with each commit as long as they wait. */
export const MOST_WAITING = 256;

/** Whether a saved one may be believed. */
export function isBeyond(value: unknown): value is Beyond {
  if (typeof value !== 'object' || value === null) return false;
  const { upTo, waiting } = value as Partial<Beyond>;
  if (!isNumber(upTo) || !Array.isArray(waiting) || waiting.length > MOST_WAITING) return false;
  return waiting.every((one: unknown) => Array.isArray(one) && typeof one[0] === 'string' && isNumber(one[1]));
}
function isNumber(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
