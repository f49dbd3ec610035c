/** A running delay is saved again when it has grown by a twentieth of its length, and never more often than this (ms). */
const RESAVE_MIN = 10_000;
const RESAVE_SHARE = 20;

/** The rest of a shelving, or of a time out of service, is saved as a delay is, and this often at least (ms). */
const END_RESAVE = 3_600_000;

/** A memory that only grew is saved this often (ms): each time is a write to the card. */
export const MEMORY_RESAVE = 300_000;
/** Characters of a memory as JSON. A longer one is neither saved nor taken up. */
export const MOST_MEMORY = 16_384;

/** An on-delay or off-delay that runs. */
export interface Delay {
  readonly kind: 'on' | 'off';
  since: number;
  due: number;
  /** False: a reading must first show that the condition still holds (after a restart; an off-delay after a bad reading). */
  confirmed: boolean;
}

/** @param length of a delay, ms @returns growth after which it is saved again, ms */
export function resave(length: number): number {
  return Math.max(RESAVE_MIN, length / RESAVE_SHARE);
}

/** @param left of a shelving, ms; Infinity: it has no end @returns time after which what is left is saved again, ms */
export function resaveEnd(left: number): number {
  return left === Number.POSITIVE_INFINITY ? left : Math.min(resave(left), END_RESAVE);
}

/**
 * After a start, an on-delay that ran out while nobody looked, and silence, get this long (ms) for a first reading to
 * prove them right or wrong; ports and devices need some time, and an alarm raised from memory alone would often be false.
 */
export const FIRST_READING_GRACE = 60_000;

/** When a delay ends; Infinity: not by time alone. @param start of the rule, monotonic ms */
export function delayDue(delay: Delay | undefined, start: number): number {
  if (delay?.confirmed) return delay.due;
  return delay?.kind === 'on' ? Math.max(delay.due, start + FIRST_READING_GRACE) : Number.POSITIVE_INFINITY;
}
