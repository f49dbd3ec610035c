/** The sentences of alarms: number, unit, what was exceeded, for how long. */

import type { ResolvedRule } from '../config/kinds.ts';
import type { Value } from '../core/point.ts';
import { withUnit } from '../core/unit-words.ts';
import { formatDuration } from '../core/units.ts';
import type { Measured } from './rule-kind.ts';

/** The possible parts of a message about the last value. */
export interface Seen {
  readonly value: Value | undefined;
  /** False when bad readings or a restart came after the value. */
  readonly fresh: boolean;
  readonly unit: string | undefined;
  /** What all points of the rule say, where none is its own. */
  readonly sentence?: string | undefined;
  /** What the condition compares, where that is not the value. */
  readonly measured?: Measured | undefined;
}

/** A computed value has no digits of an instrument; six tell more than anyone reads. */
const MEASURED_DIGITS = 6;

/** What a condition says of itself; `after` where silence is all that counts, `bad` where a bad reading is. */
export type Said =
  | 'bad'
  | { readonly after: number }
  | { readonly words: string; explain?(unit: string | undefined): string | undefined };

export function pointOf(rule: ResolvedRule): string {
  return `${rule.device}.${rule.point}`;
}

export function amount({ value, unit }: Pick<Seen, 'value' | 'unit'>): string {
  // Twelve digits hide the noise of float arithmetic and keep all that an instrument can say.
  const text = typeof value === 'number' && !Number.isInteger(value) ? String(Number(value.toPrecision(12))) : String(value);
  return typeof value === 'string' ? text : withUnit(text, unit);
}

/** `fridge.temperature is 8.3 °C, above 8 for 10h`, or the rule's own message. */
export function activeMessage(rule: ResolvedRule, said: Said, seen: Seen): string {
  // What explains itself does so behind the rule's own message too.
  const why = said === 'bad' || 'after' in said ? undefined : said.explain?.(seen.unit);
  const own = rule.message;
  if (own !== undefined && why === undefined) return own;
  const held = rule.onDelay > 0 ? ` for ${formatDuration(rule.onDelay)}` : '';
  if (said === 'bad') return `${pointOf(rule)} has no good value${held}`;
  if ('after' in said) return `${pointOf(rule)} had no value for ${formatDuration(said.after + rule.onDelay)}`;
  if (why !== undefined) return `${own === undefined ? '' : `${own}: `}${pointOf(rule)}${state(seen)}${held}; ${why}`;
  if (seen.sentence !== undefined) return `${seen.sentence}${held}`;
  return `${pointOf(rule)}${state(seen)}${said.words === '' ? '' : `, ${said.words}`}${held}`;
}

function state({ measured, value, fresh, unit }: Seen): string {
  if (measured !== undefined)
    return `: ${measured.words} is ${amount({ unit, value: Number(measured.value.toPrecision(MEASURED_DIGITS)) })}`;
  return value === undefined ? '' : ` ${fresh ? 'is' : 'was last'} ${amount({ value, unit })}`;
}

/** `fridge.temperature is 7.4 °C, back to normal` @param ended instead of `back to normal` */
export function normalMessage(rule: ResolvedRule, seen: Seen | 'bad', ended = 'back to normal'): string {
  if (seen === 'bad') return `${pointOf(rule)} has no good value, which counts as normal`;
  if (seen.sentence !== undefined) return `${seen.sentence}, ${ended}`;
  return `${pointOf(rule)}${state({ ...seen, fresh: true })}, ${ended}`;
}

export function changedMessage(rule: string, point: string): string {
  return `the rule ${rule} on ${point} was changed and starts again`;
}

export function removedMessage(rule: string, point: string): string {
  return `the rule ${rule} on ${point} was removed`;
}

/** `fridge-warm: acknowledged by amina` */
export function acknowledgedMessage(rule: ResolvedRule, by: string): string {
  return `${rule.name}: acknowledged by ${by}`;
}

/** `fridge-warm: shelved for 2h by amina (door open for defrosting)` @param length milliseconds */
export function shelvedMessage(rule: ResolvedRule, length: number, by: string, reason: string | undefined): string {
  const why = reason === undefined || reason === '' ? '' : ` (${reason})`;
  return `${rule.name}: shelved for ${formatDuration(Math.round(length / 1000) * 1000)} by ${by}${why}`;
}

/** `fridge-warm: reset by amina` */
export function resetMessage(rule: ResolvedRule, by: string): string {
  return `${rule.name}: reset by ${by}`;
}

/** `fridge-warm: taken out of service for 8h by amina (sensor is being replaced)` @param length milliseconds; undefined: it has no end */
export function removedFromServiceMessage(rule: ResolvedRule, length: number | undefined, by: string, reason: string): string {
  const time = length === undefined ? '' : ` for ${formatDuration(Math.round(length / 1000) * 1000)}`;
  return `${rule.name}: taken out of service${time} by ${by} (${reason})`;
}

/** `fridge-warm: put in service by amina; fridge.temperature is 4.2 °C, back to normal` @param now what holds now */
export function inServiceMessage(rule: ResolvedRule, by: string | undefined, now: string): string {
  return `${rule.name}: ${by === undefined ? 'the time out of service is over' : `put in service by ${by}`}; ${now}`;
}

/** `fridge-warm: suppressed by power-off; fridge.temperature is 8.3 °C, above 8` */
export function suppressedMessage(rule: ResolvedRule, by: string, now: string): string {
  return `${rule.name}: suppressed by ${by}; ${now}`;
}

/** `fridge-warm: no longer suppressed; fridge.temperature is 8.3 °C, above 8` */
export function unsuppressedMessage(rule: ResolvedRule, now: string): string {
  return `${rule.name}: no longer suppressed; ${now}`;
}

/** What was known of a delay that ran out while nobody looked. @param fresh a reading came after the start */
export function afterRestart(message: string, fresh: boolean): string {
  const judged = fresh ? '' : ', and no reading has come since the start';
  return `${message}; the delay ran out while the gateway was off${judged}`;
}

/** `fridge-warm: unshelved by amina; fridge.temperature is 4.2 °C, back to normal` @param now what holds now */
export function unshelvedMessage(rule: ResolvedRule, by: string | undefined, now: string): string {
  return `${rule.name}: ${by === undefined ? 'the shelving is over' : `unshelved by ${by}`}; ${now}`;
}
