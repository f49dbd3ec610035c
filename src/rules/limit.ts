/** `above` and `below` of a number that a condition computes: the keys, their faults, the verdict with deadband, the words. */

import * as z from 'zod';
import { decimalSum } from '../codecs/decimal.ts';
import { phrase, type Sentence } from '../core/sentence.ts';
import type { Limit, Verdict } from './rule-kind.ts';

/** At least one of the two is there (`limitFault`). */
export interface Limits {
  readonly above?: number | undefined;
  readonly below?: number | undefined;
}

export function limitKeys(what: string) {
  return {
    above: z.number().optional().describe(`In alarm while ${what} is greater than this number.`),
    below: z.number().optional().describe(`In alarm while ${what} is less than this number.`),
  };
}

/** What the keys alone cannot say, as a sentence. */
export function limitFault({ above, below }: Limits, deadband: number): string | undefined {
  if (above === undefined && below === undefined) return 'nothing is compared; write above: or below: with a number';
  if (above === undefined || below === undefined) return undefined;
  if (below >= above) return `below (${below}) must be less than above (${above}): values between them are normal`;
  if (decimalSum(below, deadband) <= decimalSum(above, -deadband)) return undefined;
  return `with a deadband of ${deadband} no value between ${below} and ${above} would end the alarm; write at most ${(above - below) / 2}`;
}

/** In alarm beyond a limit; back once all limits are at least the deadband away. @param equal a limit itself is beyond it */
export function judgeOf({ above, below }: Limits, deadband: number, equal = false): (value: number) => Verdict {
  const high = above ?? Number.POSITIVE_INFINITY;
  const low = below ?? Number.NEGATIVE_INFINITY;
  const highBack = above === undefined ? high : decimalSum(above, -deadband);
  const lowBack = below === undefined ? low : decimalSum(below, deadband);
  return (value) => {
    if (value > high || value < low || (equal && (value === high || value === low))) return 'alarm';
    return value <= highBack && value >= lowBack ? 'normal' : 'between';
  };
}

export function limitWords({ above, below }: Limits, equal = false): Sentence {
  if (above !== undefined && below !== undefined)
    return phrase(equal ? 'outside-or-equal' : 'outside', { min: below, max: above });
  if (above === undefined) return phrase(equal ? 'below-or-equal' : 'below', { limit: below ?? '' });
  return phrase(equal ? 'above-or-equal' : 'above', { limit: above });
}

/** @param equal a limit itself is beyond it */
export function limitLines({ above, below }: Limits, equal = false): readonly Limit[] {
  return [
    ...(below === undefined ? [] : [{ value: below, words: equal ? `${below} or less` : `below ${below}` }]),
    ...(above === undefined ? [] : [{ value: above, words: equal ? `${above} or more` : `above ${above}` }]),
  ];
}
