import type { Combination } from '../combination/combination.ts';

export const any: Combination = {
  key: 'any',
  doc: 'In alarm while at least one of these conditions is.',
  nested: 'At least one of these.',
  schema: ({ list }) => list(),
  tree: (setting, at, parts) => ({ count: 1, of: parts.list(setting, at) }),
};
