/**
 * What a rule pack decides by itself: numbers and times that stand in its rules and not in its parameters. No document is behind them, so
 * `sluice pack show` lists them as our choice. A limit is a parameter, because a site must be able to change it; delays, deadbands and
 * windows may stand in a rule.
 */
import { isSection } from './checker.ts';
import type { RulePack } from './rule-packs.ts';

export interface PackChoice {
  /** As `onDelay`, or `average.over` inside a condition. */
  readonly key: string;
  readonly value: string | number;
}

const DURATION = /^\d+(\.\d+)?(ms|s|m|h|d)$/;
/** Keys whose values are no measure: words for people, names, and a state such as "the pump runs". */
const NO_MEASURE = ['message', 'do', 'escalate', 'interlock', 'equals', 'notEquals'];

/** By rule, in the order of the pack. Rules without a choice of ours are left out. */
export function packChoices({ rules = {} }: Pick<RulePack, 'rules'>): ReadonlyMap<string, readonly PackChoice[]> {
  const all = Object.entries(rules).map(([rule, written]) => [rule, choicesIn(written, '')] as const);
  return new Map(all.filter(([, choices]) => choices.length > 0));
}

function choicesIn(value: unknown, key: string): PackChoice[] {
  if (typeof value === 'number' || (typeof value === 'string' && DURATION.test(value))) return [{ key, value }];
  if (Array.isArray(value)) return value.flatMap((part, i) => choicesIn(part, `${key}.${i + 1}`));
  if (!isSection(value)) return [];
  return Object.entries(value).flatMap(([name, part]) =>
    NO_MEASURE.includes(name) ? [] : choicesIn(part, key === '' ? name : `${key}.${name}`),
  );
}
