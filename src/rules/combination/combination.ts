/** What a combination is: one file of kinds/ each. kind.ts makes rule kinds of them, and reads one inside another. */
import type * as z from 'zod';
import type { Tree } from './tree.ts';

export type Path = readonly (string | number)[];

/** Schemas of the conditions in a combination. */
export interface PartSchemas {
  readonly condition: z.ZodType;
  /** One to MOST_LEAVES of them. */
  list(): z.ZodType;
}

/** Reads the conditions in a combination, and reports their faults. */
export interface PartReader {
  /** @returns undefined where it has a fault */
  condition(written: unknown, at: Path): Tree | undefined;
  /** @returns without those that have a fault */
  list(written: unknown, at: Path): readonly Tree[];
  fault(at: Path, message: string): void;
}

export interface Combination {
  readonly key: string;
  /** A sentence for people, and one for a combination inside another. */
  readonly doc: string;
  readonly nested: string;
  schema(parts: PartSchemas): z.ZodType;
  /** @param setting the output of `schema` @param at where it stands in the rule */
  tree(setting: unknown, at: Path, parts: PartReader): Tree | undefined;
}
