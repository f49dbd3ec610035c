import type { Combination } from '../combination/combination.ts';

export const not: Combination = {
  key: 'not',
  doc: 'In alarm while this condition is normal.',
  nested: 'Not this.',
  schema: ({ condition }) => condition,
  tree: (setting, at, parts) => {
    const part = parts.condition(setting, at);
    return part && { not: part };
  },
};
