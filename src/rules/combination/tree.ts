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
 * A verdict as a level: normal 0, inside the deadband 1, alarm 2. What is not known lies between 0 and 2, and a combination is
 * known where both ends of it are the same: one part in alarm decides `any`, whatever a dead sensor would say.
 */
const VERDICTS = ['normal', 'between', 'alarm'] as const;
/** Both ends in one number: three times the lower one, plus the upper one. */
const SPANS: Readonly<Record<MemoryVerdict, number>> = { normal: 0, between: 4, alarm: 8, unknown: 2 };

/** @param verdicts of the leaves, left to right */
export function judge(tree: Tree, verdicts: readonly MemoryVerdict[]): MemoryVerdict {
  const span = spanOf(tree, verdicts, { next: 0 });
  return VERDICTS.find((verdict) => SPANS[verdict] === span) ?? 'unknown';
}

function spanOf(tree: Tree, verdicts: readonly MemoryVerdict[], at: { next: number }): number {
  if ('not' in tree) {
    const span = spanOf(tree.not, verdicts, at);
    return (2 - (span % 3)) * 3 + 2 - Math.floor(span / 3);
  }
  if (!('of' in tree)) return SPANS[verdicts[at.next++] ?? 'unknown'];
  // How many parts are at least at a level.
  let [lowBetween, lowAlarm, highBetween, highAlarm] = [0, 0, 0, 0];
  for (const part of tree.of) {
    const span = spanOf(part, verdicts, at);
    const high = span % 3;
    if (span >= 3) lowBetween++;
    if (span >= 6) lowAlarm++;
    if (high >= 1) highBetween++;
    if (high === 2) highAlarm++;
  }
  return 3 * level(lowBetween, lowAlarm, tree.count) + level(highBetween, highAlarm, tree.count);
}

function level(between: number, alarm: number, count: number): number {
  return alarm >= count ? 2 : between >= count ? 1 : 0;
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
