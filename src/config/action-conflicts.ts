/**
 * What the actions of all rules do to each other. Pure.
 *
 * - A loop: a rule writes a point that it watches itself, or that another rule watches which writes …, also by way of derived
 *   points. It could switch for ever, so it is a fault.
 * - A contradiction: two rules write different values to one point, and no interlock says which one counts. It can be meant, so it is a
 *   warning. One rule that does so at the same moment, and two outputs that differ, are faults.
 */
import type { PlainValue, ResolvedAction } from './actions.ts';
import type { Path } from './fault.ts';
import type { ResolvedRule } from './kinds.ts';

export interface Conflict {
  readonly path: Path;
  readonly message: string;
  readonly severity: 'fault' | 'warning';
}

export interface ConflictSite {
  readonly rules: ReadonlyMap<string, ResolvedRule>;
  /** Points that follow from others, as `device.point`, with what they follow from. */
  readonly derived: ReadonlyMap<string, readonly string[]>;
  /** Safe values that the gateway sets by itself while it runs. */
  readonly safe: ReadonlyMap<string, PlainValue>;
}

/** Loops and contradictions that are reported; more of them are not worth reading. */
const MOST = 20;

/** A write that a rule may make. */
interface Writer {
  readonly rule: string;
  readonly action: Extract<ResolvedAction, { kind: 'write' | 'output' }>;
}

export function actionConflicts(site: ConflictSite): Conflict[] {
  const writers = writersOf(site.rules);
  return [...loops(site, writers).slice(0, MOST), ...contradictions(site, writers).slice(0, 2 * MOST)];
}

/** By the point that is written. */
function writersOf(rules: ConflictSite['rules']): Map<string, Writer[]> {
  const all = new Map<string, Writer[]>();
  for (const { name, actions = [], escalation } of rules.values())
    for (const action of [...actions, ...(escalation?.actions ?? [])].flatMap(withFallbacks)) {
      if (action.kind !== 'write' && action.kind !== 'output') continue;
      const known = all.get(action.point) ?? [];
      all.set(action.point, known);
      known.push({ rule: name, action });
    }
  return all;
}

function withFallbacks(action: ResolvedAction): ResolvedAction[] {
  return action.orElse === undefined ? [action] : [action, ...withFallbacks({ ...action.orElse, on: action.on })];
}

/** What follows from what: `rule x` and `point d.p`. */
function loops({ rules, derived }: ConflictSite, writers: ReadonlyMap<string, readonly Writer[]>): Conflict[] {
  const next = new Map<string, Set<string>>();
  const edge = (from: string, to: string): void => {
    const known = next.get(from) ?? new Set();
    next.set(from, known);
    known.add(to);
  };
  const acting = new Set([...writers.values()].flat().map(({ rule }) => rule));
  for (const [point, all] of writers) for (const { rule } of all) edge(`rule ${rule}`, `point ${point}`);
  for (const name of acting) {
    const rule = rules.get(name);
    for (const point of rule === undefined ? [] : watchedBy(rule)) edge(`point ${point}`, `rule ${name}`);
  }
  for (const [point, inputs] of derived) for (const input of inputs) edge(`point ${input}`, `point ${point}`);
  const found: Conflict[] = [];
  while (found.length < MOST) {
    peel(next);
    const cycle = cycleIn(next);
    if (cycle === undefined) break;
    const first = cycle.findIndex((node) => node.startsWith('rule '));
    // Points that follow from each other without a rule are none of its business.
    if (first >= 0) found.push(loopFault([...cycle.slice(first), ...cycle.slice(0, first)]));
    for (const node of cycle) next.delete(node);
  }
  return found;
}

const watchedBy = ({ device, point, inputs = [] }: ResolvedRule): string[] => [`${device}.${point}`, ...inputs];

/** Takes away what leads nowhere: what is left lies on a loop, or leads to one. */
function peel(next: Map<string, Set<string>>): void {
  const before = new Map<string, string[]>();
  for (const [from, all] of next)
    for (const to of all) {
      const known = before.get(to) ?? [];
      before.set(to, known);
      known.push(from);
    }
  const ends = [...new Set([...before.keys(), ...next.keys()])].filter((node) => (next.get(node)?.size ?? 0) === 0);
  for (let node = ends.pop(); node !== undefined; node = ends.pop()) {
    next.delete(node);
    for (const from of before.get(node) ?? []) {
      const all = next.get(from);
      if (all?.delete(node) === true && all.size === 0) ends.push(from);
    }
  }
}

function cycleIn(next: ReadonlyMap<string, ReadonlySet<string>>): string[] | undefined {
  let [node] = next.keys();
  const path: string[] = [];
  const at = new Map<string, number>();
  while (node !== undefined) {
    const seen = at.get(node);
    if (seen !== undefined) return path.slice(seen);
    at.set(node, path.length);
    path.push(node);
    const [to]: string[] = [...(next.get(node) ?? [])].slice(0, 1);
    node = to;
  }
  return undefined;
}

/** @param cycle begins with a rule; what stands behind a thing follows from it */
function loopFault(cycle: readonly string[]): Conflict {
  const names = cycle.map((node) => node.slice(node.indexOf(' ') + 1));
  const isRule = (i: number): boolean => cycle[i % cycle.length]?.startsWith('rule ') === true;
  const nameOf = (i: number): string => names[i % names.length] ?? '';
  const steps = names.map((name, i) => {
    if (isRule(i))
      return i === 0 ? `it writes ${nameOf(1)}` : `the rule ${name} watches ${nameOf(i - 1)} and writes ${nameOf(i + 1)}`;
    return isRule(i + 1) ? undefined : `${nameOf(i + 1)} follows from ${name}`;
  });
  const words = steps.filter((step) => step !== undefined);
  const shortened = words.length > 8 ? [...words.slice(0, 7), '…'] : words;
  const rule = nameOf(0);
  return {
    path: ['rules', rule],
    severity: 'fault',
    message: `the rule ${rule} can set itself off: ${shortened.join('; ')}; and it watches ${nameOf(cycle.length - 1)} itself; take one of these actions away`,
  };
}

function contradictions({ rules, safe }: ConflictSite, writers: ReadonlyMap<string, readonly Writer[]>): Conflict[] {
  const found: Conflict[] = [];
  const interlocked = new Map<string, string[]>();
  for (const { name, interlock = [] } of rules.values())
    for (const point of interlock) interlocked.set(point, [...(interlocked.get(point) ?? []), name]);
  const locks = (rule: string, point: string): boolean => rules.get(rule)?.interlock?.includes(point) === true;
  for (const [point, all] of writers) {
    const outputs = all.filter((writer) => writer.action.kind === 'output');
    const writes = all.filter((writer) => writer.action.kind === 'write');
    found.push(...outputFaults(point, outputs, writes), ...atOnce(point, writes));
    const pairs = differing(writes).filter(({ one, other }) => !locks(one.rule, point) && !locks(other.rule, point));
    const [pair] = pairs;
    if (pair !== undefined) {
      const more = pairs.length === 1 ? '' : ` (and ${pairs.length - 1} more pairs of rules)`;
      found.push({
        path: ['rules', pair.other.rule],
        severity: 'warning',
        message: `${point} is written by the rule ${pair.one.rule} (${shown(pair.one)}) and by this rule (${shown(pair.other)})${more}: the last one to act wins; write interlock: [${point}] in the rule that must win`,
      });
    }
    const other = interlocked.get(point)?.find((name) => outputs.some((output) => output.rule !== name));
    if (other !== undefined && outputs[0] !== undefined)
      found.push({
        path: ['rules', outputs[0].rule],
        severity: 'warning',
        message: `the output ${point} is refused while the interlock of the rule ${other} holds`,
      });
    const safeValue = safe.get(point);
    const [against] = writes.filter(({ action }) => action.kind === 'write' && action.value !== safeValue);
    if (safeValue !== undefined && against !== undefined)
      found.push({
        path: ['rules', against.rule],
        severity: 'warning',
        message: `${point} has the safe value ${String(safeValue)} for an outage (write.safe.offline), and this rule writes ${shown(against)}: the last one to act wins`,
      });
  }
  return found;
}

function outputFaults(point: string, outputs: readonly Writer[], writes: readonly Writer[]): Conflict[] {
  const [first] = outputs;
  if (first === undefined || first.action.kind !== 'output') return [];
  const { set, clear } = first.action;
  const differs = outputs.find(({ action }) => action.kind === 'output' && (action.set !== set || action.clear !== clear));
  const found: Conflict[] = [];
  if (differs !== undefined)
    found.push({
      path: ['rules', differs.rule],
      severity: 'fault',
      message: `the output ${point} has other values in the rule ${first.rule} (${String(set)} and ${String(clear)}); write the same ones`,
    });
  const [write] = writes;
  if (write !== undefined)
    found.push({
      path: ['rules', write.rule],
      severity: 'fault',
      message: `${point} follows the alarm of the rule ${first.rule} as an output, so no action writes it; take one of them away`,
    });
  return found;
}

/** One rule that writes two values at the same moment. */
function atOnce(point: string, writes: readonly Writer[]): Conflict[] {
  const found: Conflict[] = [];
  const seen = new Map<string, Writer>();
  for (const writer of writes)
    for (const on of writer.action.on) {
      const key = `${writer.rule} ${on}`;
      const before = seen.get(key);
      // A fallback is another try of its action, and has its value.
      if (before === undefined) seen.set(key, writer);
      else if (shown(before) !== shown(writer) && !isFallback(before, writer))
        found.push({
          path: ['rules', writer.rule],
          severity: 'fault',
          message: `the rule writes both ${shown(before)} and ${shown(writer)} to ${point} on ${on}; take one of them away`,
        });
    }
  return found;
}

const isFallback = (before: Writer, later: Writer): boolean =>
  withFallbacks(before.action)
    .slice(1)
    .some(
      (one) =>
        one.kind === 'write' &&
        later.action.kind === 'write' &&
        one.point === later.action.point &&
        one.value === later.action.value,
    );

const shown = ({ action }: Writer): string => String(action.kind === 'write' ? action.value : action.set);

/** Pairs of rules that write different values. The first writer of each value stands for the others: the pairs are few. */
function differing(writes: readonly Writer[]): { readonly one: Writer; readonly other: Writer }[] {
  const [one] = writes;
  if (one === undefined) return [];
  const pairs = new Map<string, { readonly one: Writer; readonly other: Writer }>();
  const byRule = new Map<string, Writer[]>();
  for (const writer of writes) byRule.set(writer.rule, [...(byRule.get(writer.rule) ?? []), writer]);
  const rules = [...byRule.values()].slice(0, 2 * MOST);
  for (const [i, mine] of rules.entries())
    for (const theirs of rules.slice(i + 1)) {
      const a = mine[0];
      const b = theirs.find((writer) => a !== undefined && shown(writer) !== shown(a)) ?? theirs[0];
      const c = mine.find((writer) => b !== undefined && shown(writer) !== shown(b));
      if (b !== undefined && c !== undefined) pairs.set(`${c.rule} ${b.rule}`, { one: c, other: b });
    }
  return [...pairs.values()];
}
