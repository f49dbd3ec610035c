/**
 * When a certificate of the gateway is made anew, and how long it holds. Pure.
 *
 * - With a known clock it holds for about a year: browsers refuse a certificate of more than 398 days.
 * - Without one nobody knows which year it is. The certificate then holds for the whole time in which a clock is believed, so that
 *   clients with a right clock accept it. It is made anew once the clock is known.
 */
import { BELIEVED_UNTIL, BUILT } from '../../core/version.ts';
import type { HostNames } from './host-names.ts';

const DAY = 86_400_000;
/** CA/Browser Forum, Baseline Requirements 6.3.2: at most 398 days. */
export const VALID_DAYS = 397;
/** A board that was off for a month still renews in time. */
export const RENEW_BEFORE = 60 * DAY;
/** Clocks of clients may be behind by this much. */
const SLACK = DAY;
/** The authority outlives the board: clients pin it once. */
export const CA_UNTIL = BUILT + 30 * 365.25 * DAY;

export interface Now {
  /** UTC ms. */
  readonly utc: number;
  readonly known: boolean;
}
export interface Validity {
  /** UTC ms. */
  readonly from: number;
  readonly until: number;
}
export interface Held extends Validity {
  readonly names: HostNames;
}

export function validityAt({ utc, known }: Now): Validity {
  if (!known) return { from: BUILT, until: BELIEVED_UNTIL };
  return { from: Math.max(BUILT, utc - SLACK), until: Math.min(CA_UNTIL, utc - SLACK + VALID_DAYS * DAY) };
}

/** Why the certificate has to be made anew, in words; undefined: it is good. */
export function renewalReason(held: Held, wanted: HostNames, { utc, known }: Now): string | undefined {
  const missing = [
    ...wanted.dns.filter((name) => !held.names.dns.includes(name)),
    ...wanted.addresses.filter((address) => !held.names.addresses.includes(address)),
  ];
  if (missing.length > 0) return `it does not carry ${missing.slice(0, 3).join(', ')}`;
  if (!known) return undefined;
  if (utc < held.from) return 'it is not valid yet';
  if (held.until - utc < RENEW_BEFORE) return 'it ends soon';
  if (held.until - held.from > (VALID_DAYS + 1) * DAY) return 'it was made before the clock was known';
  return undefined;
}
