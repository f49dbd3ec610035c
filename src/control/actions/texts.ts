/**
 * Texts of an alarm in the places of a template. Values come from the field: a text never gets another place filled, never becomes a
 * second argument, and has a bound. Pure.
 */
import type { AlarmState, AlarmTransition, Severity } from '../../core/alarm.ts';
import { plainValue } from '../../core/point.ts';
import type { Moment } from '../../rules/rule-state.ts';

/** What is known of an alarm when an action begins. Plain JSON: it is kept with the action. */
export interface AlarmFacts {
  readonly rule: string;
  /** `device.point` */
  readonly point: string;
  readonly occurrence: number;
  readonly state: AlarmState;
  readonly severity: Severity;
  /** '' for a silent point. */
  readonly value: string;
  /** UTC ms, as known when it happened. */
  readonly time: number;
  readonly message: string;
}

/** @param moment of now */
export function factsOf(t: AlarmTransition, { at, wall }: Moment): AlarmFacts {
  return {
    ...{ rule: t.rule, point: t.point, occurrence: t.occurrence, state: t.state, severity: t.severity, message: t.message },
    value: t.value === undefined ? '' : String(plainValue(t.value, t.type)),
    time: Math.round(t.at + wall - at),
  };
}

/** Letters of a text that is filled in, and of all of them together. */
export const LONGEST_TEXT = 1000;
export const LONGEST_FILLED = 8192;

/** @param own texts under `with`, which may have places themselves */
export function fill(template: string, facts: AlarmFacts, gateway: string, own: Readonly<Record<string, string>> = {}): string {
  const texts = textsOf(facts, gateway);
  const filled = replaced(template, (place) => {
    if (Object.hasOwn(texts, place)) return texts[place];
    return Object.hasOwn(own, place)
      ? replaced(own[place] ?? '', (inner) => (Object.hasOwn(texts, inner) ? texts[inner] : undefined))
      : undefined;
  });
  return cut(filled, LONGEST_FILLED);
}

/** Each place is filled once: a text that holds `{value}` shows just that. */
function replaced(template: string, textOf: (place: string) => string | undefined): string {
  return template.replaceAll(/\{([a-zA-Z][a-zA-Z0-9]*)\}/g, (whole, place: string) => textOf(place) ?? whole);
}

function textsOf(
  { rule, point, occurrence, state, severity, value, time, message }: AlarmFacts,
  gateway: string,
): Record<string, string> {
  return {
    ...{ rule, point, state, severity, gateway, occurrence: String(occurrence) },
    value: plain(value),
    message: plain(message),
    time: Math.abs(time) <= 8.64e15 ? new Date(time).toISOString() : '',
  };
}

/** One line: no program reads a second line, an escape code or an end of text in it. */
export function plain(text: string): string {
  return cut(text, LONGEST_TEXT).replaceAll(/[\p{Cc}\p{Cs}\u2028\u2029]+/gu, ' ');
}

/** Does not cut a letter of two halves. */
function cut(text: string, most: number): string {
  if (text.length <= most) return text;
  const end = /[\uD800-\uDBFF]/.test(text[most - 1] ?? '') ? most - 1 : most;
  return text.slice(0, end);
}
