/** The table of rule kinds: a new kind is one file in kinds/ and one line here. */
import type { ResolvedRule } from '../config/kinds.ts';
import { above } from './kinds/above.ts';
import { below } from './kinds/below.ts';
import { equals } from './kinds/equals.ts';
import { outside } from './kinds/outside.ts';
import { stale } from './kinds/stale.ts';
import type { RuleKind } from './rule-kind.ts';

export const RULE_KINDS: readonly RuleKind[] = [above, below, outside, equals, stale];

/** What is wrong with a rule as a whole although each of its keys is right; undefined when nothing is. */
export function ruleFault(rule: Pick<ResolvedRule, 'kind' | 'setting' | 'deadband'>): string | undefined {
  return RULE_KINDS.find((kind) => kind.key === rule.kind)?.check?.(rule.setting, rule.deadband);
}
