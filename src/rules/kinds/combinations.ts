/**
 * Conditions of several points in one rule. A part that is not known (a bad reading) matters only where it decides: one part in
 * alarm is enough for `any`. A value inside the deadband of a part neither begins the alarm nor ends it, as everywhere.
 */
import * as z from 'zod';
import type { RuleAround } from '../../config/kinds.ts';
import { POINT, POINT_WORDS } from '../../config/sections.ts';
import { CombinationMemory, inputsOf } from '../combination/memory.ts';
import { leavesOf, MOST_LEAVES, MOST_LEVELS, type Tree } from '../combination/tree.ts';
import type { RuleKind } from '../rule-kind.ts';

type Path = readonly (string | number)[];
type Written = Readonly<Record<string, unknown>>;

const DOCS = {
  all: 'In alarm while all of these conditions are. Each is written like a rule: `{point: tank.level, below: 0.5}`.',
  any: 'In alarm while at least one of these conditions is.',
  not: 'In alarm while this condition is normal.',
  atLeast: 'In alarm while at least `count` of the conditions under `of` are, for example two of three.',
} as const;
type Key = keyof typeof DOCS;
const KEYS = Object.keys(DOCS) as readonly Key[];

/** @param leaves the kinds that may stand in a combination */
export function combinations(leaves: readonly RuleKind[]): readonly RuleKind[] {
  const kinds = new Map(leaves.map((kind) => [kind.key, kind]));
  const schemas = schemasOf(leaves);
  return KEYS.map((key) => ({
    key,
    schema: schemas[key],
    doc: DOCS[key],
    needs: 'any',
    own: false,
    resolve: (setting, around) => new Resolver(kinds, around).tree(key, setting),
    limits: (setting) =>
      leavesOf(setting as Tree).flatMap(({ point, kind, setting: of }) =>
        (kinds.get(kind)?.limits?.(of) ?? []).map((limit) => ({ ...limit, point })),
      ),
    inputs: (setting) => inputsOf(setting as Tree, kinds).map((point) => ({ point, at: [], needs: 'any' })),
    create: (setting) => ({
      type: 'memory',
      ...(leavesOf(setting as Tree).every((leaf) => keepsNothing(kinds.get(leaf.kind), leaf.setting)) && {
        keeps: false as const,
      }),
      start: (from) => new CombinationMemory(setting as Tree, kinds, from),
    }),
  }));
}

function keepsNothing(kind: RuleKind | undefined, setting: unknown): boolean {
  const condition = kind?.create(setting, 0);
  return condition?.type !== 'memory' || condition.keeps === false;
}

function schemasOf(leaves: readonly RuleKind[]): Readonly<Record<Key, z.ZodType>> {
  const condition: z.ZodType = z
    .strictObject({
      point: z.string().regex(POINT, POINT_WORDS).optional().describe('The point of this condition, as device.point.'),
      deadband: z.number().min(0).optional().describe('How far the value must come back before this condition is normal.'),
      ...Object.fromEntries(leaves.map((kind) => [kind.key, kind.schema.optional().describe(kind.doc)])),
      get all() {
        return list().optional().describe('All of these.');
      },
      get any() {
        return list().optional().describe('At least one of these.');
      },
      get not() {
        return condition.optional().describe('Not this.');
      },
      get atLeast() {
        return some().optional().describe('So many of these.');
      },
    })
    .meta({ id: 'condition' });
  const list = () => z.array(condition).min(1).max(MOST_LEAVES);
  const some = () =>
    z.strictObject({
      count: z.int().min(1).max(MOST_LEAVES).describe('How many of the conditions must be in alarm.'),
      of: list().describe('The conditions.'),
    });
  return { all: list(), any: list(), not: condition, atLeast: some() };
}

/** Turns what was written into a tree, with all faults. */
class Resolver {
  readonly #kinds: ReadonlyMap<string, RuleKind>;
  readonly #around: RuleAround;
  #leaves = 0;
  #faults = 0;

  constructor(kinds: ReadonlyMap<string, RuleKind>, around: RuleAround) {
    this.#kinds = kinds;
    this.#around = around;
  }

  tree(key: Key, setting: unknown): Tree | undefined {
    const tree = this.#combination(key, setting, [], 1);
    if (this.#leaves > MOST_LEAVES) this.#fault([], `a rule has at most ${MOST_LEAVES} conditions; write several rules`);
    return this.#faults === 0 ? tree : undefined;
  }

  /** @param level of the combination */
  #combination(key: Key, setting: unknown, at: Path, level: number): Tree | undefined {
    if (level > MOST_LEVELS) {
      this.#fault(at, `combinations are nested more than ${MOST_LEVELS} levels deep; write several rules`);
      return undefined;
    }
    if (key === 'not') {
      const part = this.#condition(setting as Written, at, level);
      return part && { not: part };
    }
    const inner = key === 'atLeast' ? [...at, 'of'] : at;
    const written = (key === 'atLeast' ? (setting as { of: unknown }).of : setting) as readonly Written[];
    const of = written.flatMap((part, i) => this.#condition(part, [...inner, i], level) ?? []);
    const count = key === 'all' ? of.length : key === 'any' ? 1 : (setting as { count: number }).count;
    if (key === 'atLeast' && count > written.length)
      this.#fault([...at, 'count'], `there are only ${written.length} conditions; write at most ${written.length}`);
    return { count, of };
  }

  #condition(written: Written, at: Path, level: number): Tree | undefined {
    const keys = Object.keys(written).filter(
      (key) => written[key] !== undefined && (this.#kinds.has(key) || KEYS.some((k) => k === key)),
    );
    const [key, second] = keys;
    if (key === undefined) {
      this.#fault(at, `this condition says nothing; write for example {point: tank.level, below: 0.5}`);
      return undefined;
    }
    if (second !== undefined) {
      this.#fault(
        [...at, second],
        `a condition compares once, and this one already has ${key}; write another one with ${second}`,
      );
      return undefined;
    }
    const combination = KEYS.find((k) => k === key);
    if (combination === undefined) return this.#leaf(written, key, at);
    for (const extra of ['point', 'deadband'])
      if (written[extra] !== undefined) this.#fault([...at, extra], `${key} has conditions of its own; remove this key`);
    return this.#combination(combination, written[key], [...at, key], level + 1);
  }

  #leaf(written: Written, key: string, at: Path): Tree | undefined {
    this.#leaves++;
    const kind = this.#kinds.get(key);
    if (typeof written.point !== 'string' || kind === undefined) {
      this.#fault(at, `the point is missing; write {point: device.point, ${key}: …}`);
      return undefined;
    }
    if (written.deadband !== undefined && kind.needs !== 'number')
      this.#fault([...at, 'deadband'], `deadband has no meaning with ${key}; remove it`);
    this.#point(written.point, kind.needs, [...at, 'point'], key);
    const deadband = (written.deadband as number | undefined) ?? 0;
    const around: RuleAround = {
      points: this.#around.points,
      fault: (inside, message, offset) => {
        this.#faults++;
        this.#around.fault([...at, key, ...inside], message, offset);
      },
    };
    const setting = kind.resolve === undefined ? written[key] : kind.resolve(written[key], around);
    if (setting === undefined) return undefined;
    const wrong = kind.check?.(setting, deadband);
    if (wrong !== undefined) this.#fault([...at, key], wrong);
    for (const input of kind.inputs?.(setting) ?? []) this.#point(input.point, input.needs, [...at, key, ...input.at], key);
    return { point: written.point, kind: key, setting, deadband };
  }

  #point(point: string, needs: 'number' | 'any', at: Path, key: string): void {
    const found = this.#around.points.find(point);
    if ('fault' in found) this.#fault(at, found.fault);
    else if (needs === 'number' && (found.storage === 'boolean' || found.storage === 'string'))
      this.#fault(at, `${key} compares numbers, and ${point} is ${found.storage === 'boolean' ? 'true or false' : 'a text'}`);
  }

  #fault(at: Path, message: string): void {
    this.#faults++;
    this.#around.fault(at, message);
  }
}
