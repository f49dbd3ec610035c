import type { Combination } from '../combination/combination.ts';

export const all: Combination = {
  key: 'all',
  doc: 'In alarm while all of these conditions are. Each is written like a rule: `{point: tank.level, below: 0.5}`.',
  nested: 'All of these.',
  schema: ({ list }) => list(),
  tree: (setting, at, parts) => {
    const of = parts.list(setting, at);
    return { count: of.length, of };
  },
};
