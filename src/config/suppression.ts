/** `suppressedBy:` names rules that exist, and no two rules hide each other: an alarm that nobody can see would be lost. */
import { isSection } from './checker.ts';
import type { Fault } from './fault.ts';
import { hint } from './suggest.ts';
import type { YamlSource } from './yaml-source.ts';
import { quote } from './zod-words.ts';

interface Context {
  readonly source: YamlSource;
  readonly report: (fault: Fault) => void;
}

export function checkSuppression(written: readonly [string, unknown][], { source, report }: Context): void {
  const names = written.map(([name]) => name);
  const known = new Set(names);
  const edges = new Map(written.map(([name, value]) => [name, suppressorsOf(value)] as const));
  for (const [name, by] of edges)
    for (const [i, other] of by.entries()) {
      const at = ['rules', name, 'suppressedBy', i];
      if (other === name) report(source.fault(at, 'a rule cannot suppress itself; remove this name'));
      else if (!known.has(other)) report(source.fault(at, `there is no rule ${quote(other)}${hint(other, names)}`));
    }
  for (const name of ringsOf(edges))
    report(
      source.fault(
        ['rules', name, 'suppressedBy'],
        `the rule ${name} suppresses itself through ${(edges.get(name) ?? []).join(', ')}; two rules that suppress each other would hide both alarms`,
        'key',
      ),
    );
}

function suppressorsOf(value: unknown): readonly string[] {
  if (!isSection(value) || !Array.isArray(value.suppressedBy)) return [];
  return value.suppressedBy.filter((one): one is string => typeof one === 'string');
}

/** Rules that lie on a ring; one of each ring. Each rule and each name is looked at once. */
function ringsOf(edges: ReadonlyMap<string, readonly string[]>): string[] {
  const rings: string[] = [];
  const done = new Set<string>();
  for (const start of edges.keys()) {
    if (done.has(start)) continue;
    const open = new Set<string>();
    const stack: { readonly name: string; next: number }[] = [{ name: start, next: 0 }];
    open.add(start);
    for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
      const other = (edges.get(top.name) ?? [])[top.next++];
      if (other === undefined) {
        stack.pop();
        open.delete(top.name);
        done.add(top.name);
      } else if (open.has(other)) {
        if (other !== top.name) rings.push(other);
      } else if (!done.has(other) && edges.has(other)) {
        open.add(other);
        stack.push({ name: other, next: 0 });
      }
    }
  }
  return [...new Set(rings)];
}
