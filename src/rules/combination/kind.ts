/**
 * Conditions of several points in one rule. A part that is not known (a bad reading) matters only where it decides: one part in
 * alarm is enough for `any`. A value inside the deadband of a part neither begins the alarm nor ends it, as everywhere.
 */
import * as z from 'zod';
import { unlikeFault } from '../../config/alike.ts';
import type { RuleAround } from '../../config/kinds.ts';
import { POINT, POINT_WORDS } from '../../config/sections.ts';
import type { RuleKind } from '../rule-kind.ts';
import type { Combination, PartReader, Path } from './combination.ts';
import { CombinationMemory, inputsOf } from './memory.ts';
import { leavesOf, MOST_LEAVES, MOST_LEVELS, type Tree } from './tree.ts';

type Written = Readonly<Record<string, unknown>>;

/** @param all the combinations, each of which may stand in another one @param leaves the kinds that may stand in a combination */
export function combinations(all: readonly Combination[], leaves: readonly RuleKind[]): readonly RuleKind[] {
  const kinds = new Map(leaves.map((kind) => [kind.key, kind]));
  const schemas = schemasOf(all, leaves);
  return all.map((combination) => ({
    key: combination.key,
    schema: schemas.get(combination.key) as z.ZodType,
    doc: combination.doc,
    needs: 'any',
    own: false,
    resolve: (setting, around) => new Resolver(all, kinds, around).tree(combination, setting),
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

/** By key. The schemas contain each other. */
function schemasOf(all: readonly Combination[], leaves: readonly RuleKind[]): ReadonlyMap<string, z.ZodType> {
  const shape: Record<string, z.ZodType> = {
    point: z.string().regex(POINT, POINT_WORDS).optional().describe('The point of this condition, as device.point.'),
    deadband: z.number().min(0).optional().describe('How far the value must come back before this condition is normal.'),
    ...Object.fromEntries(leaves.map((kind) => [kind.key, kind.schema.optional().describe(kind.doc)])),
  };
  const of = ({ schema }: Combination): z.ZodType =>
    schema({ condition, list: () => z.array(condition).min(1).max(MOST_LEAVES) });
  for (const combination of all) {
    const get = () => of(combination).optional().describe(combination.nested);
    Object.defineProperty(shape, combination.key, { enumerable: true, configurable: true, get });
  }
  const condition: z.ZodType = z.strictObject(shape).meta({ id: 'condition' });
  return new Map(all.map((combination) => [combination.key, of(combination)]));
}

/** Turns what was written into a tree, with all faults. */
class Resolver {
  readonly #combinations: readonly Combination[];
  readonly #kinds: ReadonlyMap<string, RuleKind>;
  readonly #around: RuleAround;
  #leaves = 0;
  #faults = 0;

  constructor(all: readonly Combination[], kinds: ReadonlyMap<string, RuleKind>, around: RuleAround) {
    this.#combinations = all;
    this.#kinds = kinds;
    this.#around = around;
  }

  tree(combination: Combination, setting: unknown): Tree | undefined {
    const tree = this.#combination(combination, setting, [], 1);
    if (this.#leaves > MOST_LEAVES) this.#fault([], `a rule has at most ${MOST_LEAVES} conditions; write several rules`);
    return this.#faults === 0 ? tree : undefined;
  }

  /** @param level of the combination */
  #combination(combination: Combination, setting: unknown, at: Path, level: number): Tree | undefined {
    if (level > MOST_LEVELS) {
      this.#fault(at, `combinations are nested more than ${MOST_LEVELS} levels deep; write several rules`);
      return undefined;
    }
    const parts: PartReader = {
      condition: (written, place) => this.#condition(written as Written, place, level),
      list: (written, place) =>
        (written as readonly Written[]).flatMap((part, i) => this.#condition(part, [...place, i], level) ?? []),
      fault: (place, message) => this.#fault(place, message),
    };
    return combination.tree(setting, at, parts);
  }

  #condition(written: Written, at: Path, level: number): Tree | undefined {
    const keys = Object.keys(written).filter(
      (key) => written[key] !== undefined && (this.#kinds.has(key) || this.#combinations.some((one) => one.key === key)),
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
    const combination = this.#combinations.find((one) => one.key === key);
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
    const unit = this.#point(written.point, kind.needs, [...at, 'point'], key);
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
    for (const input of kind.inputs?.(setting) ?? []) {
      const place = [...at, key, ...input.at];
      const other = { point: input.point, unit: this.#point(input.point, input.needs, place, key) };
      const unlike = unlikeFault({ point: written.point, unit }, other);
      if (unlike !== undefined) this.#fault(place, unlike);
    }
    return { point: written.point, kind: key, setting, deadband };
  }

  /** @returns its unit, where that is known */
  #point(point: string, needs: 'number' | 'any', at: Path, key: string): string | undefined {
    const found = this.#around.points.find(point);
    if ('fault' in found) this.#fault(at, found.fault);
    else if (needs === 'number' && (found.storage === 'boolean' || found.storage === 'string'))
      this.#fault(at, `${key} compares numbers, and ${point} is ${found.storage === 'boolean' ? 'true or false' : 'a text'}`);
    return 'unit' in found ? found.unit : undefined;
  }

  #fault(at: Path, message: string): void {
    this.#faults++;
    this.#around.fault(at, message);
  }
}
