/** A rule of a kind that only advises does nothing, and nothing else depends on it: its advice may be wrong. */
import { isSection, type Section } from './checker.ts';
import type { Fault, Path } from './fault.ts';
import type { Kinds } from './kinds.ts';
import type { YamlSource } from './yaml-source.ts';

/** Keys that make a rule do something. */
const ACTS = ['do', 'escalate', 'interlock'] as const;

interface AdviceContext {
  readonly source: YamlSource;
  readonly kinds: Kinds;
  readonly report: (fault: Fault) => void;
}

export function checkAdvice(written: readonly [string, unknown][], { source, kinds, report }: AdviceContext): void {
  const advisory = kinds.rules.filter((kind) => kind.advisory).map((kind) => kind.key);
  const kindOf = (value: Section) => advisory.find((key) => value[key] !== undefined);
  const advising = new Map(written.flatMap(([name, value]) => (isSection(value) ? [[name, kindOf(value)] as const] : [])));
  for (const [name, value] of written) {
    if (!isSection(value)) continue;
    const at: Path = ['rules', name];
    const kind = advising.get(name);
    if (kind !== undefined) {
      if (value.severity === 'critical')
        report(source.fault([...at, 'severity'], `${kind} only advises, so it is never critical; write warning or info`));
      for (const key of ACTS) {
        if (value[key] === undefined) continue;
        const words = `${kind} only advises, so it does nothing; remove ${key}, or put it at a rule with a setpoint`;
        report(source.fault([...at, key], words, 'key'));
      }
    }
    if (!Array.isArray(value.suppressedBy)) continue;
    for (const [i, other] of value.suppressedBy.entries()) {
      const advises = advising.get(String(other));
      if (advises === undefined) continue;
      const words = `the rule ${other} only advises (${advises}), so it suppresses no alarm; remove it from the list`;
      report(source.fault([...at, 'suppressedBy', i], words));
    }
  }
}
