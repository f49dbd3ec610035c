/** The limits of rules, as a picture draws them and a timeline says them. */
import type { ResolvedRule } from '../../config/kinds.ts';
import { kinds } from '../../gateway/registry.ts';
import type { Limit, RuleKind } from '../../rules/rule-kind.ts';

/** @param of `device.point`; default the point of the rule */
export function limitsOf({ kind, setting, device, point }: ResolvedRule, of = `${device}.${point}`): readonly Limit[] {
  // Every kind of the registry is a whole one; the loader asks for less.
  const known = kinds.rules.find(({ key }) => key === kind) as RuleKind | undefined;
  return (known?.limits?.(setting) ?? []).filter((limit) => (limit.point ?? `${device}.${point}`) === of);
}

/** `below 2 or above 8`, by rule; a rule that compares with no number has none. */
export function limitWords(rules: readonly ResolvedRule[]): Map<string, string> {
  return new Map(
    rules.flatMap((rule) => {
      const words = limitsOf(rule).map((limit) => limit.words);
      return words.length === 0 ? [] : [[rule.name, words.join(' or ')] as const];
    }),
  );
}
