import * as z from 'zod';
import type { Combination } from '../combination/combination.ts';
import { MOST_LEAVES } from '../combination/tree.ts';

export const atLeast: Combination = {
  key: 'atLeast',
  doc: 'In alarm while at least `count` of the conditions under `of` are, for example two of three.',
  nested: 'So many of these.',
  schema: ({ list }) =>
    z.strictObject({
      count: z.int().min(1).max(MOST_LEAVES).describe('How many of the conditions must be in alarm.'),
      of: list().describe('The conditions.'),
    }),
  tree: (setting, at, parts) => {
    const { count, of } = setting as { count: number; of: readonly unknown[] };
    const tree = { count, of: parts.list(of, [...at, 'of']) };
    if (count > of.length) parts.fault([...at, 'count'], `there are only ${of.length} conditions; write at most ${of.length}`);
    return tree;
  },
};
