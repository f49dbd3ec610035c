/** The conditions of a combination, each with a watch of its own. Bounded by MOST_LEAVES and by what each kind remembers. */

import type { Value } from '../../core/point.ts';
import { different, duration, phrase, type Sentence } from '../../core/sentence.ts';
import type { ConditionMemory, MemoryStart, MemoryVerdict, RuleKind } from '../rule-kind.ts';
import { Known, sentenceOf } from '../several-words.ts';
import { MemoryWatch, ValueWatch, type Watch } from '../watch.ts';
import { amount } from '../words.ts';
import { SilenceWatch } from './silence-watch.ts';
import { judge, type Leaf, leavesOf, reasons, type Tree } from './tree.ts';

/** A leaf that runs. */
interface Part {
  readonly leaf: Leaf;
  readonly watch: Watch;
  readonly known: Known;
  /** Its place among the leaves. */
  readonly place: number;
  /** The last values alone decide, so a bad one leaves nothing known. */
  readonly memoryless: boolean;
}

/** @param kinds of leaves, by key */
export function inputsOf(tree: Tree, kinds: ReadonlyMap<string, RuleKind>): string[] {
  return [...new Set(leavesOf(tree).flatMap((leaf) => pointsOf(leaf, kinds)))];
}

function pointsOf(leaf: Leaf, kinds: ReadonlyMap<string, RuleKind>): string[] {
  return [leaf.point, ...(kinds.get(leaf.kind)?.inputs?.(leaf.setting) ?? []).map(({ point }) => point)];
}

export class CombinationMemory implements ConditionMemory {
  readonly words = '';
  readonly #tree: Tree;
  readonly #parts: readonly Part[];
  /** Verdicts of the parts, and of all together; undefined: a part changed since. */
  readonly #verdicts: MemoryVerdict[];
  #verdict: MemoryVerdict | undefined;
  /** For each input: the parts that look at it, and which of their inputs it is. */
  readonly #routes: readonly (readonly (readonly [part: Part, input: number])[])[];

  constructor(tree: Tree, kinds: ReadonlyMap<string, RuleKind>, from: MemoryStart) {
    this.#tree = tree;
    const leaves = leavesOf(tree);
    const saved = savedOf(from.saved, leaves.length);
    const points = leaves.map((leaf) => pointsOf(leaf, kinds));
    this.#parts = leaves.map((leaf, i) => partOf(leaf, kinds, (points[i]?.length ?? 1) - 1, i, { ...from, saved: saved[i] }));
    this.#verdicts = this.#parts.map(({ watch }) => (watch instanceof SilenceWatch ? watch.verdict : 'unknown'));
    this.#routes = inputsOf(tree, kinds).map((point) =>
      this.#parts.flatMap((part, i) =>
        (points[i] ?? []).flatMap((of, input): (readonly [Part, number])[] => (of === point ? [[part, input]] : [])),
      ),
    );
  }

  get verdict(): MemoryVerdict {
    this.#verdict ??= judge(this.#tree, this.#verdicts);
    return this.#verdict;
  }

  #take(part: Part, verdict: MemoryVerdict | undefined): void {
    const now = verdict ?? (part.memoryless ? 'unknown' : undefined);
    if (now === undefined || now === this.#verdicts[part.place]) return;
    this.#verdicts[part.place] = now;
    this.#verdict = undefined;
  }

  /** As often as the slowest part that is saved at all. */
  get resave(): number {
    return Math.max(0, ...this.#parts.map(({ watch }) => watch.resave).filter(Number.isFinite));
  }

  get due(): number {
    let due = Number.POSITIVE_INFINITY;
    for (const { watch } of this.#parts) due = Math.min(due, watch.due);
    return due;
  }

  value(at: number, value: Value, input: number): void {
    for (const [part, own] of this.#routes[input] ?? []) {
      if (own === 0) part.known.take(value);
      this.#take(part, part.watch.value(at, value, own));
    }
  }

  bad(at: number, input: number): void {
    for (const [part, own] of this.#routes[input] ?? []) {
      if (own === 0) part.known.take(undefined);
      this.#take(part, part.watch.bad(at, own));
    }
  }

  advance(at: number): void {
    for (const part of this.#parts)
      if (part.watch.due <= at) this.#take(part, part.watch.advance(at) ?? this.#verdicts[part.place]);
  }

  acknowledged(at: number): void {
    for (const part of this.#parts) this.#take(part, part.watch.acknowledged(at) ?? this.#verdicts[part.place]);
  }

  clockChanged(at: number, off: number | undefined): void {
    for (const part of this.#parts) this.#take(part, part.watch.clockChanged(at, off) ?? this.#verdicts[part.place]);
  }

  know(input: number, unit: string | undefined): void {
    for (const [part, own] of this.#routes[input] ?? []) {
      if (own === 0) part.known.unit = unit;
      part.watch.know(own, unit);
    }
  }

  save(at: number): unknown {
    const leaves = this.#parts.map(({ watch }) => watch.save(at) ?? null);
    return leaves.every((leaf) => leaf === null) ? undefined : { leaves };
  }

  get sentence(): Sentence {
    const now = this.verdict;
    const why = now === 'alarm' || now === 'normal' ? reasons(this.#tree, this.#verdicts, now) : [];
    const named = why.length > 0 ? why.flatMap((i) => this.#parts[i] ?? []) : this.#parts;
    return sentenceOf(different(named.map((part) => partWords(part, this.#verdicts[part.place]))));
  }
}

function partOf(leaf: Leaf, kinds: ReadonlyMap<string, RuleKind>, inputs: number, place: number, from: MemoryStart): Part {
  const condition = kinds.get(leaf.kind)?.create(leaf.setting, leaf.deadband);
  if (condition === undefined) throw new Error(`a combination has a condition of the unknown kind ${leaf.kind}`);
  const watch =
    condition.type === 'value'
      ? new ValueWatch(condition, inputs)
      : condition.type === 'memory'
        ? new MemoryWatch(condition, inputs, from)
        : new SilenceWatch(condition.after, from.at);
  return { leaf, watch, known: new Known(leaf.point), place, memoryless: condition.type === 'value' };
}

/** What an earlier run saved of each leaf; nothing where it does not fit to this tree. */
function savedOf(saved: unknown, count: number): readonly unknown[] {
  if (typeof saved !== 'object' || saved === null || !('leaves' in saved)) return [];
  const { leaves } = saved;
  return Array.isArray(leaves) && leaves.length === count ? leaves.map((leaf: unknown) => leaf ?? undefined) : [];
}

/** `tank.level is 0.3 m (below 0.5)` */
function partWords({ leaf, watch, known }: Part, verdict: MemoryVerdict | undefined): Sentence {
  const { point } = leaf;
  if (watch instanceof SilenceWatch && verdict === 'alarm') return phrase('silent', { point, time: duration(watch.after) });
  const { measured, words } = watch;
  const is =
    measured === undefined
      ? known.words
      : phrase('measured', { point, what: measured.words, value: amount({ value: measured.value, unit: known.unit }) });
  return verdict === 'alarm' && words !== '' ? phrase('brackets', { a: is, b: words }) : is;
}
