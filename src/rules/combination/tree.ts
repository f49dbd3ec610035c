/** What a combination says of its parts: a tree of counts. `all`, `any` and `atLeast` differ in how many parts must be in alarm. */
import type { MemoryVerdict } from '../rule-kind.ts';

/** A condition of one point. Plain data. */
export interface Leaf {
  readonly point: string;
  readonly kind: string;
  readonly setting: unknown;
  readonly deadband: number;
}
export type Tree = Leaf | { readonly count: number; readonly of: readonly Tree[] } | { readonly not: Tree };

/** Combinations inside each other. */
export const MOST_LEVELS = 4;
/** Conditions in one combination. */
export const MOST_LEAVES = 32;

/** Left to right. */
export function leavesOf(tree: Tree): Leaf[] {
  if ('of' in tree) return tree.of.flatMap(leavesOf);
  return 'not' in tree ? leavesOf(tree.not) : [tree];
}

/**
 * How sure a verdict is: normal 0, inside the deadband 1, alarm 2. What is not known lies between 0 and 2, and a combination is
 * known where both ends of it are the same: one part in alarm decides `any`, whatever a dead sensor would say.
 */
interface Span {
  readonly low: number;
  readonly high: number;
}
const VERDICTS = ['normal', 'between', 'alarm'] as const;
const UNKNOWN: Span = { low: 0, high: 2 };
const KNOWN: Readonly<Record<(typeof VERDICTS)[number], Span>> = {
  normal: { low: 0, high: 0 },
  between: { low: 1, high: 1 },
  alarm: { low: 2, high: 2 },
};

/** @param verdicts of the leaves, left to right */
export function judge(tree: Tree, verdicts: readonly MemoryVerdict[]): MemoryVerdict {
  const { low, high } = spanOf(tree, verdicts[Symbol.iterator]());
  return low === high ? (VERDICTS[low] ?? 'unknown') : 'unknown';
}

function spanOf(tree: Tree, leaves: Iterator<MemoryVerdict>): Span {
  if ('not' in tree) {
    const { low, high } = spanOf(tree.not, leaves);
    return { low: 2 - high, high: 2 - low };
  }
  if ('of' in tree) {
    const parts = tree.of.map((part) => spanOf(part, leaves));
    const nth = (ends: number[]) => ends.sort((a, b) => b - a)[tree.count - 1] ?? 0;
    return { low: nth(parts.map(({ low }) => low)), high: nth(parts.map(({ high }) => high)) };
  }
  const verdict = leaves.next().value as MemoryVerdict | undefined;
  return verdict === undefined || verdict === 'unknown' ? UNKNOWN : KNOWN[verdict];
}

/** Numbers of the leaves that make the tree what it is (in alarm or normal); none where nothing is certain. */
export function reasons(tree: Tree, verdicts: readonly MemoryVerdict[], wanted: 'alarm' | 'normal'): number[] {
  return walk(tree, wanted, { next: 0 });

  function walk(part: Tree, want: 'alarm' | 'normal', at: { next: number }): number[] {
    if ('not' in part) return walk(part.not, want === 'alarm' ? 'normal' : 'alarm', at);
    if ('of' in part) return part.of.flatMap((inner) => walk(inner, want, at));
    const leaf = at.next++;
    return verdicts[leaf] === want ? [leaf] : [];
  }
}
