/** The sentences of alarms: number, unit, what was exceeded, for how long. The words are in core/sentences.ts. */

import type { ResolvedRule } from '../config/kinds.ts';
import type { Value } from '../core/point.ts';
import { duration, phrase, type Sentence } from '../core/sentence.ts';
import { withUnit } from '../core/unit-words.ts';
import type { Measured } from './rule-kind.ts';

/** The possible parts of a message about the last value. */
export interface Seen {
  readonly value: Value | undefined;
  /** False when bad readings or a restart came after the value. */
  readonly fresh: boolean;
  readonly unit: string | undefined;
  /** What all points of the rule say, where none is its own. */
  readonly sentence?: Sentence | undefined;
  /** What the condition compares, where that is not the value. */
  readonly measured?: Measured | undefined;
}

/** A computed value has no digits of an instrument; six tell more than anyone reads. */
export const MEASURED_DIGITS = 6;

/** What a condition says of itself; `after` where silence is all that counts, `bad` where a bad reading is. */
export type Said =
  | 'bad'
  | { readonly after: number }
  | { readonly words: Sentence; explain?(unit: string | undefined): Sentence | undefined };

export function pointOf(rule: ResolvedRule): string {
  return `${rule.device}.${rule.point}`;
}

/** The text that a person wrote for the rule. */
export function ownWords({ texts, message }: Pick<ResolvedRule, 'texts' | 'message'>): Sentence | undefined {
  return texts ?? message;
}

export function amount({ value, unit }: Pick<Seen, 'value' | 'unit'>): string {
  // Twelve digits hide the noise of float arithmetic and keep all that an instrument can say.
  const text = typeof value === 'number' && !Number.isInteger(value) ? String(Number(value.toPrecision(12))) : String(value);
  return typeof value === 'string' ? text : withUnit(text, unit);
}

/** `fridge.temperature is 8.3 °C, above 8 for 10h`, or the rule's own message. */
export function activeMessage(rule: ResolvedRule, said: Said, seen: Seen): Sentence {
  const point = pointOf(rule);
  // What explains itself does so behind the rule's own message too.
  const why = said === 'bad' || 'after' in said ? undefined : said.explain?.(seen.unit);
  const own = ownWords(rule);
  if (own !== undefined && why === undefined) return own;
  const held = (what: Sentence): Sentence => (rule.onDelay > 0 ? phrase('held', { what, time: duration(rule.onDelay) }) : what);
  if (said === 'bad') return held(phrase('no-good-value', { point }));
  if ('after' in said) return phrase('silent', { point, time: duration(said.after + rule.onDelay) });
  if (why !== undefined) {
    const explained = phrase('semicolon', { a: held(state(point, seen)), b: why });
    return own === undefined ? explained : phrase('colon', { a: own, b: explained });
  }
  if (seen.sentence !== undefined) return held(seen.sentence);
  const is = state(point, seen);
  return held(said.words === '' ? is : phrase('comma', { a: is, b: said.words }));
}

function state(point: string, { measured, value, fresh, unit }: Seen): Sentence {
  if (measured !== undefined)
    return phrase('measured', {
      point,
      what: measured.words,
      value: amount({ unit, value: Number(measured.value.toPrecision(MEASURED_DIGITS)) }),
    });
  return value === undefined ? point : phrase(fresh ? 'is' : 'was', { point, value: amount({ value, unit }) });
}

/** `fridge.temperature is 7.4 °C, back to normal` @param ended instead of `back to normal` */
export function normalMessage(rule: ResolvedRule, seen: Seen | 'bad', ended: Sentence = phrase('back')): Sentence {
  const point = pointOf(rule);
  if (seen === 'bad') return phrase('bad-is-normal', { point });
  return phrase('comma', { a: seen.sentence ?? state(point, { ...seen, fresh: true }), b: ended });
}

export function changedMessage(rule: string, point: string): Sentence {
  return phrase('rule-changed', { rule, point });
}

export function removedMessage(rule: string, point: string): Sentence {
  return phrase('rule-removed', { rule, point });
}

/** `fridge-warm: acknowledged by amina` */
export function acknowledgedMessage({ name: rule }: ResolvedRule, by: string): Sentence {
  return phrase('acknowledged', { rule, by });
}

/** `fridge-warm: shelved for 2h by amina (door open for defrosting)` @param length milliseconds */
export function shelvedMessage({ name: rule }: ResolvedRule, length: number, by: string, reason: string | undefined): Sentence {
  const shelving = { rule, by, time: wholeSeconds(length) };
  return reason === undefined || reason === ''
    ? phrase('shelved', shelving)
    : phrase('shelved-because', { ...shelving, why: reason });
}

/** `fridge-warm: reset by amina` */
export function resetMessage({ name: rule }: ResolvedRule, by: string): Sentence {
  return phrase('reset', { rule, by });
}

/** `fridge-warm: taken out of service for 8h by amina (sensor is being replaced)` @param length milliseconds; undefined: it has no end */
export function removedFromServiceMessage(
  { name: rule }: ResolvedRule,
  length: number | undefined,
  by: string,
  reason: string,
): Sentence {
  const removal = { rule, by, why: reason };
  return length === undefined ? phrase('out', removal) : phrase('out-for', { ...removal, time: wholeSeconds(length) });
}

/** `fridge-warm: put in service by amina; fridge.temperature is 4.2 °C, back to normal` @param now what holds now */
export function inServiceMessage({ name: rule }: ResolvedRule, by: string | undefined, now: Sentence): Sentence {
  return by === undefined ? phrase('out-over', { rule, now }) : phrase('in-service', { rule, by, now });
}

/** `fridge-warm: suppressed by power-off; fridge.temperature is 8.3 °C, above 8` */
export function suppressedMessage({ name: rule }: ResolvedRule, by: string, now: Sentence): Sentence {
  return phrase('suppressed', { rule, by, now });
}

/** `fridge-warm: no longer suppressed; fridge.temperature is 8.3 °C, above 8` */
export function unsuppressedMessage({ name: rule }: ResolvedRule, now: Sentence): Sentence {
  return phrase('unsuppressed', { rule, now });
}

/** What was known of a delay that ran out while nobody looked. @param fresh a reading came after the start */
export function afterRestart(what: Sentence, fresh: boolean): Sentence {
  return phrase(fresh ? 'ran-out' : 'ran-out-unread', { what });
}

/** `fridge-warm: unshelved by amina; fridge.temperature is 4.2 °C, back to normal` @param now what holds now */
export function unshelvedMessage({ name: rule }: ResolvedRule, by: string | undefined, now: Sentence): Sentence {
  return by === undefined ? phrase('shelving-over', { rule, now }) : phrase('unshelved', { rule, by, now });
}

function wholeSeconds(length: number): Sentence {
  return duration(Math.round(length / 1000) * 1000);
}
